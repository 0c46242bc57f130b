"""Every line of the vocabulary, held against its own examples on both sides."""

from __future__ import annotations

import pytest

from reminders.lexicon import FOLDER, entries, vocabulary
from reminders.phrases import Entry
from reminders.replies import Expecting, Level, understand
from reminders.safety import Danger, assess

ALL = [
    (path.name.split(".")[0], entry)
    for path in sorted(FOLDER.glob("*.toml"))
    if path.name != "words.toml"
    for entry in entries(path)
]


def _of(name: str) -> list[Entry]:
    return [entry for kind, entry in ALL if kind == name]


def _texts(name: str, side: str) -> list[str]:
    return [text for _, text in _examples(name, side)]


def _examples(name: str, side: str) -> list[tuple[Entry, str]]:
    return [(entry, text) for entry in _of(name) for text in getattr(entry, side)]


def _id(value: object) -> str | None:
    return value.id if isinstance(value, Entry) else None


@pytest.mark.parametrize("text", _texts("danger", "fires"))
def test_a_phrase_of_danger_wakes_somebody(text: str) -> None:
    assert assess(text).danger is Danger.URGENT


@pytest.mark.parametrize("entry", _of("danger"), ids=_id)
def test_each_line_of_danger_is_what_finds_its_own_examples(entry: Entry) -> None:
    assert any(entry.id in assess(text).why for text in entry.fires)


@pytest.mark.parametrize("text", _texts("danger", "spares"))
def test_what_only_looks_like_danger_wakes_nobody(text: str) -> None:
    assert assess(text).danger is not Danger.URGENT


@pytest.mark.parametrize(("entry", "text"), _examples("idioms", "fires"), ids=_id)
def test_an_idiom_is_recognised_and_wakes_nobody(entry: Entry, text: str) -> None:
    finding = assess(text)
    assert entry.id in finding.why
    assert finding.danger is not Danger.URGENT


@pytest.mark.parametrize(("entry", "text"), _examples("idioms", "spares"), ids=_id)
def test_an_idiom_never_covers_danger_beside_it(entry: Entry, text: str) -> None:
    finding = assess(text)
    assert finding.danger is Danger.URGENT or entry.id not in finding.why


@pytest.mark.parametrize(("entry", "text"), _examples("intents", "fires"), ids=_id)
def test_an_intent_is_recognised(entry: Entry, text: str) -> None:
    if not entry.intent:
        return
    expecting = Expecting(entry.expecting[0]) if entry.expecting else None
    assert (
        entry.id in understand(text, expecting=expecting).why
        or understand(text, expecting=expecting).intent == entry.intent
    )


@pytest.mark.parametrize(("entry", "text"), _examples("intents", "spares"), ids=_id)
def test_a_neighbour_is_not_taken_for_the_intent(entry: Entry, text: str) -> None:
    got = understand(text)
    assert got.level is not Level.NONE or got.intent != entry.intent


@pytest.mark.parametrize(("kind", "entry"), ALL, ids=lambda value: value.id if isinstance(value, Entry) else str(value))
def test_each_line_says_why_and_gives_examples(kind: str, entry: Entry) -> None:
    assert entry.why
    assert entry.fires
    if kind in ("danger", "idioms"):
        assert entry.spares


def test_ids_are_unique_within_a_file_family() -> None:
    for name, found in vocabulary().entries.items():
        assert len(found) == len(_of(name))
