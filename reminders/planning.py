"""When: cadence × session → the moments of every step, and which of them is to be skipped and why.

Nothing here knows what time it is now. A reminder of the visit moves *earlier* when its own moment will not do, a
follow-up *later*, neither past its usefulness. See docs/decisions/0002 for the rules that are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from reminders.hours import door, wall
from reminders.model import (
    Anchor,
    Cadence,
    Chart,
    Condition,
    Hours,
    Ledger,
    Priority,
    RideState,
    Session,
    SessionStatus,
    Shift,
    State,
    Step,
)
from reminders.treatment import treatment_for

NOTICE_BEFORE = timedelta(
    hours=1
)  # contract 3: a notice that must wait comes an hour before the start, or a person calls
BOOKED_USEFUL = timedelta(hours=24)  # "you are booked" is news for a day


@dataclass(frozen=True)
class Planned:
    """One step of one session: its own moment, the moment it goes, and the instant from which it is of no use.

    `at` None: there is no moment at which it could go. `rank`: its place in the cadence. All instants UTC.
    """

    session: Session
    ledger: Ledger
    step: Step
    rank: int
    ideal: datetime
    at: datetime | None
    until: datetime
    known_at: datetime  # nobody could have been told before
    start: datetime  # part of the message's identity

    @property
    def shift(self) -> Shift | None:
        """Which way it was moved from its own moment; None if it was not."""
        if self.at is None or self.at == self.ideal:
            return None
        return Shift.EARLIER if self.at < self.ideal else Shift.LATER

    @property
    def overdue_when_known(self) -> bool:
        """Its moment had passed before anybody knew of this visit at this time."""
        return self.step.before_start and (self.at is None or self.at < self.known_at)

    @property
    def priority(self) -> Priority:
        """A same-day text pulled onto the evening before says little new: it yields to everything else."""
        if self.step.priority is Priority.LOGISTICS and self.step.minutes < 0 and self.shift is Shift.EARLIER:
            return Priority.COURTESY
        return self.step.priority


def timeline(chart: Chart, session: Session, ledger: Ledger, cadence: Cadence) -> list[Planned]:
    """Every step that belongs to this session as things stand, in cadence order. Steps whose anchor has not happened
    (not discharged, not moved …) or whose condition does not hold are absent."""
    planned = []
    for rank, step in enumerate(cadence.steps):
        anchor = _anchor(step, session, ledger)
        if anchor is None or not _belongs(chart, session, ledger, step):
            continue
        planned.append(_place(chart, session, ledger, step, rank, anchor))
    return planned


def moment(step: Step, anchor: datetime, zone: ZoneInfo) -> datetime:
    """A step's own moment: local date + days, then wall time, then aware; or minutes of elapsed time. UTC."""
    if step.days is not None and step.at is not None:
        return wall(anchor.astimezone(zone).date() + timedelta(days=step.days), step.at, zone)
    return anchor + timedelta(minutes=step.minutes)


def fasting_cut_off(chart: Chart, session: Session) -> datetime:
    """The instant after which the patient may not eat. A fasting text that comes later does harm."""
    return session.starts_at - timedelta(hours=treatment_for(chart.clinic, session.kind).solids_hours)


def told_of(ledger: Ledger) -> datetime | None:
    """The start the patient was last told of (or may have been: a claim in flight counts); None if of none."""
    tells = ("booked", "welcome", "prepare", "day_before", "same_day", "moved")
    told = [
        entry
        for entry in ledger.entries.values()
        if entry.step in tells and entry.state in (State.CLAIMED, State.SENT, State.IN_DOUBT)
    ]
    return max(told, key=lambda entry: entry.at).start if told else None


def home_safe_asked(ledger: Ledger) -> datetime | None:
    """When the home-safe question for the present start went out."""
    asked = [
        entry.at
        for entry in ledger.entries.values()
        if entry.step == "home_safe" and entry.state is State.SENT and entry.start == ledger.starts_at
    ]
    return min(asked) if asked else None


def _anchor(step: Step, session: Session, ledger: Ledger) -> datetime | None:
    if ledger.status is SessionStatus.CANCELLED and step.anchor is not Anchor.CANCELLED:
        # what had been planned is still listed, so that each line can say "cancelled"
        return _before_anchor(step, session, ledger) if step.before_start else None
    match step.anchor:
        case Anchor.BOOKED | Anchor.START:
            return _before_anchor(step, session, ledger)
        case Anchor.MOVED:
            return ledger.moved_at if ledger.moved_from and ledger.status is SessionStatus.BOOKED else None
        case Anchor.CANCELLED:
            in_time = ledger.cancelled_at is not None and ledger.cancelled_at < session.starts_at
            return ledger.cancelled_at if in_time and told_of(ledger) else None
        case Anchor.DISCHARGED:
            return ledger.discharged_at
        case Anchor.HOME_SAFE:
            return home_safe_asked(ledger)
        case Anchor.MISSED:
            return ledger.missed_at


def _before_anchor(step: Step, session: Session, ledger: Ledger) -> datetime | None:
    if step.anchor is Anchor.START:
        return session.starts_at
    return None if ledger.moved_from else ledger.booked_at  # the moved notice takes the place of "you are booked"


