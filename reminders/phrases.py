"""Phrases over words, and where they stand in a message.

A phrase is a line of words: `@want ~3 die|dying`

    word        exactly this word (lower case, no accents)      a|b      one of these
    stem*       any word that begins so
    word?       may be missing                                  ~N       up to N other words in between
    a+b|c       "a b" or "c"                                    @name    one of a named class (words.toml)
    <  >        the beginning and the end of the message        #5up     five or more (also #180up, #year, #)
    x & y       both phrases, in either order, up to 25 words apart, whatever stands between them

Words in a gap (`~N`) may not be a negation, nor cross a full stop. Positions are bits of one integer, so that finding a
phrase costs a few shifts whatever the text: nothing can backtrack.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from reminders.normalise import fold

T = TypeVar("T")
_SHORTEST_STEM = 3
_TOGETHER = 25  # words between the two halves of `x & y`


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One reviewed line of the vocabulary: what is looked for, why, and examples on both sides."""

    id: str
    why: str
    patterns: tuple[str, ...]
    fires: tuple[str, ...]
    spares: tuple[str, ...] = ()
    language: str = "en"
    guards: tuple[str, ...] = ("negation", "history")  # what may calm this phrase (safety.py)
    intent: str = ""
    expecting: tuple[str, ...] = ()  # counts only while this is asked
    clean: bool = True  # may be fully understood at all


class Span(NamedTuple):
    start: int
    end: int  # after the last word


class _Part(NamedTuple):
    element: int
    gap: int


class Phrase(NamedTuple):
    entry: Entry
    parts: tuple[_Part, ...]


class Pair(NamedTuple):
    """`x & y`: each half in all its variants."""

    entry: Entry
    first: tuple[tuple[_Part, ...], ...]
    second: tuple[tuple[_Part, ...], ...]


class Index(Generic[T]):
    """Phrases by the elements they cannot do without, so that a message is held only against those it may contain."""

    def __init__(self) -> None:
        self._all: list[tuple[T, tuple[frozenset[int], ...]]] = []
        self._by_element: dict[int, list[int]] = {}

    def add(self, phrase: T, variants: Iterable[tuple[_Part, ...]]) -> None:
        needed = tuple(frozenset(part.element for part in parts) for parts in variants)
        for elements in needed:
            # Elements are numbered as they are met, so the highest number is the least shared.
            self._by_element.setdefault(max(elements), []).append(len(self._all))
        self._all.append((phrase, needed))

    def standing(self, masks: Mapping[int, int]) -> Iterator[T]:
        """The phrases all of whose words occur somewhere, in the order of the files."""
        present = frozenset(element for element, mask in masks.items() if mask)
        for at in sorted({at for element in present for at in self._by_element.get(element, ())}):
            phrase, needed = self._all[at]
            if any(elements <= present for elements in needed):
                yield phrase


class Reading(NamedTuple):
    """A message as words: at each position the spellings it may stand for, and where punctuation separates."""

    words: list[tuple[str, ...]]
    soft: int
    hard: int

    def bit(self, mask: int, position: int) -> bool:
        return bool(mask >> position & 1)


