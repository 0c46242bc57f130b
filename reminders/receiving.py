"""What follows from a patient's words: danger first, then opting out, then what was meant.

Every action is safe to repeat: a message whose handling was cut short is worked on again from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from reminders import checkins, questions, tasks
from reminders.desk import Desk
from reminders.messages import clinic_words, context, render
from reminders.model import (
    Channel,
    Chart,
    CheckIn,
    Clinic,
    Inbound,
    Instrument,
    Language,
    Ledger,
    Outgoing,
    Patient,
    Permission,
    PermissionState,
    Rendered,
    Ride,
    RideState,
    Session,
    Task,
    TaskKind,
    Urgency,
)
from reminders.paging import code, wakes
from reminders.ports import PatientRef, Turn
from reminders.questions import Question
from reminders.replies import Expecting, Intent, Level, Understood, understand

REPLIES_AN_HOUR = 6  # more to one number is two machines talking
CRISIS_REPLIES_AN_HOUR = 12
LOOK_BACK = timedelta(hours=1)
LATELY = timedelta(days=14)
OF_USE = timedelta(minutes=10)
# What must be unmistakable before anything follows from it; otherwise a person reads it first.
ONLY_WHEN_CLEAR = (Intent.CONFIRM, Intent.RIDE, Intent.HOME_SAFE, Intent.OPT_IN, Intent.LESS)
ALREADY_ANSWERED = {"STOP": Intent.OPT_OUT, "START": Intent.OPT_IN, "HELP": Intent.HELP}


@dataclass(frozen=True)
class Reply:
    """What to answer: the message's key, the words, and whose language it is in."""

    key: str
    rendered: Rendered


@dataclass(frozen=True)
class _Heard:
    """One message, from whom it may be, and what it means."""

    inbound: Inbound
    clinic: Clinic
    charts: Sequence[Chart]
    asked: Question | None
    understood: Understood
    intent: Intent

    @property
    def patient(self) -> Patient | None:
        """Whose message it most likely is: whom the open question was put to, else the first at this phone."""
        if self.asked is not None:
            return self.asked.chart.patient
        return self.charts[0].patient if self.charts else None


def receive(desk: Desk, inbound: Inbound, now: datetime) -> Reply | None:
    """Work on a message that has been kept; returns the reply to give at once, if any.

    Raises Unavailable when the table does not answer; the message then comes again within a minute.
    """
    clinic = desk.store.clinic(inbound.clinic_id)
    if clinic is None:
        return None
    if _acknowledged_by_reply(desk, clinic, inbound, now):
        desk.store.settle_inbound(msgspec.structs.replace(inbound, done_at=now, next_due_at=None, intent="acknowledge"))
        return None
    heard = _heard(desk, clinic, inbound, now)
    if heard.understood.level is Level.URGENT:
        _crisis(desk, heard, now)
    elif heard.understood.level is Level.REVIEW:
        _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
    _heard_from(desk, heard, now)
    key, chart, session = _act(desk, heard, now)
    if heard.understood.level is Level.URGENT:
        key = "reply_crisis"
    reply = _reply(desk, heard, key, chart, session, now) if key else None
    patient = heard.patient
    desk.store.settle_inbound(
        msgspec.structs.replace(
            inbound,
            done_at=now,
            next_due_at=None,
            patient_id=patient.id if patient else None,
            level=str(heard.understood.level),
            intent=str(heard.intent),
            score=heard.understood.score,
            answer=reply.key if reply else None,
            answer_language=reply.rendered.language if reply else None,
        )
    )
    desk.journal(
        "received",
        at=inbound.received_at,
        clinic=clinic.id,
        sid=inbound.sid,
        patient=patient.id if patient else None,
        level=str(heard.understood.level),
        intent=str(heard.intent),
    )
    return reply


