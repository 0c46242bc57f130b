"""A course of treatment played through the pure domain alone: no store, no provider, a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from reminders import adoption, cadences
from reminders.attempts import after_answer
from reminders.decisions import decide, next_due
from reminders.model import (
    Channel,
    Chart,
    Clinic,
    Entry,
    Outcome,
    Patient,
    Reason,
    Result,
    Session,
    State,
    Task,
)

CADENCES = cadences.load(Path(__file__).parents[2] / "templates" / "cadences")

Change = Callable[[Chart], Chart]


@dataclass
class Course:
    """What went out, what did not and why, and what was left for people."""

    chart: Chart
    now: datetime
    sent: list[tuple[datetime, str, Entry]] = field(default_factory=list)
    skipped: list[tuple[datetime, str, Entry]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def steps(self) -> list[str]:
        return [entry.step for _, _, entry in self.sent]

    def at(self, step: str, session: str = "s1") -> datetime:
        times = [at for at, session_id, entry in self.sent if entry.step == step and session_id == session]
        assert len(times) == 1, f"{step} went out {len(times)} times"
        return times[0]

    def why(self, step: str, session: str = "s1") -> Reason | None:
        reasons = [entry.reason for _, session_id, entry in self.skipped if (entry.step, session_id) == (step, session)]
        assert len(reasons) <= 1, f"{step} was skipped {len(reasons)} times"
        return reasons[0] if reasons else None

    def task_kinds(self) -> list[str]:
        return [str(task.kind) for task in self.tasks]


def play(
    clinic: Clinic,
    patient: Patient,
    sessions: Iterable[Session],
    *,
    starts: datetime,
    ends: datetime,
    changes: Iterable[tuple[datetime, Change]] = (),
    answer: Callable[[Entry, datetime], Outcome] | None = None,
) -> Course:
    """Run from `starts` to `ends`; each session is written at its `booked_at`, each change at its time."""
    course = Course(Chart(clinic=clinic, patient=patient), starts)
    waiting: list[tuple[datetime, Change]] = [
        (max(session.booked_at or starts, starts), _booking(session)) for session in sessions
    ]
    waiting = sorted([*waiting, *changes], key=lambda item: item[0])
    for _ in range(20_000):
        due = [at for at in next_due(course.chart, CADENCES, course.now).values() if at]
        upcoming = min([*due, *(at for at, _ in waiting)], default=ends)
        course.now = max(course.now, upcoming)
        if course.now >= ends:
            return course
        while waiting and waiting[0][0] <= course.now:
            course.chart = waiting.pop(0)[1](course.chart)
        _adopt(course)
        _deliver(course, answer)
    raise AssertionError("this course never comes to rest")


def status(session_id: str, **changes: object) -> Change:
    """What a booking system does: overwrite one session."""

    def change(chart: Chart) -> Chart:
        session = replace(chart.sessions[session_id], **changes)
        return replace(chart, sessions={**chart.sessions, session_id: session})

    return change


def of_patient(**changes: object) -> Change:
    def change(chart: Chart) -> Chart:
        return replace(chart, patient=replace(chart.patient, **changes))

    return change


def _booking(session: Session) -> Change:
    def change(chart: Chart) -> Chart:
        return replace(chart, sessions={**chart.sessions, session.id: session})

    return change


def _adopt(course: Course) -> None:
    for session in course.chart.sessions.values():
        adopted = adoption.adopt(course.chart, session, CADENCES, course.now)
        if adopted is None:
            continue
        before = course.chart.ledgers.get(session.id)
        known = before.entries if before else {}
        ledger = replace(adopted.ledger, entries={**known, **adopted.entries})
        course.chart = replace(course.chart, ledgers={**course.chart.ledgers, session.id: ledger})
        course.skipped += [(course.now, session.id, entry) for entry in adopted.entries.values()]


def _deliver(course: Course, answer: Callable[[Entry, datetime], Outcome] | None) -> None:
    decision = decide(course.chart, CADENCES, course.now)
    assert decide(course.chart, CADENCES, course.now) == decision, "the same chart and time decide the same"
    course.tasks += [task for opened in decision.tasks.values() for task in opened]
    claims = {(send.session.id, send.entry.key) for send in decision.sends}
    ledgers = dict(course.chart.ledgers)
    for session_id, entries in decision.entries.items():
        for entry in entries.values():
            kept = entry
            if (session_id, entry.key) in claims:
                accepted = Outcome(result=Result.ACCEPTED, at=course.now, ref=f"SM{len(course.sent)}")
                kept, _ = after_answer(entry, answer(entry, course.now) if answer else accepted, course.now)
            if kept.state is State.SENT and (session_id, entry.key) in claims:
                course.sent.append((course.now, session_id, kept))
            if kept.state is State.SKIPPED:
                course.skipped.append((course.now, session_id, kept))
            ledger = ledgers[session_id]
            ledgers[session_id] = replace(ledger, entries={**ledger.entries, kept.key: kept})
    course.chart = replace(course.chart, ledgers=ledgers)


def sms(course: Course) -> list[tuple[datetime, str, Entry]]:
    return [line for line in course.sent if line[2].channel is Channel.SMS]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
