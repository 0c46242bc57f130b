"""The words a message may stand for: as it stands, or with every typo, disguise and run-together word of danger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reminders.normalise import Break, as_heard, deletions, distance, fold, respelled, tokens, unmasked
from reminders.phrases import Elements, Reading

_LONGEST_JOINED = 40
_SHORTEST_TYPO = 5
_WALL = ("\0",) * 26  # between the two readings of one message: wider than any gap
_ENDINGS = {"m": "am", "re": "are", "s": "is", "ll": "will", "ve": "have", "d": "would"}


class Spelling:
    """`shared`: words.toml. `dangerous`: the words of danger, which are recognised with a slip."""

    def __init__(self, shared: Mapping[str, Any], elements: Elements, dangerous: frozenset[str]) -> None:
        self._elements = elements
        self._dangerous = dangerous
        self._short: dict[str, list[str]] = {k: v.split() for k, v in shared["short"].items()}
        self._also: dict[str, str] = shared["also"]
        self._ordinary = _listed(shared["ordinary"]["words"])
        self._joins = _listed(shared["joined"]["words"])
        self._small = _listed(shared["joined"]["small"]) | self._joins
        # Every word of danger long enough not to be something else is recognised with one slip, a few with two.
        slips = dict.fromkeys((w for w in dangerous if len(w) >= _SHORTEST_TYPO and w.isalpha()), 1)
        slips |= {w: most for most in (1, 2) for w in _listed(shared["typo"][f"within_{most}"])}
        self._targets = frozenset(slips)
        self._far = _listed(shared["typo"]["within_2"])
        self._near: dict[str, set[str]] = {}
        for word, most in slips.items():
            for rest in deletions(word, most):
                self._near.setdefault(rest, set()).add(word)
        self._by_length: dict[int, list[str]] = {}
        for word in sorted(_listed(shared["typo"]["starred"])):
            self._by_length.setdefault(len(word), []).append(word)

    def known(self, word: str) -> bool:
        return word in self._elements.exact or word in self._ordinary or self._elements.stemmed(word)

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
            return self._short.get(word, (word,))
        plain = word.replace("'", "")
        if plain in self._short and not word.endswith("'ll"):
            return self._short[plain]
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
            elif candidate in self._joins or (whole and candidate in self._elements.exact) or self._keyed(candidate):
                return [(candidate,)]
            elif len(candidate) >= 5 and (near := self._misspelt(candidate)):
                return [near]
            elif parts := self.taken_apart(candidate):
                return [(p,) for p in parts]
        return None

    def _keyed(self, word: str) -> bool:
        return len(word) >= 4 and (
            word in self._targets or (self._elements.stemmed(word) and word not in self._ordinary)
        )

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
        if word in self._elements.exact or word in self._ordinary:
            return [(word,)]
        if len(word) >= 7 and (parts := self.taken_apart(word)):
            return [(p,) for p in parts]
        if self._elements.stemmed(word):
            # "matr" begins like other words and may still be a slip; "morirmeee" is drawn out.
            drawn = (other for other in respelled(word) if other in self._elements.exact)
            return [tuple(dict.fromkeys((word, *drawn, *self._misspelt(word))))]
        for other in respelled(word):
            if self.known(other) or other in self._short:
                return [(word, other)] if other not in self._short else [(w,) for w in self._short[other]]
        if parts := self.taken_apart(word):
            return [(p,) for p in parts]
        by_ear = dict.fromkeys(
            h for h in as_heard(word) if len(word) >= 3 and (h in self._elements.exact or self._elements.stemmed(h))
        )
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


def _listed(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


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
