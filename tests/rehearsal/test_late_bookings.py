"""Early sessions, and visits booked when some of their reminders would have been sent already."""

import pytest

from tests.rehearsal.course import Lines, course

ONE_OF = {
    # patient: session start, booked at, and which reminders go, when
    "two_hours_ahead": ("2026-03-03 14:00", "2026-03-03 12:00", {"same_day": "2026-03-03 12:00"}),
    "five_hours_ahead": (
        "2026-03-03 17:00",
        "2026-03-03 12:00",
        {"booked": "2026-03-03 12:00", "same_day": "2026-03-03 14:00"},
    ),
    "at_night_for_the_morning": ("2026-03-04 10:00", "2026-03-03 23:00", {"same_day": "2026-03-04 09:00"}),
    "at_night_for_the_afternoon": (
        "2026-03-04 16:00",
        "2026-03-03 23:00",
        {"day_before": "2026-03-04 09:00", "same_day": "2026-03-04 13:00"},
    ),
    "at_night_two_days_ahead": (
        "2026-03-05 14:00",
        "2026-03-03 23:00",
        {"prepare": "2026-03-04 09:00", "day_before": "2026-03-04 16:00", "same_day": "2026-03-05 11:00"},
    ),
    "at_night_for_before_opening": ("2026-03-04 07:00", "2026-03-03 23:00", {}),
    "in_the_evening_for_seven": ("2026-03-04 07:00", "2026-03-03 19:50", {"day_before": "2026-03-03 19:50"}),
    "in_its_last_hour": ("2026-03-03 12:20", "2026-03-03 12:00", {}),
    "after_it_began": ("2026-03-03 12:00", "2026-03-03 12:00", {}),
}


@pytest.fixture(scope="module")
def late() -> Lines:
    built = course(ends="2026-03-06 12:00")
    for patient, (start, booked, _) in ONE_OF.items():
        built.visit(f"v.{patient}", start, patient, booked=booked)
    return built.rehearsed()


@pytest.mark.parametrize("patient", ONE_OF)
def test_what_a_late_booking_still_sends(late: Lines, patient: str) -> None:
    lines = late.of(patient)
    assert dict(zip(lines.steps(), lines.times(), strict=True)) == ONE_OF[patient][2]


@pytest.mark.parametrize("patient", ONE_OF)
def test_whoever_cannot_be_told_in_time_to_fast_is_a_task_at_once(late: Lines, patient: str) -> None:
    told = "day_before" in ONE_OF[patient][2]
    assert late.of(patient).tasks("too_late") == ([] if told else ["day_before"])
    assert late.of(patient).reasons("day_before") == ([] if told else ["too_late"])


@pytest.mark.parametrize("patient", [patient for patient in ONE_OF if patient != "after_it_began"])
def test_a_late_booking_asks_staff_about_the_ride(late: Lines, patient: str) -> None:
    assert late.of(patient).tasks("ride_unknown") == ["ride_unknown"]


def test_no_reminder_says_we_will_text_a_few_when_the_rest_is_over(late: Lines) -> None:
    assert late.of("two_hours_ahead").reasons("booked") == ["superseded"]


@pytest.fixture(scope="module")
def early() -> Lines:
    return (
        course(starts="2026-03-01 12:00", ends="2026-03-13 12:00")
        .visit("s1", "2026-03-06 07:00")
        .does("2026-03-06 08:10", "discharge", "s1")
        .visit("eight", "2026-03-06 08:00", "p2", "spravato")
        .does("2026-03-06 10:15", "discharge", "eight")
        .visit("noon", "2026-03-06 12:00", "p3", "spravato")
        .rehearsed()
    )


def test_a_session_at_seven_is_prepared_the_day_before_and_never_at_night(early: Lines) -> None:
    assert early.of("s1").times("day_before") == ["2026-03-05 16:00"]
    assert early.of("s1").times("same_day") == ["2026-03-05 19:45"]
    assert early.of("s1").the("same_day")["moved"] == "earlier"


def test_after_a_session_at_seven_the_guidance_comes_at_once_though_it_is_before_opening(early: Lines) -> None:
    assert early.of("s1").times("after") == ["2026-03-06 08:10"]
    assert early.of("s1").times("home_safe") == ["2026-03-06 11:10"]


def test_the_monitoring_form_is_due_after_each_spray_only(early: Lines) -> None:
    assert early.of("eight").tasks("rems_form") == ["rems_form"]
    assert early.of("s1").tasks("rems_form") == []
    assert early.of("noon").tasks("rems_form") == []


def test_the_sprays_shorter_fast_is_what_the_text_says(early: Lines) -> None:
    body = early.of("noon").the("day_before")["body"]
    assert "No food after 10:00 AM. Clear liquids only until 11:30 AM. No nose spray after 11:00 AM." in body


def test_a_session_nobody_closed_is_a_task(early: Lines) -> None:
    assert early.of("noon").tasks("unmarked") == ["unmarked"]
    assert early.of("noon").sent("after") == []
