"""A visit as a calendar file (RFC 5545). Imported only where an email is made: icalendar is slow to load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parseaddr

from icalendar import Calendar, Event, vCalAddress, vText

from reminders.model import Clinic, Kind, Language, Session
from reminders.treatment import treatment_for

_PRODUCT = "-//session-reminders//appointments//EN"
_SUMMARY = {Language.EN: "{clinic} appointment", Language.ES: "{clinic}: cita"}


def appointment(
    clinic: Clinic,
    session: Session,
    *,
    sequence: int,
    cancelled: bool,
    now: datetime,
    language: Language | None = None,
) -> str:
    """The visit as text/calendar, CRLF line ends. Start and end are instants in UTC, so no zone rules can go stale.

    The UID stays the same whatever happens to the visit, so that a calendar replaces what it has; `sequence` must rise
    with every change. Holds the clinic's name, address and the time: nothing about the patient or the treatment.
    """
    minutes = max(session.minutes, treatment_for(clinic, session.kind).observed_minutes)
    starts_at = session.starts_at.astimezone(UTC)
    event = Event()
    event.add("uid", f"{clinic.id}/{session.id}@session-reminders")
    event.add("dtstamp", now.astimezone(UTC))
    event.add("sequence", sequence)
    event.add("summary", _SUMMARY[language or Language.EN].format(clinic=clinic.name))
    event.add("dtstart", starts_at)
    event.add("dtend", starts_at + timedelta(minutes=minutes))
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    if clinic.address and session.kind is not Kind.LOZENGE_HOME:
        event.add("location", clinic.address)
    if clinic.email_from:  # PUBLISH and CANCEL want an organizer (RFC 5546, 3.2.1)
        organizer = vCalAddress(f"mailto:{parseaddr(clinic.email_from)[1]}")
        organizer.params["cn"] = vText(clinic.name)
        event.add("organizer", organizer)

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if cancelled else "PUBLISH")
    calendar.add_component(event)
    return str(calendar.to_ical().decode())
