"""One message's last stretch: read the chart as it is now, decide, render, claim, send, record.

A claim without a record is in doubt and is looked up, never resent blindly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from reminders import adopting, attempts, decisions, tasks, telling
from reminders.attempts import Mark
from reminders.desk import Desk
from reminders.draft import Check, Decision, Send
from reminders.errors import BadTemplate, Unavailable
from reminders.links import Link, to_checkin, to_visit
from reminders.messages import context, render
from reminders.model import (
    Anchor,
    Channel,
    Chart,
    Clinic,
    Entry,
    Instrument,
    Outgoing,
    Patient,
    Permission,
    PermissionState,
    Rendered,
    Session,
    State,
    TaskKind,
)
from reminders.planning import told_of
from reminders.ports import LedgerRecord, LedgerWrite, PatientRef
from reminders.questions import CHECKINS

LOOK_BACK = timedelta(seconds=30)  # clocks differ a little between us and the provider
CALENDAR_STEPS = ("booked", "prepare", "moved", "cancelled")
VISIT_PAGES = ("welcome", "prepare", "day_before", "moved", "home_safe")  # emails that link to the private page


@dataclass
class _Job:
    """One patient's part of a delivery."""

    ref: PatientRef
    chart: Chart
    decision: Decision
    ready: list[tuple[Send, Rendered]] = field(default_factory=list)
    done: dict[str, dict[str, Entry]] = field(default_factory=dict)  # what became of claims, by session
    marks: list[Mark] = field(default_factory=list)
    written: set[str] = field(default_factory=set)  # ledgers whose version this delivery has raised


def send_due(desk: Desk, refs: Sequence[PatientRef], now: datetime) -> list[PatientRef]:
    """Everything that is due for these patients: decide on what is true now, claim, send, record.

    Returns those for whom nothing could be decided.
    """
    jobs: list[_Job] = []
    failed: list[PatientRef] = []
    for ref, chart in _current(desk, refs, now).items():
        try:
            job = _Job(ref, chart, decisions.decide(chart, desk.cadences, now))
            _render(desk, job, now)
            jobs.append(job)
        except Exception as error:  # one patient's trouble must not hold up nine others; it is told and comes again
            desk.journal("stuck", at=now, clinic=ref.clinic_id, patient=ref.patient_id, error=type(error).__name__)
            failed.append(ref)
    _claim(desk, jobs, now)
    for job in jobs:
        for send, rendered in job.ready:
            _send(desk, job, send, rendered, now)
        for check in job.decision.checks:
            _check(desk, job, check, now)
    _record(desk, jobs, now)
    for job in jobs:
        _mark(desk, job, now)
    return failed


def _current(desk: Desk, refs: Sequence[PatientRef], now: datetime) -> dict[PatientRef, Chart]:
    """The charts as they are now; a session that changed since its ledger was written is adopted first."""
    charts = desk.store.charts(refs)
    changed = [ref for ref, chart in charts.items() if decisions.stale(chart)]
    for ref in changed:
        adopting.adopt(desk, ref, now)
    if changed:
        charts.update(desk.store.charts(changed))
    return charts


def _render(desk: Desk, job: _Job, now: datetime) -> None:
    """Render every message to be sent; one that no version of its template can render becomes a task instead."""
    links = _links(desk, job, now)
    for send in job.decision.sends:
        entry = send.entry
        channel = entry.channel or Channel.SMS
        versions = desk.catalogue.versions(entry.step, job.chart.patient.language, channel)
        visit = _as_told(send)
        words = context(job.chart, visit, entry.step, now, ride=send.ledger.ride, sessions=entry.sessions)
        if (send.session.id, entry.key) in links:
            words["link"] = links[send.session.id, entry.key]
        broken: Sequence[str]
        try:
            rendered, broken = render(versions, words)
        except BadTemplate as error:
            rendered, broken = None, [error.field]
        for name in broken:
            _open_in(job, send.session.id, TaskKind.TEMPLATE, now, cause=name)
        if rendered is None:
            given_up = msgspec.structs.replace(entry, state=State.FAILED, again_at=None, task="template")
            job.decision.entries[send.session.id][entry.key] = given_up
            continue
        if channel is Channel.EMAIL and entry.step in CALENDAR_STEPS:
            rendered = msgspec.structs.replace(rendered, calendar=_calendar(job.chart.clinic, send, now))
        claimed = msgspec.structs.replace(
            entry,
            template=rendered.template,
            version=rendered.version,
            encoding=rendered.encoding,
            segments=rendered.segments,
        )
        job.decision.entries[send.session.id][entry.key] = claimed
        job.ready.append((replace(send, entry=claimed), rendered))


