"""What a file's row does to a patient and a session that we may know already.

What the file does not say stays as it is; said again, it changes nothing. Consent is never guessed: a revoked
permission stays revoked unless the file's is of a later date, and a new number or address needs a consent of its own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from reminders.errors import BadInput
from reminders.model import (
    Channel,
    Clinic,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    Session,
    SessionStatus,
)
from reminders.spreadsheet import Said, Visit

A_DAY = timedelta(days=1)
SOURCE = "spreadsheet"
TAKEN_OVER = ("first_name", "phone", "email", "language", "time_zone", "status", "experienced")


def patient(said: Said, known: Patient | None, clinic: Clinic, now: datetime) -> Patient:
    """The patient as the file has them. Raises BadInput that names the column; `now` dates a consent without date."""
    if said.consent_date and said.consent_date > now:
        raise BadInput("consent_date", "is in the future")
    told: dict[str, Any] = {name: getattr(said, name) for name in TAKEN_OVER if getattr(said, name) is not None}
    if known is None:
        if said.first_name is None:
            raise BadInput("first_name", "is missing, and this patient is not known yet")
        known = Patient(id=said.patient_id, clinic_id=clinic.id, first_name="", time_zone=clinic.time_zone)
    if known.status is PatientStatus.DECEASED and said.status not in (None, PatientStatus.DECEASED):
        raise BadInput("status", "cannot be changed here: this patient is recorded as deceased")
    changed = replace(known, **told)
    permissions = {channel: _permission(channel, said, known, changed, now) for channel in Channel}
    given = {channel: permission for channel, permission in permissions.items() if permission is not None}
    return replace(changed, consent={**known.consent, **given})


def session(visit: Visit, known: Session | None, clinic: Clinic) -> Session:
    """The session as the file has it. Raises BadInput when it is over, or cancelled, and the file would change it."""
    if known is None:
        made = Session(
            id=visit.session_id,
            clinic_id=clinic.id,
            patient_id=visit.patient_id,
            kind=visit.kind,
            starts_at=visit.starts_at,
        )
    else:
        made = replace(known, kind=visit.kind, starts_at=visit.starts_at)
    if visit.minutes is not None:
        made = replace(made, minutes=visit.minutes)
    if known is not None and known.status is not SessionStatus.BOOKED and made != known:
        raise BadInput("session_id", f"cannot be changed here: this session is recorded as {known.status}")
    return made


def _permission(channel: Channel, said: Said, known: Patient, changed: Patient, now: datetime) -> Permission | None:
    """The permission the file gives or takes; None to leave it as it is. Raises BadInput."""
    column = f"{channel}_consent"
    consents: bool | None = getattr(said, column)
    before, old = known.permission(channel), known.address(channel)
    granted = before.state is PermissionState.GRANTED
    moved = granted and old is not None and old != changed.address(channel)
    if consents is None:
        if moved:
            address = "phone" if channel is Channel.SMS else "email"
            raise BadInput(column, f"is missing: the {address} is a new one, and consent belongs to the old one")
        return None
    if consents and (_stopped_since(before, said) or (granted and not moved)):
        return None
    if not consents and (not granted or _granted_since(before, said)):
        return None
    state = PermissionState.GRANTED if consents else PermissionState.REVOKED
    return Permission(state=state, at=said.consent_date or now, source=SOURCE)


def _stopped_since(before: Permission, said: Said) -> bool:
    """A STOP gives way only to a consent that was surely given after it."""
    if before.state is not PermissionState.REVOKED:
        return False
    return before.at is None or said.consent_date is None or said.consent_date <= before.at


def _granted_since(before: Permission, said: Said) -> bool:
    """A no gives way only to a consent that was surely given after it; a date alone may mean the end of that day."""
    return before.at is not None and said.consent_date is not None and said.consent_date + A_DAY <= before.at
