"""Days of 23 and 25 hours, zones that keep no summer time, and a clinic in another zone than the patient's."""

import pytest

from tests.rehearsal.course import Course, Lines, course, shown

HONOLULU, PHOENIX = "Pacific/Honolulu", "America/Phoenix"


def induction(starts: str, ends: str, *days: str, zone: str | None = None) -> Course:
    """An infusion at ten on each day, discharged at a quarter past eleven."""
    built = course(starts=starts, ends=ends).patient("p1", time_zone=zone)
    for number, day in enumerate(days, 1):
        built.visit(f"s{number}", f"{day} 10:00").does(f"{day} 11:15", "discharge", f"s{number}")
    return built


@pytest.fixture(scope="module")
def spring() -> Lines:
    return induction("2026-03-03 08:00", "2026-03-19 12:00", "2026-03-06", "2026-03-09", "2026-03-11").rehearsed()


@pytest.fixture(scope="module")
def autumn() -> Lines:
    return induction("2026-10-27 08:00", "2026-11-12 12:00", "2026-10-30", "2026-11-02", "2026-11-04").rehearsed()


def test_the_day_the_clocks_go_forward_changes_no_wall_time(spring: Lines) -> None:
    assert spring.of("s2").times("day_before") == ["2026-03-08 16:00"]
    assert "Mon Mar 9 at 10:00 AM" in spring.of("s2").the("day_before")["body"]
    assert "No food after 4:00 AM" in spring.of("s2").the("day_before")["body"]


def test_the_day_the_clocks_go_back_changes_no_wall_time(autumn: Lines) -> None:
    assert autumn.of("s2").times("day_before") == ["2026-11-01 16:00"]
    assert "Mon Nov 2 at 10:00 AM" in autumn.of("s2").the("day_before")["body"]
    assert "No food after 4:00 AM" in autumn.of("s2").the("day_before")["body"]


@pytest.mark.parametrize("season", ["spring", "autumn"])
@pytest.mark.parametrize("step", ["prepare", "day_before", "same_day", "after", "home_safe"])
def test_every_session_of_the_week_gets_each_text_once(season: str, step: str, request: pytest.FixtureRequest) -> None:
    lines: Lines = request.getfixturevalue(season)
    assert sorted(line["session"] for line in lines.sent(step)) == ["s1", "s2", "s3"]


@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_a_first_timer_is_told_once_what_to_expect(season: str, request: pytest.FixtureRequest) -> None:
    lines: Lines = request.getfixturevalue(season)
    assert [line["session"] for line in lines.sent("welcome")] == ["s1"]


@pytest.mark.parametrize("season", ["spring", "autumn"])
def test_check_ins_come_over_the_change_of_clocks_one_a_day(season: str, request: pytest.FixtureRequest) -> None:
    lines: Lines = request.getfixturevalue(season)
    days = lines.sorted_by_day(("checkin_24h", "checkin_72h", "checkin_7d"))
    assert len(days) >= 4
    assert all(len(steps) == 1 for steps in days.values())


@pytest.fixture(scope="module")
def far() -> Lines:
    """A patient in Honolulu and one in Phoenix, both coming to Los Angeles in the week in which the clocks change."""
    return (
        course(starts="2026-03-04 08:00", ends="2026-03-12 12:00")
        .patient("hawaii", time_zone=HONOLULU)
        .patient("arizona", time_zone=PHOENIX)
        .patient("home")
        .visit("h", "2026-03-09 10:00", "hawaii")
        .visit("h2", "2026-03-12 07:00", "hawaii")
        .visit("a", "2026-03-09 10:00", "arizona")
        .visit("l", "2026-03-09 10:00", "home")
        .does("2026-03-09 11:30", "discharge", "h")
        .does("2026-03-09 11:30", "discharge", "a")
        .rehearsed()
    )


def test_times_in_a_text_are_the_clinics_and_named_so_for_who_lives_elsewhere(far: Lines) -> None:
    assert "Mon Mar 9 at 10:00 AM (Pacific time)" in far.of("h").the("day_before")["body"]
    assert "Mon Mar 9 at 10:00 AM." in far.of("l").the("day_before")["body"]


def test_sending_hours_are_the_patients(far: Lines) -> None:
    """Ten in Los Angeles is seven in Honolulu, so the same-day text is pulled onto the evening before, there."""
    assert shown(far.of("h").the("same_day"), HONOLULU) == "2026-03-08 19:45"
    assert shown(far.of("h").the("day_before"), HONOLULU) == "2026-03-08 16:00"


def test_in_arizona_the_afternoon_stays_at_four_whatever_the_clinics_clocks_do(far: Lines) -> None:
    assert shown(far.of("a").the("day_before"), PHOENIX) == "2026-03-08 16:00"
    assert shown(far.of("a").the("prepare"), PHOENIX) == "2026-03-06 10:00"


def test_in_summer_arizona_agrees_with_los_angeles_and_is_told_whose_time_it_is(far: Lines) -> None:
    assert "Pacific time" in far.of("a").the("day_before")["body"]


def test_a_fasting_text_for_a_seven_oclock_session_comes_before_its_cut_off_even_in_honolulu(far: Lines) -> None:
    """The cut-off is one at night in Los Angeles, ten in the evening in Honolulu."""
    assert shown(far.of("h2").the("day_before"), HONOLULU) == "2026-03-11 16:00"
    assert "No food after 1:00 AM" in far.of("h2").the("day_before")["body"]
