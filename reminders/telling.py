"""Telling the journal what happened. Ids only."""

from __future__ import annotations

from collections.abc import Iterable

from reminders.desk import Desk
from reminders.model import Chart, Entry, State, Task


def entries(desk: Desk, chart: Chart, session_id: str, what: Iterable[Entry]) -> None:
    """Journal what became of entries: `sent`, `skipped` with its reason, `failed`, `retry`, `in_doubt`. Ids only."""
    for entry in what:
        if entry.state in (State.CLAIMED, State.OPENED):
            continue
        if entry.state is State.FAILED and entry.task is not None:
            continue  # said when it failed; now a person knows of it
        refused = entry.state is State.FAILED and entry.reason is not None
        desk.journal(
            "skipped" if refused else str(entry.state),
            at=entry.at,
            clinic=chart.clinic.id,
            patient=chart.patient.id,
            session=session_id,
            step=entry.step,
            channel=entry.channel,
            reason=entry.reason,
            code=entry.code,
            due=entry.due,
        )


def task(desk: Desk, opened: Task) -> None:
    desk.journal(
        "task",
        at=opened.opened_at,
        clinic=opened.clinic_id,
        patient=opened.patient_id,
        session=opened.session_id,
        step=opened.step,
        kind=opened.kind,
        urgency=opened.urgency,
    )
