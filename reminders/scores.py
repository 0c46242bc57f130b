"""The one number in an answer, when it is unmistakable. Digits and words, English and Spanish."""

from __future__ import annotations

import re
from typing import NamedTuple

from reminders.lexicon import vocabulary
from reminders.normalise import fold

_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SPANISH = ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez", "once", "doce")
_WORDS = {word: value for words in (_ENGLISH, _SPANISH) for value, word in enumerate(words)} | {
    "fifteen": 15,
    "twenty": 20,
    "hundred": 100,
    "quince": 15,
    "veinte": 20,
    "cien": 100,
}
# Words that are far more often something else inside a sentence ("no one", "once a day", "uno nunca sabe").
_ALONE_ONLY = frozenset({"one", "uno", "once"})
_RATED = frozenset({"good", "bad", "best", "worst", "high", "low", "bien", "mal", "bueno", "malo", "mejor", "peor"})
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?|[^\W\d_]+")
_CLEAN = re.compile(
    r"[^\w+\-–—−.,?¿%$#/]*(?:#\s*)?(?:(?:an?|un|una)\s+)?(?P<n>\d{1,3}|[^\W\d_]+)"
    r"\s*(?:(?:/|out\s+of|of|de|sobre)\s*(?P<top>\d{1,3}|[^\W\d_]+))?[\s.,!;:)\"'*]*"
)


class Answer(NamedTuple):
    numeric: bool  # there is a number at all
    score: int | None  # the number, when exactly one is unmistakable and inside the scale
    clean: bool  # nothing but the number


def answer(text: str, top: int) -> Answer:
    """What a text says on a scale from 0 to `top`. '7', 'a 7', '7/10' and 'siete' are clean; more words never are."""
    folded = fold(text).strip()
    if (whole := _CLEAN.fullmatch(folded)) is not None and (value := _value(whole["n"])) is not None:
        scale = _value(whole["top"]) if whole["top"] else top
        good = value <= top and scale == top and (whole["n"] == str(value) or whole["n"].isalpha())
        return Answer(True, value if value <= top and scale == top else None, good)
    return _within(folded, top)


def _value(word: str | None) -> int | None:
    if word is None:
        return None
    return int(word) if word.isdecimal() else _WORDS.get(word)


def _within(folded: str, top: int) -> Answer:
    """One number among other words; anything that makes it doubtful makes it None."""
    # "7/10" and "7 out of 10" name one number and its scale.
    top_words = f"{top}|{_ENGLISH[top]}|{_SPANISH[top]}"
    folded = re.sub(rf"\b([^\W_]+)\s{{0,3}}(?:/|out of|de|sobre)\s{{0,3}}(?:{top_words})\b", r"\1", folded)
    classes = vocabulary().classes
    found = [m for m in _NUMBER.finditer(folded) if m[0][0].isdigit() or (m[0] in _WORDS and m[0] not in _ALONE_ONLY)]
    if not found:
        return Answer(False, None, False)
    if len(found) != 1:
        return Answer(True, None, False)
    word = found[0]
    value = _value(word[0])
    before = re.findall(r"\w+", folded[max(0, word.start() - 40) : word.start()])
    after = re.findall(r"\w+", folded[word.end() : word.end() + 40])
    left, right = folded[max(0, word.start() - 1) : word.start()], folded[word.end() : word.end() + 1]
    doubtful = (
        value is None
        or value > top
        or bool(before and before[-1] in classes["measured_by"])
        or bool(after and after[0] in classes["measured_in"])
        or left in set("-–—−+$/:.,")
        or right in set("-–—%:/+'") - {"-"}
        or (right == "-" and folded[word.end() + 1 : word.end() + 2] not in (" ", ""))
        or (right.isalpha() and not folded[word.end() :].startswith("ish"))
        or left.isalpha()
        or ("?" in folded and not _RATED.isdisjoint(after[:4]))  # "is 10 good or bad?"
        or after[:3] == ["and", "a", "half"]
        or after[:2] == ["y", "medio"]
    )
    return Answer(True, None if doubtful else value, False)