def _links(desk: Desk, job: _Job, now: datetime) -> dict[tuple[str, str], str]:
    """Private links for emails that have use for one. Without the table's answer they go out without."""
    wanted: dict[tuple[str, str], Link] = {}
    for send in job.decision.sends:
        entry = send.entry
        if entry.channel is not Channel.EMAIL:
            continue
        if entry.step in VISIT_PAGES:
            wanted[send.session.id, entry.key] = to_visit(send.session)
        elif entry.step in CHECKINS:
            wanted[send.session.id, entry.key] = to_checkin(
                job.ref, Instrument.MOOD, now, session_id=send.session.id, entry=entry.key
            )
    try:
        return dict(zip(wanted, desk.links.issue(list(wanted.values())), strict=True)) if wanted else {}
    except Unavailable:
        return {}


def _as_told(send: Send) -> Session:
    """A cancellation names the visit as the patient knows it, not a move that nobody told them of."""
    told = told_of(send.ledger) if send.step.anchor is Anchor.CANCELLED else None
    return msgspec.structs.replace(send.session, starts_at=told) if told else send.session


def _calendar(clinic: Clinic, send: Send, now: datetime) -> str:
    from reminders.calendar import appointment  # slow to import, and only email wants it

    cancelled = send.entry.step == "cancelled"
    language = send.entry.language
    return appointment(
        clinic, send.session, sequence=send.ledger.version, cancelled=cancelled, now=now, language=language
    )


def _open_in(job: _Job, session_id: str, kind: TaskKind, now: datetime, *, cause: str) -> None:
    opened = tasks.task(kind, job.ref.clinic_id, now, cause=cause, detail=cause)
    job.decision.tasks.setdefault(session_id, []).append(opened)


def _claim(desk: Desk, jobs: Sequence[_Job], now: datetime) -> None:
    """Write every decision, each on the condition that nothing it was made on has changed; lost ones are dropped."""
    writes = [(job, write) for job in jobs for write in _writes(job, now)]
    lost = desk.store.commit([write for _, write in writes]) if writes else set()
    for job, write in writes:
        if write.ledger.session_id not in lost:
            job.written.add(write.ledger.session_id)
    for job in jobs:
        job.ready = [(send, rendered) for send, rendered in job.ready if send.session.id not in lost]
        job.decision.checks = [check for check in job.decision.checks if check.session.id not in lost]
        for session_id in sorted(set(job.decision.entries) - lost):
            telling.entries(desk, job.chart, session_id, job.decision.entries[session_id].values())
        for session_id in sorted(set(job.decision.tasks) - lost):
            for opened in job.decision.tasks[session_id]:
                telling.task(desk, opened)
        for session_id in lost & set(job.decision.entries):
            del job.decision.entries[session_id]


def _writes(job: _Job, now: datetime) -> list[LedgerWrite]:
    writes = []
    bodies: dict[str, dict[str, str]] = {}
    for send, rendered in job.ready:
        bodies.setdefault(send.session.id, {})[send.entry.key] = rendered.body
    checked = {check.session.id for check in job.decision.checks}
    for session_id, ledger in job.chart.ledgers.items():
        entries = job.decision.entries.get(session_id, {})
        opened = job.decision.tasks.get(session_id, [])
        leases = [entry.again_at for entry in entries.values() if entry.again_at]
        next_due = min([at for at in (job.decision.next_due.get(session_id), *leases) if at], default=None)
        if session_id in checked:
            next_due = now + attempts.LOOK_AGAIN if next_due is None else min(next_due, now + attempts.LOOK_AGAIN)
        overdue = ledger.next_due_at is not None and ledger.next_due_at <= now
        sooner = next_due is not None and (ledger.next_due_at is None or next_due < ledger.next_due_at)
        if entries or opened or overdue or sooner:
            writes.append(
                LedgerWrite(
                    chart=job.chart,
                    ledger=ledger,
                    set_entries=entries,
                    set_bodies=bodies.get(session_id, {}),
                    tasks=tuple(opened),
                    next_due_at=next_due,
                )
            )
    return writes


