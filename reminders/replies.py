"""What a patient meant. Danger first, then opt-out, then what was asked (rules.md 2, contract.md 4).

There is no "safe": `Level.NONE` is given only when every word of a reply is accounted for by one intent, nothing in it
is a question, and no phrase of danger, denied or not, was found. Everything else is read by a person.

What may be acted on below `none`: an opt-out (the law wants it at once), and a score (it is recorded *and* read). A
ride, a confirmation or an arrival counts only at `none`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from reminders.lexicon import vocabulary
from reminders.model import Language
from reminders.normalise import fold
from reminders.phrases import Entry, Reading, Span
from reminders.rides import Driver, Kind, driver
from reminders.safety import Danger, assess
from reminders.scores import Answer, answer


class Expecting(StrEnum):
    """The one open question on a phone."""

    MOOD = "mood"  # 0-10
    PHQ2 = "phq2"  # one of its two questions, 0-3
    RIDE = "ride"
    CONFIRM = "confirm"
    HOME_SAFE = "home_safe"

    @property
    def top(self) -> int | None:
        """The highest score, where a score is asked."""
        return {Expecting.MOOD: 10, Expecting.PHQ2: 3}.get(self)


class Level(StrEnum):
    URGENT = "urgent"  # a person must be woken now
    REVIEW = "review"  # a person must read it
    NONE = "none"  # fully understood, nothing worrying


class Intent(StrEnum):
    CONFIRM = "confirm"
    RESCHEDULE = "reschedule"
    RIDE = "ride"
    NO_RIDE = "no_ride"
    HOME_SAFE = "home_safe"
    SCORE = "score"
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    LESS = "less"
    HELP = "help"
    WRONG_NUMBER = "wrong_number"
    UNKNOWN = "unknown"


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """How one reply is understood. `who`: the driver, for a ride. `why`: ids of vocabulary entries, for reviewers."""

    text: str
    level: Level
    intent: Intent
    score: int | None = None
    who: str = ""
    why: tuple[str, ...] = ()


class _Reading(msgspec.Struct, frozen=True):
    """One intent found in a reply; `clean` when nothing else is in it."""

    intent: Intent
    clean: bool = False
    why: tuple[str, ...] = ()


# Which meaning stands when several are in one reply.
_ORDER = (
    Intent.OPT_OUT,
    Intent.WRONG_NUMBER,
    Intent.OPT_IN,
    Intent.NO_RIDE,
    Intent.RIDE,
    Intent.RESCHEDULE,
    Intent.LESS,
    Intent.HOME_SAFE,
    Intent.CONFIRM,
    Intent.HELP,
)
_MOST_WORDS = 30  # a longer text is never only a code, whatever its words
_DENIABLE = frozenset(_ORDER) - {Intent.NO_RIDE, Intent.WRONG_NUMBER, Intent.HELP}
_REACTIONS = re.compile(
    r"^[\W_]*(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted \S{1,12} to|removed an? \w+ from|"
    r"le gusto|le encanto|no le gusto|se rio de|le dio risa|enfatizo|destaco|cuestiono|dudo de|pregunto por|"
    r"reacciono con \S{1,12} a|marco como \w+|quito un \w+ (?:de|a)|me gusta|me encanta|\W{1,12} to|\W{1,12} a)\s*"
    r"(?:[\"'].*[\"']|(?:an? |una? |your )?(?:image|photo|message|attachment|video|audio message|imagen|foto|mensaje))",
    re.S,
)


def understand(text: str, *, expecting: Expecting | None = None, language: Language | None = None) -> Understood:
    """Reads one reply of any length in full. `expecting`: what was asked of this phone and is still open.

    `language` is what the patient's messages are in; both languages are read whatever it says, because people mix them.
    """
    del language
    spoken = _without_reaction(text)
    if spoken is None:
        return Understood(text=text, level=Level.REVIEW, intent=Intent.UNKNOWN, why=("reaction",))
    danger = assess(spoken)
    number = answer(spoken, expecting.top if expecting and expecting.top is not None else 10)
    lift = driver(spoken, asked=expecting is Expecting.RIDE)
    meant, score = _meaning(spoken, expecting, number, lift)
    if danger.danger is Danger.URGENT:
        level = Level.URGENT
    elif meant.clean and danger.danger is Danger.NONE:
        level = Level.NONE
    else:
        level = Level.REVIEW
    who = lift.who if meant.intent is Intent.RIDE else ""
    return Understood(text=text, level=level, intent=meant.intent, score=score, who=who, why=danger.why + meant.why)


def as_line(understood: Understood) -> dict[str, Any]:
    """The four fields of contract.md 4."""
    return {
        "text": understood.text,
        "level": understood.level.value,
        "intent": understood.intent.value,
        "score": understood.score,
    }


def _without_reaction(text: str) -> str | None:
    """The patient's own words. A tapback quotes somebody's message, mostly ours, which may well name a crisis line."""
    found = _REACTIONS.match(fold(text))
    if found is None:
        return text
    rest = fold(text)[found.end() :].strip(" .")
    return rest or None


def _meaning(text: str, expecting: Expecting | None, number: Answer, lift: Driver) -> tuple[_Reading, int | None]:
    found = _intents(text, expecting)
    if lift.kind is Kind.NOBODY:
        found.setdefault(Intent.NO_RIDE, _Reading(Intent.NO_RIDE, False, ("ride-nobody",)))
    elif lift.kind in (Kind.NAMED, Kind.HIRED, Kind.UNCLEAR) and Intent.NO_RIDE not in found:
        named = lift.kind is Kind.NAMED and not _asks(text)
        found[Intent.RIDE] = _Reading(Intent.RIDE, named, ("ride-named",))
        if named:
            # "RIDE Will" and "my husband can drive me" hold words that mean something else elsewhere.
            found = {k: v for k, v in found.items() if k in (Intent.RIDE, Intent.OPT_OUT)}
    first = next((found[intent] for intent in _ORDER if intent in found), _Reading(Intent.UNKNOWN))
    if len(found) > 1 and not first.clean:
        first = _Reading(first.intent, False, first.why)
    if expecting is not None and expecting.top is not None and number.numeric:
        if first.intent is Intent.OPT_OUT or first.clean:
            return first, number.score
        return _Reading(Intent.SCORE, number.clean and number.score is not None), number.score
    if expecting is None and number.clean and first.intent is Intent.UNKNOWN:
        return _Reading(Intent.SCORE), number.score
    return first, None


def _asks(text: str) -> bool:
    return "?" in text or "¿" in text or "？" in text


def _intents(text: str, expecting: Expecting | None) -> dict[Intent, _Reading]:
    words = vocabulary()
    reading = words.exact(text)
    spans: dict[Intent, list[tuple[Entry, Span]]] = {}
    filler = polite = 0
    hits = [(entry, span) for entry, (span, *_) in words.find("intents", reading)]
    for entry, span in hits:
        if entry.id == "polite":
            polite |= _bits(span)
    if polite:
        hits += _without(polite, reading)
    for entry, span in hits:
        if entry.id in ("filler", "polite"):
            filler |= _bits(span)
        elif _counts(entry, expecting) and not _denied(Intent(entry.intent), span, reading):
            spans.setdefault(Intent(entry.intent), []).append((entry, span))
    everything = ((1 << len(reading.words)) - 1) & ~1 & ~(1 << (len(reading.words) - 1))
    found = {}
    for intent, hits in spans.items():
        covered = filler
        for entry, span in hits:
            covered |= _bits(span) if entry.clean else 0
        sure = any(entry.clean for entry, _ in hits) and all(_settled(entry, expecting, text) for entry, _ in hits)
        clean = sure and not everything & ~covered and not _asks(text) and len(reading.words) <= _MOST_WORDS
        found[intent] = _Reading(intent, clean, tuple(dict.fromkeys(entry.id for entry, _ in hits)))
    return found


def _without(polite: int, reading: Reading) -> list[tuple[Entry, Span]]:
    """What is found when courtesies are left out, at the places of the full reading: 'C, thank you!' is C."""
    kept = [at for at in range(len(reading.words)) if not reading.bit(polite, at)]
    shorter = Reading([reading.words[at] for at in kept], 0, 0)
    if len(kept) == 2:
        return []
    return [
        (entry, Span(kept[span.start], kept[span.end - 1] + 1))
        for entry, (span, *_) in vocabulary().find("intents", shorter)
        if entry.intent and entry.id != "yes-opt-in"
    ]


def _counts(entry: Entry, expecting: Expecting | None) -> bool:
    if entry.id == "yes-opt-in":
        # YES answers the open question; only where nothing is asked is it the carrier's keyword.
        return expecting is None
    return not entry.expecting or (expecting is not None and expecting.value in entry.expecting)


def _settled(entry: Entry, expecting: Expecting | None, text: str) -> bool:
    if entry.id == "carrier-cancel":
        # The carrier has stopped the texts, but asked about a visit the patient may have meant the visit.
        return expecting is not Expecting.CONFIRM
    if entry.id == "help-unclear":
        return fold(text).strip(" .") in {"help", "info", "information", "informacion"}
    return True


def _bits(span: Span) -> int:
    return ((1 << span.end) - 1) & ~((1 << span.start) - 1)


def _denied(intent: Intent, span: Span, reading: Reading) -> bool:
    """'Not home yet', 'don't stop texting me': the words are there and mean the opposite."""
    before: Iterable[tuple[str, ...]] = reading.words[max(1, span.start - 2) : span.start]
    return intent in _DENIABLE and any(not vocabulary().negations.isdisjoint(w) for w in before)
