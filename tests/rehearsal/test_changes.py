"""Moves, cancellations, no-shows and discharges at awkward hours."""

import pytest

from tests.rehearsal.course import Course, Lines, course


def changed() -> Course:
    """Everybody has a session on Friday at ten, unless said otherwise."""
    friday = "2026-03-06 10:00"
    built = course(ends="2026-03-10 12:00")
    for patient in ("slip", "twice", "back", "returned", "dropped", "early_cancel", "night_cancel", "hour_before"):
        built.visit(f"v.{patient}", friday, patient)
    built.does("2026-03-03 11:00", "move", "v.slip", to="2026-03-07 10:00")
    built.does("2026-03-03 11:03", "move", "v.slip", to="2026-03-07 14:00")
    built.does("2026-03-03 11:00", "move", "v.twice", to="2026-03-07 10:00")
    built.does("2026-03-03 14:00", "move", "v.twice", to="2026-03-07 14:00")
    built.does("2026-03-03 11:00", "move", "v.back", to="2026-03-07 10:00")
    built.does("2026-03-03 11:02", "move", "v.back", to=friday)
    built.does("2026-03-03 11:00", "move", "v.returned", to="2026-03-07 10:00")
    built.does("2026-03-03 14:00", "move", "v.returned", to=friday)
    built.does("2026-03-03 11:00", "move", "v.dropped", to="2026-03-07 14:00")
    built.does("2026-03-03 11:03", "cancel", "v.dropped")
    built.does("2026-03-02 08:30", "cancel", "v.early_cancel")
    built.does("2026-03-03 21:30", "cancel", "v.night_cancel")
    built.does("2026-03-06 09:00", "cancel", "v.hour_before")
    return built


@pytest.fixture(scope="module")
def moves() -> Lines:
    return changed().rehearsed()


@pytest.fixture(scope="module")
def nights() -> Lines:
    return (
        course(ends="2026-03-10 12:00")
        .visit("v.too_late", "2026-03-06 08:00", "too_late")
        .does("2026-03-05 22:00", "move", "v.too_late", to="2026-03-06 09:30")
        .visit("v.in_time", "2026-03-06 12:00", "in_time")
        .does("2026-03-05 22:00", "move", "v.in_time", to="2026-03-06 14:00")
        .visit("v.cancel_too_late", "2026-03-06 08:30", "cancel_too_late")
        .does("2026-03-06 07:30", "cancel", "v.cancel_too_late")
        .visit("v.last_day", "2026-03-06 10:00", "last_day")
        .does("2026-03-05 17:00", "move", "v.last_day", to="2026-03-06 08:30")
        .visit("v.begun", "2026-03-06 10:00", "begun")
        .does("2026-03-06 10:30", "cancel", "v.begun")
        .visit("v.reminded", "2026-03-06 10:00", "reminded")
        .does("2026-03-05 15:58", "move", "v.reminded", to="2026-03-09 10:00")
        .visit("v.pending", "2026-03-06 10:00", "pending")
        .meets("2026-03-05 15:00", "pending", "30003")
        .does("2026-03-05 16:20", "cancel", "v.pending")
        .rehearsed()
    )


def test_two_moves_within_minutes_are_one_correction(moves: Lines) -> None:
    lines = moves.of("slip")
    assert lines.times("moved") == ["2026-03-03 11:08"]
    assert "Sat Mar 7 at 2:00 PM" in lines.the("moved")["body"]


def test_two_moves_hours_apart_are_two_corrections_and_one_day_before(moves: Lines) -> None:
    lines = moves.of("twice")
    assert lines.times("moved") == ["2026-03-03 11:05", "2026-03-03 14:05"]
    assert lines.times("day_before") == ["2026-03-06 16:00"]
    assert "Sat Mar 7 at 2:00 PM" in lines.the("day_before")["body"]
    assert lines.times("same_day") == ["2026-03-07 11:00"]


def test_a_slip_put_right_within_minutes_is_never_heard_of(moves: Lines) -> None:
    lines = moves.of("back")
    assert lines.sent("moved") == []
    assert lines.times("day_before") == ["2026-03-05 16:00"]
    assert lines.times("welcome") == ["2026-03-04 11:00"]


def test_a_move_back_to_the_first_time_is_corrected_too_and_reminders_come(moves: Lines) -> None:
    lines = moves.of("returned")
    assert [("Sat Mar 7" in line["body"], "Fri Mar 6" in line["body"]) for line in lines.sent("moved")] == [
        (True, False),
        (False, True),
    ]
    assert lines.times("day_before") == ["2026-03-05 16:00"]


def test_moved_and_cancelled_at_once_the_notice_names_the_visit_the_patient_knows(moves: Lines) -> None:
    lines = moves.of("dropped")
    assert lines.sent("moved") == []
    assert "Fri Mar 6 at 10:00 AM" in lines.the("cancelled")["body"]


