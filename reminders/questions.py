"""What was asked of a phone and is still open: the question a bare answer belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminders.model import Chart, Entry, Ledger, RideState, Session, SessionStatus, State
from reminders.replies import Expecting

CHECKINS = ("checkin_24h", "checkin_72h", "checkin_7d")
OF_VISIT = ("booked", "prepare", "day_before", "moved", "same_day")
CHECKIN_OPEN = timedelta(hours=48)  # later, a bare number is read by a person
HOME_SAFE_OPEN = timedelta(hours=18)  # until the next morning


@dataclass(frozen=True)
class Question:
    """One message that asked something, whom, and about which visit."""

    chart: Chart
    session: Session
    entry: Entry
    expecting: Expecting


def open_question(charts: Sequence[Chart], now: datetime) -> Question | None:
    """The last thing asked of this phone, if it is still open. A newer question closes an older one."""
    asked = [
        (entry.at, entry.key, chart, chart.sessions[session_id], ledger, entry)
        for chart in charts
        for session_id, ledger in chart.ledgers.items()
        if session_id in chart.sessions
        for entry in ledger.entries.values()
        if entry.state is State.SENT and entry.start == ledger.starts_at and entry.at <= now
    ]
    for _, _, chart, session, ledger, entry in sorted(asked, key=lambda item: item[:2], reverse=True):
        if entry.step not in (*CHECKINS, "home_safe", "prepare", "day_before", "moved"):
            continue
        expecting = _expecting(session, ledger, entry, now)
        return Question(chart, session, entry, expecting) if expecting else None
    return None


def upcoming(charts: Sequence[Chart], now: datetime) -> list[tuple[Chart, Session]]:
    """The visits a reply can mean: booked, to come, and the patient has been told of them; soonest first."""
    told = [
        (chart, chart.sessions[session_id])
        for chart in charts
        for session_id, ledger in chart.ledgers.items()
        if session_id in chart.sessions and ledger.status is SessionStatus.BOOKED and ledger.starts_at > now
        if any(
            entry.step in OF_VISIT and entry.state is State.SENT and entry.start == ledger.starts_at
            for entry in ledger.entries.values()
        )
    ]
    return sorted(told, key=lambda item: (item[1].starts_at, item[1].id))


def asked_how(charts: Sequence[Chart], now: datetime) -> list[Question]:
    """The open check-ins of this phone that nobody has answered, one a patient."""
    asked = [open_question([chart], now) for chart in charts]
    return [
        one
        for one in asked
        if one is not None
        and one.expecting is Expecting.MOOD
        and one.entry.key not in one.chart.ledgers[one.session.id].answered
    ]


def discharged_lately(charts: Sequence[Chart], now: datetime) -> list[tuple[Chart, Session]]:
    """The visits that somebody who writes HOME can have just come from, the latest first."""
    lately = [
        (ledger.discharged_at, chart, chart.sessions[session_id])
        for chart in charts
        for session_id, ledger in chart.ledgers.items()
        if session_id in chart.sessions and ledger.discharged_at and now - ledger.discharged_at < HOME_SAFE_OPEN
    ]
    return [visit[1:] for visit in sorted(lately, key=lambda one: (one[0], one[2].id), reverse=True)]


def _expecting(session: Session, ledger: Ledger, entry: Entry, now: datetime) -> Expecting | None:
    if entry.step in CHECKINS:
        return Expecting.MOOD if now - entry.at < CHECKIN_OPEN else None
    if entry.step == "home_safe":
        return Expecting.HOME_SAFE if now - entry.at < HOME_SAFE_OPEN and ledger.home_safe_at is None else None
    if ledger.status is not SessionStatus.BOOKED or session.starts_at <= now:
        return None
    if entry.step == "prepare" and ledger.confirmed_at is None:
        return Expecting.CONFIRM
    open_ride = session.kind.treatment and ledger.ride.state in (RideState.UNKNOWN, RideState.ASKED)
    return Expecting.RIDE if open_ride else Expecting.CONFIRM
