"""When messages go: the odd days first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from reminders.model import (
    Channel,
    Clinic,
    Kind,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    Reason,
    SessionStatus,
    Shift,
)
from tests.builders import a_clinic, a_patient, a_session
from tests.unit.simulation import CADENCES, Change, Course, of_patient, play, sms, status

LA = ZoneInfo("America/Los_Angeles")
HONOLULU = ZoneInfo("Pacific/Honolulu")
PHOENIX = ZoneInfo("America/Phoenix")


def la(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LA).astimezone(UTC)


def local(at: datetime, zone: ZoneInfo = LA) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


SMS_ONLY = {Channel.SMS: Permission(state=PermissionState.GRANTED)}
ANA = a_patient(consent=SMS_ONLY, experienced=True)


Changes = Sequence[tuple[datetime, Change]]


def one(
    start: str,
    booked: str,
    *,
    changes: Changes = (),
    patient: Patient = ANA,
    clinic: Clinic | None = None,
    kind: Kind = Kind.IV,
) -> Course:
    """One session, from its booking until well after it."""
    session = a_session(starts_at=la(start), booked_at=la(booked), kind=kind)
    ends = la(start) + timedelta(days=50)
    return play(clinic or a_clinic(), patient, [session], starts=la(booked), ends=ends, changes=changes)


def test_a_week_ahead_each_reminder_goes_once_at_its_own_moment() -> None:
    course = one("2026-03-12T13:00", "2026-03-02T09:00")
    assert [(entry.step, local(at)) for at, _, entry in course.sent] == [
        ("booked", "2026-03-02 09:00"),
        ("prepare", "2026-03-09 10:00"),
        ("day_before", "2026-03-11 16:00"),
        ("same_day", "2026-03-12 10:00"),
    ]
    assert course.task_kinds() == ["ride_unknown", "unmarked"]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-03-12T07:00", "2026-03-11 19:45"),  # 04:00 is night: the evening before
        ("2026-03-12T11:59", "2026-03-11 19:45"),
        ("2026-03-12T12:00", "2026-03-12 09:00"),
        ("2026-03-12T12:30", "2026-03-12 09:30"),
    ],
)
def test_a_same_day_text_that_would_come_at_night_moves_to_the_evening_before(start: str, expected: str) -> None:
    course = one(start, "2026-03-02T09:00")
    assert local(course.at("same_day")) == expected


def test_a_fasting_text_comes_before_its_cut_off_even_for_an_early_session() -> None:
    course = one("2026-03-12T08:00", "2026-03-02T09:00")
    assert course.at("day_before") < la("2026-03-12T02:00")


@pytest.mark.parametrize("start", ["2026-03-08T08:00", "2026-03-09T10:00", "2026-11-01T08:00", "2026-11-02T10:00"])
def test_both_days_on_which_the_clock_changes_keep_the_wall_time(start: str) -> None:
    course = one(start, f"{(datetime.fromisoformat(start) - timedelta(days=7)).date()}T09:30")
    assert local(course.at("prepare"))[11:] == "10:00"
    assert local(course.at("day_before"))[11:] == "16:00"


def test_a_patient_in_honolulu_is_written_to_in_honolulu_hours() -> None:
    patient = replace(ANA, time_zone="Pacific/Honolulu")
    course = one("2026-03-12T07:00", "2026-03-02T12:00", patient=patient)  # 04:00 in Honolulu
    for at, _, _ in course.sent:
        assert 9 <= at.astimezone(HONOLULU).hour < 20
    assert local(course.at("day_before"), HONOLULU) == "2026-03-11 16:00"
    assert course.at("day_before") < la("2026-03-12T01:00")


def test_arizona_keeps_its_clock_while_the_clinic_changes_its_own() -> None:
    patient = replace(ANA, time_zone="America/Phoenix")
    course = one("2026-03-09T10:00", "2026-03-02T12:00", patient=patient)
    assert local(course.at("prepare"), PHOENIX) == "2026-03-06 10:00"
    assert local(course.at("day_before"), PHOENIX) == "2026-03-08 16:00"


def test_booked_two_hours_ahead_only_the_newest_text_that_is_still_true_goes() -> None:
    course = one("2026-03-12T15:00", "2026-03-12T13:00")
    assert course.steps() == ["same_day"]
    assert course.why("booked") is Reason.SUPERSEDED
    assert course.why("prepare") is Reason.SUPERSEDED
    assert course.why("day_before") is Reason.TOO_LATE
    assert "too_late" in course.task_kinds()
    assert "ride_unknown" in course.task_kinds()


def test_booked_five_hours_ahead_the_fasting_text_is_a_task_and_not_a_late_text() -> None:
    course = one("2026-03-12T15:00", "2026-03-12T10:00")
    assert course.steps() == ["booked", "same_day"]
    assert course.why("day_before") is Reason.TOO_LATE


def test_booked_at_night_for_tomorrow_afternoon_one_text_waits_for_the_morning() -> None:
    course = one("2026-03-12T19:00", "2026-03-11T23:00")
    assert [(entry.step, local(at)) for at, _, entry in course.sent][:1] == [("day_before", "2026-03-12 09:00")]
    assert "booked" not in course.steps()


def test_a_move_after_a_text_sends_one_correction_and_new_reminders() -> None:
    moves = [(la("2026-03-10T12:00"), status("s1", starts_at=la("2026-03-19T13:00")))]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=moves)
    assert course.steps() == ["booked", "prepare", "moved", "prepare", "day_before", "same_day"]
    assert local(course.at("moved")) == "2026-03-10 12:05"
    assert local(course.at("day_before")) == "2026-03-18 16:00"


def test_two_moves_in_a_row_send_one_correction() -> None:
    moves = [
        (la("2026-03-10T12:00"), status("s1", starts_at=la("2026-03-19T13:00"))),
        (la("2026-03-10T12:02"), status("s1", starts_at=la("2026-03-20T13:00"))),
    ]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=moves)
    assert course.steps().count("moved") == 1
    assert course.steps().count("day_before") == 1


def test_moved_back_before_the_correction_went_nothing_is_said() -> None:
    moves = [
        (la("2026-03-10T12:00"), status("s1", starts_at=la("2026-03-19T13:00"))),
        (la("2026-03-10T12:02"), status("s1", starts_at=la("2026-03-12T13:00"))),
    ]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=moves)
    assert course.steps() == ["booked", "prepare", "day_before", "same_day"]


def test_a_move_that_nobody_could_be_told_of_in_time_is_a_call() -> None:
    moves = [(la("2026-03-11T23:00"), status("s1", starts_at=la("2026-03-13T09:30")))]
    course = one("2026-03-12T09:30", "2026-03-02T09:00", changes=moves)
    assert "moved" not in course.steps()
    assert course.why("moved") is Reason.TOO_LATE
    assert "call_patient" in course.task_kinds()


def test_a_cancelled_visit_gets_one_notice_and_then_silence() -> None:
    cancels = [(la("2026-03-10T12:00"), status("s1", status=SessionStatus.CANCELLED))]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=cancels)
    assert course.steps() == ["booked", "prepare", "cancelled"]
    assert course.why("day_before") is Reason.CANCELLED
    assert course.why("same_day") is Reason.CANCELLED


def test_cancelled_before_anything_was_said_nothing_is_ever_said() -> None:
    cancels = [(la("2026-03-02T23:30"), status("s1", status=SessionStatus.CANCELLED))]
    course = one("2026-03-12T13:00", "2026-03-02T23:00", changes=cancels)
    assert course.steps() == []
    assert course.why("booked") is Reason.CANCELLED


def test_a_missed_visit_is_a_neutral_text_and_a_rebooking_task_and_no_aftercare() -> None:
    missed = [(la("2026-03-12T14:00"), status("s1", status=SessionStatus.NO_SHOW, status_at=la("2026-03-12T14:00")))]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=missed)
    assert course.steps() == ["booked", "prepare", "day_before", "same_day", "missed"]
    assert "rebook" in course.task_kinds()
    assert "unmarked" not in course.task_kinds()


def discharged(at: str) -> Changes:
    return [(la(at), status("s1", status=SessionStatus.DISCHARGED, status_at=la(at)))]


def test_aftercare_starts_with_the_discharge_and_not_with_a_timer() -> None:
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=discharged("2026-03-12T14:30"))
    after = [(entry.step, local(at)) for at, _, entry in course.sent][4:]
    assert after == [
        ("after", "2026-03-12 14:30"),
        ("home_safe", "2026-03-12 17:30"),
        ("checkin_24h", "2026-03-13 14:30"),
        ("checkin_72h", "2026-03-15 14:30"),
        ("checkin_7d", "2026-03-19 14:30"),
        ("recall", "2026-04-16 10:00"),
    ]
    assert "not_home_safe" in course.task_kinds()


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-12T18:30", "2026-03-12 21:30"),
        ("2026-03-12T19:30", "2026-03-12 21:45"),  # three hours on would be night; two hours and a quarter is not
        ("2026-03-12T20:30", None),
    ],
)
def test_the_home_safe_question_never_comes_after_ten(at: str, expected: str | None) -> None:
    course = one("2026-03-12T17:00", "2026-03-02T09:00", changes=discharged(at))
    if expected:
        assert local(course.at("home_safe")) == expected
    else:
        assert course.why("home_safe") is Reason.TOO_LATE
        assert "call_patient" in course.task_kinds()
    assert course.at("after") == la(at)


@pytest.mark.parametrize(
    ("patient", "reason", "tasks"),
    [
        (replace(ANA, consent={}), Reason.NO_CONSENT, 0),
        (replace(ANA, consent={Channel.SMS: Permission(state=PermissionState.REVOKED)}), Reason.OPTED_OUT, 2),
        (replace(ANA, phone=None), Reason.NO_ADDRESS, 2),
        (replace(ANA, unreachable={Channel.SMS: "+12135550123"}), Reason.NO_ADDRESS, 2),
        (replace(ANA, status=PatientStatus.DECEASED), Reason.INACTIVE, 0),
    ],
)
def test_whoever_can_not_be_written_to_is_not_and_safety_goes_to_a_person(
    patient: Patient, reason: Reason, tasks: int
) -> None:
    course = one("2026-03-12T13:00", "2026-03-02T09:00", patient=patient)
    assert course.steps() == []
    assert course.why("day_before") is reason
    assert course.task_kinds().count("call_patient") == tasks


def test_a_stop_between_two_reminders_wins() -> None:
    stop = [(la("2026-03-10T12:00"), of_patient(consent={Channel.SMS: Permission(state=PermissionState.REVOKED)}))]
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=stop)
    assert course.steps() == ["booked", "prepare"]
    assert course.why("day_before") is Reason.OPTED_OUT


def test_without_somebody_to_wake_no_check_in_is_sent() -> None:
    course = one(
        "2026-03-12T13:00",
        "2026-03-02T09:00",
        changes=discharged("2026-03-12T14:30"),
        clinic=a_clinic(on_call=()),
    )
    assert course.why("checkin_24h") is Reason.NO_ON_CALL
    assert "after" in course.steps()


def test_a_spravato_session_leaves_a_form_due_in_seven_days() -> None:
    changes = discharged("2026-03-12T15:30")
    course = one("2026-03-12T13:00", "2026-03-02T09:00", changes=changes, kind=Kind.SPRAVATO)
    form = next(task for task in course.tasks if task.kind == "rems_form")
    assert form.due_at - form.opened_at == timedelta(days=7)


def induction(starts: str = "2026-03-02T09:00", hour: int = 10) -> Course:
    """Three sessions a week for two weeks, each discharged."""
    first = date.fromisoformat(starts[:10]) + timedelta(days=7)
    days = [first + timedelta(days=offset) for offset in (0, 2, 4, 7, 9, 11)]
    sessions = [
        a_session(id=f"s{index}", starts_at=la(f"{day}T{hour:02}:00"), booked_at=la(starts))
        for index, day in enumerate(days)
    ]
    changes = [
        (at, status(session.id, status=SessionStatus.DISCHARGED, status_at=at))
        for session in sessions
        for at in [session.starts_at + timedelta(minutes=90)]
    ]
    return play(
        a_clinic(),
        ANA,
        sessions,
        starts=la(starts),
        ends=la(f"{days[-1]}T10:00") + timedelta(days=20),
        changes=changes,
    )


def test_in_a_busy_week_check_ins_become_one_a_day_and_still_come() -> None:
    course = induction()
    asked = [at.astimezone(LA).date() for at, _, entry in course.sent if entry.step.startswith("checkin")]
    assert len(asked) == len(set(asked))
    assert len(asked) >= 5
    combined = [entry for _, _, entry in course.sent if entry.sessions]
    assert combined
    assert all(len(entry.sessions) > 1 for entry in combined)


def test_an_early_same_day_text_says_that_it_was_moved() -> None:
    course = one("2026-03-12T07:00", "2026-03-02T09:00")
    assert {entry.step: entry.shift for _, _, entry in course.sent}["same_day"] is Shift.EARLIER


def assert_kind(course: Course, zone: ZoneInfo, cap: int) -> None:
    """The invariants no course may break."""
    seen = set()
    routine: dict[date, int] = {}
    for at, session_id, entry in course.sent:
        clock = at.astimezone(zone)
        key = (session_id, entry.key)
        assert key not in seen, f"{entry.step} went out twice"
        seen.add(key)
        assert entry.until is not None
        assert at < entry.until, f"{entry.step} came after it was of use"
        if entry.step == "home_safe":
            assert 9 <= clock.hour < 22
        elif entry.step != "after":
            assert 9 <= clock.hour < 20, f"{entry.step} came at {clock}"
        if entry.capped and entry.channel is Channel.SMS:
            routine[clock.date()] = routine.get(clock.date(), 0) + 1
    assert all(count <= cap for count in routine.values()), routine


def test_the_invariants_hold_in_an_induction() -> None:
    assert_kind(induction(), LA, 2)


ZONES = ("America/Los_Angeles", "America/Phoenix", "Pacific/Honolulu", "America/New_York", "Pacific/Guam")
DAYS = st.integers(min_value=0, max_value=280).map(
    lambda days: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(days=days)
)


@st.composite
def courses(draw: st.DrawFn) -> tuple[Course, ZoneInfo, int]:
    """Up to four sessions booked at any hour, moved, cancelled, missed or discharged at any time."""
    origin = draw(DAYS)
    zone = draw(st.sampled_from(ZONES))
    cap = draw(st.integers(min_value=1, max_value=3))
    sessions, changes = [], []
    for index in range(draw(st.integers(min_value=1, max_value=4))):
        booked = origin + timedelta(minutes=draw(st.integers(0, 60 * 24 * 5)))
        start = booked + timedelta(minutes=draw(st.integers(30, 60 * 24 * 12)))
        kind = draw(st.sampled_from(list(Kind)))
        sessions.append(a_session(id=f"s{index}", starts_at=start, booked_at=booked, kind=kind))
        for _ in range(draw(st.integers(0, 2))):
            at = booked + timedelta(minutes=draw(st.integers(1, 60 * 24 * 12)))
            to = at + timedelta(minutes=draw(st.integers(10, 60 * 24 * 9)))
            changes.append((at, status(f"s{index}", starts_at=to)))
        ending = draw(st.sampled_from([None, *SessionStatus]))
        if ending:
            at = booked + timedelta(minutes=draw(st.integers(1, 60 * 24 * 14)))
            changes.append((at, status(f"s{index}", status=ending, status_at=at)))
    consent = draw(st.sampled_from([SMS_ONLY, {**SMS_ONLY, Channel.EMAIL: Permission(state=PermissionState.GRANTED)}]))
    patient = a_patient(time_zone=zone, consent=consent, experienced=draw(st.booleans()))
    course = play(
        a_clinic(daily_cap=cap), patient, sessions, starts=origin, ends=origin + timedelta(days=70), changes=changes
    )
    return course, ZoneInfo(zone), cap


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(courses())
def test_no_course_is_told_twice_at_night_too_late_or_too_often(played: tuple[Course, ZoneInfo, int]) -> None:
    course, zone, cap = played
    assert_kind(course, zone, cap)
    for at, session_id, entry in sms(course):
        session = course.chart.sessions[session_id]
        if entry.step in ("prepare", "day_before", "same_day") and session.status is SessionStatus.CANCELLED:
            cancelled_at = course.chart.ledgers[session_id].cancelled_at
            assert cancelled_at is None or at <= cancelled_at, "a cancelled visit was reminded"
    assert set(CADENCES) == set(Kind)