def _belongs(chart: Chart, session: Session, ledger: Ledger, step: Step) -> bool:
    match step.when:
        case None:
            return True
        case Condition.FIRST_SESSION:
            return not (chart.patient.experienced or _explained(chart, session, step)) and not any(
                other.kind.treatment
                and (other.status is SessionStatus.DISCHARGED or _sooner(other, session))
                and other.status not in (SessionStatus.CANCELLED, SessionStatus.NO_SHOW)
                for other in chart.sessions.values()
                if other.id != session.id
            )
        case Condition.RIDE_OPEN:
            open_states = (RideState.UNKNOWN, RideState.ASKED)
            return ledger.status is SessionStatus.BOOKED and ledger.ride.state in open_states
        case Condition.NO_LATER_SESSION:
            live = (SessionStatus.BOOKED, SessionStatus.DISCHARGED)
            return not any(
                other.starts_at > session.starts_at and other.status in live for other in chart.sessions.values()
            )
        case Condition.HOME_SAFE_OPEN:
            return ledger.home_safe_at is None
        case Condition.STILL_BOOKED:
            return ledger.status is SessionStatus.BOOKED


def _explained(chart: Chart, session: Session, step: Step) -> bool:
    """The patient has had this text already, for another visit or another start of this one."""
    return any(
        entry.step == step.key
        and entry.state in (State.CLAIMED, State.SENT, State.IN_DOUBT)
        and (ledger.session_id, entry.start) != (session.id, session.starts_at)
        for ledger in chart.ledgers.values()
        for entry in ledger.entries.values()
    )


def _sooner(one: Session, other: Session) -> bool:
    return (one.starts_at, one.id) < (other.starts_at, other.id)


def _place(chart: Chart, session: Session, ledger: Ledger, step: Step, rank: int, anchor: datetime) -> Planned:
    ideal = moment(step, anchor, ZoneInfo(chart.patient.time_zone))
    until = _until(chart, session, ledger, step, ideal)
    known_at = ledger.booked_at if ledger.moved_at is None else ledger.moved_at
    return Planned(
        session=session,
        ledger=ledger,
        step=step,
        rank=rank,
        ideal=ideal,
        at=_at(chart, step, anchor, ideal, until),
        until=until,
        known_at=known_at,
        start=anchor if step.anchor is Anchor.CANCELLED else session.starts_at,
    )


def _until(chart: Chart, session: Session, ledger: Ledger, step: Step, ideal: datetime) -> datetime:
    """The instant from which the step is of no use."""
    useful = timedelta(minutes=step.useful_minutes)
    if step.task is not None:
        return session.starts_at if ideal < session.starts_at else ideal + useful
    match step.anchor:
        case Anchor.BOOKED:
            return min(ideal + BOOKED_USEFUL, session.starts_at - useful)
        case Anchor.START:
            until = session.starts_at - useful
            return min(until, fasting_cut_off(chart, session)) if step.fasting else until
        case Anchor.MOVED | Anchor.CANCELLED:
            return _notice_until(session, ledger)
        case _:
            return ideal + useful


def _notice_until(session: Session, ledger: Ledger) -> datetime:
    """A notice is of use until the visit it speaks of: the new start, or the old one when that comes first."""
    told = ledger.moved_from if ledger.moved_from and ledger.moved_at and ledger.moved_from > ledger.moved_at else None
    return min(told, session.starts_at) if told else session.starts_at


def _at(chart: Chart, step: Step, anchor: datetime, ideal: datetime, until: datetime) -> datetime | None:
    if step.hours is Hours.ANY:
        return ideal
    usable = door(chart, step.hours, asks=step.asks)
    if step.anchor in (Anchor.MOVED, Anchor.CANCELLED):
        at = ideal if usable.is_open(ideal) or not usable.is_open(anchor) else anchor
        if usable.is_open(at):
            return at if at < until else anchor
        opened = usable.next_open(at)
        return opened if opened is not None and opened <= until - NOTICE_BEFORE else None
    if usable.is_open(ideal):
        return ideal
    if step.shift is Shift.LATER:
        pulled = _pulled(chart, step, anchor, ideal)
        return pulled if pulled is not None else _before(usable.next_open(ideal), until)
    if door(chart, step.hours, asks=False).is_open(ideal):
        # only drowsiness is in the way: the next morning is nearer to the visit than the day before
        later = _before(usable.next_open(ideal), until)
        if later is not None:
            return later
    return usable.last_open(ideal)


def _pulled(chart: Chart, step: Step, anchor: datetime, ideal: datetime) -> datetime | None:
    """A follow-up that would fall after closing time comes a little sooner, if its cadence allows it."""
    if step.pull_minutes is None:
        return None
    last = door(chart, step.hours, asks=step.asks).last_open(ideal)
    return last if last is not None and last >= anchor + timedelta(minutes=step.pull_minutes) else None


def _before(at: datetime | None, until: datetime) -> datetime | None:
    return at if at is not None and at < until else None
