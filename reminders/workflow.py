"""The use cases: dispatch what is due, deliver it, adopt what a booking system wrote.

One message's way: `dispatch` finds whose turn it is → `deliver` reads, decides, renders, claims, sends, records.
A claim without a record is in doubt and is looked up, never resent blindly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec

from reminders import adoption, decisions, paging, receiving, tasks
from reminders.decisions import Check, Decision, Mark, Send
from reminders.desk import Desk
from reminders.errors import BadTemplate, Unavailable
from reminders.messages import context, render
from reminders.model import (
    Anchor,
    Channel,
    Chart,
    Clinic,
    Entry,
    Ledger,
    Outgoing,
    Patient,
    Permission,
    PermissionState,
    Rendered,
    Session,
    SessionStatus,
    State,
    Task,
    TaskKind,
)
from reminders.planning import told_of
from reminders.ports import LedgerRecord, LedgerWrite, PatientRef, Queue, RawChart, Store, Turn

AHEAD = timedelta(minutes=1)  # dispatch runs every minute and looks one minute ahead
LIVE = timedelta(days=10)  # a visit stays in sight for so long after its start, or while anything is due
LOOK_BACK = timedelta(seconds=30)  # clocks differ a little between us and the provider
CALENDAR_STEPS = ("booked", "prepare", "moved", "cancelled")
ADOPTION_TRIES = 3


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


def dispatch(store: Store, queue: Queue, now: datetime) -> int:
    """Queue everything that falls due before the next tick, delayed to the second; returns how many turns.

    Writes nothing: whatever is lost in the queue is still due a minute later.
    """
    turns: dict[Turn, datetime] = {}
    for due in store.due(now + AHEAD):
        turns[due.turn] = min(due.at, turns.get(due.turn, due.at))
    return queue.put(turns.items(), now) if turns else 0


def deliver(desk: Desk, turns: Iterable[Turn], now: datetime) -> list[Turn]:
    """Everything that is due: patients' messages together, each other item for itself.

    Returns turns of which nothing came, so that they come again, and alone, to the dead letters at last.
    Raises Unavailable when the table does not answer: then all come again.
    """
    given = list(dict.fromkeys(turns))
    failed = _send_due(desk, [turn.ref for turn in given if not turn.item], now)
    return [Turn(ref) for ref in failed] + _others(desk, [turn for turn in given if turn.item], now)


def _others(desk: Desk, turns: Sequence[Turn], now: datetime) -> list[Turn]:
    """Tasks that wake somebody, and messages whose handling was cut short. Returns those that come again."""
    failed = []
    for turn in turns:
        kind, _, name = turn.item.partition("#")
        try:
            if kind == "TASK":
                paging.page(desk, turn.ref, name, now)
            elif kind == "REPLY":
                receiving.rework(desk, turn.ref.clinic_id, name, now)
        except Exception as error:  # one item's trouble must not hold up the others; it is told and comes again
            desk.journal("stuck", at=now, clinic=turn.ref.clinic_id, error=type(error).__name__)
            failed.append(turn)
    return failed


def _send_due(desk: Desk, refs: Sequence[PatientRef], now: datetime) -> list[PatientRef]:
    """Everything that is due for these patients: decide on what is true now, claim, send, record.

    Returns those for whom nothing could be decided.
    """
    jobs: list[_Job] = []
    failed: list[PatientRef] = []
    for ref, chart in _current(desk, refs, now).items():
        try:
            jobs.append(_prepared(desk, ref, chart, now))
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


def adopt(desk: Desk, ref: PatientRef, now: datetime) -> None:
    """Bring our ledgers up to date with one patient's sessions as any system wrote them. Safe to repeat.

    Raises Unavailable when others kept changing the same patient; the stream then brings it again.
    """
    for _ in range(ADOPTION_TRIES):
        raw = desk.store.whole_chart(ref)
        _report_unreadable(desk, ref, raw, now)
        if raw.chart is None or _adopt_once(desk, ref, raw, raw.chart, now):
            return
    raise Unavailable("this patient's sessions kept changing while they were read")


# --- adopting ------------------------------------------------------------------------------------------------


def _adopt_once(desk: Desk, ref: PatientRef, raw: RawChart, chart: Chart, now: datetime) -> bool:
    found = {
        session_id: adoption.adopt(chart, session, desk.cadences, now) for session_id, session in chart.sessions.items()
    }
    changes = {session_id: adopted for session_id, adopted in found.items() if adopted is not None}
    writes = [
        LedgerWrite(
            chart=chart,
            ledger=chart.ledgers.get(session_id, adopted.ledger),
            set_entries=adopted.entries,
            replace=adopted.ledger,
            next_due_at=now,
        )
        for session_id, adopted in changes.items()
    ]
    writes += [
        LedgerWrite(chart=chart, ledger=chart.ledgers[session_id], next_due_at=at)
        for session_id, at in _mislaid(desk, chart, set(changes), now).items()
    ]
    if writes and desk.store.commit(writes):
        return False
    for session_id, adopted in changes.items():
        for event in adopted.events:
            desk.journal(event, at=now, clinic=ref.clinic_id, patient=ref.patient_id, session=session_id)
        _note_entries(desk, chart, session_id, adopted.entries.values())
    ledgers = {**chart.ledgers, **{session_id: adopted.ledger for session_id, adopted in changes.items()}}
    if not _keep_in_sight(desk, ref, raw, chart, ledgers, set(changes), now):
        return False
    _close_moot(desk, ref, {session_id: adopted.events for session_id, adopted in changes.items()}, now)
    if changes:
        desk.queue.put([(Turn(ref), now)], now)
    return True


def _close_moot(desk: Desk, ref: PatientRef, events: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Close what a person no longer needs to do, because the visit is over, off, or at another time."""
    moot = {
        session_id: {kind: event for event in happened for kind in tasks.MOOT.get(event, ())}
        for session_id, happened in events.items()
    }
    if not any(moot.values()):
        return
    for waiting in desk.store.open_tasks(ref.clinic_id):
        if waiting.patient_id != ref.patient_id or waiting.opened_at >= now:
            continue
        why = moot.get(waiting.session_id or "", {}).get(waiting.kind)
        if why is not None:
            desk.store.change_task(ref, waiting.id, _closed(why, now))


