"""The benchmarks' own arithmetic: ticks, delays, the provider's pace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from local.bench_clock import RATE, WORKERS, Clock, Day, Turnstile, WholeSeconds, percentile
from reminders.ports import PatientRef, Turn

NINE = datetime(2026, 6, 10, 16, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_turn(number: int = 0) -> Turn:
    return Turn(PatientRef("harbor", f"p{number}"))


def test_the_provider_takes_one_message_a_place_and_the_next_one_waits() -> None:
    turnstile = Turnstile(100)
    passed = [turnstile.pass_at(NINE) for _ in range(3)]
    assert passed == [NINE, NINE + SECOND / 100, NINE + SECOND / 50]
    assert turnstile.pass_at(NINE + SECOND) == NINE + SECOND


@pytest.mark.parametrize(
    ("due_in_s", "visible_in_s"),
    [(-30, 0), (0, 0), (0.2, 1), (59, 59), (2000, 900)],
)
def test_the_queue_waits_in_whole_seconds_and_fifteen_minutes_at_most(due_in_s: float, visible_in_s: float) -> None:
    clock = Clock(NINE)
    queue = WholeSeconds(clock)
    queue.put([(a_turn(), NINE + due_in_s * SECOND)], NINE)
    visible = queue.next_at()
    assert visible is not None
    assert visible - clock.now == visible_in_s * SECOND  # the call to the queue takes its own time


@pytest.mark.parametrize(("share", "value"), [(0.95, 95), (0.5, 50), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_value_that_so_many_do_not_exceed(share: float, value: int) -> None:
    assert percentile(range(1, 101), share) == value


def test_a_day_jumps_to_what_is_due_and_works_it_off_side_by_side() -> None:
    clock = Clock(NINE)
    queue = WholeSeconds(clock)
    due = {a_turn(number): NINE + timedelta(minutes=90) for number in range(20 * WORKERS)}
    worked: list[datetime] = []

    def deliver(turns: Sequence[Turn]) -> list[Turn]:
        worked.append(clock.now)
        for turn in turns:
            due.pop(turn, None)
            clock.spend(1 / RATE)
        return []

    day = Day(clock, queue, lambda: queue.put(due.items(), clock.now), lambda: min(due.values(), default=None), deliver)
    day.run(NINE + timedelta(hours=2))
    assert day.ticks == 1
    assert day.batches == 2 * WORKERS
    assert worked[0] >= NINE + timedelta(minutes=90)
    assert worked[-1] - worked[0] < SECOND


def test_a_turn_that_failed_comes_again_after_its_visibility_ran_out() -> None:
    clock = Clock(NINE)
    queue = WholeSeconds(clock)
    given: list[datetime] = []

    def deliver(turns: Sequence[Turn]) -> Sequence[Turn]:
        given.append(clock.now)
        return turns if len(given) == 1 else []

    queue.put([(a_turn(), NINE)], NINE)
    Day(clock, queue, lambda: None, lambda: None, deliver).run(NINE + SECOND)
    assert len(given) == 2
    assert given[1] - given[0] >= timedelta(minutes=6) - SECOND