def test_a_visit_cancelled_before_anybody_heard_of_it_is_silent(moves: Lines) -> None:
    lines = moves.of("early_cancel")
    assert lines.sent() == []
    assert lines.tasks() == []
    assert {line["reason"] for line in lines.events("skipped")} == {"cancelled"}


def test_a_cancellation_at_night_waits_for_the_morning_and_is_the_last_word(moves: Lines) -> None:
    lines = moves.of("night_cancel")
    assert lines.times("cancelled") == ["2026-03-04 09:00"]
    assert lines.after("2026-03-03 21:30").steps() == ["cancelled"]


def test_a_cancellation_an_hour_before_goes_out_by_day(moves: Lines) -> None:
    assert moves.of("hour_before").times("cancelled") == ["2026-03-06 09:05"]


@pytest.mark.parametrize(("patient", "step"), [("too_late", "moved"), ("cancel_too_late", "cancelled")])
def test_a_notice_for_which_morning_comes_too_late_is_a_call(nights: Lines, patient: str, step: str) -> None:
    lines = nights.of(patient)
    assert lines.sent(step) == []
    assert lines.reasons(step) == ["too_late"]
    assert lines.tasks("call_patient") == [step]


def test_a_move_at_night_with_time_left_is_told_when_hours_open(nights: Lines) -> None:
    lines = nights.of("in_time")
    assert lines.times("moved") == ["2026-03-06 09:00"]
    assert "No food after" not in lines.the("moved")["body"]  # eight has passed: staff call about it
    assert lines.after("2026-03-05 22:00").tasks("too_late") == ["day_before"]
    assert lines.after("2026-03-06 00:00").times("same_day") == ["2026-03-06 11:00"]


def test_a_visit_cancelled_after_it_began_says_nothing(nights: Lines) -> None:
    assert nights.of("begun").after("2026-03-06 10:00").sent() == []


def test_after_a_move_the_new_time_comes_before_any_text_that_takes_it_for_granted(nights: Lines) -> None:
    lines = nights.of("last_day").after("2026-03-05 16:30")
    assert lines.steps()[0] == "moved"
    assert "No food after 2:30 AM" in " ".join(line["body"] for line in lines.sent())


def test_a_first_timer_whose_visit_moves_is_told_once_what_to_expect(nights: Lines) -> None:
    assert nights.of("reminded").times("welcome") == ["2026-03-04 11:00"]


def test_a_cancellation_ends_the_second_attempt_at_a_reminder(nights: Lines) -> None:
    lines = nights.of("pending").after("2026-03-05 15:00")
    assert lines.steps() == ["day_before", "cancelled"]
    assert lines.reasons("day_before") == ["cancelled"]


@pytest.fixture(scope="module")
def evening() -> Lines:
    built = course(ends="2026-03-10 12:00")
    for patient, at in {"dusk": "19:45", "late": "20:30", "midnight": "23:30"}.items():
        built.visit(f"v.{patient}", "2026-03-06 18:00", patient).does(f"2026-03-06 {at}", "discharge", f"v.{patient}")
    built.visit("v.missed", "2026-03-06 10:00", "missed").does("2026-03-06 10:30", "no_show", "v.missed")
    built.visit("v.evening_miss", "2026-03-06 19:00", "evening_miss")
    built.does("2026-03-06 19:30", "no_show", "v.evening_miss")
    return built.rehearsed()


@pytest.mark.parametrize(("patient", "at"), [("dusk", "19:45"), ("late", "20:30"), ("midnight", "23:30")])
def test_guidance_comes_the_minute_of_discharge_at_any_hour(evening: Lines, patient: str, at: str) -> None:
    assert evening.of(patient).times("after") == [f"2026-03-06 {at}"]


def test_the_home_safe_question_comes_before_ten_or_a_person_calls(evening: Lines) -> None:
    assert evening.of("dusk").times("home_safe") == ["2026-03-06 21:45"]
    for patient in ("late", "midnight"):
        lines = evening.of(patient)
        assert lines.sent("home_safe") == []
        assert lines.reasons("home_safe") == ["too_late"]
        assert lines.tasks("call_patient") == ["home_safe"]


def test_silence_on_the_home_safe_question_is_a_call(evening: Lines) -> None:
    assert evening.of("dusk").tasks("not_home_safe") == ["not_home_safe"]


def test_check_ins_after_a_late_evening_wait_for_the_morning(evening: Lines) -> None:
    assert evening.of("midnight").times("checkin_24h") == ["2026-03-08 09:00"]


def test_a_no_show_gets_a_neutral_text_and_a_task_and_no_aftercare(evening: Lines) -> None:
    lines = evening.of("missed").after("2026-03-06 10:30")
    assert lines.steps() == ["missed"]
    assert lines.tasks() == ["rebook"]


def test_a_no_show_in_the_evening_hears_from_us_in_the_morning(evening: Lines) -> None:
    assert evening.of("evening_miss").times("missed") == ["2026-03-07 09:00"]
