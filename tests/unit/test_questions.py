"""Which question a bare answer belongs to, and which visit a reply can mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from reminders import questions
from reminders.model import (
    Channel,
    Chart,
    Entry,
    Kind,
    Ledger,
    Receipt,
    Ride,
    RideState,
    Session,
    SessionStatus,
    State,
)
from reminders.replies import Expecting
from tests.builders import NOW, a_clinic, a_patient, a_session

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SOON = NOW + DAY  # a visit tomorrow
PAST = NOW - 2 * DAY


def an_entry(step: str, at: Any = NOW - HOUR, **changes: Any) -> Entry:
    entry = Entry(step=step, start=SOON, state=State.SENT, at=at, channel=Channel.SMS)
    return replace(entry, **changes)


def a_ledger(*entries: Entry, **changes: Any) -> Ledger:
    ledger = Ledger(session_id="s1", starts_at=SOON, booked_at=NOW - 9 * DAY)
    kept = {entry.key: entry for entry in entries}
    return replace(ledger, **{"entries": kept} | changes)


def a_chart(*visits: tuple[Session, Ledger], patient: str = "p1") -> Chart:
    sessions, ledgers = {}, {}
    for session, ledger in visits:
        sessions[session.id] = replace(session, patient_id=patient)
        ledgers[session.id] = replace(ledger, session_id=session.id)
    return Chart(clinic=a_clinic(), patient=a_patient(id=patient), sessions=sessions, ledgers=ledgers)


def one(*entries: Entry, session: Session | None = None, **changes: Any) -> list[Chart]:
    """One patient with one visit tomorrow and these entries."""
    return [a_chart((session or a_session(starts_at=SOON), a_ledger(*entries, **changes)))]


def through(*entries: Entry, hours: float = 24, session: str = "s1", patient: str = "p1", **changes: Any) -> Chart:
    """A patient whose visit was two days ago, discharged so many hours ago."""
    visit = a_session(id=session, starts_at=PAST, status=SessionStatus.DISCHARGED)
    known = {"starts_at": PAST, "status": SessionStatus.DISCHARGED, "discharged_at": NOW - hours * HOUR} | changes
    return a_chart((visit, a_ledger(*(replace(entry, start=PAST) for entry in entries), **known)), patient=patient)


@pytest.mark.parametrize(
    ("charts", "expecting"),
    [
        ([], None),
        (one(), None),
        (one(an_entry("booked")), None),
        (one(an_entry("same_day")), None),
        (one(an_entry("prepare")), Expecting.CONFIRM),
        (one(an_entry("prepare"), confirmed_at=NOW), Expecting.RIDE),
        (one(an_entry("day_before")), Expecting.RIDE),
        (one(an_entry("moved")), Expecting.RIDE),
        (one(an_entry("day_before"), ride=Ride(state=RideState.CONFIRMED, who="Jo")), Expecting.CONFIRM),
        (one(an_entry("day_before"), ride=Ride(state=RideState.NONE)), Expecting.CONFIRM),
        (one(an_entry("day_before"), session=a_session(starts_at=SOON, kind=Kind.FOLLOW_UP)), Expecting.CONFIRM),
        (one(an_entry("prepare", state=State.CLAIMED)), None),
        (one(an_entry("prepare", state=State.SKIPPED)), None),
        (one(an_entry("prepare", state=State.FAILED)), None),
        (one(an_entry("prepare", start=PAST)), None),
        (one(an_entry("prepare", at=NOW + HOUR)), None),
        (one(an_entry("prepare"), status=SessionStatus.CANCELLED), None),
        (one(an_entry("prepare"), an_entry("same_day", NOW)), Expecting.CONFIRM),
        ([through(an_entry("checkin_24h"))], Expecting.MOOD),
        ([through(an_entry("checkin_7d", NOW - 47 * HOUR))], Expecting.MOOD),
        ([through(an_entry("checkin_24h", NOW - 48 * HOUR))], None),
        ([through(an_entry("home_safe"), hours=3)], Expecting.HOME_SAFE),
        ([through(an_entry("home_safe"), hours=3, home_safe_at=NOW)], None),
        ([through(an_entry("home_safe", NOW - 19 * HOUR))], None),
        ([through(an_entry("day_before"), hours=1)], None),
        ([through(an_entry("home_safe", NOW - 2 * HOUR), an_entry("checkin_24h"))], Expecting.MOOD),
    ],
)
def test_a_phone_has_at_most_one_open_question(charts: list[Chart], expecting: Expecting | None) -> None:
    asked = questions.open_question(charts, NOW)
    assert (asked.expecting if asked else None) is expecting


def test_an_answered_check_in_stays_open_so_that_a_slip_can_be_put_right() -> None:
    entry = an_entry("checkin_24h", start=PAST)
    asked = questions.open_question([through(entry, answered={entry.key: NOW})], NOW)
    assert asked
    assert asked.expecting is Expecting.MOOD


@pytest.mark.parametrize("order", [1, -1])
def test_the_question_asked_last_is_the_open_one_whoever_it_was_put_to(order: int) -> None:
    asked_first = through(an_entry("checkin_24h", NOW - 3 * HOUR), patient="p1")
    asked_last = through(an_entry("checkin_24h", NOW - 2 * HOUR), patient="p2")
    asked = questions.open_question([asked_first, asked_last][::order], NOW)
    assert asked
    assert asked.chart.patient.id == "p2"


def test_a_newer_question_closes_an_older_one() -> None:
    chart = a_chart(
        (a_session(id="old", starts_at=PAST), a_ledger(an_entry("checkin_24h", start=PAST), starts_at=PAST)),
        (a_session(id="new", starts_at=SOON), a_ledger(an_entry("day_before", NOW - HOUR / 2))),
    )
    asked = questions.open_question([chart], NOW)
    assert asked
    assert (asked.session.id, asked.expecting) == ("new", Expecting.RIDE)


def test_open_check_ins_are_counted_by_patient_and_only_unanswered() -> None:
    entry = an_entry("checkin_24h", start=PAST)
    waiting = through(entry, patient="p1")
    answered = through(entry, patient="p2", answered={entry.key: NOW})
    also = through(entry, patient="p3")
    nothing = through(patient="p4")
    open_ones = questions.asked_how([waiting, answered, also, nothing], NOW)
    assert [question.chart.patient.id for question in open_ones] == ["p1", "p3"]


@pytest.mark.parametrize(
    ("changes", "meant"),
    [
        ({}, True),
        ({"status": SessionStatus.CANCELLED}, False),
        ({"status": SessionStatus.DISCHARGED}, False),
        ({"starts_at": NOW - HOUR}, False),
        ({"entries": {}}, False),
    ],
)
def test_a_reply_can_mean_a_visit_to_come_that_the_patient_was_told_of(changes: dict[str, Any], meant: bool) -> None:
    assert bool(questions.upcoming(one(an_entry("booked"), **changes), NOW)) is meant


@pytest.mark.parametrize("receipt", [Receipt.UNDELIVERED, Receipt.FAILED])
def test_told_means_sent_even_if_it_never_arrived(receipt: Receipt) -> None:
    """Whoever answers about a visit has heard of it somehow."""
    assert questions.upcoming(one(an_entry("booked", receipt=receipt)), NOW)


def test_the_soonest_visit_comes_first() -> None:
    later = (
        a_session(id="a", starts_at=SOON + DAY),
        a_ledger(an_entry("booked", start=SOON + DAY), starts_at=SOON + DAY),
    )
    sooner = (a_session(id="b", starts_at=SOON), a_ledger(an_entry("booked")))
    assert [session.id for _, session in questions.upcoming([a_chart(later, sooner)], NOW)] == ["b", "a"]


@pytest.mark.parametrize(("hours", "lately"), [(0, True), (17.9, True), (18, False), (30, False)])
def test_who_writes_home_has_been_discharged_since_yesterday(hours: float, lately: bool) -> None:
    assert bool(questions.discharged_lately([through(hours=hours)], NOW)) is lately


def test_of_two_who_were_discharged_the_later_comes_first() -> None:
    charts = [through(hours=3, session="a", patient="p1"), through(hours=2, session="b", patient="p2")]
    assert [session.id for _, session in questions.discharged_lately(charts, NOW)] == ["b", "a"]
