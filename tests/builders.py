"""One good clinic, patient and session each; a test says only what it changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from reminders.model import Channel, Clinic, Kind, OnCall, Patient, Permission, PermissionState, Session

NOW = datetime(2026, 3, 2, 17, tzinfo=UTC)  # Monday, 09:00 in Los Angeles


def a_clinic(**changes: Any) -> Clinic:
    clinic = Clinic(
        id="harbor",
        name="Harbor Clinic",
        phone="+12135550100",
        time_zone="America/Los_Angeles",
        on_call=(OnCall(name="Dana Reyes", phone="+12135550111", tested_at=NOW),),
    )
    return replace(clinic, **changes)


def a_patient(**changes: Any) -> Patient:
    granted = Permission(state=PermissionState.GRANTED, at=NOW, source="form", wording="v1")
    patient = Patient(
        id="p1",
        clinic_id="harbor",
        first_name="Ana",
        time_zone="America/Los_Angeles",
        phone="+12135550123",
        email="ana@example.com",
        consent={Channel.SMS: granted, Channel.EMAIL: granted},
    )
    return replace(patient, **changes)


def a_session(**changes: Any) -> Session:
    session = Session(
        id="s1",
        clinic_id="harbor",
        patient_id="p1",
        kind=Kind.IV,
        starts_at=datetime(2026, 3, 9, 17, tzinfo=UTC),
        booked_at=NOW,
    )
    return replace(session, **changes)