def rework(desk: Desk, clinic_id: str, sid: str, now: datetime) -> None:
    """A kept message whose handling was cut short: work on it, and send the reply that the webhook no longer can."""
    inbound = desk.store.inbound(clinic_id, sid)
    if inbound is None or inbound.done_at is not None:
        return
    clinic = desk.store.clinic(clinic_id)
    if clinic is None:
        desk.alarm("a message came to a number that no clinic texts from; it is kept, and somebody must read it")
        _open(desk, PatientRef(clinic_id, ""), TaskKind.OPERATOR, now, cause=sid, detail=sid)
        desk.store.settle_inbound(msgspec.structs.replace(inbound, done_at=now, next_due_at=None))
        return
    reply = receive(desk, inbound, now)
    if reply is None:
        return
    outgoing = Outgoing(
        to=inbound.sender,
        sender=clinic.sms_from,
        message=reply.rendered,
        send_by=now + OF_USE,
    )
    desk.senders[Channel.SMS].send(outgoing, now)


# --- what a patient can do, by text or on the private page ---------------------------------------------------


def confirm(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, confirmed_at=now), None)


def reschedule(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    """The patient wants another time: a person calls."""
    _open(desk, ref, TaskKind.RESCHEDULE, now, session_id=session_id, cause=f"{now:%Y%m%d}")


def ride(desk: Desk, ref: PatientRef, session_id: str, who: str, now: datetime, by: str = "patient") -> None:
    """Somebody takes the patient home; the tasks that asked for it are done."""
    named = Ride(state=RideState.CONFIRMED, who=who, at=now, by=by)
    desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, ride=named), now)
    _close(desk, ref, session_id, (TaskKind.RIDE_UNKNOWN, TaskKind.NO_RIDE), now, note=f"ride confirmed by {by}")


def no_ride(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    """Nobody takes the patient home: a person must find a way."""
    nobody = Ride(state=RideState.NONE, at=now, by="patient")
    ledger = desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, ride=nobody), now)
    start = ledger.starts_at if ledger else None
    _close(desk, ref, session_id, (TaskKind.RIDE_UNKNOWN,), now, note="the patient has nobody")
    _open(desk, ref, TaskKind.NO_RIDE, now, session_id=session_id, start=start, cause=f"{now:%Y%m%dT%H%M%S}")


def home_safe(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, home_safe_at=now), now)
    _close(desk, ref, session_id, (TaskKind.NOT_HOME_SAFE,), now, note="the patient is home")


def opt_out(desk: Desk, ref: PatientRef, channel: Channel, now: datetime) -> bool:
    """No more routine messages on this channel. False if that was so already."""
    before = desk.store.patient(ref)
    _permit(desk, ref, channel, PermissionState.REVOKED, now)
    if _low_lately(desk, ref, now):
        _open(desk, ref, TaskKind.REVIEW_REPLY, now, cause=f"opted_out.{now:%Y%m%d}", detail="opted out after low mood")
    return before is not None and before.permission(channel).state is not PermissionState.REVOKED


def opt_in(desk: Desk, ref: PatientRef, channel: Channel, now: datetime) -> None:
    _permit(desk, ref, channel, PermissionState.GRANTED, now)


def checkin(
    desk: Desk, ref: PatientRef, answered: CheckIn, now: datetime, *, entry: str | None = None, cause: str = ""
) -> None:
    """Keep an answered check-in; what is worrying in it becomes work for a person, at once if it is urgent."""
    clinic = desk.store.clinic(ref.clinic_id)
    earlier = [known for known in desk.store.checkins(ref) if known.asked_at < answered.asked_at]
    desk.store.keep_checkin(ref, answered)
    if answered.session_id is not None and entry is not None:
        key = entry
        desk.store.answer(ref, answered.session_id, lambda ledger: _answered(ledger, key, now), now)
    if clinic is None:
        return
    for concern in checkins.concerns(answered, earlier, clinic):
        if concern.urgency is Urgency.URGENT:
            raise_alarm(desk, ref, now, cause=cause or f"{answered.asked_at:%Y%m%dT%H%M%S}")
        else:
            _open(
                desk,
                ref,
                concern.kind,
                now,
                session_id=answered.session_id,
                cause=cause or f"{answered.asked_at:%Y%m%dT%H%M%S}",
            )


