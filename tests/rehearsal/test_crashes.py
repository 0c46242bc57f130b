"""The process dies after the claim, the send or the record: one of everything, nothing twice, nothing lost."""

import pytest

from tests.rehearsal.course import Lines, course

POINTS = ("claim", "send", "record")


def afternoon(points: tuple[str, ...], channel: str = "sms", patients: int = 1) -> Lines:
    built = course(starts="2026-03-04 15:30", ends="2026-03-05 13:30")
    for number in range(1, patients + 1):
        built.patient(f"p{number}", consent={channel: True}).visit(f"s{number}", "2026-03-05 12:00", f"p{number}")
    for point in points:
        built.does("2026-03-04 15:59", "crash", after=point)
    return built.rehearsed()


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_sends_a_text_once_and_loses_nothing(point: str) -> None:
    lines = afternoon((point,))
    (at,) = lines.times("day_before")
    assert "2026-03-04 16:00" <= at <= "2026-03-04 16:15"
    assert len(lines.sent("same_day")) == 1
    assert lines.reasons("day_before") == []
    assert lines.tasks("in_doubt") == []


def test_one_crash_after_another_still_sends_a_text_once() -> None:
    lines = afternoon(("claim", "claim", "send", "record"))
    (at,) = lines.times("day_before")
    assert at <= "2026-03-04 17:00"
    assert lines.tasks("in_doubt") == []


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_in_the_middle_of_a_batch_neither_loses_nor_repeats_the_others(point: str) -> None:
    lines = afternoon((point,), patients=4)
    for number in range(1, 5):
        assert len(lines.of(f"p{number}").sent("day_before")) == 1
        assert len(lines.of(f"p{number}").sent("same_day")) == 1


@pytest.mark.parametrize("point", ["send", "record"])
def test_an_email_that_had_left_is_not_sent_again(point: str) -> None:
    lines = afternoon((point,), "email")
    assert len(lines.sent("day_before")) == 1
    assert lines.tasks("in_doubt") == []


def test_an_email_that_never_left_is_not_sent_blindly_but_given_to_a_person() -> None:
    lines = afternoon(("claim",), "email")
    assert lines.sent("day_before") == []
    assert lines.tasks("in_doubt") == ["day_before"]
    assert len(lines.sent("same_day")) == 1


@pytest.mark.parametrize("point", POINTS)
def test_what_was_decided_before_a_crash_is_told_all_the_same(point: str) -> None:
    """Skips and tasks are written with the claim; whoever dies then has no time to speak of them."""
    built = course(starts="2026-03-04 15:30", ends="2026-03-05 08:00")
    built.visit("s1", "2026-03-04 19:00", booked="2026-03-04 15:40").does("2026-03-04 15:35", "crash", after=point)
    lines = built.rehearsed()
    assert lines.reasons("day_before") == ["too_late"]
    assert lines.tasks("too_late") == ["day_before"]
    assert lines.tasks("ride_unknown") == ["ride_unknown"]
