"""What follows from a patient's words: danger first, then opting out, then what was meant.

Every action is safe to repeat: a message whose handling was cut short is worked on again from the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from reminders import checkins, questions, tasks
from reminders.desk import Desk
from reminders.errors import Unavailable
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
    Result,
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

_ACK = re.compile(r"\W*(?P<word>ack)?\W*(?P<code>[0-9]{4})?\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    """What to answer: the message's key, the words, and the task that wakes somebody, if it was danger."""

    key: str
    rendered: Rendered
    alarm: Task | None = None


@dataclass(frozen=True)
class _Heard:
    """One message, from whom it may be, and what it means."""

    inbound: Inbound
    clinic: Clinic
    refs: Sequence[PatientRef]
    charts: Sequence[Chart]
    asked: Question | None
    understood: Understood
    intent: Intent

    @property
    def said(self) -> datetime:
        """When it was said, which may be a while before it is worked on: what was said later stands."""
        return self.inbound.received_at

    @property
    def ref(self) -> PatientRef:
        """Whose it most likely is, even when nothing more is known of them; else the clinic's."""
        if self.patient is not None:
            return PatientRef(self.clinic.id, self.patient.id)
        return self.refs[0] if self.refs else PatientRef(self.clinic.id, "")

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
        return _in_danger(desk, heard, now)
    if heard.understood.level is Level.REVIEW:
        _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
    _heard_from(desk, heard)
    key, chart, session = _act(desk, heard, now)
    reply = _reply(desk, heard, key, chart, session, now) if key else None
    _settle(desk, heard, reply, now)
    return reply


def _in_danger(desk: Desk, heard: _Heard, now: datetime) -> Reply | None:
    """Somebody is woken and the reply is ready before anything else in the message is tried."""
    alarm = _crisis(desk, heard, now)
    reply = _reply(desk, heard, "reply_crisis", None, None, now)
    with _whatever_happens(desk, heard, now):
        _heard_from(desk, heard)
        _act(desk, heard, now)
    with _whatever_happens(desk, heard, now):
        _settle(desk, heard, reply, now)
    return Reply(reply.key, reply.rendered, alarm) if reply else None


@contextmanager
def _whatever_happens(desk: Desk, heard: _Heard, now: datetime) -> Iterator[None]:
    """Around what must not keep the answer to somebody in danger back. Only the kind of error is told."""
    try:
        yield
    except Exception as error:
        desk.journal("stuck", at=now, clinic=heard.clinic.id, error=type(error).__name__)


def _settle(desk: Desk, heard: _Heard, reply: Reply | None, now: datetime) -> None:
    patient_id = heard.ref.patient_id or None
    desk.store.settle_inbound(
        msgspec.structs.replace(
            heard.inbound,
            done_at=now,
            next_due_at=None,
            patient_id=patient_id,
            level=str(heard.understood.level),
            intent=str(heard.intent),
            score=heard.understood.score,
            answer=reply.key if reply else None,
            answer_language=reply.rendered.language if reply else None,
        )
    )
    desk.journal(
        "received",
        at=heard.inbound.received_at,
        clinic=heard.clinic.id,
        sid=heard.inbound.sid,
        patient=patient_id,
        level=str(heard.understood.level),
        intent=str(heard.intent),
    )


def rework(desk: Desk, clinic_id: str, sid: str, now: datetime) -> None:
    """A kept message whose handling was cut short: work on it, and send the reply that the webhook no longer can.

    What fails for another reason than a table that does not answer would fail for ever: a person reads it instead.
    """
    inbound = desk.store.inbound(clinic_id, sid)
    if inbound is None or inbound.done_at is not None:
        return
    clinic = desk.store.clinic(clinic_id)
    if clinic is None:
        desk.alarm("a message came to a number that no clinic texts from; it is kept, and somebody must read it")
        _open(desk, PatientRef(clinic_id, ""), TaskKind.OPERATOR, now, cause=sid, detail=sid)
        desk.store.settle_inbound(msgspec.structs.replace(inbound, done_at=now, next_due_at=None))
        return
    try:
        reply = receive(desk, inbound, now)
    except Unavailable:
        raise
    except Exception as error:  # nobody knows what it may be; only its kind is told
        desk.journal("stuck", at=now, clinic=clinic_id, error=type(error).__name__)
        _open(desk, PatientRef(clinic_id, ""), TaskKind.REVIEW_REPLY, now, cause=sid, detail=sid)
        desk.store.settle_inbound(msgspec.structs.replace(inbound, done_at=now, next_due_at=None))
        return
    if reply is not None:
        _send(desk, clinic, inbound, reply, now)


