"""Check-ins without an answer, and fewer check-ins for whoever asked for that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from reminders.model import (
    Channel,
    Chart,
    Entry,
    Ledger,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    Reason,
    Receipt,
    Session,
    SessionStatus,
    State,
    TaskKind,
    entry_key,
)
from reminders.silence import PATIENCE, Silence, silent
from tests.builders import NOW, a_clinic, a_patient, a_session
from tests.unit.simulation import CADENCES, Change, Course, of_patient, play, status

LA = ZoneInfo("America/Los_Angeles")
SMS_ONLY = {Channel.SMS: Permission(state=PermissionState.GRANTED)}
ANA = a_patient(consent=SMS_ONLY, experienced=True)


def la(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LA).astimezone(UTC)


# --- the rule ---------------------------------------------------------------------------------------


def asked(step: str, hours: float, *, channel: Channel = Channel.SMS, **changes: object) -> Entry:
    """A check-in that went out so many hours after NOW, of the session that starts at NOW."""
    entry = Entry(step=step, start=NOW, state=State.SENT, at=NOW + timedelta(hours=hours), channel=channel)
    return replace(entry, **changes)


def a_chart(*entries: Entry, answered: Iterable[str] = (), patient: Patient = ANA, also: Iterable[Entry] = ()) -> Chart:
    """One discharged session with these entries; `also` are those of a second one, `answered` steps of the first."""
    sessions, ledgers = {}, {}
    for session_id, those in (("s1", entries), ("s2", tuple(also))):
        sessions[session_id] = a_session(id=session_id, starts_at=NOW, status=SessionStatus.DISCHARGED)
        ledgers[session_id] = Ledger(
            session_id=session_id,
            starts_at=NOW,
            booked_at=NOW,
            status=SessionStatus.DISCHARGED,
            entries={entry.key: entry for entry in those},
            answered={entry_key(step, NOW, Channel.SMS): NOW for step in answered} if session_id == "s1" else {},
        )
    return Chart(clinic=a_clinic(), patient=patient, sessions=sessions, ledgers=ledgers)


FIRST, SECOND, THIRD = asked("checkin_24h", 24), asked("checkin_72h", 72), asked("checkin_7d", 168)
DELIVERED = replace(SECOND, receipt=Receipt.DELIVERED)
OPENED = Entry(step="no_answer", start=NOW, state=State.OPENED, at=SECOND.at + PATIENCE)
LONG_AFTER = NOW + timedelta(days=9)


@pytest.mark.parametrize(
    ("chart", "expected"),
    [
        (a_chart(), None),
        (a_chart(FIRST), None),
        (a_chart(FIRST, SECOND), ("s1", SECOND)),
        (a_chart(FIRST, SECOND, THIRD), ("s1", SECOND)),
        (a_chart(FIRST, also=[SECOND]), ("s2", SECOND)),  # in a row, whichever session they belong to
        (a_chart(SECOND, also=[FIRST]), ("s1", SECOND)),
        (a_chart(FIRST, SECOND, answered=["checkin_24h"]), None),
        (a_chart(FIRST, SECOND, answered=["checkin_72h"]), None),
        (a_chart(FIRST, SECOND, THIRD, answered=["checkin_72h"]), None),
        (a_chart(FIRST, SECOND, THIRD, answered=["checkin_24h"]), ("s1", THIRD)),
        (a_chart(FIRST, SECOND, OPENED), None),
        (a_chart(FIRST, SECOND, OPENED, THIRD), None),  # one silence, one task
        (a_chart(FIRST, SECOND, also=[OPENED]), None),
        (a_chart(FIRST, asked("home_safe", 30)), None),
        (a_chart(FIRST, replace(SECOND, state=State.SKIPPED)), None),
        (a_chart(FIRST, replace(SECOND, state=State.FAILED)), None),
        (a_chart(FIRST, replace(SECOND, state=State.IN_DOUBT)), None),
        (a_chart(FIRST, replace(SECOND, receipt=Receipt.UNDELIVERED)), None),  # it never came
        (a_chart(FIRST, DELIVERED), ("s1", DELIVERED)),
        (a_chart(FIRST, asked("checkin_72h", 72, channel=Channel.EMAIL), answered=["checkin_72h"]), None),
        (a_chart(FIRST, SECOND, patient=replace(ANA, status=PatientStatus.PAUSED)), None),
    ],
)
def test_two_in_a_row_without_an_answer_are_a_silence(chart: Chart, expected: tuple[str, Entry] | None) -> None:
    assert silent(chart, CADENCES, LONG_AFTER) == Silence(opens_now=expected)


def test_a_day_is_given_to_answer_the_second() -> None:
    at = SECOND.at + PATIENCE
    chart = a_chart(FIRST, SECOND)
    assert silent(chart, CADENCES, at - timedelta(seconds=1)) == Silence(wake=("s1", at))
    assert silent(chart, CADENCES, at) == Silence(opens_now=("s1", SECOND))


# --- in a course of treatment -----------------------------------------------------------------------


def course(*starts: str, changes: Iterable[tuple[datetime, Change]] = (), patient: Patient = ANA) -> Course:
    """Sessions s0, s1 … each discharged after ninety minutes."""
    sessions = [_visit(f"s{index}", start) for index, start in enumerate(starts)]
    discharges = [
        (at, status(session.id, status=SessionStatus.DISCHARGED, status_at=at))
        for session in sessions
        for at in [session.starts_at + timedelta(minutes=90)]
    ]
    ends = sessions[-1].starts_at + timedelta(days=20)
    return play(
        a_clinic(), patient, sessions, starts=la("2026-03-02T09:00"), ends=ends, changes=[*changes, *discharges]
    )


def _visit(session_id: str, start: str) -> Session:
    return a_session(id=session_id, starts_at=la(start), booked_at=la("2026-03-02T09:00"))


def answers(step: str, at: str, session: str = "s0") -> tuple[datetime, Change]:
    """What receiving a reply does to the ledger."""

    def change(chart: Chart) -> Chart:
        ledger = chart.ledgers[session]
        key = next(entry.key for entry in ledger.entries.values() if entry.step == step)
        ledger = replace(ledger, answered={**ledger.answered, key: la(at)})
        return replace(chart, ledgers={**chart.ledgers, session: ledger})

    return la(at), change


def no_answers(played: Course) -> list[tuple[str | None, str | None, datetime]]:
    return [(task.session_id, task.step, task.opened_at) for task in played.tasks if task.kind is TaskKind.NO_ANSWER]


def test_whoever_never_answers_is_one_task_a_day_after_the_second_check_in() -> None:
    played = course("2026-03-12T13:00")
    assert [step for step in played.steps() if step.startswith("checkin")] == [
        "checkin_24h",
        "checkin_72h",
        "checkin_7d",
    ]
    assert no_answers(played) == [("s0", "checkin_72h", la("2026-03-16T14:30"))]


@pytest.mark.parametrize("step", ["checkin_24h", "checkin_72h"])
def test_an_answer_starts_the_count_anew(step: str) -> None:
    at = {"checkin_24h": "2026-03-13T15:00", "checkin_72h": "2026-03-15T15:00"}[step]
    played = course("2026-03-12T13:00", changes=[answers(step, at)])
    opened = no_answers(played)
    assert opened == ([("s0", "checkin_7d", la("2026-03-20T14:30"))] if step == "checkin_24h" else [])


def test_an_answer_within_the_day_is_in_time_and_one_after_it_ends_the_silence() -> None:
    in_time = course("2026-03-12T13:00", changes=[answers("checkin_72h", "2026-03-16T14:29")])
    assert no_answers(in_time) == []
    late = course("2026-03-12T13:00", "2026-03-26T13:00", changes=[answers("checkin_72h", "2026-03-17T12:00")])
    assert [opened[:2] for opened in no_answers(late)] == [("s0", "checkin_72h"), ("s1", "checkin_24h")]


def test_a_long_silence_over_several_sessions_is_one_task() -> None:
    played = course("2026-03-09T10:00", "2026-03-11T10:00", "2026-03-13T10:00", "2026-03-16T10:00")
    assert len(no_answers(played)) == 1


def test_nobody_is_missed_who_has_left() -> None:
    left = [(la("2026-03-16T09:00"), of_patient(status=PatientStatus.LEFT))]
    assert no_answers(course("2026-03-12T13:00", changes=left)) == []


def test_two_silences_that_belong_to_one_session_are_two_tasks() -> None:
    played = course(
        "2026-03-09T10:00",
        "2026-03-11T10:00",
        "2026-03-13T10:00",
        changes=[answers("checkin_24h", "2026-03-14T12:00", "s2")],
    )
    assert [opened[:2] for opened in no_answers(played)] == [("s1", "checkin_24h"), ("s1", "checkin_7d")]
    assert len({task.id for task in played.tasks}) == len(played.tasks)


# --- LESS -------------------------------------------------------------------------------------------

LESS = replace(ANA, fewer_checkins=True)


def days(played: Course) -> list[str]:
    return [
        f"{at.astimezone(LA):%d} {entry.step.removeprefix('checkin_')}"
        for at, _, entry in played.sent
        if entry.step.startswith("checkin")
    ]


def test_after_less_one_session_is_asked_about_after_a_day_and_after_a_week() -> None:
    played = course("2026-03-12T13:00", patient=LESS)
    assert days(played) == ["13 24h", "19 7d"]
    assert played.why("checkin_72h", "s0") is Reason.SUPERSEDED


def test_after_less_a_busy_week_is_asked_about_half_as_often() -> None:
    starts = [f"2026-03-{day:02}T10:00" for day in (9, 11, 13, 16, 18, 20)]
    usual, fewer = days(course(*starts)), days(course(*starts, patient=LESS))
    assert 0.4 <= len(fewer) / len(usual) <= 0.6
    asked_on = [int(line[:2]) for line in fewer]
    assert all(later - sooner >= 3 for sooner, later in pairwise(asked_on))


def test_less_counts_from_the_moment_it_is_said() -> None:
    said = [(la("2026-03-16T09:00"), of_patient(fewer_checkins=True))]
    played = course("2026-03-12T13:00", changes=said)
    assert days(played) == ["13 24h", "15 72h", "19 7d"]


def test_less_is_about_check_ins_and_nothing_else() -> None:
    usual, fewer = course("2026-03-12T13:00"), course("2026-03-12T13:00", patient=LESS)
    assert [step for step in usual.steps() if step != "checkin_72h"] == fewer.steps()
