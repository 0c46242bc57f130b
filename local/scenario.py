"""A rehearsal's scenario: read, checked whole before anything runs. Every problem names the key (contract 3)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from local.sample import SAMPLE_CLINIC
from reminders.errors import BadInput
from reminders.model import (
    E164,
    Aware,
    Channel,
    Clinic,
    Frozen,
    Id,
    Kind,
    Language,
    OnCall,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    SendingHours,
    Session,
)

Clock = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Email = Annotated[str, msgspec.Meta(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Outcome = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(delivered|throttled|timeout_accepted|timeout_lost|bounced|complained"
        r"|20003|20429|21211|21408|21610|21611|21614|14107|30[0-9]{3})$"
    ),
]
ONLY_EMAIL = ("bounced", "complained")
ONLY_BOTH = ("throttled", "timeout_accepted", "timeout_lost", "delivered")


class HoursAsked(Frozen, frozen=True):
    opens: Clock = msgspec.field(name="from", default="09:00")
    closes: Clock = msgspec.field(name="until", default="20:00")


class Person(Frozen, frozen=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    phone: E164
    email: Email | None = None


class ClinicAsked(Frozen, frozen=True):
    id: Id = SAMPLE_CLINIC.id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] = SAMPLE_CLINIC.name
    phone: E164 = SAMPLE_CLINIC.phone
    time_zone: str = SAMPLE_CLINIC.time_zone
    sending_hours: HoursAsked = HoursAsked()
    daily_cap: Annotated[int, msgspec.Meta(ge=1, le=10)] = SAMPLE_CLINIC.daily_cap
    on_call: tuple[Person, ...] | None = None
    address: str | None = SAMPLE_CLINIC.address


class ConsentAsked(Frozen, frozen=True):
    sms: bool = False
    email: bool = False


class PatientAsked(Frozen, frozen=True):
    id: Id
    first_name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    phone: E164 | None = None
    email: Email | None = None
    language: Language = Language.EN
    time_zone: str | None = None
    consent: ConsentAsked = ConsentAsked()
    status: PatientStatus = PatientStatus.ACTIVE


class SessionAsked(Frozen, frozen=True):
    id: Id
    patient_id: Id
    kind: Kind
    starts_at: Aware
    minutes: Annotated[int, msgspec.Meta(ge=5, le=720)] = 60
    booked_at: Aware | None = None


class Reply(Frozen, frozen=True, tag_field="do", tag="reply"):
    at: Aware
    sender: E164 = msgspec.field(name="from")
    text: str
    sid: str | None = None
    opt_out_type: Literal["STOP", "START", "HELP"] | None = None


class Move(Frozen, frozen=True, tag_field="do", tag="move"):
    at: Aware
    session: str
    starts_at: Aware


class Cancel(Frozen, frozen=True, tag_field="do", tag="cancel"):
    at: Aware
    session: str


class Discharge(Frozen, frozen=True, tag_field="do", tag="discharge"):
    at: Aware
    session: str


class NoShow(Frozen, frozen=True, tag_field="do", tag="no_show"):
    at: Aware
    session: str


class Book(Frozen, frozen=True, tag_field="do", tag="book"):
    at: Aware
    session: SessionAsked


class Provider(Frozen, frozen=True, tag_field="do", tag="provider"):
    at: Aware
    to: str
    outcome: Outcome
    channel: Channel = Channel.SMS
    times: Annotated[int, msgspec.Meta(ge=1)] = 1


class Crash(Frozen, frozen=True, tag_field="do", tag="crash"):
    at: Aware
    after: Literal["claim", "send", "record"]


class Acknowledge(Frozen, frozen=True, tag_field="do", tag="acknowledge"):
    at: Aware
    patient: str
    by: str


Event = Reply | Move | Cancel | Discharge | NoShow | Book | Provider | Crash | Acknowledge


class Scenario(Frozen, frozen=True):
    starts: Aware
    ends: Aware
    clinic: ClinicAsked = ClinicAsked()
    patients: tuple[PatientAsked, ...] = ()
    sessions: tuple[SessionAsked, ...] = ()
    events: tuple[Event, ...] = ()

    def the_clinic(self) -> Clinic:
        """The clinic, its on-call contacts counted as tested."""
        asked = self.clinic
        on_call = SAMPLE_CLINIC.on_call if asked.on_call is None else asked.on_call
        return Clinic(
            id=asked.id,
            name=asked.name,
            phone=asked.phone,
            time_zone=asked.time_zone,
            sending_hours=SendingHours(
                opens=time.fromisoformat(asked.sending_hours.opens),
                closes=time.fromisoformat(asked.sending_hours.closes),
            ),
            daily_cap=asked.daily_cap,
            on_call=tuple(
                OnCall(name=person.name, phone=person.phone, email=person.email, tested_at=self.starts)
                for person in on_call
            ),
            address=asked.address,
            sms_from=SAMPLE_CLINIC.sms_from,
            email_from=SAMPLE_CLINIC.email_from,
        )

    def the_patients(self) -> list[Patient]:
        return [_patient(self, asked) for asked in self.patients]

    def bookings(self) -> list[tuple[datetime, Session]]:
        """Every session with the instant at which the booking system writes it."""
        written = [(max(asked.booked_at or self.starts, self.starts), asked) for asked in self.sessions]
        written += [(event.at, event.session) for event in self.events if isinstance(event, Book)]
        return [(at, self._session(asked, at)) for at, asked in written]

    def _session(self, asked: SessionAsked, at: datetime) -> Session:
        return Session(
            id=asked.id,
            clinic_id=self.clinic.id,
            patient_id=asked.patient_id,
            kind=asked.kind,
            starts_at=asked.starts_at,
            minutes=asked.minutes,
            booked_at=asked.booked_at or at,
        )


def read(path: Path) -> Scenario:
    """The scenario in a file. Raises BadInput with one sentence that names the key."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from None
    return parse(content)


