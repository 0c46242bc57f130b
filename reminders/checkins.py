"""Mood check-ins: the scales, their scores, what a change means, and what a person must look at.

Answers are compared within one scale only, and only complete ones; a total with an item missing does not exist. Mood
rises when things get better, the PHQ totals fall. Thresholds are the sources' or the clinic's own; nothing here
diagnoses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from reminders.errors import BadInput
from reminders.model import CheckIn, Clinic, Instrument, TaskKind, Urgency

MOOD_MEMORY = timedelta(days=14)  # an older mood answer is nothing that today's could have fallen from
PHQ2_CUT = 3  # of 0–6: sensitivity .61, specificity .92 (rules.md 2)
RESPONSE = 0.5  # at least half of the baseline gone
REMISSION_BELOW = 5
IMPORTANT_CHANGE = 5  # PHQ-9 points (Löwe et al., Medical Care 2004; 42: 1194–1201)
LIFT = 2  # points of 0–10: about the smallest change that people call important (Farrar et al., Pain 2001; 94: 149–158)
WITHIN_REACH = 1
ITEM_9_URGENT = 2


@dataclass(frozen=True)
class Scale:
    """One instrument: so many items, each from 0 to `top`. `version` is that of its wording; codes are LOINC's."""

    instrument: Instrument
    version: str
    items: int
    top: int
    total_code: str | None = None
    panel_code: str | None = None
    item_codes: tuple[str, ...] = ()

    @property
    def highest(self) -> int:
        return self.items * self.top


_PHQ9_ITEMS = (
    "44250-9",
    "44255-8",
    "44259-0",
    "44254-1",
    "44251-7",
    "44258-2",
    "44252-5",
    "44253-3",
    "44260-8",
)

SCALES = {
    Instrument.MOOD: Scale(Instrument.MOOD, version="mood-1", items=1, top=10),
    Instrument.PHQ2: Scale(
        Instrument.PHQ2, version="phq2-1", items=2, top=3, total_code="55758-7", item_codes=_PHQ9_ITEMS[:2]
    ),
    Instrument.PHQ9: Scale(
        Instrument.PHQ9,
        version="phq9-1",
        items=9,
        top=3,
        total_code="44261-6",
        panel_code="44249-1",
        item_codes=_PHQ9_ITEMS,
    ),
}


class Band(StrEnum):
    """Of a PHQ-9 total."""

    MINIMAL = "minimal"
    MILD = "mild"
    MODERATE = "moderate"
    MODERATELY_SEVERE = "moderately_severe"
    SEVERE = "severe"


_BANDS = ((20, Band.SEVERE), (15, Band.MODERATELY_SEVERE), (10, Band.MODERATE), (5, Band.MILD), (0, Band.MINIMAL))
SEVERE_FROM = 20


class Why(StrEnum):
    """What in an answer calls for a person: a code for the log and the console, never the answer itself."""

    ITEM_9 = "item_9"
    ITEM_9_SKIPPED = "item_9_skipped"
    MOOD_FLOOR = "mood_floor"
    MOOD_DROP = "mood_drop"
    PHQ2_HIGH = "phq2_high"
    PHQ9_SEVERE = "phq9_severe"
    PHQ9_WORSE = "phq9_worse"


@dataclass(frozen=True)
class Concern:
    """A task that an answer opens, how urgent it is, and everything in the answer that calls for it."""

    kind: TaskKind
    urgency: Urgency
    why: tuple[Why, ...]


# --- scoring ----------------------------------------------------------------------------------------


def score(instrument: Instrument, items: Sequence[int | None]) -> int | None:
    """The total of a complete answer; None when an item is missing (None, or left off at the end).

    Raises BadInput naming the item (`items[8]`) that is off its scale; never with the answer itself.
    """
    scale = SCALES[instrument]
    if len(items) > scale.items:
        raise BadInput(f"items[{scale.items}]", f"{instrument} has no more than {scale.items} items")
    answered = [item for item in items if item is not None]
    for place, item in enumerate(items):
        if item is not None and not 0 <= item <= scale.top:
            raise BadInput(f"items[{place}]", f"an answer is a whole number from 0 to {scale.top}")
    return sum(answered) if len(answered) == scale.items else None


def band(total: int) -> Band:
    """The band of a PHQ-9 total, cut at 5, 10, 15 and 20. Raises BadInput outside 0–27."""
    if not 0 <= total <= SCALES[Instrument.PHQ9].highest:
        raise BadInput("score", "a PHQ-9 total is a whole number from 0 to 27")
    return next(named for least, named in _BANDS if total >= least)


# --- change over time -------------------------------------------------------------------------------


def complete(checkins: Iterable[CheckIn], instrument: Instrument) -> tuple[CheckIn, ...]:
    """The answers on one scale that have a total, oldest first: the curve."""
    of_scale = (one for one in checkins if one.instrument is instrument and one.score is not None)
    return tuple(sorted(of_scale, key=lambda one: (one.answered_at, one.asked_at)))


def baseline(checkins: Iterable[CheckIn], instrument: Instrument) -> CheckIn | None:
    """What later answers are held against: the earliest complete one, with its date.

    Where somebody was asked before the first treatment, as they should be, it is that one; who was not is compared
    with the first that there is, and its date shows it. None if there is none.
    """
    return next(iter(complete(checkins, instrument)), None)


def response(before: CheckIn, now: CheckIn) -> bool:
    """At least half of a PHQ-9 baseline is gone (rules.md 2). From a baseline of 0 there is no response.

    False when either has no total. Raises BadInput when either is on another scale.
    """
    totals = _phq9(before, now)
    return totals is not None and totals[0] > 0 and totals[0] - totals[1] >= RESPONSE * totals[0]


