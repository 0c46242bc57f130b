"""The vocabulary of replies: reads the reviewable TOML once and finds its phrases in messages."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from reminders.normalise import fold
from reminders.phrases import Elements, Entry, Ground, Index, Pair, Phrase, Reading, Span, expanded
from reminders.spelling import Spelling

ANYWHERE = "anywhere:"  # for scripts written without spaces: any part of the text
FOLDER = Path(__file__).parent / "vocabulary"


class Vocabulary:
    """All phrases of some families of files (`danger`, `idioms`, …), and the spellings they know."""

    def __init__(self, names: Sequence[str]) -> None:
        shared = _read("words.toml")
        self.classes: dict[str, frozenset[str]] = {}
        for name, words in shared["classes"].items():
            self.classes[name] = frozenset(w for line in words for w in expanded(line.split(), self.classes))
        self.negations = self.classes["negation"]
        self.entries: dict[str, dict[str, Entry]] = {}
        self._elements = Elements(self.classes)
        self._phrases: dict[str, Index[Phrase]] = {}
        self._pairs: dict[str, Index[Pair]] = {}
        self._anywhere: dict[str, list[tuple[str, str]]] = {}
        dangerous: frozenset[str] = frozenset()
        for name in names:
            found = [entry for path in sorted(FOLDER.glob(f"{name}.*toml")) for entry in entries(path)]
            self._take(name, found)
            if name == "danger":
                dangerous = frozenset(self._elements.exact)
        spelling = Spelling(shared, self._elements, dangerous)
        self.exact, self.suspicious, self.known = spelling.exact, spelling.suspicious, spelling.known

    def _take(self, name: str, found: list[Entry]) -> None:
        self.entries[name] = {entry.id: entry for entry in found}
        self._phrases[name], self._pairs[name], self._anywhere[name] = Index(), Index(), []
        compiled = self._elements.compiled
        for entry, pattern in ((line, pattern) for line in found for pattern in line.patterns):
            if pattern.startswith(ANYWHERE):
                self._anywhere[name].append((fold(pattern.removeprefix(ANYWHERE)), entry.id))
            elif " & " in pattern:
                first, _, second = pattern.partition(" & ")
                pair = Pair(entry, compiled(first), compiled(second))
                self._pairs[name].add(pair, pair.first)
            else:
                for parts in compiled(pattern):
                    self._phrases[name].add(Phrase(entry, parts), (parts,))

    def anywhere(self, name: str, folded: str) -> list[str]:
        """Entries one of whose `anywhere:` phrases is part of the text."""
        return [id_ for part, id_ in self._anywhere[name] if part in folded]

    def listed(self, name: str, id_: str) -> frozenset[str]:
        """An entry that is a plain list of words, such as those a denial reaches across."""
        return frozenset(word for line in self.entries[name][id_].patterns for word in line.split())

    def find(self, name: str, reading: Reading, hidden: int = 0) -> Iterator[tuple[Entry, tuple[Span, ...]]]:
        """Every place where a phrase of this family stands, two places for `x & y`.

        Positions in `hidden` count as unknown words. Words that begin a new thought also end an idiom's gap, so that it
        covers no more than itself.
        """
        masks = {element: mask & ~hidden for element, mask in self._elements.masks(reading).items()}
        stops = self.classes["new_thought"] if name == "idioms" else self.negations
        walk = ~self._marked(reading, stops | self.negations) & ~reading.hard
        ground = Ground(masks, walk, reading.hard, reading.hard if name == "idioms" else 0)
        for phrase in self._phrases[name].standing(masks):
            for span in ground.spans(phrase.parts):
                yield phrase.entry, (span,)
        for pair in self._pairs[name].standing(masks):
            for both in ground.close(pair):
                yield pair.entry, both

    def _marked(self, reading: Reading, marks: frozenset[str]) -> int:
        return sum(1 << at for at, spellings in enumerate(reading.words) if not marks.isdisjoint(spellings))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text("utf-8"))


def entries(path: Path) -> list[Entry]:
    """The reviewed lines of one vocabulary file; the last part of its name gives the language."""
    _, dot, language = path.stem.rpartition(".")
    raw = tomllib.loads(path.read_text("utf-8"))["entry"]
    return [msgspec.convert({"language": language if dot else "any"} | line, Entry) for line in raw]


@functools.cache
def vocabulary() -> Vocabulary:
    """All of it, read once, at the first reply."""
    return Vocabulary(("danger", "idioms", "guards", "intents"))