class Elements:
    """The sets of words that phrases are made of, each numbered once, and where each stands in a message."""

    def __init__(self, classes: Mapping[str, frozenset[str]]) -> None:
        self._classes = classes
        self._numbers: dict[frozenset[str], int] = {}
        self.exact: dict[str, list[int]] = {}
        self._stems: dict[str, list[int]] = {}

    def compiled(self, pattern: str) -> tuple[tuple[_Part, ...], ...]:
        """Every variant of one phrase without `&`."""
        variants: list[tuple[tuple[_Part, ...], int]] = [((), 0)]  # with the gap that stands before the next word
        for item in (pattern if pattern.isascii() else fold(pattern)).split():
            if item[0] == "~":
                variants = [(parts, max(gap, int(item[1:]))) for parts, gap in variants]
                continue
            longer = [
                ((*parts, *tail), 0) for parts, gap in variants for tail in self._alternatives(item.rstrip("?"), gap)
            ]
            variants = longer + variants if item.endswith("?") else longer
        return tuple(parts for parts, _ in variants)

    def _alternatives(self, item: str, gap: int) -> Iterator[tuple[_Part, ...]]:
        single = [word for word in item.split("|") if "+" not in word]
        if single:
            yield (_Part(self._element(frozenset(expanded(single, self._classes))), gap),)
        for several in (word.split("+") for word in item.split("|") if "+" in word):
            yield tuple(
                _Part(self._element(frozenset(expanded([word], self._classes))), 0 if at else gap)
                for at, word in enumerate(several)
            )

    def _element(self, words: frozenset[str]) -> int:
        if words not in self._numbers:
            number = self._numbers[words] = len(self._numbers)
            for word in words:
                if word.endswith("*"):
                    if len(word) <= _SHORTEST_STEM:
                        raise ValueError(f"{word}: a stem needs {_SHORTEST_STEM} letters")
                    self._stems.setdefault(word[:-1], []).append(number)
                else:
                    self.exact.setdefault(word, []).append(number)
        return self._numbers[words]

    def stemmed(self, word: str) -> bool:
        return any(word[:n] in self._stems for n in range(_SHORTEST_STEM, min(len(word), 20) + 1))

    def masks(self, reading: Reading) -> dict[int, int]:
        """For every element that occurs: the positions where it does, as bits."""
        found: dict[int, int] = {}
        for position, spellings in enumerate(reading.words):
            bit = 1 << position
            for word in spellings:
                for element in self._of(word):
                    found[element] = found.get(element, 0) | bit
        return found

    def _of(self, word: str) -> Iterable[int]:
        yield from self.exact.get(word, ())
        for n in range(_SHORTEST_STEM, min(len(word), 20) + 1):
            yield from self._stems.get(word[:n], ())


def expanded(words: Iterable[str], classes: Mapping[str, frozenset[str]]) -> Iterator[str]:
    """The words, with `@name` replaced by the words of that class."""
    for word in words:
        if word.startswith("@"):
            yield from classes[word[1:]]
        else:
            yield word


class Ground(NamedTuple):
    """Where phrases are looked for: where each element stands, and what a gap may not cross."""

    masks: dict[int, int]
    walk: int  # positions a gap may cross
    hard: int  # positions right after a full stop
    wall: int  # positions no phrase may reach from the left, even without a gap

    def spans(self, parts: tuple[_Part, ...]) -> Iterator[Span]:
        """Every place where a phrase begins, with its nearest end."""
        if not all(self.masks.get(part.element) for part in parts) or not self._reach(
            self.masks[parts[0].element], parts
        ):
            return
        starts = self.masks[parts[0].element]
        while starts:
            first = starts & -starts
            starts ^= first
            if ends := self._reach(first, parts):
                yield Span(first.bit_length() - 1, (ends & -ends).bit_length())

    def _reach(self, reached: int, parts: tuple[_Part, ...]) -> int:
        for element, gap in parts[1:]:
            step = total = (reached << 1) & ~self.wall
            for _ in range(gap):
                step = ((step & self.walk) << 1) & ~self.hard
                total |= step
            reached = total & self.masks[element]
            if not reached:
                return 0
        return reached

    def close(self, pair: Pair) -> Iterator[tuple[Span, Span]]:
        """Every place of the first half, with the nearest place of the second."""
        if not (seconds := self._all(pair.second)) or not (firsts := self._all(pair.first)):
            return
        starts = [span.start for span in seconds]
        for first in firsts:
            at = bisect_left(starts, first.start)
            near = min(seconds[max(0, at - 1) : at + 1], key=lambda span: abs(span.start - first.start))
            if abs(near.start - first.start) <= _TOGETHER:
                yield first, near

    def _all(self, variants: Sequence[tuple[_Part, ...]]) -> list[Span]:
        return sorted(span for parts in variants for span in self.spans(parts))