def remission(now: CheckIn) -> bool:
    """A PHQ-9 total under 5 (rules.md 2). False without a total. Raises BadInput on another scale."""
    totals = _phq9(now, now)
    return totals is not None and totals[1] < REMISSION_BELOW


def worsening(before: CheckIn, now: CheckIn) -> bool:
    """A PHQ-9 total at least 5 points above an earlier one.

    5 points are the least difference that matters in one person, two standard errors of measurement (Löwe et al.,
    Medical Care 2004; 42: 1194–1201). False when either has no total. Raises BadInput when either is on another scale.
    """
    totals = _phq9(before, now)
    return totals is not None and totals[1] - totals[0] >= IMPORTANT_CHANGE


def wearing_off(checkins: Iterable[CheckIn], treated_at: datetime, until: datetime | None = None) -> bool:
    """Whether the lift in mood after one treatment has gone again before the next.

    Ours, and slow to say yes, since single ratings waver by a point: the last mood before the treatment (no older than
    14 days) counts as its baseline; some answer after it was at least 2 points higher; and the last answer so far
    (before `until`, the next treatment, if there is one) is later than that and again within 1 point of the baseline
    or under it. No baseline or no lift: False, for then there is nothing that could wear off. Two points are about what
    people call an important change on a 0–10 rating; measured for pain (Farrar et al., Pain 2001; 94: 149–158).
    """
    moods = complete(checkins, Instrument.MOOD)
    earlier = [one for one in moods if treated_at - MOOD_MEMORY <= one.answered_at <= treated_at]
    since = [one for one in moods if treated_at < one.answered_at and (until is None or one.answered_at < until)]
    if not earlier or not since:
        return False
    base, *after = (one.score or 0 for one in (earlier[-1], *since))
    return max(after) >= base + LIFT and after[-1] <= base + WITHIN_REACH


def _phq9(before: CheckIn, now: CheckIn) -> tuple[int, int] | None:
    """Both totals; None if one is missing."""
    if not before.instrument is now.instrument is Instrument.PHQ9:
        raise BadInput("instrument", "only PHQ-9 is held against PHQ-9")
    return None if before.score is None or now.score is None else (before.score, now.score)


# --- what a person must look at ---------------------------------------------------------------------


def concerns(checkin: CheckIn, earlier: Sequence[CheckIn], clinic: Clinic) -> tuple[Concern, ...]:
    """What a new answer calls for, at most one task of a kind, the most urgent first (rules.md 2).

    `earlier`: this patient's other check-ins in any order; an older answer to the same question is not held against its
    correction. A missing item never hides what the others say: they alone may reach a threshold.
    """
    before = [one for one in earlier if one.answered_at <= checkin.answered_at and not _same_question(one, checkin)]
    match checkin.instrument:
        case Instrument.MOOD:
            reasons = _of_mood(checkin, before, clinic)
        case Instrument.PHQ2:
            reasons = [Why.PHQ2_HIGH] if _at_least(checkin) >= PHQ2_CUT else []
        case Instrument.PHQ9:
            reasons = _of_phq9(checkin, before)
    urgent = _item_9(checkin) >= ITEM_9_URGENT
    found = [Concern(TaskKind.CRISIS, Urgency.URGENT, (Why.ITEM_9,))] if urgent else []
    left = tuple(reason for reason in reasons if not (urgent and reason is Why.ITEM_9))
    if left:
        found.append(Concern(TaskKind.LOW_MOOD, Urgency.REVIEW, left))
    return tuple(found)


def _of_mood(checkin: CheckIn, before: Sequence[CheckIn], clinic: Clinic) -> list[Why]:
    if checkin.score is None:
        return []
    reasons = [Why.MOOD_FLOOR] if checkin.score <= clinic.mood_floor else []
    lately = [
        one.score
        for one in complete(before, Instrument.MOOD)
        if one.score is not None and one.answered_at >= checkin.answered_at - MOOD_MEMORY
    ]
    if lately and lately[-1] - checkin.score >= clinic.mood_drop:
        reasons.append(Why.MOOD_DROP)
    return reasons


def _of_phq9(checkin: CheckIn, before: Sequence[CheckIn]) -> list[Why]:
    reasons = []
    if _item_9(checkin) > 0:
        reasons.append(Why.ITEM_9)
    elif len(checkin.items) < 9 or checkin.items[8] is None:
        reasons.append(Why.ITEM_9_SKIPPED)
    if _at_least(checkin) >= SEVERE_FROM:
        reasons.append(Why.PHQ9_SEVERE)
    # against the last one too: whoever had recovered and relapses may still be better than at the baseline
    totals = complete(before, Instrument.PHQ9)
    if any(worsening(one, checkin) for one in (*totals[:1], *totals[-1:])):
        reasons.append(Why.PHQ9_WORSE)
    return reasons


def _item_9(checkin: CheckIn) -> int:
    """The answer to PHQ-9's last item (thoughts of being better off dead); 0 where there is none."""
    answered = checkin.instrument is Instrument.PHQ9 and len(checkin.items) == SCALES[Instrument.PHQ9].items
    return (checkin.items[8] or 0) if answered else 0


def _at_least(checkin: CheckIn) -> int:
    """What the answered items come to: under the total, were it known, and never written down as one."""
    return sum(item for item in checkin.items if item is not None)


def _same_question(one: CheckIn, other: CheckIn) -> bool:
    return (one.instrument, one.asked_at) == (other.instrument, other.asked_at)
