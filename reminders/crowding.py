"""One check-in a day, fewer for whoever asked for less, and no more texts a day than the clinic's cap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from reminders.draft import Candidate, Draft, begun
from reminders.hours import door, local_day, wall
from reminders.model import Anchor, Channel, Reason, State
from reminders.planning import Planned
from reminders.reach import channel_for

DAYS_BETWEEN = 3  # after LESS, between two check-ins


def collapse(draft: Draft, candidates: Sequence[Candidate], upcoming: Sequence[Planned]) -> list[Candidate]:
    """Check-ins of several sessions on one day become one: the last of that day, for the nearest session."""
    fresh = [c for c in candidates if c.planned.step.collapses and c.entry is None]
    if not fresh:
        return list(candidates)
    others = [c for c in candidates if c not in fresh]
    if _last_asked(draft) == draft.today:
        for candidate in fresh:
            draft.skip(candidate.planned, Reason.SUPERSEDED)
        return others
    later = [p.at for p in upcoming if p.step.collapses and p.at and local_day(p.at, draft.chart) == draft.today]
    if later and all(min(later) < candidate.planned.until for candidate in fresh):
        for candidate in fresh:
            draft.wake(candidate.planned.session.id, min(later))
        return others
    return [*others, max(fresh, key=lambda c: (c.planned.session.starts_at, -c.planned.rank))]


def gather(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Visits booked at once are announced at once: one "you are booked", for the soonest, that speaks for all."""
    booked = sorted(
        (c for c in candidates if c.planned.step.anchor is Anchor.BOOKED and c.entry is None),
        key=lambda c: (c.planned.session.starts_at, c.planned.session.id),
    )
    if not booked:
        return list(candidates)
    soonest, *others = booked
    also = tuple(other.planned for other in others)
    return [*(c for c in candidates if c not in booked), replace(soonest, also=also)]


def folded(draft: Draft, candidate: Candidate) -> tuple[str, ...]:
    """The sessions a combined text speaks for; empty if only its own. The texts it takes the place of are skipped as
    superseded."""
    if candidate.entry is not None:
        return candidate.entry.sessions
    if candidate.also:
        for planned in candidate.also:
            draft.skip(planned, Reason.SUPERSEDED)
        return tuple(sorted(planned.session.id for planned in (candidate.planned, *candidate.also)))
    if not candidate.planned.step.collapses:
        return ()
    spoken = {candidate.planned.session.id}
    for session_id, plans in draft.planned.items():
        for planned in plans:
            if planned is candidate.planned or not planned.step.collapses or planned.at is None:
                continue
            if planned.at <= draft.now and not begun(planned) and not _noted(draft, planned):
                draft.skip(planned, Reason.SUPERSEDED)
                spoken.add(session_id)
    return tuple(sorted(spoken)) if len(spoken) > 1 else ()


def _noted(draft: Draft, planned: Planned) -> bool:
    return any(
        entry.step == planned.step.key and entry.start == planned.start
        for entry in draft.decision.entries.get(planned.session.id, {}).values()
    )


def more_than_asked_for(draft: Draft, planned: Planned) -> bool:
    """After LESS: no check-in at 72 hours, and none within three days of the last."""
    if not draft.chart.patient.fewer_checkins or not planned.step.collapses:
        return False
    last = _last_asked(draft)
    return planned.step.key == "checkin_72h" or (last is not None and (draft.today - last).days < DAYS_BETWEEN)


def _last_asked(draft: Draft) -> date | None:
    """The patient's day on which the last check-in went out."""
    keys = {planned.step.key for plans in draft.planned.values() for planned in plans if planned.step.collapses}
    asked = [
        entry.claimed_at
        for ledger in draft.chart.ledgers.values()
        for entry in ledger.entries.values()
        if entry.step in keys
        and entry.channel is not None
        and entry.state is not State.SKIPPED
        and entry.claimed_at is not None
    ]
    return local_day(max(asked), draft.chart) if asked else None


def within_cap(draft: Draft, candidates: Sequence[Candidate], upcoming: Sequence[Planned]) -> list[Candidate]:
    """Routine texts over the day's cap wait for tomorrow while of use, else are skipped; priority decides which,
    and of equals the one that cannot wait goes."""
    going = [candidate for candidate in candidates if not _counts(candidate)]
    rivals = sorted(filter(_counts, candidates), key=lambda rival: _precedence(draft, rival.planned))
    to_come = _to_come(draft, upcoming)
    left = draft.chart.clinic.daily_cap - _used_today(draft)
    for candidate in rivals:
        rank = candidate.planned.priority.rank
        can_wait = _tomorrow(draft, candidate.planned) is not None
        kept_free = sum(
            1
            for planned in to_come
            if planned.priority.rank < rank
            or (planned.priority.rank == rank and can_wait and _tomorrow(draft, planned) is None)
        )
        if left - kept_free > 0:
            left -= 1
            going.append(candidate)
        else:
            for planned in (candidate.planned, *candidate.also):
                _hold_back(draft, planned)
    return going


def _counts(candidate: Candidate) -> bool:
    return candidate.planned.step.capped and candidate.channel is Channel.SMS and candidate.entry is None


def _precedence(draft: Draft, planned: Planned) -> tuple[int, bool, datetime, int, str]:
    can_wait = _tomorrow(draft, planned) is not None
    return planned.priority.rank, can_wait, planned.at or planned.ideal, planned.rank, planned.session.id


def _to_come(draft: Draft, upcoming: Sequence[Planned]) -> list[Planned]:
    """Texts still to come today that count against the cap; of check-ins, one."""
    if channel_for(draft.chart)[0] is not Channel.SMS:
        return []
    to_come, checkin = [], False
    for planned in upcoming:
        if planned.at is None or local_day(planned.at, draft.chart) != draft.today:
            continue
        if planned.step.task is not None or not planned.step.capped or (planned.step.collapses and checkin):
            continue
        checkin = checkin or planned.step.collapses
        to_come.append(planned)
    return to_come


def _used_today(draft: Draft) -> int:
    return sum(
        1
        for ledger in draft.chart.ledgers.values()
        for entry in ledger.entries.values()
        if entry.capped
        and entry.reason is None  # what the provider refused reached nobody
        and entry.channel is Channel.SMS
        and entry.claimed_at is not None
        and local_day(entry.claimed_at, draft.chart) == draft.today
    )


def _hold_back(draft: Draft, planned: Planned) -> None:
    tomorrow = _tomorrow(draft, planned)
    if tomorrow is not None:
        draft.wake(planned.session.id, tomorrow)
    else:
        draft.skip(planned, Reason.DAILY_CAP)


def _tomorrow(draft: Draft, planned: Planned) -> datetime | None:
    """When a message that waits for tomorrow could go; None if it is of no use by then."""
    usable_door = door(draft.chart, planned.step.hours, asks=planned.step.asks)
    midnight = wall(draft.today + timedelta(days=1), draft.chart.clinic.sending_hours.opens.min, usable_door.zone)
    opens = usable_door.next_open(midnight)
    return opens if opens is not None and opens < planned.until else None
