"""Calendar files, read back by the library that calendars are checked with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar

from reminders.calendar import appointment
from reminders.model import Kind, Language
from tests.builders import NOW, a_clinic, a_session


def event_of(text: str) -> tuple[Any, Any]:
    calendar = Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def test_a_visit_over_the_night_the_clocks_change_lasts_as_long_as_it_lasts() -> None:
    before_the_change = a_session(starts_at=datetime(2026, 3, 8, 9, 30, tzinfo=UTC), minutes=60)  # 01:30 in Los Angeles
    _, event = event_of(appointment(a_clinic(), before_the_change, sequence=1, cancelled=False, now=NOW))
    assert event.decoded("dtstart") == datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
    assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(hours=1)


def test_a_cancellation_names_the_same_event_with_a_higher_sequence() -> None:
    booked, first = event_of(appointment(a_clinic(), a_session(), sequence=1, cancelled=False, now=NOW))
    moved_session = a_session(starts_at=NOW + timedelta(days=9))
    gone, last = event_of(appointment(a_clinic(), moved_session, sequence=4, cancelled=True, now=NOW))
    assert first["uid"] == last["uid"]
    assert (first["sequence"], last["sequence"]) == (1, 4)
    assert (booked["method"], first["status"]) == ("PUBLISH", "CONFIRMED")
    assert (gone["method"], last["status"]) == ("CANCEL", "CANCELLED")
    assert last.decoded("dtstamp") == NOW


def test_nothing_tells_the_patient_or_the_treatment() -> None:
    clinic = a_clinic(address="1 Main St, Suite 2; Los Angeles", email_from="Harbor <hello@harbor.example>")
    text = appointment(clinic, a_session(kind=Kind.SPRAVATO), sequence=1, cancelled=False, now=NOW)
    _, event = event_of(text)
    assert str(event["summary"]) == "Harbor Clinic appointment"
    assert str(event["location"]) == "1 Main St, Suite 2; Los Angeles"
    assert str(event["organizer"]) == "mailto:hello@harbor.example"
    for private in ("Ana", "+1213", "spravato", "p1"):
        assert private not in text


def test_spravato_takes_at_least_the_two_hours_of_watching() -> None:
    _, event = event_of(appointment(a_clinic(), a_session(kind=Kind.SPRAVATO), sequence=1, cancelled=False, now=NOW))
    assert event.decoded("dtend") - event.decoded("dtstart") == timedelta(hours=2)


def test_a_visit_at_home_has_no_place_and_a_spanish_one_says_cita() -> None:
    clinic = a_clinic(address="1 Main St")
    session = a_session(kind=Kind.LOZENGE_HOME)
    text = appointment(clinic, session, sequence=1, cancelled=False, now=NOW, language=Language.ES)
    _, event = event_of(text)
    assert "location" not in event
    assert str(event["summary"]) == "Harbor Clinic: cita"


def test_lines_end_as_the_standard_wants_and_long_ones_are_folded() -> None:
    text = appointment(a_clinic(address="ñ" * 100), a_session(), sequence=1, cancelled=False, now=NOW)
    lines = text.split("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    assert max(len(line.encode()) for line in lines) <= 75
