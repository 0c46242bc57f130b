"""A patient's typing made comparable: case, accents, invisible and look-alike characters, disguised spelling.

Everything here is linear in the length of the text, which is always read in full.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

# Letters of other alphabets that look like Latin ones; put back only where that makes a known word.
_LOOKALIKES = str.maketrans("авеԁгһіјкѕӏмпоԛрстухцѵԝαβεικνορτυχωη", "abedrhijkslmnoqpctyxuvwabeikvoptuxwn")
_SAME = str.maketrans(
    {"’": "'", "‘": "'", "´": "'", "`": "'", "ʼ": "'", "＇": "'", "“": '"', "”": '"', "«": '"', "»": '"'}
)
_LEET = {
    "0": "o",
    "1": "il",
    "!": "i",
    "|": "il",
    "3": "e",
    "4": "a",
    "@": "a",
    "5": "s",
    "$": "s",
    "7": "t",
    "+": "t",
    "8": "b",
}
_DISGUISES = frozenset("0134578!|@$+*#")
_SKIN_TONES = frozenset("🏻🏼🏽🏾🏿")
_PIECE = re.compile(r"[^\W_]+(?:'[^\W_]+)*|'|[^\w\s]|_")
_LONG_RUN = re.compile(r"(.)\1{2,}")
_MOST_SPELLINGS = 16


class Break(Enum):
    """How strongly punctuation separates a word from the one before it."""

    NONE = auto()
    SOFT = auto()  # comma, dash, "..." : one thought may go on
    HARD = auto()  # full stop, question mark, new line


class Token(NamedTuple):
    """A word, a number or one emoji.

    The first token of a chunk (what stands between two spaces) that mixes letters with other characters carries the
    whole chunk in `masked`, and in `more` how many tokens of the same chunk follow.
    """

    text: str
    before: Break
    masked: str = ""
    more: int = 0


def fold(text: str) -> str:
    """Lower case, without accents, invisible characters, and typographic variants. Line breaks stay."""
    text = unicodedata.normalize("NFKC", text.translate(_SAME)).translate(_SAME)
    # A soft hyphen or a zero-width space inside a word must not split it: both are of category Cf.
    plain = (c for c in unicodedata.normalize("NFD", text.casefold()) if c in "\n\r\t" or _shown(c))
    return unicodedata.normalize("NFC", "".join(plain))


def _shown(c: str) -> bool:
    return unicodedata.category(c) not in {"Mn", "Me", "Cf", "Cc", "Cs"} and c not in _SKIN_TONES


def tokens(folded: str) -> Iterator[Token]:
    """Words, numbers and emoji of a folded text in order, each with the break before it."""
    pending = Break.NONE
    for line in folded.replace("w/o", "without").splitlines():
        for chunk in line.split():
            # The whole chunk is offered once, so that `d!e` and `sui-cide` can be tried before they fall apart.
            masked = chunk.strip(".,;:?\"'()[]…-¿¡~").rstrip("!")
            offer = masked if len(masked) > 1 and not masked.replace("'", "").isalpha() else ""
            pieces = _PIECE.findall(chunk)
            more = sum(_spoken(piece) for piece in pieces) if offer else 1
            for piece in pieces:
                if _spoken(piece):
                    yield Token(piece, pending, offer, more - 1 if offer else 0)
                    offer, pending = "", Break.NONE
                elif piece in ".!?;¿¡":
                    # "want... to" is hesitation, not a full stop.
                    pending = Break.SOFT if "..." in chunk or "…" in chunk else Break.HARD
                elif piece in ',:-–—()/"…' and pending is Break.NONE:
                    pending = Break.SOFT
        pending = Break.HARD


def _spoken(piece: str) -> bool:
    return piece[0].isalnum() or (unicodedata.category(piece[0]) in {"So", "Sk", "Cn"} and piece not in "^¨´`¯")


def unmasked(chunk: str) -> Iterator[tuple[str, bool]]:
    """Plain spellings a disguised chunk may stand for: `su1c1de`, `k!ll`, `sui-cide`. `*` stays as a wildcard.

    With each: whether every character was read as a letter (or some were dropped).
    """
    letters = [c for c in chunk if c.isalnum() or c in _DISGUISES]
    if not any(c.isalpha() for c in letters):
        return
    if any(c in _DISGUISES for c in letters) and len(letters) <= 24:
        spellings = itertools.product(*(_LEET.get(c, c) for c in letters))
        yield from (("".join(s).replace("#", "*"), True) for s in itertools.islice(spellings, _MOST_SPELLINGS))
    yield "".join(c for c in letters if c.isalnum()), False


def respelled(word: str) -> Iterator[str]:
    """Other spellings of one word: drawn-out letters shortened (`diiiie`, `killll`), look-alike letters put back."""
    if word.endswith("in"):
        yield word + "g"
    latin = word.translate(_LOOKALIKES)
    if latin != word:
        yield latin
    if _LONG_RUN.search(latin):
        yield _LONG_RUN.sub(r"\1", latin)
        yield _LONG_RUN.sub(r"\1\1", latin)
    yield from (latin[:i] + latin[i + 1 :] for i in range(len(latin) - 1) if latin[i] == latin[i + 1])


def as_heard(word: str) -> Iterator[str]:
    """Spellings of a Spanish word written as it sounds: `bibir`, `estoi`, `arto`, `asiendo`, `kemar`."""
    if "ll" in word or "y" in word:
        yield word.replace("ll", "y")
        yield word.replace("y", "ll")
    soft = word.replace("ke", "que").replace("ki", "qui").replace("k", "c")
    for heard in (
        word,
        word.replace("b", "v"),
        word.replace("v", "b"),
        soft,
        word.replace("z", "s"),
        word.replace("s", "c"),
    ):
        yield heard
        yield "h" + heard
        if heard.endswith("i"):
            yield heard[:-1] + "y"


def deletions(word: str, most: int) -> set[str]:
    """The word and all that is left of it after dropping up to `most` letters: near spellings share one of these."""
    found = level = {word}
    for _ in range(most):
        level = {w[:i] + w[i + 1 :] for w in level for i in range(len(w))}
        found = found | level
    return found


def distance(a: str, b: str) -> int:
    """Edits from one word to the other; two neighbouring letters swapped count as one."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before = before, row
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
