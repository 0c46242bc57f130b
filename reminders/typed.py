"""The one thing a patient types on the private page: who takes them home. Read as a text message is, danger first."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import msgspec

from reminders import receiving, tasks
from reminders.desk import Desk
from reminders.model import Inbound, TaskKind
from reminders.pages import LONGEST_NAME
from reminders.ports import PatientRef
from reminders.replies import Expecting, Intent, Level, Understood, understand

NO_PHONE = "page"  # stands where a number would, for a patient who has none
AGAIN_AFTER = timedelta(seconds=20)  # should this be cut short, the words are worked on again as a text would be


def ride(desk: Desk, ref: PatientRef, session_id: str, words: str, now: datetime) -> Level:
    """Act on what was typed; returns how it was understood.

    NONE: a ride is recorded. REVIEW: a person reads it, and the ride stays open. URGENT: somebody is woken.
    Raises Unavailable.
    """
    understood = understand(f"RIDE {words}", expecting=Expecting.RIDE)
    if understood.level is Level.NONE and understood.intent is Intent.RIDE and len(understood.who) <= LONGEST_NAME:
        receiving.ride(desk, ref, session_id, understood.who, now, by="patient")
        return Level.NONE
    if understood.intent is Intent.NO_RIDE and understood.level is not Level.URGENT:
        receiving.no_ride(desk, ref, session_id, now)
    return _for_a_person(desk, ref, session_id, words, understood, now)


def _for_a_person(
    desk: Desk, ref: PatientRef, session_id: str, words: str, understood: Understood, now: datetime
) -> Level:
    """Keep the words as they were typed before anything else, then tell somebody."""
    patient = desk.store.patient(ref)
    level = Level.URGENT if understood.level is Level.URGENT else Level.REVIEW
    mark = hashlib.sha256(f"{ref.clinic_id}|{ref.patient_id}|{session_id}|{now.isoformat()}".encode()).hexdigest()
    kept = Inbound(
        sid=f"page-{mark[:24]}",
        clinic_id=ref.clinic_id,
        sender=(patient.phone if patient else None) or NO_PHONE,
        body=f"RIDE {words}",
        received_at=now,
        next_due_at=now + AGAIN_AFTER,
    )
    desk.store.keep_inbound(kept)
    if level is Level.URGENT:
        receiving.raise_alarm(desk, ref, now, cause=kept.sid)
    else:
        desk.store.open_task(
            tasks.task(
                TaskKind.REVIEW_REPLY,
                ref.clinic_id,
                now,
                patient_id=ref.patient_id,
                session_id=session_id,
                cause=kept.sid,
                detail=kept.sid,
            )
        )
    desk.store.settle_inbound(
        msgspec.structs.replace(
            kept,
            done_at=now,
            next_due_at=None,
            patient_id=ref.patient_id,
            level=str(level),
            intent=str(understood.intent),
        )
    )
    return level
