"""Private links: what each one opens, for whom, and until when.

An address carries nothing but a random token. What the token stands for is kept beside the table's other items, so a
link can be short, says nothing about anybody, and opens one thing only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from reminders.model import Aware, Frozen, Id, Instrument, Session
from reminders.ports import PatientRef

AFTER_VISIT = timedelta(days=2)  # the advice for afterwards is still read on the next day
FOR_CHECKIN = timedelta(days=7)  # PHQ asks about two weeks; an older question is asked anew
FOR_TASK = timedelta(days=2)


class Purpose(StrEnum):
    """The one thing a link is for."""

    VISIT = "visit"  # one session: preparation, ride, confirmation, calendar, stopping messages
    CHECKIN = "checkin"  # one set of questions
    TASK = "task"  # staff: take one urgent task


class Link(Frozen, frozen=True):
    """What one token stands for. Ids only; `patient_id` is empty for a task of somebody we do not know."""

    purpose: Purpose
    clinic_id: Id
    patient_id: str
    ends_at: Aware
    session_id: str | None = None
    entry: str | None = None  # check-in: the message that asked, in the session's ledger
    instrument: Instrument | None = None
    asked_at: Aware | None = None
    task_id: str | None = None

    @property
    def ref(self) -> PatientRef:
        return PatientRef(self.clinic_id, self.patient_id)

    def open_at(self, now: datetime) -> bool:
        return now < self.ends_at


class Links(Protocol):
    """Where tokens are kept."""

    def issue(self, links: Sequence[Link]) -> list[str]:
        """A new address for each, in the same order, kept in as few calls as there can be. Raises Unavailable."""
        ...

    def find(self, token: str) -> Link | None:
        """What a token stands for, also when it has ended. Raises Unavailable."""
        ...


def to_visit(session: Session) -> Link:
    """One visit's page, until two days after it."""
    return Link(
        purpose=Purpose.VISIT,
        clinic_id=session.clinic_id,
        patient_id=session.patient_id,
        session_id=session.id,
        ends_at=session.starts_at + AFTER_VISIT,
    )


def to_checkin(
    ref: PatientRef,
    instrument: Instrument,
    asked_at: datetime,
    *,
    session_id: str | None = None,
    entry: str | None = None,
) -> Link:
    """The questions of one check-in, for a week. `entry` is the key of the message that asks."""
    return Link(
        purpose=Purpose.CHECKIN,
        clinic_id=ref.clinic_id,
        patient_id=ref.patient_id,
        session_id=session_id,
        entry=entry,
        instrument=instrument,
        asked_at=asked_at,
        ends_at=asked_at + FOR_CHECKIN,
    )


def to_task(ref: PatientRef, task_id: str, now: datetime) -> Link:
    """Where an on-call person takes an urgent task, for two days."""
    return Link(
        purpose=Purpose.TASK,
        clinic_id=ref.clinic_id,
        patient_id=ref.patient_id,
        task_id=task_id,
        ends_at=now + FOR_TASK,
    )
