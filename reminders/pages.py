"""What a private page shows, and what its forms mean. Plain values in, plain values out.

A page offers only what may be done now: nothing is asked of a drowsy patient, and an appointment that is cancelled or
over cannot be confirmed. Whatever a form asks that its page does not offer is not done.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from reminders import checkins, messages, wording
from reminders.errors import BadInput
from reminders.hours import drowsy
from reminders.links import Link
from reminders.model import (
    Channel,
    Chart,
    CheckIn,
    Clinic,
    Frozen,
    Instrument,
    Kind,
    Language,
    Ledger,
    Patient,
    PatientStatus,
    PermissionState,
    RideState,
    Session,
    SessionStatus,
    Task,
    Urgency,
)
from reminders.treatment import treatment_for

LONGEST_NAME = 40  # characters of a driver's name
LONGEST_TYPED = 400  # of what is kept for a person to read, where a name was asked


class Action(StrEnum):
    """What a form can ask for; the value is the form's field `action`."""

    CONFIRM = "confirm"
    RESCHEDULE = "reschedule"
    RIDE = "ride"
    NO_RIDE = "no_ride"
    HOME = "home"
    STOP_TEXTS = "stop_texts"
    STOP_EMAILS = "stop_emails"
    ANSWER = "answer"
    TAKE = "take"


class Stage(StrEnum):
    """Where a visit is in its life, as its page tells it."""

    AHEAD = "ahead"
    RESTING = "resting"  # from the start until the patient's next morning
    OVER = "over"
    CANCELLED = "cancelled"
    MISSED = "missed"


class RidePage(Frozen, frozen=True):
    """What is known of who takes the patient home; `who` is in the patient's own words."""

    state: RideState
    who: str = ""


class VisitPage(Frozen, frozen=True):
    """One visit. `words` are the names of messages (reminders/names.py) and those added in `_visit_words`.

    `seen` is the start that the page shows: an answer to a page that showed another start does not count.
    """

    language: Language
    stage: Stage
    offers: frozenset[Action]
    confirmed: bool
    ride: RidePage | None  # None where nobody has to be taken home
    first_time: bool
    seen: str
    words: dict[str, object]


class CheckinPage(Frozen, frozen=True):
    """One set of questions: how many, and each from 0 to `top`."""

    language: Language
    instrument: Instrument
    items: int
    top: int
    words: dict[str, object]


class TaskPage(Frozen, frozen=True):
    """An urgent task, for staff: who can take it, and who has. Nothing about the patient."""

    names: tuple[str, ...]
    undeliverable: bool
    closed: bool
    taken_by: str | None
    taken_at: str  # the clinic's wall clock; empty until taken
    words: dict[str, object]


class Contact(Frozen, frozen=True):
    """Whom to call, for the person who has taken a task."""

    first_name: str
    phone: str | None
    language: Language | None
    local_time: str


# --- the visit --------------------------------------------------------------------------------------


def visit(chart: Chart, session_id: str, now: datetime) -> VisitPage | None:
    """The page of one visit as it is now; None when there is nothing (more) to show to this patient."""
    session, patient = chart.sessions.get(session_id), chart.patient
    if session is None or patient.status in (PatientStatus.LEFT, PatientStatus.DECEASED):
        return None
    ledger = chart.ledgers.get(session_id)
    if ledger is not None and ledger.starts_at != session.starts_at:
        ledger = None  # moved a moment ago: what was said of the old time does not hold for the new one
    stage = _stage(chart, session, now)
    ride = _ride(session, ledger)
    confirmed = ledger is not None and ledger.confirmed_at is not None
    return VisitPage(
        language=patient.language,
        stage=stage,
        offers=_about_visit(chart, ledger, stage, ride, now) | _about_messages(patient),
        confirmed=confirmed,
        ride=ride,
        first_time=not patient.experienced,
        seen=session.starts_at.isoformat(),
        words=_visit_words(chart, session, ledger, now),
    )


def _stage(chart: Chart, session: Session, now: datetime) -> Stage:
    if session.status is SessionStatus.CANCELLED:
        return Stage.CANCELLED
    if session.status is SessionStatus.NO_SHOW:
        return Stage.MISSED
    if session.status is SessionStatus.BOOKED and now < session.starts_at:
        return Stage.AHEAD
    alone = msgspec.structs.replace(chart, sessions={session.id: session})
    return Stage.RESTING if any(now < end for _, end in drowsy(alone)) else Stage.OVER


def _ride(session: Session, ledger: Ledger | None) -> RidePage | None:
    if not session.kind.treatment:
        return None
    if ledger is None:
        return RidePage(state=RideState.UNKNOWN)
    return RidePage(state=ledger.ride.state, who=wording.one_line(ledger.ride.who)[:LONGEST_NAME])


def _about_visit(
    chart: Chart, ledger: Ledger | None, stage: Stage, ride: RidePage | None, now: datetime
) -> frozenset[Action]:
    """What may be said about the visit now. Answers are kept in its ledger: without one there is nowhere to."""
    if ledger is None:
        return frozenset()
    if stage is Stage.RESTING and ledger.discharged_at is not None and ledger.home_safe_at is None:
        return frozenset({Action.HOME})
    if stage is not Stage.AHEAD or any(start <= now < end for start, end in drowsy(chart)):
        return frozenset()
    offered = {Action.RESCHEDULE}
    if ledger.confirmed_at is None:
        offered.add(Action.CONFIRM)
    if ride is not None:
        offered.add(Action.RIDE)
        if ride.state is not RideState.NONE:
            offered.add(Action.NO_RIDE)
    return frozenset(offered)


