"""Is someone in danger? Every inbound message is read for danger first (rules.md 2), whatever else it says.

`URGENT`: a person must be woken now. A phrase of the danger vocabulary is calmed only by a denial right before it, by
the distant past, or by a question in the abstract, and calmed means *read by a person*, never cleared. Idioms cover
their own words and nothing else, so danger beside an idiom still wakes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from reminders.lexicon import Vocabulary, vocabulary
from reminders.normalise import fold
from reminders.phrases import Entry, Reading, Span

_FURTHEST_DENIAL = 9  # words between a denial and what it denies
_NEAR = 4


class Danger(StrEnum):
    URGENT = "urgent"
    CALMED = "calmed"  # a phrase of danger, denied, past or hypothetical
    NONE = "none"  # no phrase of danger was found; that is not the same as safe


class Finding(NamedTuple):
    danger: Danger
    why: tuple[str, ...]  # ids of the vocabulary entries that fired, for whoever reviews them


def assess(text: str) -> Finding:
    """How urgent a text is, whatever its length, language and spelling."""
    words = vocabulary()
    reading = words.suspicious(text)
    guards = _Guards(words, reading)
    hidden, idioms = _idioms(words, reading, guards)
    urgent: list[str] = []
    calmed: list[str] = []
    for entry, spans in words.find("danger", reading, hidden):
        (calmed if any(guards.calm(entry, span) for span in spans) else urgent).append(entry.id)
    urgent += words.anywhere("danger", fold(text))
    if urgent:
        return Finding(Danger.URGENT, _once(urgent))
    return Finding(Danger.CALMED if calmed else Danger.NONE, _once(calmed + idioms))


def _once(ids: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))


def _idioms(words: Vocabulary, reading: Reading, guards: _Guards) -> tuple[int, list[str]]:
    hidden = 0
    found = []
    for entry, (span, *_) in words.find("idioms", reading):
        if "laugh" in entry.guards and not guards.laughs:
            continue
        hidden |= ((1 << span.end) - 1) & ~((1 << span.start) - 1)
        found.append(entry.id)
    return hidden, found


class _Guards:
    """The places in one message where a denial, the past or a question stands."""

    def __init__(self, words: Vocabulary, reading: Reading) -> None:
        self._reading = reading
        self._words = words
        self._spans: dict[str, list[Span]] = {}
        for entry, (span, *_) in words.find("guards", reading):
            self._spans.setdefault(entry.id, []).append(span)
        self._between = words.listed("guards", "between")
        self._nouns = words.listed("guards", "nouns-after-no")

    @property
    def laughs(self) -> bool:
        return "laugh" in self._spans

    def calm(self, entry: Entry, span: Span) -> bool:
        return (
            ("negation" in entry.guards and self._denied(span))
            or ("history" in entry.guards and self._past(span))
            or ("hypothetical" in entry.guards and self._hypothetical(span))
        )

    def _denied(self, span: Span) -> bool:
        at = span.start
        while at > max(1, span.start - _FURTHEST_DENIAL):
            if self._reading.bit(self._reading.soft, at):
                return self._denied_after(span)
            at -= 1
            spellings = self._reading.words[at]
            if not self._words.negations.isdisjoint(spellings) or self._stopped(at):
                return self._holds(at, span)
            if self._between.isdisjoint(spellings):
                return self._denied_after(span)
        return self._denied_after(span)

    def _stopped(self, at: int) -> bool:
        """'I stopped wanting to die', but not 'I never stopped'."""
        denied = not self._words.negations.isdisjoint(self._reading.words[at - 1])
        return not denied and any(at == stopped.start for stopped in self._spans.get("stopped", ()))

    def _denied_after(self, span: Span) -> bool:
        """'Suicidal? No.' at the very end of a message, or 'the dark thoughts are gone'."""
        words = self._reading.words
        if any(span.end - 1 <= faded.start <= span.end + 1 for faded in self._spans.get("faded", ())):
            return True
        tail = [w[0] for w in words[span.end : span.end + 2]]
        return len(tail) == 2 and tail[0] in {"no", "none", "never", "nope", "not", "nunca"} and tail[1] == ">"

    def _holds(self, at: int, span: Span) -> bool:
        """Whether the denial at this word really denies the phrase."""
        words = self._reading.words
        if words[at][0] == "no" and self._nouns.isdisjoint(words[at + 1]):
            return False
        if words[at][0] in {"never", "nunca", "jamas", "not"} and any(
            not {"more", "this", "so", "tan", "mas"}.isdisjoint(w) for w in words[at + 1 : span.end]
        ):
            return False
        if any(at - 5 <= undone.start and undone.end <= at + 1 for undone in self._spans.get("undone", ())):
            return False
        return not any(span.end <= yet.start <= span.end + 2 for yet in self._spans.get("not-yet", ()))

    def _past(self, span: Span) -> bool:
        for past in self._spans.get("history", ()):
            if self._far(past, span):
                continue
            if any(back.start >= min(past.start, span.start) for back in self._spans.get("returned", ())):
                continue
            return True
        return False

    def _far(self, past: Span, span: Span) -> bool:
        if past.start >= span.start:
            gap = range(span.end, past.start + 1)
            return len(gap) > _NEAR + 1 or any(self._reading.bit(self._reading.hard, at) for at in gap)
        gap = range(past.end, span.start)
        if any(self._reading.bit(self._reading.hard, at) for at in (*gap, span.start)):
            return True
        allowed = self._between | self._words.classes["told"]
        return len(gap) > _NEAR or any(allowed.isdisjoint(self._reading.words[at]) for at in gap)

    def _hypothetical(self, span: Span) -> bool:
        return any(
            span.start - 10 <= asked.start <= span.end
            and not any(self._reading.bit(self._reading.hard, at) for at in range(asked.start + 1, span.end))
            for asked in self._spans.get("hypothetical", ())
        )
