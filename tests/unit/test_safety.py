"""Danger, and what calms it: tables, odd cases first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.safety import Danger, assess

DENIED = (
    "not suicidal",
    "I don't want to die",
    "im not going to kill myself",
    "no suicidal thoughts",
    "suicidal? no",
    "no quiero morir",
    "no tengo pensamientos suicidas",
    "nunca he pensado en suicidarme",
    "without any chest pain",
)
NOT_REALLY_DENIED = (
    "no, quiero morir",
    "No. Suicidal",
    "no im suicidal",
    "trying not to kill myself",
    "can't promise I won't hurt myself",
    "never wanted to die more than now",
    "I've never been so suicidal",
    "not going to kill myself yet",
    "why not kill myself",
    "not joking I want to die",
    "can't stop thinking about killing myself",
    "I don't want to kill myself but I want to die",
    "not a day goes by without wanting to die",
    "ya no aguanto, quiero morir",
)
PAST = (
    "I used to want to die",
    "I tried to kill myself years ago",
    "hace años intenté suicidarme",
    "I was suicidal last year",
)
BACK = (
    "I used to want to die and I still do",
    "I was suicidal years ago and it's back again",
    "last night I wanted to die",
)
ASKED = ("will I die from this?", "could this kill me?", "can ketamine cause seizures?", "¿esto me puede matar?")
ASKED_IN_DANGER = (
    "how many pills would kill me?",
    "will it kill me if I take 30 pills?",
    "is it normal that I can't breathe?",
)
DISGUISED = (
    "s u i c i d e",
    "su1c1de",
    "$uicide",
    "s*icide",
    "k!ll m3",
    "k.i.l.l myself",
    "kill-myself",
    "killmyself",
    "kil my self",
    "kіll mуself",
    "kill​ my​self",
    "ｋｉｌｌ ｍｙｓｅｌｆ",
    "wanttodie",
    "wanna dieeeee",
    "wanna dye",
    "sui cide",
    "SUCIDAL",
    "K I L L  M E",
    "me kiero matar",
    "quiero m0rir",
    "quiero moriiiir",
    "i want 2 die",
)
DANGER = (
    "I want to die",
    "kms",
    "he won't wake up",
    "took all my pills",
    "no puedo respirar",
    "me quiero matar",
    "I have a gun",
)
HARMLESS = (
    "C",
    "7",
    "RIDE my sister Jo",
    "home safe",
    "running late",
    "gracias",
    "this traffic is killing me",
    "me muero de hambre",
    "STOP",
    "see you Friday",
    "my phone died",
    "👍",
    "can I move it to Friday?",
    "mi hermana me lleva",
    "Liked it",
)


@pytest.mark.parametrize("text", DENIED + PAST + ASKED)
def test_denied_past_or_asked_in_the_abstract_is_calmed_not_cleared(text: str) -> None:
    assert assess(text).danger is not Danger.URGENT


@pytest.mark.parametrize("text", NOT_REALLY_DENIED + BACK + ASKED_IN_DANGER)
def test_what_only_looks_calm_wakes_somebody(text: str) -> None:
    assert assess(text).danger is Danger.URGENT


@pytest.mark.parametrize("text", DISGUISED)
def test_disguised_spelling_hides_nothing(text: str) -> None:
    assert assess(text).danger is Danger.URGENT


@pytest.mark.parametrize("danger", DANGER)
@pytest.mark.parametrize("harmless", HARMLESS)
def test_danger_stays_urgent_beside_anything_harmless(danger: str, harmless: str) -> None:
    assert assess(f"{harmless}. {danger}").danger is Danger.URGENT
    assert assess(f"{harmless}, {danger}").danger is Danger.URGENT
    assert assess(f"{danger}. {harmless}").danger is Danger.URGENT
    assert assess(f"{danger} {harmless}").danger is Danger.URGENT


def test_a_long_message_is_read_to_its_end() -> None:
    assert assess("the session went well and I slept fine. " * 500 + "I want to die").danger is Danger.URGENT
    assert assess("I want to die. " + "the session went well. " * 900).danger is Danger.URGENT


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20_000,
        "want " * 4_000,
        "k i l l " * 2_500,
        "die to want not " * 1_250,
        "*" * 20_000,
        "!1" * 10_000,
        "not " * 5_000,
        "k" * 20_000 + "ill",
        "ab1!" * 5_000,
        "\u200b" * 20_000,
        "/10" * 6_000,
        "liked “" + "x" * 20_000,
        "ride " * 4_000,
    ],
    ids=lambda text: text[:6],
)
def test_twenty_kilobytes_made_to_be_slow_are_read(text: str) -> None:
    assess(text)


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=200))
def test_no_text_at_all_makes_it_fail(text: str) -> None:
    assess(text)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(DANGER), st.integers(0, 3), st.sampled_from([str.upper, str.lower, str.title]))
def test_case_and_spacing_hide_nothing(danger: str, spaces: int, case: object) -> None:
    assert callable(case)
    assert (
        assess((" " * spaces + "\u200b").join(["", *case(danger).split(" "), ""]) if spaces else case(danger)).danger
        is Danger.URGENT
    )
