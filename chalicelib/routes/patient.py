"""A patient's private pages, without signing in: the link itself is the key. GET shows, POST acts.

One link opens one thing until it ends; any other answer is the same calm page, whatever was wrong with the link.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from chalice.app import Blueprint, Response

from chalicelib import forms, logs, tokens, wiring
from chalicelib.html import Pages
from reminders import pages, receiving, typed, wording
from reminders.checkins import SCALES
from reminders.errors import BadInput, Unavailable
from reminders.links import Link, Purpose
from reminders.model import Channel, Chart, CheckIn, Clinic, Instrument, Language, Patient, Task, Urgency
from reminders.pages import Action, CheckinPage, Contact, TaskPage, VisitPage
from reminders.replies import Level

HTML: Final = Pages("patient", "patient.css")
AGAIN: Final = "again"  # what a page says when a form did not go through
DANGER: Final = "danger"

routes = Blueprint(__name__)


# --- routes -----------------------------------------------------------------------------------------


@routes.route("/p/{token}", methods=["GET", "HEAD"])
def show(token: str) -> Response:
    """The page. Mail scanners and link previews come here too, so nothing is changed."""
    try:
        return _show(token)
    except Unavailable:
        return _sorry("later", 503)


@routes.route("/p/{token}", methods=["POST"], content_types=[forms.CONTENT_TYPE])
def act(token: str) -> Response:
    """What a form of the page asks for, and the page as it is afterwards."""
    try:
        link = _open(token)
        if link is None:
            return _ended(token)
        try:
            form = forms.posted(routes.current_request, wiring.current().settings.public_url)
        except forms.Refused as refused:
            return _show(token, said=AGAIN, status=refused.status)
        match link.purpose:
            case Purpose.VISIT:
                return _act_on_visit(token, link, form)
            case Purpose.CHECKIN:
                return _act_on_checkin(token, link, form)
            case Purpose.TASK:
                return _act_on_task(token, link, form)
    except Unavailable:
        return _sorry("later", 503)


@routes.route("/p/{token}/appointment.ics", methods=["GET", "HEAD"])
def appointment(token: str) -> Response:
    """The visit for a calendar, as it is now."""
    from reminders.calendar import appointment as calendar_file  # slow to import, and only this wants it

    try:
        link = _open(token)
        chart = _chart(link) if link is not None and link.purpose is Purpose.VISIT else None
        page = pages.visit(chart, link.session_id or "", _now()) if chart and link else None
        if chart is None or link is None or link.session_id is None or page is None:
            return _ended(token)
    except Unavailable:
        return _sorry("later", 503)
    ledger = chart.ledgers.get(link.session_id)
    text = calendar_file(
        chart.clinic,
        chart.sessions[link.session_id],
        sequence=ledger.version if ledger else 0,
        cancelled=page.stage is pages.Stage.CANCELLED,
        now=_now(),
        language=page.language,
    )
    headers = HTML.headers("text/calendar; charset=utf-8")
    return Response(text, headers={**headers, "Content-Disposition": 'inline; filename="appointment.ics"'})


# --- showing ----------------------------------------------------------------------------------------


def _show(token: str, said: str = "", status: int = 200) -> Response:
    link = _open(token)
    if link is None:
        return _ended(token)
    match link.purpose:
        case Purpose.VISIT:
            page = _visit(link)
            return _visit_page(token, page, said, status=status) if page else _ended(token)
        case Purpose.CHECKIN:
            asked = _questions(link)
            return _checkin_page(token, asked[1], said, status) if asked else _ended(token)
        case Purpose.TASK:
            known = _task(link)
            return _task_page(token, pages.task(*known), said=said, status=status) if known else _ended(token)


def _visit_page(token: str, page: VisitPage, said: str = "", status: int = 200) -> Response:
    words = {**page.words, **_shallow(page), "said": said, "calendar": f"{token}/appointment.ics"}
    return _html(f"{page.language}/visit", token, words, status, seen=page.seen)


def _checkin_page(token: str, page: CheckinPage, said: str, status: int) -> Response:
    return _html(f"{page.language}/checkin", token, {**page.words, **_shallow(page), "said": said, "told": ""}, status)


def _task_page(
    token: str,
    page: TaskPage,
    *,
    contact: Contact | None = None,
    mine: bool = False,
    said: str = "",
    status: int = 200,
) -> Response:
    shown = None
    if contact is not None:
        phone = wording.phone(contact.phone) if contact.phone else ""
        shown = {**_shallow(contact), "phone_shown": phone}
    words = {**page.words, **_shallow(page), "contact": shown, "mine": mine, "said": said}
    return _html(f"{Language.EN}/task", token, words, status)


def _ended(token: str) -> Response:
    """The same for every link that opens nothing; who holds one of ours also learns whom to call."""
    link = wiring.links().find(token)
    clinic = _clinic(link) if link else None
    words: dict[str, object] = {"clinic_phone": "", "clinic_phone_link": ""}
    if clinic is not None:
        words = {"clinic_phone": wording.phone(clinic.phone), "clinic_phone_link": clinic.phone}
    return _sorry("ended", 404, words)


def _sorry(why: str, status: int, words: Mapping[str, object] | None = None) -> Response:
    return _html("sorry", "", {"clinic_name": "", **(words or {}), "why": why}, status)


# --- acting -----------------------------------------------------------------------------------------


def _act_on_visit(token: str, link: Link, form: Mapping[str, str]) -> Response:
    page = _visit(link)
    if page is None or link.session_id is None:
        return _ended(token)
    action = _asked(token, form, page.seen)
    if action is None:
        return _visit_page(token, page, AGAIN, status=403)
    if action not in page.offers:  # pressed twice, or no longer to be asked: the page says how things stand
        return _visit_page(token, page)
    said = _done(link, link.session_id, action, form)
    logs.journal(
        "answered_on_page", clinic=link.clinic_id, patient=link.patient_id, session=link.session_id, kind=action
    )
    if said == DANGER:
        return _thanks(token, page, None, Urgency.URGENT)
    after = _visit(link)
    return _visit_page(token, after, said) if after else _ended(token)


def _done(link: Link, session_id: str, action: Action, form: Mapping[str, str]) -> str:
    """Do it; what the page then says."""
    desk, ref, now = wiring.desk(), link.ref, _now()
    match action:
        case Action.CONFIRM:
            receiving.confirm(desk, ref, session_id, now)
        case Action.RESCHEDULE:
            receiving.reschedule(desk, ref, session_id, now)
        case Action.NO_RIDE:
            receiving.no_ride(desk, ref, session_id, now)
        case Action.HOME:
            receiving.home_safe(desk, ref, session_id, now)
        case Action.STOP_TEXTS:
            receiving.opt_out(desk, ref, Channel.SMS, now)
        case Action.STOP_EMAILS:
            receiving.opt_out(desk, ref, Channel.EMAIL, now)
        case Action.RIDE:
            words = pages.typed(form.get("who", ""))
            if not words:
                return AGAIN
            level = typed.ride(desk, ref, session_id, words, now)
            return {Level.NONE: str(action), Level.REVIEW: "ride_read", Level.URGENT: DANGER}[level]
        case _:
            return AGAIN
    return str(action)


def _act_on_checkin(token: str, link: Link, form: Mapping[str, str]) -> Response:
    asked = _questions(link)
    if asked is None:
        return _ended(token)
    clinic, page = asked
    if _asked(token, form) is not Action.ANSWER:
        return _checkin_page(token, page, AGAIN, 403)
    try:
        given = pages.answered(link, form, _now())
    except BadInput:
        return _checkin_page(token, page, AGAIN, 400)
    if given is None:
        return _checkin_page(token, page, AGAIN, 200)
    receiving.checkin(wiring.desk(), link.ref, given, _now(), entry=link.entry)
    logs.journal(
        "answered_on_page", clinic=link.clinic_id, patient=link.patient_id, session=link.session_id, kind=Action.ANSWER
    )
    return _thanks(token, page, given, pages.worrying(given, clinic))


def _thanks(token: str, page: CheckinPage | VisitPage, given: CheckIn | None, worrying: Urgency | None) -> Response:
    """Thanks for answers, or for words that somebody is being woken for: then the crisis lines come first.

    A mood is echoed; a PHQ total is for a clinician to explain.
    """
    score = given.score if given and given.instrument is Instrument.MOOD else None
    words = {**page.words, "answers": given is not None, "score": score, "told": str(worrying or "")}
    top = SCALES[Instrument.MOOD].top
    return _html(f"{page.language}/thanks", token, {**words, "top": top}, 200)


def _act_on_task(token: str, link: Link, form: Mapping[str, str]) -> Response:
    known = _task(link)
    if known is None or link.task_id is None:
        return _ended(token)
    clinic, task = known
    page = pages.task(clinic, task)
    by = form.get("by", "")
    if _asked(token, form) is not Action.TAKE or by not in {str(place) for place in range(len(page.names))}:
        return _task_page(token, page, said=AGAIN, status=403)
    if page.closed:
        return _task_page(token, page)
    name = page.names[int(by)]
    receiving.acknowledge(wiring.desk(), link.ref, link.task_id, name, _now())
    after = _task(link)
    if after is None:
        return _ended(token)
    logs.journal("contact_shown", clinic=link.clinic_id, patient=link.patient_id or None, task=link.task_id)
    taken = pages.task(*after)
    return _task_page(token, taken, contact=_contact(link, after[1]), mine=taken.taken_by == name)


def _contact(link: Link, task: Task) -> Contact:
    """Of a patient we know, or of whoever wrote the message that the task's detail names."""
    store = wiring.current().store
    if link.patient_id:
        return pages.contact(store.patient(link.ref), None, _now())
    message = store.inbound(link.clinic_id, task.detail) if task.detail else None
    return pages.contact(None, message.sender if message else None, _now())


