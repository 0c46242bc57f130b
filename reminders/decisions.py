"""What to do for one patient now: send, skip with a reason, open a task, look a message up, or wait until when.

`decide` is the only place where that is decided; it is called before every claim with what is true at that moment,
so a STOP, a move or a cancellation since the last look always wins. The same chart and `now` give the same decision.

Here: what has not been begun. What was begun is in `unfinished`, how many may go on one day in `crowding`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from reminders import crowding, silence, unfinished
from reminders.draft import Candidate, Decision, Draft, begun
from reminders.model import (
    Anchor,
    Cadence,
    Chart,
    Entry,
    Kind,
    PatientStatus,
    Reason,
    SessionStatus,
    State,
    TaskKind,
)
from reminders.planning import Planned, timeline
from reminders.reach import channel_for

LOOK_WHILE_PAUSED = timedelta(minutes=5)


def stale(chart: Chart) -> bool:
    """Whether a session has changed since its ledger was last brought up to date (the stream has not come by yet)."""
    return any(
        session_id not in chart.ledgers
        or chart.ledgers[session_id].starts_at != session.starts_at
        or chart.ledgers[session_id].status != session.status
        for session_id, session in chart.sessions.items()
    )


def decide(chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> Decision:
    """What to do for this patient at `now` (aware). Pure; every instant in the answer is UTC."""
    draft = Draft(chart, now, _timelines(chart, cadences))
    if chart.clinic.paused:
        for session_id in draft.planned:
            draft.wake(session_id, now + LOOK_WHILE_PAUSED)
        return draft.decision
    candidates: list[Candidate] = []
    upcoming: list[Planned] = []
    for session_id in draft.planned:
        candidates += unfinished.resume(draft, session_id)
        new, later = _fresh(draft, session_id)
        candidates += new
        upcoming += later
    candidates = crowding.gather(crowding.collapse(draft, candidates, upcoming))
    for candidate in crowding.within_cap(draft, candidates, upcoming):
        draft.send(candidate, crowding.folded(draft, candidate))
    _open_silence(draft, cadences)
    return draft.decision


def next_due(chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> dict[str, datetime | None]:
    """When each session next wants a decision; `now` for one that wants it at once."""
    decision = decide(chart, cadences, now)
    checked = {check.session.id for check in decision.checks}
    return {
        session_id: now if session_id in decision.entries or session_id in checked else at
        for session_id, at in decision.next_due.items()
    }


def _timelines(chart: Chart, cadences: Mapping[Kind, Cadence]) -> dict[str, list[Planned]]:
    """The planned steps of every session that has been adopted."""
    return {
        session_id: timeline(chart, session, chart.ledgers[session_id], cadences[session.kind])
        for session_id, session in chart.sessions.items()
        if session_id in chart.ledgers
    }


def _fresh(draft: Draft, session_id: str) -> tuple[list[Candidate], list[Planned]]:
    """Steps without an entry: those that could go now, and those still to come. Others are skipped here."""
    status = draft.chart.ledgers[session_id].status
    due: list[Planned] = []
    upcoming: list[Planned] = []
    for planned in draft.planned[session_id]:
        if begun(planned):
            continue
        if status is not SessionStatus.BOOKED and planned.step.before_start:
            draft.skip(planned, Reason.CANCELLED if status is SessionStatus.CANCELLED else Reason.SUPERSEDED)
        elif planned.at is not None and planned.at > draft.now and not _overtaken(draft, planned):
            draft.wake(session_id, planned.at)
            upcoming.append(planned)
        elif planned.step.task is not None:
            _open_work(draft, planned, planned.step.task)
        else:
            due.append(planned)
    return _newest_still_true(draft, session_id, due), upcoming


def _overtaken(draft: Draft, planned: Planned) -> bool:
    """The correction that is on its way says what this text, overdue when the visit moved, would have said. It says
    when to stop eating, too, as long as it comes before that."""
    if not planned.overdue_when_known or planned.ledger.moved_from is None:
        return False
    return not planned.step.fasting or _corrected_in_time(draft, planned)


def _corrected_in_time(draft: Draft, planned: Planned) -> bool:
    """Whether the notice of the move comes, or came, before a fasting text would be of no use."""
    notices = [p for p in draft.planned[planned.session.id] if p.step.anchor is Anchor.MOVED]
    return any(notice.at is not None and notice.at < planned.until for notice in notices)


def _newest_still_true(draft: Draft, session_id: str, due: list[Planned]) -> list[Candidate]:
    """Booked late, several reminders are due at once: the last that is still true goes, the rest are superseded."""
    going: list[tuple[Planned, datetime]] = []
    for planned in due:
        opens = None if _overtaken(draft, planned) else draft.opening(planned)
        if opens is not None:
            going.append((planned, opens))
        elif planned.step.before_start and (_overtaken(draft, planned) or _spoken_for(draft, planned)):
            draft.skip(planned, Reason.SUPERSEDED)
        else:
            draft.skip(planned, Reason.TOO_LATE)
    at_once = [planned for planned, opens in going if opens <= draft.now]
    reminders = [planned for planned in at_once if planned.step.before_start]
    fasting = [planned for planned in reminders if planned.step.fasting]  # no other says when to stop eating
    newest = max((planned.rank for planned in fasting or reminders), default=None)
    candidates: list[Candidate] = []
    for planned, opens in going:
        if opens > draft.now:
            draft.wake(session_id, opens)
        elif planned.step.before_start and planned.rank != newest:
            draft.skip(planned, Reason.SUPERSEDED)
        else:
            candidates += _permitted(draft, planned)
    return candidates


def _spoken_for(draft: Draft, planned: Planned) -> bool:
    """A later reminder of the cadence (sent, going or skipped with its own line) speaks for this one."""
    if planned.step.fasting:
        return False
    return any(other.step.before_start and other.rank > planned.rank for other in draft.planned[planned.session.id])


def _permitted(draft: Draft, planned: Planned) -> list[Candidate]:
    """Consent, status, on-call contact and answers already given; skipped with the reason, or one candidate."""
    if draft.chart.patient.status is not PatientStatus.ACTIVE:
        draft.skip(planned, Reason.INACTIVE)
    elif planned.step.needs_on_call and not draft.chart.clinic.can_wake_somebody:
        draft.skip(planned, Reason.NO_ON_CALL)
    elif planned.step.key == "home_safe" and planned.ledger.home_safe_at is not None:
        draft.skip(planned, Reason.ALREADY_ANSWERED)
    elif crowding.more_than_asked_for(draft, planned):
        draft.skip(planned, Reason.SUPERSEDED)
    else:
        channel, reason = channel_for(draft.chart)
        if channel is not None:
            return [Candidate(planned, channel)]
        draft.skip(planned, reason or Reason.NO_CONSENT)
    return []


def _open_work(draft: Draft, planned: Planned, kind: TaskKind) -> None:
    """A step that is work for staff."""
    if draft.chart.patient.status is not PatientStatus.ACTIVE:
        draft.skip(planned, Reason.INACTIVE)
        return
    if draft.now >= planned.until:
        draft.skip(planned, Reason.TOO_LATE)
        return
    due_at = draft.now + timedelta(days=planned.step.task_days) if planned.step.task_days else None
    opened = draft.open(kind, planned.session.id, planned.step.key, planned.start, due_at)
    entry = Entry(
        step=planned.step.key,
        start=planned.start,
        state=State.OPENED,
        at=draft.now,
        due=planned.ideal,
        task=opened.id,
    )
    draft.put(planned.session.id, entry)


def _open_silence(draft: Draft, cadences: Mapping[Kind, Cadence]) -> None:
    """Two check-ins in a row without an answer. A later silence of one session takes an earlier one's line; each
    has a task of its own, named after its check-in."""
    found = silence.silent(draft.chart, cadences, draft.now)
    if found.wake is not None:
        draft.wake(*found.wake)
    if found.opens_now is None:
        return
    session_id, asked = found.opens_now
    opened = draft.open(TaskKind.NO_ANSWER, session_id, asked.step, asked.start)
    entry = Entry(
        step=silence.STEP,
        start=asked.start,
        state=State.OPENED,
        at=draft.now,
        due=asked.at + silence.PATIENCE,
        task=opened.id,
    )
    draft.put(session_id, entry)