def parse(content: bytes) -> Scenario:
    """A scenario from JSON text."""
    try:
        scenario = msgspec.json.decode(content, type=Scenario)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        raise BadInput(place.rstrip("`").lstrip(".") or "scenario", problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput("scenario", f"this is not JSON: {error}") from None
    for field, problem in _problems(scenario):
        raise BadInput(field, problem)
    return scenario


def _problems(scenario: Scenario) -> Iterator[tuple[str, str]]:
    """What the shapes alone cannot see: order, references, names of zones."""
    if scenario.ends <= scenario.starts:
        yield "ends", "is not after `starts`"
    if scenario.clinic.sending_hours.opens >= scenario.clinic.sending_hours.closes:
        yield "clinic.sending_hours.until", "is not after `from`"
    yield from _zone("clinic.time_zone", scenario.clinic.time_zone)
    patients = [patient.id for patient in scenario.patients]
    for index, patient in enumerate(scenario.patients):
        yield from _zone(f"patients[{index}].time_zone", patient.time_zone)
        if patient.id in patients[:index]:
            yield f"patients[{index}].id", "is there twice"
    sessions: list[str] = []
    for index, session in enumerate(scenario.sessions):
        yield from _session_problems(f"sessions[{index}]", session, patients, sessions)
        sessions.append(session.id)
    booked = sessions + [event.session.id for event in scenario.events if isinstance(event, Book)]
    for index, event in enumerate(scenario.events):
        yield from _event_problems(f"events[{index}]", event, scenario, patients, booked)
        if isinstance(event, Book):
            yield from _session_problems(f"events[{index}].session", event.session, patients, sessions)
            sessions.append(event.session.id)


def _session_problems(
    place: str, session: SessionAsked, patients: list[str], earlier: list[str]
) -> Iterator[tuple[str, str]]:
    if session.patient_id not in patients:
        yield f"{place}.patient_id", "there is no such patient"
    if session.id in earlier:
        yield f"{place}.id", "is there twice"
    if session.booked_at is not None and session.booked_at > session.starts_at:
        yield f"{place}.booked_at", "is after `starts_at`"


def _event_problems(
    place: str, event: Event, scenario: Scenario, patients: list[str], sessions: list[str]
) -> Iterator[tuple[str, str]]:
    if event.at < scenario.starts:
        yield f"{place}.at", "is before `starts`"
    if isinstance(event, Move | Cancel | Discharge | NoShow) and event.session not in sessions:
        yield f"{place}.session", "there is no such session"
    if isinstance(event, Acknowledge) and event.patient not in patients:
        yield f"{place}.patient", "there is no such patient"
    if isinstance(event, Provider):
        only_email = event.outcome in ONLY_EMAIL
        if event.channel is Channel.SMS and only_email:
            yield f"{place}.outcome", f"{event.outcome} happens to email only"
        if event.channel is Channel.EMAIL and not only_email and event.outcome not in ONLY_BOTH:
            yield f"{place}.outcome", f"{event.outcome} happens to sms only"


def _zone(place: str, name: str | None) -> Iterator[tuple[str, str]]:
    try:
        if name is not None:
            ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield place, "is not the name of a time zone such as America/Los_Angeles"


def _patient(scenario: Scenario, asked: PatientAsked) -> Patient:
    def permission(granted: bool) -> Permission:
        if not granted:
            return Permission()
        return Permission(state=PermissionState.GRANTED, at=scenario.starts, source="rehearsal", wording="1")

    return Patient(
        id=asked.id,
        clinic_id=scenario.clinic.id,
        first_name=asked.first_name,
        time_zone=asked.time_zone or scenario.clinic.time_zone,
        phone=asked.phone,
        email=asked.email,
        language=asked.language,
        status=asked.status,
        consent={
            Channel.SMS: permission(asked.consent.sms),
            Channel.EMAIL: permission(asked.consent.email),
        },
    )
