"""What a patient meant, held against tables of labelled replies (tests/replies) and the contract's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reminders.replies import Expecting, Intent, Level, Understood, as_line, understand

TABLES = Path(__file__).parents[1] / "replies"
Tally = list[tuple[str, str]]


def _lines(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (TABLES / name).read_text("utf-8").splitlines()]


def _ask(expecting: str) -> Expecting | None:
    return Expecting(expecting) if expecting else None


URGENT = [text for name in ("urgent.en.tsv", "urgent.es.tsv") for (text,) in _lines(name)]


@pytest.mark.parametrize("text", URGENT)
def test_nobody_in_danger_is_missed(text: str, tally: Tally) -> None:
    got = understand(text).level
    tally.append(("urgent", got))
    assert got is Level.URGENT


@pytest.mark.parametrize(("expecting", "intent", "score", "text"), _lines("clean.tsv"))
def test_a_clean_reply_is_fully_understood(expecting: str, intent: str, score: str, text: str, tally: Tally) -> None:
    got = understand(text, expecting=_ask(expecting))
    tally.append(("none", got.level))
    assert (got.level, got.intent, got.score) == (Level.NONE, intent, int(score) if score else None)


@pytest.mark.parametrize(("expecting", "text"), _lines("read.tsv"))
def test_everything_else_is_read_and_never_taken_as_understood(expecting: str, text: str, tally: Tally) -> None:
    got = understand(text, expecting=_ask(expecting)).level
    tally.append(("review", got))
    assert got is not Level.NONE


def test_idioms_denials_and_questions_wake_somebody_in_at_most_three_of_a_hundred() -> None:
    rows = _lines("read.tsv")
    woken = [text for expecting, text in rows if understand(text, expecting=_ask(expecting)).level is Level.URGENT]
    assert len(woken) <= 0.03 * len(rows), woken


@pytest.mark.parametrize(
    ("expecting", "text", "score", "level"),
    [
        ("mood", "7 but tired", 7, "review"),
        ("mood", "about 7", 7, "review"),
        ("mood", "7 out of 10, slept well", 7, "review"),
        ("mood", "7 want to die", 7, "urgent"),
        ("mood", "seven, better than last week", 7, "review"),
        ("mood", "hoy un 7", 7, "review"),
        ("mood", "11", None, "review"),
        ("mood", "3.5", None, "review"),
        ("mood", "3,5", None, "review"),
        ("mood", "7 or 8", None, "review"),
        ("mood", "7-8", None, "review"),
        ("mood", "between 3 and 4", None, "review"),
        ("mood", "-1", None, "review"),
        ("mood", "100", None, "review"),
        ("mood", "less than 5", None, "review"),
        ("mood", "slept 7 hours", None, "review"),
        ("mood", "at 3pm", None, "review"),
        ("mood", "7/9", None, "review"),
        ("phq2", "4", None, "review"),
        ("phq2", "2/10", None, "review"),
        ("phq2", "2 days", None, "review"),
        ("phq2", "3 and I want to die", 3, "urgent"),
    ],
)
def test_a_score_is_the_one_unmistakable_number_inside_the_asked_scale(
    expecting: str, text: str, score: int | None, level: str
) -> None:
    got = understand(text, expecting=Expecting(expecting))
    assert (got.intent, got.score, got.level) == (Intent.SCORE, score, level)


def test_a_number_nobody_asked_for_is_read() -> None:
    assert understand("7").level is Level.REVIEW
    assert understand("7", expecting=Expecting.RIDE).level is Level.REVIEW


@pytest.mark.parametrize(
    ("expecting", "text", "level", "intent"),
    [
        ("", "", "review", "unknown"),
        ("", " \u200b ", "review", "unknown"),
        ("", "YES", "none", "opt_in"),
        ("confirm", "YES", "none", "confirm"),
        ("home_safe", "YES", "none", "home_safe"),
        ("mood", "YES", "review", "unknown"),
        ("", "CANCEL", "none", "opt_out"),
        ("confirm", "CANCEL", "review", "opt_out"),
        ("", "cancel my appointment", "review", "reschedule"),
        ("", "cancela mi cita", "review", "reschedule"),
        ("", "STOP", "none", "opt_out"),
        ("", "STOP. I'm done with life", "urgent", "opt_out"),
        ("", "please stop texting me, I have a new doctor", "review", "opt_out"),
        ("", "stop please, wrong number", "review", "opt_out"),
        ("", "wrong number", "review", "wrong_number"),
        ("", "I can't stop crying", "review", "unknown"),
        ("", "don't stop the treatment", "review", "unknown"),
        ("", "don't stop texting me", "review", "unknown"),
        ("", "END", "none", "opt_out"),
        ("", "I want to end it all", "urgent", "unknown"),
        ("", "HELP", "none", "help"),
        ("", "HELP!!!", "review", "help"),
        ("", "AYUDA", "review", "help"),
        ("", "necesito ayuda no puedo mas", "urgent", "help"),
        ("", "can I move it to Friday?", "review", "reschedule"),
        ("", "my ride cancelled", "review", "no_ride"),
        ("", "RIDE myself", "review", "no_ride"),
        ("", "not home yet", "review", "unknown"),
        ("", "C?", "review", "confirm"),
        ("", "C u later", "review", "unknown"),
        ("", "less than 5", "review", "unknown"),
    ],
)
def test_near_neighbours_are_told_apart(expecting: str, text: str, level: str, intent: str) -> None:
    got = understand(text, expecting=_ask(expecting))
    assert (got.level, got.intent) == (level, intent)


@pytest.mark.parametrize(
    ("expecting", "text", "level", "who"),
    [
        ("", "Ride: my sister Jo", "none", "my sister Jo"),
        ("", "RIDE mom", "none", "mom"),
        ("", "ride - Luis, gracias", "none", "Luis"),
        ("", "My husband will drive me home.", "none", "My husband"),
        ("", "me recoge mi hijo", "none", "mi hijo"),
        ("ride", "my sister Jo", "none", "my sister Jo"),
        ("", "RIDE Uber", "review", "Uber"),
        ("", "RIDE", "review", ""),
        ("", "RIDE tbd", "review", ""),
        ("", "RIDE Jo?", "review", ""),
        ("", "RIDE mom but I want to die", "urgent", ""),
    ],
)
def test_a_ride_has_a_name(expecting: str, text: str, level: str, who: str) -> None:
    got = understand(text, expecting=_ask(expecting))
    assert (got.level, got.intent, got.who) == (level, Intent.RIDE, who)


@pytest.mark.parametrize(
    "text",
    [
        "Liked “Call or text 988 if you want to die”",
        "Laughed at “In danger call 911”",
        "Le encantó “Si quiere morir llame al 988”",
        "👍 to “ How is your mood, 0-10? ”",
        "Reacted 👍 to “C”",
        "Loved an image",
    ],
)
def test_a_tapback_is_read_by_a_person_and_its_quote_is_not_the_patients_words(text: str) -> None:
    got = understand(text)
    assert (got.level, got.intent) == (Level.REVIEW, Intent.UNKNOWN)


def test_words_after_a_tapback_are_the_patients() -> None:
    assert understand("Liked “How is your mood?” I want to die").level is Level.URGENT


def test_a_line_has_the_four_fields_of_the_contract() -> None:
    assert as_line(understand("a 7", expecting=Expecting.MOOD)) == {
        "text": "a 7",
        "level": "none",
        "intent": "score",
        "score": 7,
    }


def _sound(got: Understood, text: str) -> bool:
    return got.text == text and (got.intent is not Intent.UNKNOWN or got.level is not Level.NONE)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=120), st.sampled_from([None, *Expecting]))
def test_whatever_is_not_understood_is_never_none(text: str, expecting: Expecting | None) -> None:
    assert _sound(understand(text, expecting=expecting), text)


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            [
                "not",
                "want",
                "die",
                "7",
                "home",
                "C",
                "ride",
                "stop",
                "no",
                "me",
                "quiero",
                "morir",
                "kill",
                "time",
                ",",
                ".",
                "?",
                "👍",
            ]
        ),
        max_size=12,
    )
)
def test_any_mixture_of_telling_words_is_sound(words: list[str]) -> None:
    text = " ".join(words)
    assert _sound(understand(text), text)
