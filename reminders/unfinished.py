"""What was begun and is not finished: look it up, try again, change channel, give up."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from reminders import tasks
from reminders.attempts import FAILED_RECEIPTS, after_failure
from reminders.delivery import Advice, advise
from reminders.draft import Candidate, Check, Draft
from reminders.model import (
    Channel,
    Entry,
    PatientStatus,
    Priority,
    Reason,
    SessionStatus,
    State,
    TaskKind,
)
from reminders.planning import Planned
from reminders.reach import usable

DOUBTFUL = timedelta(minutes=30)  # in doubt for so long, a person is told while a call still helps
LOOK_AFTERWARDS = timedelta(hours=1)  # once it is of no use any more, its fate is still looked up for so long
NO_WORK = "-"  # in place of a task's id: it has failed, and nobody need do anything


def resume(draft: Draft, session_id: str) -> list[Candidate]:
    """Take up a session's entries in flight, in doubt, to retry or fallen through; those to be sent once more now."""
    again: list[Candidate] = []
    for entry in sorted(draft.chart.ledgers[session_id].entries.values(), key=lambda entry: entry.key):
        if entry.state in (State.CLAIMED, State.IN_DOUBT):
            if entry.receipt is not None:  # its receipt came before anybody recorded it: it was sent
                entry = replace(entry, state=State.SENT, again_at=None)
                draft.put(session_id, entry)
            elif entry.again_at and entry.again_at > draft.now:
                draft.wake(session_id, entry.again_at)
                continue
            else:
                _check(draft, session_id, entry)
                continue
        if entry.state is State.SENT and entry.receipt in FAILED_RECEIPTS:
            entry, marks = after_failure(entry, draft.now)
            draft.decision.marks += marks
            draft.put(session_id, entry)
        if entry.state is State.RETRY:
            again += _try_again(draft, session_id, entry)
        elif entry.state is State.FAILED and entry.task is None:
            again += _other_channel(draft, session_id, entry)
    return again


def _check(draft: Draft, session_id: str, entry: Entry) -> None:
    """Ask the provider while the message is of use and a while after; in doubt for long, a person must look."""
    over = entry.until is not None and draft.now > entry.until + LOOK_AFTERWARDS
    doubtful = entry.state is State.IN_DOUBT and draft.now >= entry.at + DOUBTFUL
    if entry.task is None and (over or doubtful):
        entry = replace(entry, task=draft.open(TaskKind.IN_DOUBT, session_id, entry.step, entry.start).id)
        draft.put(session_id, entry)
    if over:
        draft.put(session_id, replace(entry, state=State.FAILED, at=draft.now, again_at=None))
    else:
        draft.decision.checks.append(Check(draft.chart.sessions[session_id], entry))


def _try_again(draft: Draft, session_id: str, entry: Entry) -> list[Candidate]:
    """A second attempt on the same channel, when its time has come; else the other channel."""
    planned = _still_planned(draft, session_id, entry)
    if planned is None:
        _drop(draft, session_id, entry)
        return []
    if entry.again_at and entry.again_at > draft.now:
        draft.wake(session_id, entry.again_at)
        return []
    channel = entry.channel
    opens = draft.opening(planned)
    if channel is None or opens is None or not usable(draft.chart, channel):
        failed = replace(entry, state=State.FAILED, at=draft.now, again_at=None)
        draft.put(session_id, failed)
        return _other_channel(draft, session_id, failed)
    if opens > draft.now:
        draft.wake(session_id, opens)
        return []
    return [Candidate(planned, channel, entry)]


def _other_channel(draft: Draft, session_id: str, entry: Entry) -> list[Candidate]:
    """A message that failed for good goes by the other channel if it may and is still of use; else to a person."""
    second = _on_other_channel(draft, session_id, entry)
    if second is not None:
        _after_second(draft, session_id, entry, second)
        return []
    planned = _still_planned(draft, session_id, entry)
    if planned is None:
        _drop(draft, session_id, entry)
        return []
    other = entry.channel.other if entry.channel else Channel.EMAIL
    opens = draft.opening(planned)
    if opens is None or not usable(draft.chart, other):
        _give_up(draft, session_id, entry)
        return []
    if opens > draft.now:
        draft.wake(session_id, opens)
        return []
    return [Candidate(planned, other)]


def _on_other_channel(draft: Draft, session_id: str, entry: Entry) -> Entry | None:
    """The entry of the same message on the other channel, if that has been used."""
    for other in draft.chart.ledgers[session_id].entries.values():
        same = other.step == entry.step and other.start == entry.start
        if same and other.channel not in (None, entry.channel):
            return other
    return None


def _after_second(draft: Draft, session_id: str, entry: Entry, second: Entry) -> None:
    """The other channel has been used. If that reached the patient, only a bad address is still work."""
    if second.state is State.FAILED or second.receipt in FAILED_RECEIPTS:
        if second.task in (None, NO_WORK):
            _give_up(draft, session_id, entry)
        else:
            draft.put(session_id, replace(entry, task=second.task))
    elif second.state is State.SENT and advise(entry.code) is Advice.BAD_ADDRESS:
        _give_up(draft, session_id, entry)
    elif second.state is State.SENT:
        _alarm(draft, session_id, entry)
        draft.put(session_id, replace(entry, task=NO_WORK))


def _give_up(draft: Draft, session_id: str, entry: Entry) -> None:
    """A person takes over: the operator for faults of the sender, else whoever looks after the patient."""
    _alarm(draft, session_id, entry)
    opted_out = advise(entry.code) is Advice.OPTED_OUT
    if opted_out and not _matters(draft, session_id, entry):
        draft.put(session_id, replace(entry, task=NO_WORK))
        return
    kind = TaskKind.CALL_PATIENT if opted_out else TaskKind.UNDELIVERABLE
    opened = draft.open(kind, session_id, entry.step, entry.start)
    draft.put(session_id, replace(entry, task=opened.id))


def _alarm(draft: Draft, session_id: str, entry: Entry) -> None:
    """For a fault of the sender, once a day and code."""
    if advise(entry.code) is Advice.OPERATOR:
        cause = f"{entry.code}.{draft.now:%Y%m%d}"
        alarm = tasks.task(
            TaskKind.OPERATOR, draft.chart.clinic.id, draft.now, cause=cause, detail=f"code {entry.code}"
        )
        draft.decision.tasks.setdefault(session_id, []).append(alarm)


def _matters(draft: Draft, session_id: str, entry: Entry) -> bool:
    return any(
        planned.step.key == entry.step and planned.step.priority is Priority.SAFETY
        for planned in draft.planned[session_id]
    )


def _drop(draft: Draft, session_id: str, entry: Entry) -> None:
    """What was to be tried again has become wrong: the visit moved or was cancelled."""
    cancelled = draft.chart.ledgers[session_id].status is SessionStatus.CANCELLED
    reason = Reason.CANCELLED if cancelled else Reason.SUPERSEDED
    draft.put(session_id, replace(entry, state=State.SKIPPED, at=draft.now, again_at=None, reason=reason))


def _still_planned(draft: Draft, session_id: str, entry: Entry) -> Planned | None:
    if draft.chart.patient.status is not PatientStatus.ACTIVE:
        return None
    ledger = draft.chart.ledgers[session_id]
    for planned in draft.planned[session_id]:
        if planned.step.key == entry.step and planned.start == entry.start:
            return None if ledger.status is SessionStatus.CANCELLED and planned.step.before_start else planned
    return None