def tags(ref: PatientRef, session_id: str, entry: Entry) -> dict[str, str]:
    """The ids that travel with a message and come back in its receipts."""
    return {
        "clinic": ref.clinic_id,
        "patient": ref.patient_id,
        "session": session_id,
        "entry": entry.key,
        "attempt": str(entry.attempt),
    }


def _send(desk: Desk, job: _Job, send: Send, rendered: Rendered, now: datetime) -> None:
    entry = send.entry
    if entry.channel is None or entry.to is None or entry.until is None:
        raise ValueError("a claim without channel, address and send-by time")  # a draft always sets them
    clinic = job.chart.clinic
    outgoing = Outgoing(
        to=entry.to,
        sender=clinic.sms_from if entry.channel is Channel.SMS else clinic.email_from,
        message=rendered,
        send_by=entry.until,
        tags=tags(job.ref, send.session.id, entry),
    )
    outcome = desk.senders[entry.channel].send(outgoing, now)
    after, marks = attempts.after_answer(entry, outcome, now)
    job.done.setdefault(send.session.id, {})[entry.key] = after
    job.marks += marks
    telling.entries(desk, job.chart, send.session.id, [after])


def _check(desk: Desk, job: _Job, check: Check, now: datetime) -> None:
    entry = check.entry
    if entry.channel is None or entry.to is None:
        raise ValueError("an entry in doubt without channel and address")  # only claims come into doubt
    body = desk.store.body(job.ref, check.session.id, entry.key)
    try:
        known = tags(job.ref, check.session.id, entry)
        found = desk.senders[entry.channel].find(entry.to, known, entry.at - LOOK_BACK, body)
        after, marks = attempts.after_check(entry, found, now)
        job.marks += marks
    except Unavailable:
        after = attempts.unanswered_check(entry, now)
    job.done.setdefault(check.session.id, {})[entry.key] = after
    telling.entries(desk, job.chart, check.session.id, [after])


def _record(desk: Desk, jobs: Sequence[_Job], now: datetime) -> None:
    """Keep what the provider answered, and when each ledger next wants a decision."""
    records = []
    for job in jobs:
        if not job.done:
            continue
        next_due = decisions.next_due(_after(job), desk.cadences, now)
        for session_id, entries in job.done.items():
            version = job.chart.ledgers[session_id].version + (1 if session_id in job.written else 0)
            records.append(LedgerRecord(job.ref, session_id, version, entries, next_due.get(session_id)))
    if records:
        desk.store.record(records)


def _after(job: _Job) -> Chart:
    """The chart as it is once everything is recorded."""
    ledgers = {
        session_id: msgspec.structs.replace(
            ledger,
            entries={
                **ledger.entries,
                **job.decision.entries.get(session_id, {}),
                **job.done.get(session_id, {}),
            },
        )
        for session_id, ledger in job.chart.ledgers.items()
    }
    return msgspec.structs.replace(job.chart, ledgers=ledgers)


def _mark(desk: Desk, job: _Job, now: datetime) -> None:
    """Keep what was learned about an address: opted out, or dead."""
    marks = job.marks + job.decision.marks
    if marks:
        desk.store.change_patient(job.ref, lambda patient: _marked(patient, marks, now))


def _marked(patient: Patient, marks: Sequence[Mark], now: datetime) -> Patient:
    """Only an address the patient still has is marked."""
    for mark in marks:
        if patient.address(mark.channel) != mark.address:
            continue
        if mark.opted_out:
            revoked = Permission(state=PermissionState.REVOKED, at=now, source="provider")
            patient = msgspec.structs.replace(patient, consent={**patient.consent, mark.channel: revoked})
        else:
            dead = {**patient.unreachable, mark.channel: mark.address}
            patient = msgspec.structs.replace(patient, unreachable=dead)
    return patient