def acknowledge(desk: Desk, ref: PatientRef, task_id: str, by: str, now: datetime) -> bool:
    """A named person takes an urgent task; nobody else is woken for it. False if it is not there or taken already."""
    found = desk.store.task(ref, task_id)
    if found is None or not wakes(found):
        return False
    taken = desk.store.change_task(ref, task_id, lambda task: _taken(task, by, now))
    if taken is None or taken.taken_by != by:
        return False
    desk.journal("acknowledged", at=now, clinic=ref.clinic_id, patient=ref.patient_id or None, task=task_id, by=by)
    return True


def raise_alarm(desk: Desk, ref: PatientRef, now: datetime, *, cause: str, undeliverable: bool = False) -> None:
    """Open a crisis task and wake somebody, at once and until a named person takes it."""
    opened = tasks.task(
        TaskKind.CRISIS, ref.clinic_id, now, patient_id=ref.patient_id or None, cause=cause, detail=cause
    )
    opened = msgspec.structs.replace(opened, next_due_at=now, undeliverable=undeliverable)
    if desk.store.open_task(opened):
        _note(desk, opened)
    desk.queue.put([(Turn(ref, f"TASK#{opened.id}"), now)], now)


def acknowledge_all(desk: Desk, ref: PatientRef, by: str, now: datetime) -> int:
    """A named person takes every open urgent task of one patient; how many there were."""
    waiting = [task for task in desk.store.open_tasks(ref.clinic_id) if (task.patient_id or "") == ref.patient_id]
    return sum(acknowledge(desk, ref, task.id, by, now) for task in waiting)


# --- understanding one message -------------------------------------------------------------------------------


def _heard(desk: Desk, clinic: Clinic, inbound: Inbound, now: datetime) -> _Heard:
    refs = desk.store.patients_at(clinic.id, inbound.sender)
    charts = list(desk.store.charts(refs).values()) if refs else []
    asked = questions.open_question(charts, now)
    understood = understand(inbound.body, expecting=asked.expecting if asked else None)
    intent = ALREADY_ANSWERED.get(inbound.opt_out_type or "", understood.intent)
    return _Heard(inbound, clinic, charts, asked, understood, intent)


