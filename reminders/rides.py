"""Who takes the patient home, from what the patient wrote."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum, auto
from typing import NamedTuple

from reminders.lexicon import Vocabulary, vocabulary
from reminders.normalise import fold

_LONGEST_NAME = 60
_CODE = re.compile(
    r"^\W*(?:ride|raite|aventon|aventón)\b[\s:=,.\-–—]*(?:(?:is|with|by|from|con|es|will be)\s+)?(.*)$", re.I | re.S
)
_YES = r"^\W*(?:(?:yes|s[ií])[,.]?\s+)?"
_WHO = r"(.{1,60}?)"
_TAKES = (
    r"(?:lleva|recoge|llevar[aá]|recoger[aá]|va a llevar|va a recoger|viene a recoger|viene por m[ií]|trae|traer[aá]|"
    r"va a traer|(?:viene|va|pasa) a (?:buscar|traer)|pasa por m[ií])"
    r"(?: y (?:me )?(?:trae|traer|recoge|recoger|lleva|llevar|regresa))?"
)
_SENTENCES = tuple(
    re.compile(_YES + pattern, re.I)
    for pattern in (
        rf"(?:my ride(?: home)?(?: is| will be|'s)|mi (?:ride|raite|avent[oó]n|transporte) es)\s+{_WHO}$",
        rf"{_WHO}(?:\s+(?:is|will|will be|is going to|can|is gonna|gonna)|'s|'ll)(?: be)?"
        r"\s+(?:driv(?:e|ing)|pick(?:ing)?|tak(?:e|ing)|bring(?:ing)?|get(?:ting)?)"
        r"\s+me(?: (?:up|home|there|back|over)){0,3}\W*$",
        rf"{_WHO}\s+(?:is|will be)\s+my\s+(?:ride|driver)(?: home)?\W*$",
        rf"(?:(?:i'?m |i am )?getting|i have|i got|have|got) a ride(?: home)? (?:with|from)\s+{_WHO}$",
        r"((?:my )?(?:mom|dad|sister|brother|husband|wife|friend|son|daughter|boyfriend|girlfriend|neighbor|roommate))s"
        r"\s+(?:driving|picking|taking|bringing|getting)\s+me(?: (?:up|home|there|back)){0,2}\W*$",
        rf"(?:viene|pasa|va) por m[ií]\s+{_WHO}$",
        rf"me {_TAKES}(?: a casa)?\s+{_WHO}$",
        rf"{_WHO}\s+me\s+{_TAKES}(?: a (?:mi )?casa)?\W*$",
    )
)
_DRIVING = re.compile(_YES + rf"{_WHO}(?:\s+(?:is|will be)|'s)\s+driving\W*$", re.I)
_ONLY_YES = re.compile(_YES, re.I)
_POLITE = re.compile(r"\b(?:please|thanks|thank you|thx|gracias|por favor)\b", re.I)


class Kind(Enum):
    NAMED = auto()  # somebody, by name or relation
    HIRED = auto()  # a car, bus or taxi: most clinics want a person who stays responsible
    UNCLEAR = auto()
    NOBODY = auto()  # "RIDE none", "RIDE myself"
    ABSENT = auto()  # the text is not about a ride


class Driver(NamedTuple):
    kind: Kind
    who: str = ""


def driver(text: str, *, asked: bool) -> Driver:
    """Reads 'RIDE Jo', 'my sister Jo is driving me' and, when that was asked, just 'my sister Jo'."""
    plain = " ".join(unicodedata.normalize("NFKC", text).translate({0x2019: "'", 0x2018: "'"}).split())
    plain = "".join(c for c in plain if unicodedata.category(c) not in {"Cf", "Mn", "So", "Sk"} or c in "áéíóúñü")
    if (coded := _CODE.match(plain)) is not None:
        return _named(coded[1], vocabulary(), keyword=True)
    for sentence in _SENTENCES:
        if (said := sentence.match(plain)) is not None and (
            found := _named(said[1], vocabulary())
        ).kind is not Kind.UNCLEAR:
            return found
    if asked and (said := _DRIVING.match(plain)) is not None:
        plain = said[1]
    if asked and (found := _named(_ONLY_YES.sub("", plain), vocabulary(), bare=True)).kind is Kind.NAMED:
        return found
    return Driver(Kind.ABSENT)


def _named(raw: str, words: Vocabulary, *, keyword: bool = False, bare: bool = False) -> Driver:
    who = _POLITE.sub(" ", raw).strip(" .,!;:()-–—=\"'").strip()
    who = " ".join(who.split())
    parts = re.findall(r"[^\s,.()/:;-]+", fold(who))
    classes = words.classes
    if not parts or len(who) > _LONGEST_NAME or any(c in who for c in "?¿@#%+=<>0123456789"):
        return Driver(Kind.UNCLEAR)
    if any(part in classes["not_driver"] for part in parts):
        return Driver(Kind.NOBODY if len(parts) <= 2 else Kind.UNCLEAR)
    if any(part in classes["hired"] for part in parts):
        return Driver(Kind.HIRED, who)
    known = [part for part in parts if part.removesuffix("'s") in classes["kin"] or part in classes["given"]]
    others = [part for part in parts if part not in known]
    if not any(part in known and part not in _EMPTY for part in parts) and (not keyword and not _capitalised(who)):
        return Driver(Kind.UNCLEAR)
    if len(others) > 2 or any(not _nameable(part, words) for part in others):
        return Driver(Kind.UNCLEAR)
    if bare and not any(part in known and part not in _EMPTY for part in parts):
        return Driver(Kind.UNCLEAR)
    if all(part in _EMPTY for part in parts):
        return Driver(Kind.UNCLEAR)
    return Driver(Kind.NAMED, who)


_EMPTY = frozenset({"my", "mi", "the", "a", "in", "law", "and", "y", "&", "best", "mejor", "step"})


def _capitalised(who: str) -> bool:
    return who[:1].isupper()


def _nameable(part: str, words: Vocabulary) -> bool:
    return part.replace("'", "").isalpha() and part not in words.classes["not_a_name"] and not words.known(part)