def _send(desk: Desk, clinic: Clinic, inbound: Inbound, reply: Reply, now: datetime) -> None:
    """A reply as a text of its own. If it does not reach somebody in danger, whoever is woken must phone them."""
    settled = desk.store.inbound(clinic.id, inbound.sid)
    ids = {"clinic": clinic.id, "reply": inbound.sid}
    if settled is not None and settled.patient_id:
        ids["patient"] = settled.patient_id
    outgoing = Outgoing(
        to=inbound.sender, sender=clinic.sms_from, message=reply.rendered, send_by=now + OF_USE, tags=ids
    )
    outcome = desk.senders[Channel.SMS].send(outgoing, now)
    if reply.alarm is not None and outcome.result is not Result.ACCEPTED:
        _phone_them(desk, reply.alarm, now)


def _phone_them(desk: Desk, alarm: Task, now: datetime) -> None:
    ref = PatientRef(alarm.clinic_id, alarm.patient_id or "")

    def change(task: Task) -> Task:
        return msgspec.structs.replace(task, undeliverable=True, next_due_at=now) if wakes(task) else task

    desk.store.change_task(ref, alarm.id, change)
    _wake(desk, ref, alarm.id, now)


# --- what a patient can do, by text or on the private page ---------------------------------------------------


def confirm(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, confirmed_at=now), None)