def _closed(note: str, now: datetime) -> Callable[[Task], Task]:
    return lambda task: msgspec.structs.replace(task, closed_at=now, note=note)


def _mislaid(desk: Desk, chart: Chart, changed: set[str], now: datetime) -> dict[str, datetime | None]:
    """Ledgers whose `next_due_at` is wrong: due without a session that can be read, or waiting for nothing although
    something is to come (the session could not be read for a while, or the patient came back)."""
    wrong: dict[str, datetime | None] = {}
    wanted: dict[str, datetime | None] = {}
    idle = [s for s, ledger in chart.ledgers.items() if ledger.next_due_at is None and s in chart.sessions]
    if set(idle) - changed:
        wanted = decisions.next_due(chart, desk.cadences, now)
    for session_id, ledger in chart.ledgers.items():
        if session_id in changed:
            continue
        if session_id not in chart.sessions and ledger.next_due_at is not None:
            wrong[session_id] = None
        elif session_id in idle and wanted.get(session_id) is not None:
            wrong[session_id] = wanted[session_id]
    return wrong


def _keep_in_sight(
    desk: Desk,
    ref: PatientRef,
    raw: RawChart,
    chart: Chart,
    ledgers: Mapping[str, Ledger],
    written: set[str],
    now: datetime,
) -> bool:
    """Keep the list of live sessions, and whether this patient has had a treatment before."""
    live = tuple(
        sorted(
            session_id
            for session_id, ledger in ledgers.items()
            if session_id in chart.sessions
            and (session_id in written or ledger.next_due_at is not None or ledger.starts_at > now - LIVE)
        )
    )
    if live != tuple(sorted(raw.live)) and not desk.store.set_live(ref, live, chart.patient_version):
        return False
    had_one = any(s.status is SessionStatus.DISCHARGED and s.kind.treatment for s in chart.sessions.values())
    if had_one and not chart.patient.experienced:
        desk.store.change_patient(ref, lambda patient: msgspec.structs.replace(patient, experienced=True))
    return True


def _report_unreadable(desk: Desk, ref: PatientRef, raw: RawChart, now: datetime) -> None:
    """A session nobody can read becomes work for a person; it stops nothing else."""
    problems = dict(raw.malformed)
    problems.update(dict.fromkeys(raw.orphans, "patient_id: there is no such patient"))
    for session_id, sentence in problems.items():
        opened = tasks.task(
            TaskKind.MALFORMED,
            ref.clinic_id,
            now,
            patient_id=ref.patient_id,
            session_id=session_id,
            cause=hashlib.sha256(sentence.encode()).hexdigest()[:8],
            detail=sentence,
        )
        if desk.store.open_task(opened):
            _note_task(desk, opened)


