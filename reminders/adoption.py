"""Bringing our ledger up to date with a session that a booking system has written, moved, cancelled or closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from reminders.model import Cadence, Chart, Entry, Kind, Ledger, Reason, Ride, Session, SessionStatus, State
from reminders.planning import timeline, told_of

HISTORY = timedelta(days=1)  # a visit first seen later than this after its start is history: nothing is sent about it


@dataclass(frozen=True)
class Adopted:
    """The ledger as it should be, lines for what has become moot, and what happened, in words for the journal."""

    ledger: Ledger
    entries: dict[str, Entry] = field(default_factory=dict)
    events: tuple[str, ...] = ()


def adopt(chart: Chart, session: Session, cadences: Mapping[Kind, Cadence], now: datetime) -> Adopted | None:
    """What to write for one session; None when its ledger is up to date or the visit is history."""
    ledger = chart.ledgers.get(session.id)
    if ledger is None:
        return _first_seen(session, now)
    entries: dict[str, Entry] = {}
    events: list[str] = []
    changed = ledger
    if session.starts_at != ledger.starts_at:
        entries = _moot(chart, session, ledger, cadences[session.kind], now)
        changed = _moved(session, changed, now)
        events.append("moved")
    if session.status != ledger.status:
        changed = _status(session, changed, now)
        events.append("booked" if session.status is SessionStatus.BOOKED else str(session.status))
    return Adopted(changed, entries, tuple(events)) if events else None


def _first_seen(session: Session, now: datetime) -> Adopted | None:
    if session.starts_at < now - HISTORY:
        return None
    booked_at = min(session.booked_at or now, now)
    ledger = Ledger(session_id=session.id, starts_at=session.starts_at, booked_at=booked_at)
    if session.status is SessionStatus.BOOKED:
        return Adopted(ledger, events=("booked",))
    return Adopted(_status(session, ledger, now), events=("booked", str(session.status)))


def _moved(session: Session, ledger: Ledger, now: datetime) -> Ledger:
    """The ride is asked anew. A correction is owed only if the patient was told of another start."""
    told = told_of(ledger)
    return msgspec.structs.replace(
        ledger,
        starts_at=session.starts_at,
        moved_at=now,
        moved_from=None if told == session.starts_at else told,
        ride=Ride(),
        confirmed_at=None,
        home_safe_at=None,
    )


def _status(session: Session, ledger: Ledger, now: datetime) -> Ledger:
    at = min(session.status_at or now, now)
    ledger = msgspec.structs.replace(
        ledger, status=session.status, cancelled_at=None, discharged_at=None, missed_at=None
    )
    match session.status:
        case SessionStatus.CANCELLED:
            return msgspec.structs.replace(ledger, cancelled_at=at)
        case SessionStatus.DISCHARGED:
            return msgspec.structs.replace(ledger, discharged_at=at)
        case SessionStatus.NO_SHOW:
            return msgspec.structs.replace(ledger, missed_at=at)
        case SessionStatus.BOOKED:
            return _revived(ledger, now)


def _revived(ledger: Ledger, now: datetime) -> Ledger:
    """Booked again: what was skipped as cancelled is void; whoever was told of the cancellation is told anew."""
    told = any(entry.step == "cancelled" and entry.state is State.SENT for entry in ledger.entries.values())
    if not told:
        return msgspec.structs.replace(ledger, booked_at=now)
    return msgspec.structs.replace(ledger, booked_at=now, moved_at=now, moved_from=ledger.starts_at)


def _moot(chart: Chart, session: Session, ledger: Ledger, cadence: Cadence, now: datetime) -> dict[str, Entry]:
    """Reminders of the old start that had not gone out: each gets its line."""
    old = msgspec.structs.replace(session, starts_at=ledger.starts_at)
    begun = {(entry.step, entry.start) for entry in ledger.entries.values()}
    moot = [
        Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.SKIPPED,
            at=now,
            due=planned.ideal,
            reason=Reason.SUPERSEDED,
        )
        for planned in timeline(chart, old, ledger, cadence)
        if planned.step.before_start and (planned.step.key, planned.start) not in begun
    ]
    return {entry.key: entry for entry in moot}