def _about_messages(patient: Patient) -> frozenset[Action]:
    """Stopping is offered at any time: it is the patient's right."""
    stops = {Channel.SMS: Action.STOP_TEXTS, Channel.EMAIL: Action.STOP_EMAILS}
    granted = (channel for channel in stops if patient.permission(channel).state is PermissionState.GRANTED)
    return frozenset(stops[channel] for channel in granted)


def _visit_words(chart: Chart, session: Session, ledger: Ledger | None, now: datetime) -> dict[str, object]:
    language, rules = chart.patient.language, treatment_for(chart.clinic, session.kind)
    start = session.starts_at.astimezone(ZoneInfo(chart.clinic.time_zone))
    words = messages.context(chart, session, "visit_page", now)
    return words | {
        "clinic_phone_link": chart.clinic.phone,
        "the_day": wording.long_day(start.date(), language),
        "the_time": wording.clock(start, language),
        "fasts": rules.solids_hours > 0,
        "drinks_until": rules.liquids_hours > 0,
        "by_drip": session.kind is Kind.IV,
        "discharged": session.status is SessionStatus.DISCHARGED,
        "home_safe": ledger is not None and ledger.home_safe_at is not None,
    }


# --- the questions ----------------------------------------------------------------------------------


def questions(clinic: Clinic, patient: Patient, link: Link) -> CheckinPage | None:
    """The page of one check-in; None when there is nothing (more) to ask this patient."""
    if link.instrument is None or patient.status in (PatientStatus.LEFT, PatientStatus.DECEASED):
        return None
    scale = checkins.SCALES[link.instrument]
    words = _clinic_words(clinic) | {"first_name": wording.one_line(patient.first_name)}
    return CheckinPage(
        language=patient.language, instrument=link.instrument, items=scale.items, top=scale.top, words=words
    )


def answered(link: Link, form: Mapping[str, str], now: datetime) -> CheckIn | None:
    """A posted set of answers, fields q1, q2 …; None when every question was left out.

    Raises BadInput for an answer the form cannot have sent.
    """
    if link.instrument is None or link.asked_at is None:
        raise BadInput("link", "asks no questions")
    scale = checkins.SCALES[link.instrument]
    raw = tuple(form.get(f"q{number}", "") for number in range(1, scale.items + 1))
    items = tuple(_choice(f"q{number}", text, scale.top) for number, text in enumerate(raw, start=1))
    if all(item is None for item in items):
        return None
    return CheckIn(
        asked_at=link.asked_at,
        answered_at=now,
        instrument=link.instrument,
        version=scale.version,
        items=items,
        score=checkins.score(link.instrument, items),
        raw=" ".join(text or "-" for text in raw),
        session_id=link.session_id,
    )


def _choice(field: str, text: str, top: int) -> int | None:
    if text == "":
        return None
    if text not in {str(number) for number in range(top + 1)}:
        raise BadInput(field, f"an answer is a whole number from 0 to {top}")
    return int(text)


def worrying(given: CheckIn, clinic: Clinic) -> Urgency | None:
    """Whether the crisis lines are shown at once: any thought of being better off dead, or a mood at the floor.

    URGENT when somebody is being woken for this answer, REVIEW when a person will read it.
    """
    found = checkins.concerns(given, (), clinic)
    if any(concern.urgency is Urgency.URGENT for concern in found):
        return Urgency.URGENT
    grave = {checkins.Why.ITEM_9, checkins.Why.MOOD_FLOOR, checkins.Why.PHQ9_SEVERE}
    return Urgency.REVIEW if any(grave & set(concern.why) for concern in found) else None


# --- a task, for staff ------------------------------------------------------------------------------


def task(clinic: Clinic, found: Task) -> TaskPage:
    """Who can take this, or has; identity is shown only to who takes it (`contact`)."""
    taken_at = found.taken_at.astimezone(ZoneInfo(clinic.time_zone)) if found.taken_at else None
    return TaskPage(
        names=tuple(dict.fromkeys(person.name for person in clinic.on_call)),
        undeliverable=found.undeliverable,
        closed=found.closed_at is not None,
        taken_by=found.taken_by,
        taken_at=wording.clock(taken_at, Language.EN) if taken_at else "",
        words=_clinic_words(clinic),
    )


def contact(patient: Patient | None, sender: str | None, now: datetime) -> Contact:
    """Whom to call: the patient, or a number that belongs to nobody we know."""
    if patient is None:
        number = sender if sender and sender.startswith("+") else None
        return Contact(first_name="", phone=number, language=None, local_time="")
    there = now.astimezone(ZoneInfo(patient.time_zone))
    return Contact(
        first_name=wording.one_line(patient.first_name),
        phone=patient.phone or sender,
        language=patient.language,
        local_time=wording.clock(there, Language.EN),
    )


# --- what was typed ---------------------------------------------------------------------------------


def typed(text: str) -> str:
    """What somebody typed into a field for a name: one line, without control or invisible characters, bounded."""
    spaced = "".join(" " if character.isspace() else character for character in text)
    shown = (character for character in spaced if not unicodedata.category(character).startswith("C"))
    return wording.one_line(unicodedata.normalize("NFC", "".join(shown)))[:LONGEST_TYPED]


def _clinic_words(clinic: Clinic) -> dict[str, object]:
    return messages.clinic_words(clinic) | {"clinic_phone_link": clinic.phone}
