"""A decision, and the draft of it: what is known of one patient, and what has been written down so far.

The rules that fill a draft in are in `decisions`, `unfinished` and `crowding`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from msgspec.structs import replace

from reminders import tasks
from reminders.attempts import LEASE, Mark
from reminders.hours import door, local_day
from reminders.model import (
    Channel,
    Chart,
    Entry,
    Hours,
    Ledger,
    Priority,
    Reason,
    Session,
    Shift,
    State,
    Step,
    Task,
    TaskKind,
)
from reminders.planning import Planned


@dataclass(frozen=True)
class Send:
    """One message to render, claim and send. `entry` is the claim."""

    session: Session
    ledger: Ledger
    step: Step
    entry: Entry


@dataclass(frozen=True)
class Check:
    """One entry of which nobody knows whether it was sent: ask the provider."""

    session: Session
    entry: Entry


@dataclass
class Decision:
    """All that follows for one patient. `entries` (by session) include the claims of `sends`; `next_due` is what comes
    after them, assuming they are sent."""

    sends: list[Send] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    tasks: dict[str, list[Task]] = field(default_factory=dict)
    next_due: dict[str, datetime | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A step that could go out now. `entry`: an earlier attempt, when this is a second one. `also`: the same step of
    other visits, for which this one speaks."""

    planned: Planned
    channel: Channel
    entry: Entry | None = None
    also: tuple[Planned, ...] = ()


@dataclass
class Draft:
    """One patient's chart at `now` (aware), every session's planned steps, and the decision as far as it is made."""

    chart: Chart
    now: datetime
    planned: dict[str, list[Planned]]  # by session
    today: date = field(init=False)  # on the patient's wall
    decision: Decision = field(init=False)

    def __post_init__(self) -> None:
        self.today = local_day(self.now, self.chart)
        self.decision = Decision(next_due=dict.fromkeys(self.chart.ledgers))

    def opening(self, planned: Planned) -> datetime | None:
        """The first instant from now on at which the step may go and is still of use."""
        if planned.at is None:
            return None
        if planned.step.hours is Hours.ANY:
            opens: datetime | None = self.now
        else:
            opens = door(self.chart, planned.step.hours, asks=planned.step.asks).next_open(self.now)
        return opens if opens is not None and opens < planned.until else None

    def wake(self, session_id: str, at: datetime) -> None:
        """Decide again at `at`, or sooner if something else wants it."""
        known = self.decision.next_due[session_id]
        self.decision.next_due[session_id] = at if known is None else min(known, at)

    def put(self, session_id: str, entry: Entry) -> None:
        """An entry as it is from now on."""
        self.decision.entries.setdefault(session_id, {})[entry.key] = entry

    def open(self, kind: TaskKind, session_id: str, step: str, start: datetime, due_at: datetime | None = None) -> Task:
        """Work for a person, about one step of one session; the same work is opened once."""
        opened = tasks.task(
            kind,
            self.chart.clinic.id,
            self.now,
            patient_id=self.chart.patient.id,
            session_id=session_id,
            step=step,
            start=start,
            due_at=due_at,
        )
        waiting = self.decision.tasks.setdefault(session_id, [])
        if all(other.id != opened.id for other in waiting):
            waiting.append(opened)
        return opened

    def skip(self, planned: Planned, reason: Reason) -> None:
        """A step that does not go out, and the work this leaves for a person."""
        entry = Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.SKIPPED,
            at=self.now,
            due=planned.ideal,
            reason=reason,
        )
        safety = planned.step.priority is Priority.SAFETY
        kind = tasks.for_skipped(planned.step.key, reason, safety=safety)
        if kind is not None:
            opened = self.open(kind, planned.session.id, planned.step.key, planned.start)
            entry = replace(entry, task=opened.id)
        self.put(planned.session.id, entry)

    def send(self, candidate: Candidate, sessions: tuple[str, ...]) -> None:
        """Claim a message. `sessions`: those it speaks for, if several."""
        planned = candidate.planned
        earlier = candidate.entry
        entry = Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.CLAIMED,
            at=self.now,
            claimed_at=earlier.claimed_at if earlier else self.now,
            channel=candidate.channel,
            to=self.chart.patient.address(candidate.channel),
            due=planned.ideal,
            until=planned.until,
            shift=self._shifted(planned),
            again_at=self.now + LEASE,
            attempt=earlier.attempt + 1 if earlier else 1,
            language=self.chart.patient.language,
            capped=planned.step.capped,
            sessions=sessions,
        )
        self.put(planned.session.id, entry)
        self.decision.sends.append(Send(planned.session, planned.ledger, planned.step, entry))

    def _shifted(self, planned: Planned) -> Shift | None:
        """Which way it has moved from its own moment; pulled earlier but held up by the cap, it is later after all."""
        return Shift.LATER if planned.shift is Shift.EARLIER and self.now > planned.ideal else planned.shift


def begun(planned: Planned) -> bool:
    """Whether this step has an entry for this start that still counts."""
    return any(
        entry.step == planned.step.key and entry.start == planned.start and not _void(planned.ledger, entry)
        for entry in planned.ledger.entries.values()
    )


def _void(ledger: Ledger, entry: Entry) -> bool:
    """Skipped because the visit was cancelled or moved away, and it has since come back."""
    if entry.at >= max(ledger.booked_at, ledger.moved_at or ledger.booked_at):
        return False
    was_to_come = entry.due is not None and entry.due > entry.at
    return entry.reason is Reason.CANCELLED or (entry.reason is Reason.SUPERSEDED and was_to_come)
