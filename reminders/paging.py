"""Waking somebody: from an urgent message until a named person has taken it (rules.md 2).

An urgent task is due at once, and again after 5, 15 and 30 minutes, then every 30, until somebody takes it. Each
time one more person of the on-call list is woken; when the provider takes no page to any of them, the others at once,
and all again a minute later. It is due again before the pages go out, so that a crash between wakes somebody twice
rather than nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from reminders.desk import Desk
from reminders.errors import Unavailable
from reminders.links import to_task
from reminders.messages import clinic_words, render
from reminders.model import Channel, Clinic, Language, OnCall, Outcome, Outgoing, Result, Task, Urgency
from reminders.ports import PatientRef

AFTER = (timedelta(0), timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30))
THEN_EVERY = timedelta(minutes=30)
LOST = timedelta(minutes=1)  # pages that a crash swallowed go out again after this
OF_USE = timedelta(minutes=30)


def wakes(task: Task) -> bool:
    """Whether somebody must still be woken for this."""
    return task.urgency is Urgency.URGENT and task.taken_by is None and task.closed_at is None


def code(task: Task) -> str:
    """What an on-call person sends back after ACK: four digits made from the task's id."""
    return f"{int(hashlib.sha256(task.id.encode()).hexdigest(), 16) % 10_000:04}"


def next_page_at(task: Task) -> datetime:
    """When the page after the ones already sent is due."""
    sent = task.attempt
    if sent < len(AFTER):
        return task.opened_at + AFTER[sent]
    return task.opened_at + AFTER[-1] + THEN_EVERY * (sent - len(AFTER) + 1)


def woken(clinic: Clinic, attempt: int) -> tuple[OnCall, ...]:
    """Who is woken at this attempt (1, 2 …): the list from its top, one more each time."""
    return clinic.on_call[:attempt]


def page(desk: Desk, ref: PatientRef, task_id: str, now: datetime) -> None:
    """Wake who is to be woken now, if anybody still is. Raises Unavailable when the table does not answer."""
    task = desk.store.task(ref, task_id)
    if task is None or not wakes(task) or _not_yet(task, now):
        return
    claimed = desk.store.change_task(ref, task_id, lambda found: _begun(found, now))
    clinic = desk.store.clinic(ref.clinic_id)
    if claimed is None or not wakes(claimed) or clinic is None:
        return
    attempt = claimed.attempt + 1
    link = _link(desk, ref, claimed, now)
    reached = False
    for person in clinic.on_call:
        if person not in woken(clinic, attempt) and reached:
            break  # only when none of those before was reached is the next one woken already now
        reached |= _wake(desk, clinic, claimed, attempt, person, link, now)
    _alarm(desk, clinic, f"urgent, page {attempt}: {link}", now)
    if reached or not clinic.on_call or now >= claimed.opened_at + AFTER[-1]:
        desk.store.change_task(ref, task_id, lambda found: _paged(found, attempt))


def _not_yet(task: Task, now: datetime) -> bool:
    return task.next_due_at is not None and task.next_due_at > now


def _begun(task: Task, now: datetime) -> Task:
    return msgspec.structs.replace(task, next_due_at=now + LOST) if wakes(task) and not _not_yet(task, now) else task


def _paged(task: Task, attempt: int) -> Task:
    paged = msgspec.structs.replace(task, attempt=attempt)
    return msgspec.structs.replace(paged, next_due_at=next_page_at(paged) if wakes(paged) else None)


def _alarm(desk: Desk, clinic: Clinic, sentence: str, now: datetime) -> None:
    """A third way, whatever became of the others; its own trouble stops nothing."""
    try:
        desk.alarm(sentence)
    except Exception as error:
        desk.journal("stuck", at=now, clinic=clinic.id, error=type(error).__name__)


def _link(desk: Desk, ref: PatientRef, task: Task, now: datetime) -> str:
    """Where the task is seen and taken. Without the table's answer the page goes out all the same."""
    try:
        return desk.links.issue([to_task(ref, task.id, now)])[0]
    except Unavailable:
        return "(no link this time: reply ACK and the code, or phone the clinic)"


def _wake(desk: Desk, clinic: Clinic, task: Task, attempt: int, person: OnCall, link: str, now: datetime) -> bool:
    """Page one person by every way there is; whether the provider took any of it."""
    words = clinic_words(clinic) | {
        "link": link,
        "attempt": attempt,
        "undeliverable": task.undeliverable,
        "code": code(task),
    }
    taken = False
    for channel, address in ((Channel.SMS, person.phone), (Channel.EMAIL, person.email)):
        if address is None:
            continue
        try:
            outcome = _send(desk, clinic, channel, address, words, now)
        except Exception as error:  # one way's trouble must not close the others
            outcome = Outcome(result=Result.REFUSED, code=type(error).__name__)
        taken |= outcome.result is Result.ACCEPTED
        desk.journal(
            "page" if outcome.result is not Result.REFUSED else "page_refused",
            at=now,
            clinic=clinic.id,
            task=task.id,
            to=address,
            channel=channel,
            attempt=attempt,
            code=outcome.code,
        )
    return taken


def _send(
    desk: Desk, clinic: Clinic, channel: Channel, address: str, words: Mapping[str, object], now: datetime
) -> Outcome:
    rendered, _ = render(desk.catalogue.versions("page", Language.EN, channel), words)
    outgoing = Outgoing(
        to=address,
        sender=clinic.sms_from if channel is Channel.SMS else clinic.email_from,
        message=rendered,
        send_by=now + OF_USE,
    )
    return desk.senders[channel].send(outgoing, now)