# --- what a post must bring -------------------------------------------------------------------------


def _asked(token: str, form: Mapping[str, str], seen: str = "") -> Action | None:
    """Which action, if the form carries that action's key; None for anything else."""
    name, key = form.get("action", ""), form.get("key", "")
    if name not in {str(action) for action in Action} or not tokens.opens(token, name + seen, key):
        return None
    return Action(name)


# --- reading ----------------------------------------------------------------------------------------


def _open(token: str) -> Link | None:
    link = wiring.links().find(token)
    return link if link is not None and link.open_at(_now()) else None


def _now() -> datetime:
    return wiring.current().now()


def _clinic(link: Link) -> Clinic | None:
    try:
        return wiring.current().store.clinic(link.clinic_id)
    except BadInput:
        return None  # adoption has told whoever can mend it


def _chart(link: Link) -> Chart | None:
    return wiring.current().store.whole_chart(link.ref).chart


def _visit(link: Link) -> VisitPage | None:
    chart = _chart(link)
    return pages.visit(chart, link.session_id, _now()) if chart and link.session_id else None


def _questions(link: Link) -> tuple[Clinic, CheckinPage] | None:
    clinic, patient = _clinic(link), _patient(link)
    page = pages.questions(clinic, patient, link) if clinic and patient else None
    return (clinic, page) if clinic and page else None


def _patient(link: Link) -> Patient | None:
    try:
        return wiring.current().store.patient(link.ref)
    except BadInput:
        return None


def _task(link: Link) -> tuple[Clinic, Task] | None:
    clinic = _clinic(link)
    task = wiring.current().store.task(link.ref, link.task_id) if link.task_id else None
    return (clinic, task) if clinic and task else None


# --- HTML -------------------------------------------------------------------------------------------


def _shallow(value: VisitPage | CheckinPage | TaskPage | Contact) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__ if name != "words"}


def _html(name: str, token: str, words: Mapping[str, object], status: int, seen: str = "") -> Response:
    return HTML.page(name, {**words, "key": lambda action: tokens.form_key(token, action + seen)}, status)
