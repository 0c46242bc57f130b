"""The sample clinic: what the demo shows, and what a scenario's clinic leaves out."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from reminders.model import (
    Channel,
    Clinic,
    Kind,
    Language,
    OnCall,
    Patient,
    Permission,
    PermissionState,
    Session,
    SessionStatus,
)

SAMPLE_CLINIC = Clinic(
    id="harbor",
    name="Harbor Clinic",
    phone="+12135550100",
    time_zone="America/Los_Angeles",
    on_call=(
        OnCall(
            name="Dana Reyes",
            phone="+12135550111",
            email="dana@harbor.example",
            tested_at=datetime(2026, 1, 5, 17, tzinfo=UTC),
        ),
    ),
    address="12 Pier Street, Los Angeles",
    sms_from="+12135550199",
    email_from="Harbor Clinic <visits@harbor.example>",
)

MORNING = datetime(
    2026, 3, 10, 16, tzinfo=UTC
)  # a busy Tuesday, 09:00 in Los Angeles, two days after the clocks changed
OPENED = datetime(2026, 3, 6, 16, tzinfo=UTC)  # the sample begins on the Friday before

_LA, _PHOENIX, _DENVER, _HONOLULU = "America/Los_Angeles", "America/Phoenix", "America/Denver", "Pacific/Honolulu"

# first name, language, zone, channels (s sms, e email), kind, start (Los Angeles wall time), what happens later
_ROWS: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    ("Ana", "en", _LA, "s", "iv", "2026-03-11 07:00", ""),
    ("Luis", "es", _LA, "s", "iv", "2026-03-10 13:00", ""),
    ("Grace", "en", _HONOLULU, "s", "consultation", "2026-03-10 14:30", ""),
    ("Marisol", "es", _PHOENIX, "se", "spravato", "2026-03-11 10:00", ""),
    ("Owen", "en", _LA, "s", "iv", "2026-03-09 10:00", "discharged 2026-03-09 11:40"),
    ("Priya", "en", _DENVER, "s", "im", "2026-03-09 13:00", "discharged 2026-03-09 14:15"),
    ("Tomás", "es", _LA, "s", "spravato", "2026-03-09 09:30", "discharged 2026-03-09 12:00"),
    ("Hannah", "en", _LA, "e", "iv", "2026-03-12 11:00", ""),
    ("Denise", "en", _LA, "s", "lozenge_clinic", "2026-03-11 14:00", "moved 2026-03-10 09:20 2026-03-13 15:00"),
    ("Kenji", "en", _HONOLULU, "s", "iv", "2026-03-11 09:00", ""),
    ("Rosa", "es", _LA, "s", "lozenge_home", "2026-03-11 16:00", ""),
    ("Walter", "en", _LA, "s", "iv", "2026-03-11 09:00", "cancelled 2026-03-10 10:05"),
    ("Imani", "en", _LA, "", "iv", "2026-03-11 11:30", ""),
    ("Carlos", "es", _PHOENIX, "s", "im", "2026-03-13 10:00", ""),
    ("Beth", "en", _LA, "s", "follow_up", "2026-03-11 12:00", ""),
    ("Samir", "en", _DENVER, "s", "spravato", "2026-03-12 13:30", ""),
    ("Lupe", "es", _LA, "s", "iv", "2026-03-10 08:00", "no_show 2026-03-10 09:10"),
    ("Nora", "en", _LA, "s", "iv", "2026-03-10 14:00", "booked 2026-03-10 09:40"),
    ("Felix", "en", _LA, "s", "im", "2026-03-13 09:00", ""),
    ("Alma", "es", _LA, "se", "consultation", "2026-03-12 09:30", ""),
    ("George", "en", _PHOENIX, "s", "lozenge_clinic", "2026-03-10 15:30", ""),
    ("Mei", "en", _LA, "s", "spravato", "2026-03-10 10:00", "discharged 2026-03-10 12:20"),
    ("Victor", "es", _DENVER, "s", "iv", "2026-03-12 08:00", ""),
    ("Ruth", "en", _LA, "s", "iv", "2026-03-11 10:30", "bad number"),
    ("Jonah", "en", _HONOLULU, "e", "follow_up", "2026-03-12 12:00", ""),
)


def patients() -> list[Patient]:
    """The sample clinic's patients: four time zones, two languages, every way of reaching somebody or not."""
    return [_patient(number, row) for number, row in enumerate(_ROWS, 1)]


def visits() -> list[tuple[datetime, Session]]:
    """Every booking with the time at which the booking system writes it."""
    booked = []
    for number, row in enumerate(_ROWS, 1):
        at = _wall(row[6].removeprefix("booked ")) if row[6].startswith("booked") else OPENED
        session = Session(
            id=f"v{number:02}",
            clinic_id=SAMPLE_CLINIC.id,
            patient_id=f"p{number:02}",
            kind=Kind(row[4]),
            starts_at=_wall(row[5]),
            minutes=120 if row[4] == "spravato" else 60,
            booked_at=at,
        )
        booked.append((at, session))
    return booked


def happenings() -> list[tuple[datetime, str, dict[str, object]]]:
    """What the booking system and the staff do later: when, which session, which attributes change."""
    later: list[tuple[datetime, str, dict[str, object]]] = []
    for number, row in enumerate(_ROWS, 1):
        what, _, rest = row[6].partition(" ")
        if what == "moved":
            later.append((_wall(rest[:16]), f"v{number:02}", {"starts_at": _wall(rest[17:])}))
        elif what in set(SessionStatus) - {SessionStatus.BOOKED}:
            later.append((_wall(rest), f"v{number:02}", {"status": SessionStatus(what), "status_at": _wall(rest)}))
    return later


def dead_numbers() -> list[str]:
    """Phones at which the sandbox provider reaches nobody."""
    return [f"+1213555{100 + number:04}" for number, row in enumerate(_ROWS, 1) if row[6] == "bad number"]


def _patient(number: int, row: tuple[str, str, str, str, str, str, str]) -> Patient:
    granted = Permission(state=PermissionState.GRANTED, at=OPENED, source="intake form", wording="2026-01")
    consent = {channel: granted for letter, channel in (("s", Channel.SMS), ("e", Channel.EMAIL)) if letter in row[3]}
    return Patient(
        id=f"p{number:02}",
        clinic_id=SAMPLE_CLINIC.id,
        first_name=row[0],
        time_zone=row[2],
        phone=f"+1213555{100 + number:04}",
        email=f"p{number:02}@example.com",
        language=Language(row[1]),
        consent=consent,
        experienced=number % 3 != 0,
    )


def _wall(text: str) -> datetime:
    """A wall time in Los Angeles as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(_LA)).astimezone(UTC)