def reschedule(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    """The patient wants another time: a person calls."""
    _open_unless_waiting(desk, ref, TaskKind.RESCHEDULE, now, session_id)


def ride(desk: Desk, ref: PatientRef, session_id: str, who: str, now: datetime, by: str = "patient") -> bool:
    """Somebody takes the patient home; the tasks that asked for it are done. False if something newer is known."""
    named = Ride(state=RideState.CONFIRMED, who=who, at=now, by=by)
    if not _told(desk, ref, session_id, named):
        return False
    _close(desk, ref, session_id, (TaskKind.RIDE_UNKNOWN, TaskKind.NO_RIDE), now, note=f"ride confirmed by {by}")
    return True


def no_ride(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> bool:
    """Nobody takes the patient home: a person must find a way. False if something newer is known."""
    if not _told(desk, ref, session_id, Ride(state=RideState.NONE, at=now, by="patient")):
        return False
    _open_unless_waiting(desk, ref, TaskKind.NO_RIDE, now, session_id)
    _close(desk, ref, session_id, (TaskKind.RIDE_UNKNOWN,), now, note="the patient has nobody")
    return True


def _told(desk: Desk, ref: PatientRef, session_id: str, said: Ride) -> bool:
    """Keep what was said of the ride, unless something was said later."""

    def change(ledger: Ledger) -> Ledger:
        known = ledger.ride.at
        older = known is not None and said.at is not None and said.at < known
        return ledger if older else msgspec.structs.replace(ledger, ride=said)

    ledger = desk.store.answer(ref, session_id, change, said.at)
    return ledger is None or ledger.ride == said


def home_safe(desk: Desk, ref: PatientRef, session_id: str, now: datetime) -> None:
    desk.store.answer(ref, session_id, lambda ledger: msgspec.structs.replace(ledger, home_safe_at=now), now)
    _close(desk, ref, session_id, (TaskKind.NOT_HOME_SAFE,), now, note="the patient is home")


def opt_out(desk: Desk, ref: PatientRef, channel: Channel, now: datetime) -> bool:
    """No more routine messages on this channel. False if that was so already, or something newer is known."""
    after = _permit(desk, ref, channel, PermissionState.REVOKED, now)
    if _low_lately(desk, ref, now):
        _open(desk, ref, TaskKind.REVIEW_REPLY, now, cause=f"opted_out.{now:%Y%m%d}", detail="opted out after low mood")
    given = after.permission(channel) if after else Permission()
    return given.state is PermissionState.REVOKED and given.at == now


def opt_in(desk: Desk, ref: PatientRef, channel: Channel, now: datetime) -> None:
    """Messages on this channel again, even to an address that was taken for a wrong one."""
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


def raise_alarm(desk: Desk, ref: PatientRef, now: datetime, *, cause: str, undeliverable: bool = False) -> Task:
    """Open a crisis task and wake somebody, at once and until a named person takes it."""
    opened = tasks.task(
        TaskKind.CRISIS, ref.clinic_id, now, patient_id=ref.patient_id or None, cause=cause, detail=cause
    )
    opened = msgspec.structs.replace(opened, next_due_at=now, undeliverable=undeliverable)
    if desk.store.open_task(opened):
        _note(desk, opened)
    _wake(desk, ref, opened.id, now)
    return opened


def _wake(desk: Desk, ref: PatientRef, task_id: str, now: datetime) -> None:
    """Have a task paged at once. It is due in the table, so that without the queue it is found within a minute."""
    try:
        desk.queue.put([(Turn(ref, f"TASK#{task_id}"), now)], now)
    except Unavailable as error:
        desk.journal("stuck", at=now, clinic=ref.clinic_id, task=task_id, error=type(error).__name__)


def acknowledge_all(desk: Desk, ref: PatientRef, by: str, now: datetime) -> int:
    """A named person takes every open urgent task of one patient; how many there were."""
    waiting = [task for task in desk.store.open_tasks(ref.clinic_id) if (task.patient_id or "") == ref.patient_id]
    return sum(acknowledge(desk, ref, task.id, by, now) for task in waiting)


# --- understanding one message -------------------------------------------------------------------------------


def _heard(desk: Desk, clinic: Clinic, inbound: Inbound, now: datetime) -> _Heard:
    refs: list[PatientRef] = []
    charts: list[Chart] = []
    try:
        refs = desk.store.patients_at(clinic.id, inbound.sender)
        charts = list(desk.store.charts(refs).values()) if refs else []
    except Exception as error:  # whoever is in danger is answered although nobody can say who they are
        if understand(inbound.body).level is not Level.URGENT:
            raise
        desk.journal("stuck", at=now, clinic=clinic.id, error=type(error).__name__)
    asked = questions.open_question(charts, inbound.received_at)
    understood = understand(inbound.body, expecting=asked.expecting if asked else None)
    intent = ALREADY_ANSWERED.get(inbound.opt_out_type or "", understood.intent)
    if inbound.opt_out_type == "START" and understood.intent is not Intent.UNKNOWN:
        intent = understood.intent  # YES resumes the texts and answers the open question too
    return _Heard(inbound, clinic, refs, charts, asked, understood, intent)


def _act(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    """Do what was meant. The key of the reply (None: no reply), and which visit it speaks of."""
    if heard.inbound.opt_out_type == "START":
        _opt_in(desk, heard)
        if heard.intent is Intent.OPT_IN:
            return None, None, None
    if heard.understood.level is not Level.NONE and heard.intent in ONLY_WHEN_CLEAR:
        return _unclear(heard)
    match heard.intent:
        case Intent.OPT_OUT:
            return _opt_out(desk, heard, now), None, None
        case Intent.OPT_IN if heard.charts:
            _opt_in(desk, heard)
            return "reply_opt_in", None, None
        case Intent.HELP:
            if any(_low_lately(desk, _ref(chart), now) for chart in heard.charts):
                _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
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
        case Intent.UNKNOWN:
            return _unclear(heard)
        case _:  # clear, but from nobody we know
            return _person_reads(desk, heard, now)


def _opt_out(desk: Desk, heard: _Heard, now: datetime) -> str | None:
    changed = [opt_out(desk, _ref(chart), Channel.SMS, heard.said) for chart in heard.charts]
    if "carrier-cancel" in heard.understood.why and questions.upcoming(heard.charts, heard.said):
        _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)  # to the carrier CANCEL ends the texts; or the visit?
    if any(person.phone == heard.inbound.sender for person in heard.clinic.on_call):
        _for_a_person(desk, heard, TaskKind.OPERATOR, now)  # the carrier lets no page through to this phone now
    return "reply_opt_out" if any(changed) or not changed else None


def _opt_in(desk: Desk, heard: _Heard) -> None:
    """For whoever has opted out at this phone; a consent that somebody never gave is not another's to give."""
    for chart in heard.charts:
        revoked = chart.patient.permission(Channel.SMS).state is PermissionState.REVOKED
        if revoked or len(heard.charts) == 1 or Channel.SMS in chart.patient.unreachable:
            opt_in(desk, _ref(chart), Channel.SMS, heard.said)


def _person_reads(desk: Desk, heard: _Heard, now: datetime) -> tuple[str, Chart | None, Session | None]:
    """Clear words that fit nothing we know of, or more than one patient."""
    _for_a_person(desk, heard, TaskKind.REVIEW_REPLY, now)
    return "reply_unclear", None, None


def _unclear(heard: _Heard) -> tuple[str, Chart | None, Session | None]:
    """Asked for a number and did not get one: ask once more. Anything else: a person reads it, and we say so."""
    if heard.asked is not None and heard.asked.expecting is Expecting.MOOD and not heard.understood.why:
        return _score_again(heard.asked)
    return "reply_unclear", None, None


def _score_again(asked: Question) -> tuple[str, Chart | None, Session | None]:
    """Once: whatever was answered before, a number or not, the next unclear words are left to a person."""
    if asked.entry.key in asked.chart.ledgers[asked.session.id].answered:
        return "reply_unclear", None, None
    return "reply_score_again", asked.chart, asked.session


def _scored(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    asked, score = heard.asked, heard.understood.score
    if asked is None or asked.expecting is not Expecting.MOOD or len(questions.asked_how(heard.charts, heard.said)) > 1:
        return _person_reads(desk, heard, now)
    if score is None:
        return _score_again(asked)
    answered = CheckIn(
        asked_at=asked.entry.at,
        answered_at=heard.said,
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
    """A visit somebody has just come from. Two patients of one phone on their way: a person finds out who is home."""
    lately = questions.discharged_lately(heard.charts, heard.said)
    away = [(chart, session) for chart, session in lately if chart.ledgers[session.id].home_safe_at is None]
    if not lately or len({chart.patient.id for chart, _ in away}) > 1:
        return _person_reads(desk, heard, now)
    chart, session = (away or lately)[0]
    home_safe(desk, _ref(chart), session.id, heard.said)
    return "reply_home_safe", chart, session


def _about_visit(desk: Desk, heard: _Heard, now: datetime) -> tuple[str | None, Chart | None, Session | None]:
    """A reply about a visit: the one we last asked about, else the only one. Several people at one phone: a person
    finds out who is meant."""
    visits = questions.upcoming(heard.charts, heard.said)
    people = {chart.patient.id for chart, _ in visits}
    asked = heard.asked
    if not visits or len(people) > 1:
        return _person_reads(desk, heard, now)
    about = [visit for visit in visits if asked is not None and visit[1].id == asked.session.id]
    chart, session = (about or visits)[0]
    ref = _ref(chart)
    match heard.intent:
        case Intent.CONFIRM:
            confirm(desk, ref, session.id, heard.said)
            return "reply_confirm", chart, session
        case Intent.RESCHEDULE:
            reschedule(desk, ref, session.id, heard.said)
            return "reply_reschedule", chart, session
        case Intent.RIDE:
            stands = ride(desk, ref, session.id, heard.understood.who, heard.said)
            return ("reply_ride" if stands else None), chart, session
        case _:
            stands = no_ride(desk, ref, session.id, heard.said)
            return ("reply_no_ride" if stands else None), chart, session


def _heard_from(desk: Desk, heard: _Heard) -> None:
    """Whatever is written back to a check-in, it has not met with silence."""
    asked = heard.asked
    if asked is not None and asked.expecting is Expecting.MOOD:
        ref, key = _ref(asked.chart), asked.entry.key
        desk.store.answer(ref, asked.session.id, lambda ledger: _answered(ledger, key, heard.said), None)


def _crisis(desk: Desk, heard: _Heard, now: datetime) -> Task:
    patient = heard.patient
    reached = heard.inbound.opt_out_type != "STOP" and (
        patient is None
        or (
            patient.permission(Channel.SMS).state is not PermissionState.REVOKED
            and patient.unreachable.get(Channel.SMS) != heard.inbound.sender
        )
    )
    return raise_alarm(desk, heard.ref, now, cause=heard.inbound.sid, undeliverable=not reached)


def _for_a_person(desk: Desk, heard: _Heard, kind: TaskKind, now: datetime) -> None:
    _open(desk, heard.ref, kind, now, cause=heard.inbound.sid, detail=heard.inbound.sid)


# --- the reply -----------------------------------------------------------------------------------------------


def _reply(
    desk: Desk, heard: _Heard, key: str, chart: Chart | None, session: Session | None, now: datetime
) -> Reply | None:
    """The words to answer with; None where Twilio has answered already, or where two machines seem to be talking."""
    if heard.inbound.opt_out_type is not None and key != "reply_crisis":
        return None
    lately = _lately(desk, heard, key, now)
    given = sum(1 for known in lately if known.answer and known.sid != heard.inbound.sid)
    if given >= (CRISIS_REPLIES_AN_HOUR if key == "reply_crisis" else REPLIES_AN_HOUR):
        return None
    language = heard.patient.language if heard.patient else Language.EN
    if heard.patient is None or key == "reply_crisis":
        language = _spoken(heard.understood) or language
    words = clinic_words(heard.clinic)
    if chart is not None:
        current = desk.store.charts([_ref(chart)]).get(_ref(chart), chart)
        ledger = current.ledgers.get(session.id) if session else None
        words = context(current, session, key, now, ride=ledger.ride if ledger else Ride())
    words |= {"score": heard.understood.score, "highest": 10}
    rendered, _ = render(desk.catalogue.versions(key, language, Channel.SMS), words)
    return Reply(key, rendered)


def _lately(desk: Desk, heard: _Heard, key: str, now: datetime) -> list[Inbound]:
    """What came from this phone in the last hour; without it somebody in danger is answered all the same."""
    try:
        return desk.store.inbound_since(heard.clinic.id, heard.inbound.sender, now - LOOK_BACK)
    except Exception:
        if key != "reply_crisis":
            raise
        return []


def _spoken(understood: Understood) -> Language | None:
    """The language a message is in, where only Spanish vocabulary was found in it."""
    return Language.ES if understood.why and all(why.startswith("es-") for why in understood.why) else None


# --- small things --------------------------------------------------------------------------------------------


def _acknowledged_by_reply(desk: Desk, clinic: Clinic, inbound: Inbound, now: datetime) -> bool:
    """`ACK 1234`, or the code alone, from the phone of somebody who is woken; ACK alone takes all that wait.

    True also for a task that a colleague has taken meanwhile: there is nothing left to do.
    """
    person = next((person for person in clinic.on_call if person.phone == inbound.sender), None)
    said = _ACK.fullmatch(inbound.body.strip())
    if person is None or said is None or not (said["word"] or said["code"]):
        return False
    urgent = [task for task in desk.store.open_tasks(clinic.id) if task.urgency is Urgency.URGENT]
    meant = [task for task in urgent if said["code"] in (None, code(task))]
    for task in meant:
        acknowledge(desk, PatientRef(clinic.id, task.patient_id or ""), task.id, person.name, now)
    return bool(meant)


def _taken(task: Task, by: str, now: datetime) -> Task:
    if not wakes(task):
        return task
    return msgspec.structs.replace(task, taken_by=by, taken_at=now, next_due_at=None)


def _answered(ledger: Ledger, entry: str, now: datetime) -> Ledger:
    return msgspec.structs.replace(ledger, answered={**ledger.answered, entry: now})


def _permit(desk: Desk, ref: PatientRef, channel: Channel, state: PermissionState, now: datetime) -> Patient | None:
    """Keep what the patient wants, unless something newer is known. Whoever wants messages can be reached."""
    given = Permission(state=state, at=now, source="patient's message", wording="reply")

    def change(patient: Patient) -> Patient:
        known = patient.permission(channel)
        if known.at is not None and known.at > now:
            return patient
        if state is PermissionState.GRANTED:
            reachable = {other: dead for other, dead in patient.unreachable.items() if other is not channel}
            patient = msgspec.structs.replace(patient, unreachable=reachable)
        if known.state is state:
            return patient
        return msgspec.structs.replace(patient, consent={**patient.consent, channel: given})

    return desk.store.change_patient(ref, change)


def _not_at(number: str) -> Callable[[Patient], Patient]:
    def change(patient: Patient) -> Patient:
        return msgspec.structs.replace(patient, unreachable={**patient.unreachable, Channel.SMS: number})

    return change


def _low_lately(desk: Desk, ref: PatientRef, now: datetime) -> bool:
    """Whether an answer of the last two weeks called for a person, or a message for waking one."""
    clinic, patient = desk.store.clinic(ref.clinic_id), desk.store.patient(ref)
    if clinic is None or patient is None:
        return False
    known = desk.store.checkins(ref)
    if any(checkins.concerns(one, known, clinic) for one in known if now - one.answered_at < LATELY):
        return True
    said = desk.store.inbound_since(clinic.id, patient.phone, now - LATELY) if patient.phone else []
    return any(one.level == Level.URGENT for one in said)


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


def _open_unless_waiting(desk: Desk, ref: PatientRef, kind: TaskKind, now: datetime, session_id: str) -> None:
    """One task of a kind for one visit at a time; once it is closed, saying it again is news."""
    if not any(
        (task.patient_id, task.session_id, task.kind) == (ref.patient_id, session_id, kind)
        for task in desk.store.open_tasks(ref.clinic_id)
    ):
        _open(desk, ref, kind, now, session_id=session_id, cause=f"{now:%Y%m%dT%H%M%S}")


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