def _act(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    """Do what was meant. The key of the reply (None: no reply), and which visit it speaks of."""
    if heard.understood.level is not Level.NONE and heard.intent in ONLY_WHEN_CLEAR:
        return _unclear(heard)
    match heard.intent:
        case Intent.OPT_OUT:
            changed = [opt_out(desk, _ref(chart), Channel.SMS, now) for chart in heard.charts]
            return ("reply_opt_out" if any(changed) or not changed else None), None, None
        case Intent.OPT_IN:
            for chart in heard.charts:
                opt_in(desk, _ref(chart), Channel.SMS, now)
            return "reply_opt_in", None, None
        case Intent.HELP:
            return "reply_help", None, None
        case Intent.WRONG_NUMBER:
            for chart in heard.charts:
                desk.store.change_patient(_ref(chart), _not_at(heard.inbound.sender))
            return "reply_wrong_number", None, None
        case Intent.LESS if heard.charts:
            for chart in heard.charts:
                desk.store.change_patient(_ref(chart), lambda p: msgspec.structs.replace(p, fewer_checkins=True))
            return "reply_less", heard.charts[0], None
        case Intent.SCORE:
            return _scored(desk, heard, now)
        case Intent.HOME_SAFE:
            return _home(desk, heard, now)
        case Intent.CONFIRM | Intent.RESCHEDULE | Intent.RIDE | Intent.NO_RIDE:
            return _about_visit(desk, heard, now)
        case _:
            return _unclear(heard)


def _unclear(heard: _Heard) -> tuple[str, Chart | None, Session | None]:
    """Asked for a number and did not get one: ask once more. Anything else: a person reads it, and we say so."""
    if heard.asked is not None and heard.asked.expecting is Expecting.MOOD and not heard.understood.why:
        return "reply_score_again", heard.asked.chart, heard.asked.session
    return "reply_unclear", None, None


def _scored(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    asked, score = heard.asked, heard.understood.score
    if asked is None or asked.expecting is not Expecting.MOOD:
        if heard.understood.level is Level.NONE:
            _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
        return "reply_unclear", None, None
    if score is None:
        return "reply_score_again", asked.chart, asked.session
    answered = CheckIn(
        asked_at=asked.entry.at,
        answered_at=now,
        instrument=Instrument.MOOD,
        version=checkins.SCALES[Instrument.MOOD].version,
        items=(score,),
        score=checkins.score(Instrument.MOOD, (score,)),
        raw=heard.inbound.body[:200],
        session_id=asked.session.id,
    )
    checkin(desk, _ref(asked.chart), answered, now, cause=heard.inbound.sid)
    return "reply_score", asked.chart, asked.session


def _home(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    last = questions.last_discharged(heard.charts, now)
    if last is None:
        if heard.understood.level is Level.NONE:
            _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
        return "reply_unclear", None, None
    chart, session = last
    home_safe(desk, _ref(chart), session.id, now)
    return "reply_home_safe", chart, session


def _about_visit(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    """A reply about a visit: the one we last asked about, else the only one. Several people at one phone: a person
    finds out who is meant."""
    visits = questions.upcoming(heard.charts, now)
    people = {chart.patient.id for chart, _ in visits}
    asked = heard.asked
    if not visits or len(people) > 1:
        if heard.understood.level is Level.NONE:
            _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
        return "reply_unclear", None, None
    about = [visit for visit in visits if asked is not None and visit[1].id == asked.session.id]
    chart, session = (about or visits)[0]
    ref = _ref(chart)
    match heard.intent:
        case Intent.CONFIRM:
            confirm(desk, ref, session.id, now)
            return "reply_confirm", chart, session
        case Intent.RESCHEDULE:
            reschedule(desk, ref, session.id, now)
            return "reply_reschedule", chart, session
        case Intent.RIDE:
            ride(desk, ref, session.id, heard.understood.who, now)
            return "reply_ride", chart, session
        case _:
            no_ride(desk, ref, session.id, now)
            return "reply_no_ride", chart, session


def _heard_from(desk: Desk, heard: _Heard, now: datetime) -> None:
    """Whatever is written back to a check-in, it has not met with silence."""
    asked = heard.asked
    if asked is not None and asked.expecting is Expecting.MOOD:
        ref, key = _ref(asked.chart), asked.entry.key
        desk.store.answer(ref, asked.session.id, lambda ledger: _answered(ledger, key, now), None)


def _crisis(desk: Desk, heard: _Heard, now: datetime) -> None:
    patient = heard.patient
    ref = PatientRef(heard.clinic.id, patient.id if patient else "")
    reached = patient is None or (
        patient.permission(Channel.SMS).state is not PermissionState.REVOKED
        and patient.unreachable.get(Channel.SMS) != heard.inbound.sender
    )
    raise_alarm(desk, ref, now, cause=heard.inbound.sid, undeliverable=not reached)


def _for_a_person(desk: Desk, heard: _Heard, kind: TaskKind, now: datetime) -> None:
    patient = heard.patient
    ref = PatientRef(heard.clinic.id, patient.id if patient else "")
    _open(desk, ref, kind, now, cause=heard.inbound.sid, detail=heard.inbound.sid)


# --- the reply -----------------------------------------------------------------------------------------------


def _reply(
    desk: Desk, heard: _Heard, key: str, chart: Chart | None, session: Session | None, now: datetime
) -> Reply | None:
    """The words to answer with; None where Twilio has answered already, or where two machines seem to be talking."""
    if heard.inbound.opt_out_type is not None and key != "reply_crisis":
        return None
    lately = desk.store.inbound_since(heard.clinic.id, heard.inbound.sender, now - LOOK_BACK)
    if key == "reply_score_again" and any(known.answer == key for known in lately):
        key, chart = "reply_unclear", None  # asked once more already: now a person reads it
    given = sum(1 for known in lately if known.answer and known.sid != heard.inbound.sid)
    if given >= (CRISIS_REPLIES_AN_HOUR if key == "reply_crisis" else REPLIES_AN_HOUR):
        return None
    language = heard.patient.language if heard.patient else _spoken(heard.understood)
    words = clinic_words(heard.clinic)
    if chart is not None:
        current = desk.store.charts([_ref(chart)]).get(_ref(chart), chart)
        ledger = current.ledgers.get(session.id) if session else None
        words = context(current, session, key, now, ride=ledger.ride if ledger else Ride())
    words |= {"score": heard.understood.score, "highest": 10}
    rendered, _ = render(desk.catalogue.versions(key, language, Channel.SMS), words)
    return Reply(key, rendered)


def _spoken(understood: Understood) -> Language:
    """The language of somebody we do not know, by the vocabulary their words were found in."""
    return Language.ES if any(".es" in why or why.startswith("es") for why in understood.why) else Language.EN


# --- small things --------------------------------------------------------------------------------------------


def _acknowledged_by_reply(desk: Desk, clinic: Clinic, inbound: Inbound, now: datetime) -> bool:
    """`ACK 1234` from the phone of somebody who is woken."""
    person = next((person for person in clinic.on_call if person.phone == inbound.sender), None)
    word, _, given = inbound.body.strip().upper().partition(" ")
    if person is None or word != "ACK":
        return False
    waiting = [task for task in desk.store.open_tasks(clinic.id) if wakes(task)]
    meant = [task for task in waiting if code(task) == given.strip()] if given.strip() else waiting
    for task in meant:
        acknowledge(desk, PatientRef(clinic.id, task.patient_id or ""), task.id, person.name, now)
    return bool(meant)


def _taken(task: Task, by: str, now: datetime) -> Task:
    if not wakes(task):
        return task
    return msgspec.structs.replace(task, taken_by=by, taken_at=now, next_due_at=None)


def _answered(ledger: Ledger, entry: str, now: datetime) -> Ledger:
    return msgspec.structs.replace(ledger, answered={**ledger.answered, entry: now})


def _permit(desk: Desk, ref: PatientRef, channel: Channel, state: PermissionState, now: datetime) -> None:
    given = Permission(state=state, at=now, source="patient's message", wording="reply")
    desk.store.change_patient(
        ref,
        lambda patient: (
            patient
            if patient.permission(channel).state is state
            else msgspec.structs.replace(patient, consent={**patient.consent, channel: given})
        ),
    )


def _not_at(number: str) -> Callable[[Patient], Patient]:
    def change(patient: Patient) -> Patient:
        return msgspec.structs.replace(patient, unreachable={**patient.unreachable, Channel.SMS: number})

    return change


def _low_lately(desk: Desk, ref: PatientRef, now: datetime) -> bool:
    clinic = desk.store.clinic(ref.clinic_id)
    moods = [
        known
        for known in desk.store.checkins(ref)
        if known.instrument is Instrument.MOOD and now - known.answered_at < LATELY and known.score is not None
    ]
    return clinic is not None and any((known.score or 0) <= clinic.mood_floor for known in moods)


def _ref(chart: Chart) -> PatientRef:
    return PatientRef(chart.clinic.id, chart.patient.id)


def _open(
    desk: Desk,
    ref: PatientRef,
    kind: TaskKind,
    now: datetime,
    *,
    session_id: str | None = None,
    start: datetime | None = None,
    cause: str = "",
    detail: str = "",
) -> None:
    opened = tasks.task(
        kind,
        ref.clinic_id,
        now,
        patient_id=ref.patient_id or None,
        session_id=session_id,
        start=start,
        cause=cause,
        detail=detail,
    )
    if desk.store.open_task(opened):
        _note(desk, opened)


def _close(
    desk: Desk, ref: PatientRef, session_id: str, kinds: Sequence[TaskKind], now: datetime, *, note: str
) -> None:
    """Tasks that the patient's own answer has settled."""
    for task in desk.store.open_tasks(ref.clinic_id):
        if task.patient_id == ref.patient_id and task.session_id == session_id and task.kind in kinds:
            desk.store.change_task(ref, task.id, lambda found: msgspec.structs.replace(found, closed_at=now, note=note))


def _note(desk: Desk, opened: Task) -> None:
    desk.journal(
        "task",
        at=opened.opened_at,
        clinic=opened.clinic_id,
        patient=opened.patient_id,
        session=opened.session_id,
        kind=opened.kind,
        urgency=opened.urgency,
    )
