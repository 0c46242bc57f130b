"""Adopt what a booking system wrote: bring our ledgers up to date with one patient's sessions. Safe to repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from reminders import adoption, decisions, tasks, telling
from reminders.desk import Desk
from reminders.errors import Unavailable
from reminders.model import (
    Chart,
    Ledger,
    SessionStatus,
    Task,
    TaskKind,
)
from reminders.ports import LedgerWrite, PatientRef, RawChart, Turn

LIVE = timedelta(days=10)  # a visit stays in sight for so long after its start, or while anything is due
ADOPTION_TRIES = 3


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
        telling.entries(desk, chart, session_id, adopted.entries.values())
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
            telling.task(desk, opened)
