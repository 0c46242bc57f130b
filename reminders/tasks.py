"""What a person must do, and by when. A task's id is made from what caused it, so it is opened once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reminders.model import Reason, Task, TaskKind, Urgency

URGENCY: dict[TaskKind, Urgency] = {
    TaskKind.CRISIS: Urgency.URGENT,
    TaskKind.LOW_MOOD: Urgency.REVIEW,
    TaskKind.REVIEW_REPLY: Urgency.REVIEW,
    TaskKind.NO_RIDE: Urgency.REVIEW,
    TaskKind.RIDE_UNKNOWN: Urgency.REVIEW,
    TaskKind.TOO_LATE: Urgency.REVIEW,
    TaskKind.CALL_PATIENT: Urgency.REVIEW,
    TaskKind.NOT_HOME_SAFE: Urgency.REVIEW,
    TaskKind.IN_DOUBT: Urgency.REVIEW,
    TaskKind.UNDELIVERABLE: Urgency.REVIEW,
    TaskKind.UNMARKED: Urgency.REVIEW,
    TaskKind.OPERATOR: Urgency.REVIEW,
}
"""All other kinds are routine."""

TIME_TO_ACT = {
    Urgency.URGENT: timedelta(0),
    Urgency.REVIEW: timedelta(hours=2),
    Urgency.ROUTINE: timedelta(days=1),
}

_BEFORE = (TaskKind.RIDE_UNKNOWN, TaskKind.NO_RIDE, TaskKind.TOO_LATE, TaskKind.RESCHEDULE)
MOOT: dict[str, tuple[TaskKind, ...]] = {
    "moved": _BEFORE,
    "cancelled": _BEFORE,
    "no_show": (*_BEFORE, TaskKind.UNMARKED),
    "discharged": (*_BEFORE, TaskKind.UNMARKED),
}
"""What happens to a visit, and the tasks about it that nobody needs to do any more."""


def task(
    kind: TaskKind,
    clinic_id: str,
    now: datetime,
    *,
    patient_id: str | None = None,
    session_id: str | None = None,
    step: str | None = None,
    start: datetime | None = None,
    cause: str = "",
    detail: str = "",
    due_at: datetime | None = None,
) -> Task:
    """A task, identified by its kind and what caused it (patient, session, step, start, or `cause`)."""
    urgency = URGENCY.get(kind, Urgency.ROUTINE)
    stamp = f"{start.astimezone(UTC):%Y%m%dT%H%MZ}" if start else None
    parts = (str(kind), patient_id, session_id, step, stamp, cause)
    return Task(
        id=".".join(part for part in parts if part),
        clinic_id=clinic_id,
        kind=kind,
        urgency=urgency,
        opened_at=now,
        due_at=due_at or now + TIME_TO_ACT[urgency],
        patient_id=patient_id,
        session_id=session_id,
        step=step,
        detail=detail,
    )


def for_skipped(step: str, reason: Reason, *, safety: bool) -> TaskKind | None:
    """The work that a message which did not go out leaves for a person; None when it leaves none (rules.md 1, 3)."""
    if not safety:
        return None
    match reason:
        case Reason.OPTED_OUT | Reason.NO_ADDRESS | Reason.DAILY_CAP:
            return TaskKind.CALL_PATIENT
        case Reason.TOO_LATE:
            return TaskKind.TOO_LATE if step in ("prepare", "day_before") else TaskKind.CALL_PATIENT
        case _:
            return None
