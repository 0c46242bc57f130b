"""Phrases over words: reads the vocabulary (reviewable TOML) and finds its phrases in a message.

A phrase is a line of words: `@want ~3 die|dying`

    word        exactly this word (lower case, no accents)      a|b      one of these
    stem*       any word that begins so
    word?       may be missing                                  ~N       up to N other words in between
    a+b|c       "a b" or "c"                                    @name    one of a named class (words.toml)
    <  >        the beginning and the end of the message        #5up     five or more (also #180up, #year, #)

Words in a gap may not be a negation, nor cross a full stop. Positions are bits of one integer, so that finding a phrase
costs a few shifts whatever the text: nothing can backtrack.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from reminders.normalise import Break, as_heard, deletions, distance, fold, respelled, tokens, unmasked

ANYWHERE = "anywhere:"  # for scripts written without spaces: any part of the text
FOLDER = Path(__file__).parent / "vocabulary"
_LONGEST_JOINED = 40
_SHORTEST_STEM = 3
_SHORTEST_TYPO = 5
_WALL = ("\0",) * 12  # between the two readings of one message: wider than any gap


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


class Reading(NamedTuple):
    """A message as words: at each position the spellings it may stand for, and where punctuation separates."""

    words: list[tuple[str, ...]]
    soft: int
    hard: int

    def bit(self, mask: int, position: int) -> bool:
        return bool(mask >> position & 1)


class Vocabulary:
    """All phrases of some files, and the spellings they know."""

    def __init__(self, names: Sequence[str]) -> None:
        shared = _read("words.toml")
        self.classes: dict[str, frozenset[str]] = {}
        for name, words in shared["classes"].items():
            self.classes[name] = frozenset(w for line in words for w in self._expand(line.split()))
        self.short: dict[str, list[str]] = {k: v.split() for k, v in shared["short"].items()}
        self._also: dict[str, str] = shared["also"]
        self._ordinary = frozenset(w for line in shared["ordinary"]["words"] for w in line.split())
        self._elements: dict[frozenset[str], int] = {}
        self._exact: dict[str, list[int]] = {}
        self._stems: dict[str, list[int]] = {}
        self.entries: dict[str, dict[str, Entry]] = {}
        self.phrases: dict[str, list[Phrase]] = {}
        self._anywhere: dict[str, list[tuple[str, str]]] = {}
        for name in names:
            found = [entry for path in sorted(FOLDER.glob(f"{name}.*toml")) for entry in entries(path)]
            self.entries[name] = {entry.id: entry for entry in found}
            self.phrases[name] = [
                Phrase(entry, parts)
                for entry in found
                for pattern in entry.patterns
                if not pattern.startswith(ANYWHERE)
                for parts in self._compile(pattern)
            ]
            self._anywhere[name] = [
                (fold(pattern.removeprefix(ANYWHERE)), entry.id)
                for entry in found
                for pattern in entry.patterns
                if pattern.startswith(ANYWHERE)
            ]
            if name == "danger":
                self._dangerous = frozenset(self._exact)
        self._joins = frozenset(w for line in shared["joined"]["words"] for w in line.split())
        self._small = frozenset(w for line in shared["joined"]["small"] for w in line.split()) | self._joins
        # Every word of danger long enough not to be something else is recognised with one slip, a few with two.
        slips = dict.fromkeys((w for w in self._dangerous if len(w) >= _SHORTEST_TYPO and w.isalpha()), 1)
        slips |= {w: most for most in (1, 2) for line in shared["typo"][f"within_{most}"] for w in line.split()}
        self._targets = frozenset(slips)
        self._near: dict[str, set[str]] = {}
        for word, most in slips.items():
            for rest in deletions(word, most):
                self._near.setdefault(rest, set()).add(word)
        self._far = frozenset(w for line in shared["typo"]["within_2"] for w in line.split())
        self._by_length: dict[int, list[str]] = {}
        for line in shared["typo"]["starred"]:
            for word in line.split():
                self._by_length.setdefault(len(word), []).append(word)
        self.negations = self.classes["negation"]

    # --- patterns ---------------------------------------------------------------------------------

    def _expand(self, words: Iterable[str]) -> Iterator[str]:
        for word in words:
            if word.startswith("@"):
                yield from self.classes[word[1:]]
            else:
                yield word

    def _element(self, words: frozenset[str]) -> int:
        if words not in self._elements:
            number = self._elements[words] = len(self._elements)
            for word in words:
                if word.endswith("*"):
                    if len(word) <= _SHORTEST_STEM:
                        raise ValueError(f"{word}: a stem needs {_SHORTEST_STEM} letters")
                    self._stems.setdefault(word[:-1], []).append(number)
                else:
                    self._exact.setdefault(word, []).append(number)
        return self._elements[words]

    def _compile(self, pattern: str) -> Iterator[tuple[_Part, ...]]:
        variants: list[tuple[tuple[_Part, ...], int]] = [((), 0)]  # with the gap that stands before the next word
        for item in (pattern if pattern.isascii() else fold(pattern)).split():
            if item[0] == "~":
                variants = [(parts, max(gap, int(item[1:]))) for parts, gap in variants]
                continue
            longer = [
                ((*parts, *tail), 0) for parts, gap in variants for tail in self._alternatives(item.rstrip("?"), gap)
            ]
            variants = longer + variants if item.endswith("?") else longer
        return (parts for parts, _ in variants)

    def _alternatives(self, item: str, gap: int) -> Iterator[tuple[_Part, ...]]:
        single = [word for word in item.split("|") if "+" not in word]
        if single:
            yield (_Part(self._element(frozenset(self._expand(single))), gap),)
        for several in (word.split("+") for word in item.split("|") if "+" in word):
            yield tuple(
                _Part(self._element(frozenset(self._expand([word]))), 0 if at else gap)
                for at, word in enumerate(several)
            )

    # --- spelling ---------------------------------------------------------------------------------

    def known(self, word: str) -> bool:
        return word in self._exact or word in self._ordinary or self._stemmed(word)

    def _stemmed(self, word: str) -> bool:
        return any(word[:n] in self._stems for n in range(_SHORTEST_STEM, min(len(word), 20) + 1))

    def exact(self, text: str) -> Reading:
        """The message as it stands, with only short forms written out (`can't`, `im`)."""
        folded = fold(text)
        return self._reading(
            (piece, token.before) for token in tokens(folded) for piece in self._written_out(token.text)
        )

    def suspicious(self, text: str) -> Reading:
        """The message with every spelling it may stand for: typos, disguises, words run together or torn apart."""
        first = list(self._guessed(fold(text)))
        second = list(self._joined(first))
        return self._reading(first, second) if len(second) != len(first) else self._reading(first)

    def _reading(self, *streams: Iterable[tuple[tuple[str, ...] | str, Break]]) -> Reading:
        words: list[tuple[str, ...]] = []
        soft = hard = 0
        for stream in streams:
            if words:
                words += [(w,) for w in _WALL]
            words.append(("<",))
            for spelling, before in stream:
                bit = 1 << len(words)
                soft |= bit if before is not Break.NONE else 0
                hard |= bit if before is Break.HARD else 0
                words.append((spelling,) if isinstance(spelling, str) else spelling)
            words.append((">",))
        return Reading(words, soft, hard)

    def _written_out(self, word: str) -> Sequence[str]:
        if "'" not in word:
            return self.short.get(word, (word,))
        plain = word.replace("'", "")
        if plain in self.short and not word.endswith("'ll"):
            return self.short[plain]
        stem, _, ending = word.rpartition("'")
        if word.endswith("n't"):
            return (word[:-3], "not")
        if (tail := _ENDINGS.get(ending)) is not None:
            return (stem.replace("'", ""), tail)
        return (plain,)

    def _guessed(self, folded: str) -> Iterator[tuple[tuple[str, ...], Break]]:
        skip = 0
        letters: list[tuple[str, Break]] = []
        for token in tokens(folded):
            if skip:
                skip -= 1
                continue
            if token.masked and (words := self._unmask(token.masked)) is not None:
                yield from self._letters(letters)
                letters = []
                yield from _after(words, token.before)
                skip = token.more
                continue
            if len(token.text) == 1 and token.text.isalpha() and token.text.isascii():
                letters.append((token.text, token.before))
                continue
            yield from self._letters(letters)
            letters = []
            yield from _after(self._spellings(token.text), token.before)
        yield from self._letters(letters)

    def _letters(self, letters: list[tuple[str, Break]]) -> Iterator[tuple[tuple[str, ...], Break]]:
        """Single letters in a row: `k i l l m e` as words, or each for itself."""
        word = "".join(c for c, _ in letters)
        if len(letters) >= 3 and (parts := [word] if word in self._joins else self.taken_apart(word)):
            yield from _after([(p,) for p in parts], letters[0][1])
            return
        for letter, before in letters:
            yield from _after(self._spellings(letter), before)

    def _unmask(self, chunk: str) -> list[tuple[str, ...]] | None:
        for candidate, whole in unmasked(chunk):
            if "*" in candidate:
                if found := self._starred(candidate):
                    return [found]
            elif candidate == chunk or candidate.isdigit():
                continue
            elif candidate in self._joins or (whole and candidate in self._exact) or self._keyed(candidate):
                return [(candidate,)]
            elif len(candidate) >= 5 and (near := self._misspelt(candidate)):
                return [near]
            elif parts := self.taken_apart(candidate):
                return [(p,) for p in parts]
        return None

    def _keyed(self, word: str) -> bool:
        return len(word) >= 4 and (word in self._targets or (self._stemmed(word) and word not in self._ordinary))

    def _starred(self, candidate: str) -> tuple[str, ...]:
        if candidate.count("*") * 2 > len(candidate):
            return ()
        return tuple(
            word
            for word in self._by_length.get(len(candidate), ())
            if all(a in ("*", b) for a, b in zip(candidate, word, strict=True))
        )

    def _spellings(self, word: str) -> list[tuple[str, ...]]:
        written = self._written_out(word)
        if len(written) > 1 or written[0] != word:
            return [(w,) for w in written]
        if word.isdigit():
            return [_numbered(word, self._also.get(word, ""))]
        if word in self._also:
            return [(word, self._also[word])]
        if word in self._exact or word in self._ordinary:
            return [(word,)]
        if len(word) >= 7 and (parts := self.taken_apart(word)):
            return [(p,) for p in parts]
        if self._stemmed(word):
            # "matr" begins like other words and may still be a slip.
            return [(word, *self._misspelt(word))]
        for other in respelled(word):
            if self.known(other) or other in self.short:
                return [(word, other)] if other not in self.short else [(w,) for w in self.short[other]]
        if parts := self.taken_apart(word):
            return [(p,) for p in parts]
        by_ear = dict.fromkeys(h for h in as_heard(word) if len(word) >= 3 and (h in self._exact or self._stemmed(h)))
        return [(word, *by_ear, *self._misspelt(word))]

    def _misspelt(self, word: str) -> tuple[str, ...]:
        """Words of danger this unknown word is one slip away from (two for the longest)."""
        if len(word) < 4 or len(word) > 20:
            return ()
        near = {w for rest in deletions(word, 2 if len(word) >= 6 else 1) for w in self._near.get(rest, ())}
        slips = [w for w in near if distance(word, w) <= (2 if w in self._far else 1)]
        if len(word) == _SHORTEST_TYPO - 1:
            # Of short words only two swapped letters: "slef", "piont".
            slips += [
                w for w in (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(3)) if w in self._dangerous
            ]
        return tuple(sorted(slips))

    def taken_apart(self, word: str) -> list[str]:
        """`killmyself` as its words, if all of it is known words and one of them is a word of danger; else empty."""
        word = word.replace("2", "to").replace("4", "for")
        if not 5 <= len(word) <= _LONGEST_JOINED or not word.isalpha() or word in self._ordinary:
            return []
        best: list[list[str] | None] = [[]] + [None] * len(word)
        for end in range(1, len(word) + 1):
            for start in range(max(0, end - 14), end):
                head = best[start]
                piece = word[start:end]
                if head is not None and piece in self._small:
                    grown = best[end]
                    if grown is None or len(head) + 1 < len(grown):
                        best[end] = [*head, piece]
        parts = best[-1] or []
        if len(parts) < 2 or not any(p in self._joins for p in parts):
            return []
        return [w for p in parts for w in self._written_out(p)]

    def _joined(self, stream: Sequence[tuple[tuple[str, ...], Break]]) -> Iterator[tuple[tuple[str, ...], Break]]:
        """The stream with words torn apart put together again: `sui cide`, `my self`, `ki ll`."""
        at = 0
        while at < len(stream):
            for width in (3, 2):
                torn = stream[at : at + width]
                whole = "".join(words[0] for words, _ in torn)
                if len(torn) == width and len(whole) <= 14 and whole in self._joins:
                    yield (whole,), stream[at][1]
                    at += width
                    break
            else:
                yield stream[at]
                at += 1

    # --- search -----------------------------------------------------------------------------------

    def masks(self, reading: Reading) -> dict[int, int]:
        """For every element that occurs: the positions where it does, as bits."""
        found: dict[int, int] = {}
        for position, spellings in enumerate(reading.words):
            bit = 1 << position
            for word in spellings:
                for element in self._elements_of(word):
                    found[element] = found.get(element, 0) | bit
        return found

    def _marked(self, reading: Reading, marks: frozenset[str]) -> int:
        return sum(1 << at for at, spellings in enumerate(reading.words) if not marks.isdisjoint(spellings))

    def _elements_of(self, word: str) -> Iterable[int]:
        yield from self._exact.get(word, ())
        for n in range(_SHORTEST_STEM, min(len(word), 20) + 1):
            yield from self._stems.get(word[:n], ())

    def anywhere(self, name: str, folded: str) -> list[str]:
        """Entries one of whose `anywhere:` phrases is part of the text."""
        return [id_ for part, id_ in self._anywhere[name] if part in folded]

    def listed(self, name: str, id_: str) -> frozenset[str]:
        """An entry that is a plain list of words, such as those a denial reaches across."""
        return frozenset(word for line in self.entries[name][id_].patterns for word in line.split())

    def find(self, name: str, reading: Reading, hidden: int = 0) -> Iterator[tuple[Entry, Span]]:
        """Every place where a phrase of this file stands; positions in `hidden` count as unknown words.

        Words that begin a new thought also end an idiom's gap, so that it covers no more than itself.
        """
        masks = {element: mask & ~hidden for element, mask in self.masks(reading).items()}
        stops = self.classes["new_thought"] if name == "idioms" else self.negations
        stopping = self._marked(reading, stops | self.negations)
        walk = ~stopping & ~reading.hard
        for phrase in self.phrases[name]:
            parts = phrase.parts
            if all(masks.get(part.element) for part in parts):
                for start, end in _spans(parts, masks, walk, reading.hard, reading.hard if name == "idioms" else 0):
                    yield phrase.entry, Span(start, end)


def _spans(
    parts: tuple[_Part, ...], masks: dict[int, int], walk: int, hard: int, wall: int
) -> Iterator[tuple[int, int]]:
    if not _reach(masks[parts[0].element], parts, masks, walk, hard, wall):
        return
    starts = masks[parts[0].element]
    while starts:
        first = starts & -starts
        starts ^= first
        if ends := _reach(first, parts, masks, walk, hard, wall):
            yield first.bit_length() - 1, (ends & -ends).bit_length()


def _reach(reached: int, parts: tuple[_Part, ...], masks: dict[int, int], walk: int, hard: int, wall: int) -> int:
    for element, gap in parts[1:]:
        step = total = (reached << 1) & ~wall
        for _ in range(gap):
            step = ((step & walk) << 1) & ~hard
            total |= step
        reached = total & masks[element]
        if not reached:
            return 0
    return reached


def _numbered(digits: str, also: str) -> tuple[str, ...]:
    value = int(digits) if len(digits) <= 6 else 0
    marks = ["#"]
    if value >= 5:
        marks.append("#5up")
    if 180 <= value <= 300:
        marks.append("#180up")
    if 1950 <= value <= 2040:
        marks.append("#year")
    return (digits, also, *marks) if also else (digits, *marks)


def _after(words: Iterable[tuple[str, ...]], before: Break) -> Iterator[tuple[tuple[str, ...], Break]]:
    for spelling in words:
        yield spelling, before
        before = Break.NONE


_ENDINGS = {"m": "am", "re": "are", "s": "is", "ll": "will", "ve": "have", "d": "would"}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text("utf-8"))


def entries(path: Path) -> list[Entry]:
    """The reviewed lines of one vocabulary file; the file's name gives the language."""
    language = path.stem.partition(".")[2] or "any"
    raw = tomllib.loads(path.read_text("utf-8"))["entry"]
    return [msgspec.convert({"language": language} | line, Entry) for line in raw]


@functools.cache
def vocabulary() -> Vocabulary:
    """All of it, read once, at the first reply."""
    return Vocabulary(("danger", "idioms", "guards", "intents"))