# --- delivering ----------------------------------------------------------------------------------------------


def _current(desk: Desk, refs: Sequence[PatientRef], now: datetime) -> dict[PatientRef, Chart]:
    """The charts as they are now; a session that changed since its ledger was written is adopted first."""
    charts = desk.store.charts(refs)
    changed = [ref for ref, chart in charts.items() if decisions.stale(chart)]
    for ref in changed:
        adopt(desk, ref, now)
    if changed:
        charts.update(desk.store.charts(changed))
    return charts


def _prepared(desk: Desk, ref: PatientRef, chart: Chart, now: datetime) -> _Job:
    job = _Job(ref, chart, decisions.decide(chart, desk.cadences, now))
    _render(desk, job, now)
    return job


def _render(desk: Desk, job: _Job, now: datetime) -> None:
    """Render every message to be sent; one that no version of its template can render becomes a task instead."""
    for send in job.decision.sends:
        entry = send.entry
        channel = entry.channel or Channel.SMS
        versions = desk.catalogue.versions(entry.step, job.chart.patient.language, channel)
        visit = _as_told(send)
        words = context(job.chart, visit, entry.step, now, ride=send.ledger.ride, sessions=entry.sessions)
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
        for session_id in set(job.decision.entries) - lost:
            _note_entries(desk, job.chart, session_id, job.decision.entries[session_id].values())
        for session_id in set(job.decision.tasks) - lost:
            for opened in job.decision.tasks[session_id]:
                _note_task(desk, opened)
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
            next_due = now + decisions.LOOK_AGAIN if next_due is None else min(next_due, now + decisions.LOOK_AGAIN)
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
        raise ValueError("a claim without channel, address and send-by time")  # decisions.py always sets them
    clinic = job.chart.clinic
    outgoing = Outgoing(
        to=entry.to,
        sender=clinic.sms_from if entry.channel is Channel.SMS else clinic.email_from,
        message=rendered,
        send_by=entry.until,
        tags=tags(job.ref, send.session.id, entry),
    )
    outcome = desk.senders[entry.channel].send(outgoing, now)
    after, marks = decisions.after_answer(entry, outcome, now)
    job.done.setdefault(send.session.id, {})[entry.key] = after
    job.marks += marks
    _note_entries(desk, job.chart, send.session.id, [after])


def _check(desk: Desk, job: _Job, check: Check, now: datetime) -> None:
    entry = check.entry
    if entry.channel is None or entry.to is None:
        raise ValueError("an entry in doubt without channel and address")  # only claims come into doubt
    body = desk.store.body(job.ref, check.session.id, entry.key)
    try:
        known = tags(job.ref, check.session.id, entry)
        found = desk.senders[entry.channel].find(entry.to, known, entry.at - LOOK_BACK, body)
        after, marks = decisions.after_check(entry, found, now)
        job.marks += marks
    except Unavailable:
        after = decisions.unanswered_check(entry, now)
    job.done.setdefault(check.session.id, {})[entry.key] = after
    _note_entries(desk, job.chart, check.session.id, [after])


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


# --- telling -------------------------------------------------------------------------------------------------


def _note_entries(desk: Desk, chart: Chart, session_id: str, entries: Iterable[Entry]) -> None:
    """Journal what became of entries: `sent`, `skipped` with its reason, `failed`, `retry`, `in_doubt`. Ids only."""
    for entry in entries:
        if entry.state in (State.CLAIMED, State.OPENED):
            continue
        if entry.state is State.FAILED and entry.task is not None:
            continue  # said when it failed; now a person knows of it
        refused = entry.state is State.FAILED and entry.reason is not None
        desk.journal(
            "skipped" if refused else str(entry.state),
            at=entry.at,
            clinic=chart.clinic.id,
            patient=chart.patient.id,
            session=session_id,
            step=entry.step,
            channel=entry.channel,
            reason=entry.reason,
            code=entry.code,
            due=entry.due,
        )


def _note_task(desk: Desk, opened: Task) -> None:
    desk.journal(
        "task",
        at=opened.opened_at,
        clinic=opened.clinic_id,
        patient=opened.patient_id,
        session=opened.session_id,
        step=opened.step,
        kind=opened.kind,
        urgency=opened.urgency,
    )
