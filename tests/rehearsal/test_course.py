"""Whole courses: three sessions a week under the daily cap, and nine in six weeks."""

import pytest

from reminders.model import Priority
from tests.rehearsal.course import CHECK_INS, Course, Lines, course, shown

NINE = ("02", "04", "06", "09", "12", "17", "24")  # of March; two more in April
# the same-day text of a session at ten was pulled onto the evening before, where it says little new
RANK = {"prepare": 0, "day_before": 0, "booked": 1, **dict.fromkeys(CHECK_INS, 2), "same_day": 3, "welcome": 3}


def infusions(built: Course, *days: str) -> Course:
    for number, day in enumerate(days, 1):
        booked = "2026-02-25 10:00"
        built.visit(f"s{number}", f"{day} 10:00", booked=booked).does(f"{day} 11:15", "discharge", f"s{number}")
    return built


@pytest.fixture(scope="module")
def tight() -> Lines:
    """One routine text a day."""
    built = course(starts="2026-02-25 10:00", ends="2026-03-17 12:00", clinic={"daily_cap": 1})
    return infusions(built, "2026-03-02", "2026-03-04", "2026-03-06").rehearsed()


@pytest.fixture(scope="module")
def six_weeks() -> Lines:
    built = course(starts="2026-02-25 10:00", ends="2026-04-22 12:00")
    return infusions(built, *(f"2026-03-{day}" for day in NINE), "2026-04-01", "2026-04-08").rehearsed()


def test_priorities_are_the_ones_the_tests_assume() -> None:
    assert [priority.rank for priority in (Priority.SAFETY, Priority.LOGISTICS, Priority.MOOD, Priority.COURTESY)] == [
        *range(4)
    ]


@pytest.mark.parametrize("session", ["s1", "s2", "s3"])
def test_with_one_text_a_day_the_fasting_text_comes_and_what_can_wait_waits(tight: Lines, session: str) -> None:
    lines = tight.of(session)
    assert len(lines.sent("day_before")) == 1
    assert lines.times("after")
    assert lines.times("home_safe")


def test_with_one_text_a_day_check_ins_still_come(tight: Lines) -> None:
    assert [step for step in tight.steps() if step in CHECK_INS]


def test_what_the_cap_turns_away_on_a_day_ranks_no_higher_than_what_went(tight: Lines) -> None:
    for line in tight.events("skipped"):
        if line["reason"] == "daily_cap":
            day = shown(line)[:10]
            went = [sent["step"] for sent in tight.sent() if shown(sent)[:10] == day and sent["step"] in RANK]
            assert went
            assert min(RANK[step] for step in went) <= RANK[line["step"]]


def test_a_safety_text_the_cap_turns_away_is_a_call(tight: Lines) -> None:
    lost = [line for line in tight.events("skipped") if line["reason"] == "daily_cap" and RANK[line["step"]] == 0]
    called = {(line["session"], line["step"]) for line in tight.events("task") if line["kind"] == "call_patient"}
    assert {(line["session"], line["step"]) for line in lost} == called


@pytest.mark.parametrize("number", range(1, 10))
def test_every_session_of_six_weeks_gets_what_keeps_a_patient_safe(six_weeks: Lines, number: int) -> None:
    lines = six_weeks.of(f"s{number}")
    for step in ("prepare", "day_before", "after", "home_safe"):
        assert len(lines.sent(step)) == 1, step


def test_check_ins_of_overlapping_sessions_are_one_a_day_and_each_is_accounted_for(six_weeks: Lines) -> None:
    days = six_weeks.sorted_by_day(CHECK_INS)
    assert all(len(steps) == 1 for steps in days.values())
    assert len(days) >= 12


def test_a_combined_check_in_names_the_nearest_session_and_all_it_speaks_for(six_weeks: Lines) -> None:
    combined = [line for line in six_weeks.sent() if "sessions" in line and line["step"].startswith("checkin")]
    assert combined
    for line in combined:
        assert line["session"] in line["sessions"]
        assert line["session"] == max(line["sessions"])
        assert len(set(line["sessions"])) == len(line["sessions"]) > 1


def test_a_check_in_that_was_spoken_for_is_superseded_by_one_of_the_same_day(six_weeks: Lines) -> None:
    asked = {shown(line)[:10]: line.get("sessions", []) for line in six_weeks.sent() if line["step"] in CHECK_INS}
    for line in six_weeks.events("skipped"):
        if line["step"] in CHECK_INS:
            assert line["reason"] == "superseded"
            assert line["session"] in asked[shown(line)[:10]]


def test_the_explainer_comes_once_in_a_course(six_weeks: Lines) -> None:
    assert [line["session"] for line in six_weeks.sent("welcome")] == ["s1"]


def test_nobody_is_recalled_while_in_treatment(six_weeks: Lines) -> None:
    assert six_weeks.sent("recall") == []


def test_a_course_booked_at_once_is_announced_once(six_weeks: Lines) -> None:
    assert len(six_weeks.sent("booked")) == 1


@pytest.fixture(scope="module")
def lapsed() -> Lines:
    built = course(starts="2026-03-01 12:00", ends="2026-04-20 12:00")
    return built.visit("s1", "2026-03-06 10:00").does("2026-03-06 11:15", "discharge", "s1").rehearsed()


def test_a_lapsed_interval_is_remembered_once(lapsed: Lines) -> None:
    assert lapsed.times("recall") == ["2026-04-10 10:00"]
