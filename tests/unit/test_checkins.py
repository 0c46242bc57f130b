"""Scales, scores, change over time, and what an answer calls for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminders.checkins import (
    SCALES,
    Band,
    Concern,
    Why,
    band,
    baseline,
    complete,
    concerns,
    remission,
    response,
    score,
    wearing_off,
    worsening,
)
from reminders.errors import BadInput
from reminders.model import CheckIn, Clinic, Instrument, TaskKind, Urgency
from tests.builders import NOW, a_clinic

MOOD, PHQ2, PHQ9 = Instrument.MOOD, Instrument.PHQ2, Instrument.PHQ9


def answered(instrument: Instrument, *items: int | None, day: float = 0) -> CheckIn:
    """An answer given so many days after NOW, an hour after it was asked for."""
    asked_at = NOW + timedelta(days=day)
    return CheckIn(
        asked_at=asked_at,
        answered_at=asked_at + timedelta(hours=1),
        instrument=instrument,
        version=SCALES[instrument].version,
        items=items,
        score=score(instrument, items),
    )


def phq9(total: int, day: float = 0) -> CheckIn:
    """A complete PHQ-9 of this total (0–24), with nothing in item 9."""
    items = [min(3, max(0, total - 3 * place)) for place in range(8)]
    return answered(PHQ9, *items, 0, day=day)


def mood(value: int | None, day: float = 0) -> CheckIn:
    return answered(MOOD, value, day=day)


# --- scales and scores ------------------------------------------------------------------------------


@pytest.mark.parametrize(("instrument", "highest"), [(MOOD, 10), (PHQ2, 6), (PHQ9, 27)])
def test_each_scale_ends_where_its_instrument_ends(instrument: Instrument, highest: int) -> None:
    scale = SCALES[instrument]
    assert scale.highest == highest
    assert scale.version
    assert score(instrument, [scale.top] * scale.items) == highest


def test_phq2_is_the_first_two_items_of_phq9() -> None:
    assert SCALES[PHQ2].item_codes == SCALES[PHQ9].item_codes[:2]
    assert len(set(SCALES[PHQ9].item_codes)) == 9


@pytest.mark.parametrize("instrument", [PHQ2, PHQ9])
def test_every_loinc_code_has_its_check_digit(instrument: Instrument) -> None:
    scale = SCALES[instrument]
    for code in (*scale.item_codes, scale.total_code, scale.panel_code):
        if code is None:
            continue
        number, digit = code.split("-")
        doubled = sum(sum(divmod(2 * int(n), 10)) for n in number[::-2])
        assert (doubled + sum(int(n) for n in number[-2::-2])) * 9 % 10 == int(digit), code


@pytest.mark.parametrize(
    ("instrument", "items"),
    [
        (MOOD, [None]),
        (MOOD, []),
        (PHQ2, [3, None]),
        (PHQ2, [3]),
        (PHQ9, [1, 1, 1, 1, 1, 1, 1, 1, None]),
        (PHQ9, [None, 1, 1, 1, 1, 1, 1, 1, 1]),
        (PHQ9, [1] * 8),
        (PHQ9, [None] * 9),
    ],
)
def test_with_an_item_missing_there_is_no_total(instrument: Instrument, items: list[int | None]) -> None:
    assert score(instrument, items) is None


@pytest.mark.parametrize(
    ("instrument", "items", "place"),
    [
        (MOOD, [11], "items[0]"),
        (MOOD, [-1], "items[0]"),
        (MOOD, [5, 5], "items[1]"),
        (PHQ2, [0, 4], "items[1]"),
        (PHQ9, [0, 0, 0, 0, 0, 0, 0, 0, 4], "items[8]"),
        (PHQ9, [None, 7, 0, 0, 0, 0, 0, 0, 0], "items[1]"),
        (PHQ9, [0] * 10, "items[9]"),
    ],
)
def test_an_answer_off_its_scale_is_refused_by_its_place(
    instrument: Instrument, items: list[int | None], place: str
) -> None:
    with pytest.raises(BadInput) as raised:
        score(instrument, items)
    assert raised.value.field == place


def test_a_refusal_does_not_repeat_the_answer() -> None:
    with pytest.raises(BadInput) as raised:
        score(MOOD, [4711])
    assert "4711" not in str(raised.value)


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (0, Band.MINIMAL),
        (4, Band.MINIMAL),
        (5, Band.MILD),
        (9, Band.MILD),
        (10, Band.MODERATE),
        (14, Band.MODERATE),
        (15, Band.MODERATELY_SEVERE),
        (19, Band.MODERATELY_SEVERE),
        (20, Band.SEVERE),
        (27, Band.SEVERE),
    ],
)
def test_bands_are_cut_at_five_ten_fifteen_and_twenty(total: int, expected: Band) -> None:
    assert band(total) is expected


@pytest.mark.parametrize("total", [-1, 28])
def test_there_is_no_band_off_the_scale(total: int) -> None:
    with pytest.raises(BadInput):
        band(total)


# --- change over time -------------------------------------------------------------------------------


def test_the_baseline_is_the_earliest_complete_answer_on_that_scale() -> None:
    incomplete = answered(PHQ9, 3, None, day=-9)
    first, later = phq9(18, day=-7), phq9(9, day=20)
    assert baseline([later, mood(3, day=-8), first, incomplete], PHQ9) is first
    assert baseline([mood(3)], PHQ9) is None


def test_a_curve_holds_one_scale_in_order_and_leaves_gaps_out() -> None:
    early, late = mood(3, day=1), mood(6, day=2)
    assert complete([late, phq9(4), mood(None, day=1.5), early], MOOD) == (early, late)


@pytest.mark.parametrize(
    ("before", "now", "responded", "worse"),
    [
        (0, 0, False, False),  # nothing to lose
        (0, 5, False, True),
        (1, 0, True, False),
        (15, 8, False, False),  # 47 %
        (15, 7, True, False),
        (20, 10, True, False),
        (20, 11, False, False),
        (10, 14, False, False),
        (10, 15, False, True),
    ],
)
def test_half_is_a_response_and_five_points_are_worse(before: int, now: int, responded: bool, worse: bool) -> None:
    assert response(phq9(before), phq9(now, day=30)) is responded
    assert worsening(phq9(before), phq9(now, day=30)) is worse


@pytest.mark.parametrize(("total", "expected"), [(0, True), (4, True), (5, False)])
def test_remission_is_under_five(total: int, expected: bool) -> None:
    assert remission(phq9(total)) is expected


def test_an_incomplete_answer_shows_no_change() -> None:
    incomplete = answered(PHQ9, None, 0, 0, 0, 0, 0, 0, 0, 0, day=30)
    assert not response(phq9(20), incomplete)
    assert not worsening(incomplete, phq9(20))
    assert not remission(incomplete)


@pytest.mark.parametrize("other", [mood(2), answered(PHQ2, 3, 3)])
def test_scales_are_never_held_against_each_other(other: CheckIn) -> None:
    for judge in (response, worsening):
        with pytest.raises(BadInput):
            judge(phq9(20), other)
        with pytest.raises(BadInput):
            judge(other, phq9(20))
    with pytest.raises(BadInput):
        remission(other)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [(1, 8), (7, 3)], False),  # nothing to compare with
        ([(-20, 3)], [(1, 8), (7, 3)], False),  # too long ago to be where they stood
        ([(-1, 3)], [], False),
        ([(-1, 3)], [(1, 4), (7, 3)], False),  # it never lifted
        ([(-1, 3)], [(1, 8), (3, 7), (7, 5)], False),  # less, but still there
        ([(-1, 3)], [(1, 8), (3, 3), (7, 7)], False),  # one bad day
        ([(-1, 3)], [(1, 3), (3, 3), (7, 8)], False),  # it came late
        ([(-1, 3)], [(1, 8), (3, 7), (7, 4)], True),
        ([(-1, 3)], [(1, 5), (7, 1)], True),
        ([(-9, 6), (-1, 3)], [(1, 6), (7, 5)], False),  # the last one before counts
        ([(-1, 3)], [(1, 8), (7, 7), (15, 3)], False),  # after the next treatment
    ],
)
def test_a_lift_that_has_gone_again_before_the_next_treatment_wears_off(
    before: list[tuple[float, int]], after: list[tuple[float, int]], expected: bool
) -> None:
    moods = [mood(value, day=day) for day, value in (*before, *after)]
    assert wearing_off(reversed(moods), NOW + timedelta(hours=2), until=NOW + timedelta(days=14)) is expected


# --- what an answer calls for -----------------------------------------------------------------------

URGENT = Concern(TaskKind.CRISIS, Urgency.URGENT, (Why.ITEM_9,))


def low(*why: Why) -> Concern:
    return Concern(TaskKind.LOW_MOOD, Urgency.REVIEW, why)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ((0, 0, 0, 0, 0, 0, 0, 0, 0), ()),
        ((0, 0, 0, 0, 0, 0, 0, 0, 1), (low(Why.ITEM_9),)),
        ((0, 0, 0, 0, 0, 0, 0, 0, 2), (URGENT,)),
        ((0, 0, 0, 0, 0, 0, 0, 0, 3), (URGENT,)),
        ((None, None, None, None, None, None, None, None, 3), (URGENT,)),  # no total, and still heard
        ((3, 3, 3, 3, 3, 3, 3, 3, 3), (URGENT, low(Why.PHQ9_SEVERE))),
        ((3, 3, 3, 3, 3, 3, 1, 0, 0), ()),  # 19
        ((3, 3, 3, 3, 3, 3, 2, 0, 0), (low(Why.PHQ9_SEVERE),)),  # 20
        ((None, 3, 3, 3, 3, 3, 3, 3, 0), (low(Why.PHQ9_SEVERE),)),  # the rest alone is severe
        ((0, 0, 0, 0, 0, 0, 0, 0, None), (low(Why.ITEM_9_SKIPPED),)),
        ((0, 0, 0, 0, 0, 0, 0, 0), (low(Why.ITEM_9_SKIPPED),)),
    ],
)
def test_item_nine_is_heard_whatever_the_total(items: tuple[int | None, ...], expected: tuple[Concern, ...]) -> None:
    assert concerns(answered(PHQ9, *items), [], a_clinic()) == expected


@pytest.mark.parametrize(
    ("items", "expected"),
    [((0, 2), ()), ((1, 1), ()), ((1, 2), (low(Why.PHQ2_HIGH),)), ((3, None), (low(Why.PHQ2_HIGH),)), ((None, 2), ())],
)
def test_phq2_calls_for_a_person_from_three(items: tuple[int | None, ...], expected: tuple[Concern, ...]) -> None:
    assert concerns(answered(PHQ2, *items), [], a_clinic()) == expected


@pytest.mark.parametrize(
    ("now", "earlier", "clinic", "expected"),
    [
        (mood(3), [], a_clinic(), ()),
        (mood(2), [], a_clinic(), (low(Why.MOOD_FLOOR),)),
        (mood(0), [], a_clinic(mood_floor=0), (low(Why.MOOD_FLOOR),)),
        (mood(1), [], a_clinic(mood_floor=0), ()),
        (mood(None), [mood(9, day=-1)], a_clinic(), ()),
        (mood(4), [mood(8, day=-1)], a_clinic(), (low(Why.MOOD_DROP),)),
        (mood(5), [mood(8, day=-1)], a_clinic(), ()),
        (mood(5), [mood(8, day=-1)], a_clinic(mood_drop=3), (low(Why.MOOD_DROP),)),
        (mood(2), [mood(8, day=-1)], a_clinic(), (low(Why.MOOD_FLOOR, Why.MOOD_DROP),)),
        (mood(4), [mood(8, day=-14)], a_clinic(), (low(Why.MOOD_DROP),)),
        (mood(4), [mood(8, day=-14.1)], a_clinic(), ()),  # too long ago to have fallen from
        (mood(4), [mood(6, day=-1), mood(9, day=-3)], a_clinic(), ()),  # the last one counts, in any order
        (mood(4), [mood(8, day=-3), mood(None, day=-1)], a_clinic(), (low(Why.MOOD_DROP),)),
        (mood(4), [mood(9)], a_clinic(), ()),  # the same question, answered again: a correction
        (mood(4), [mood(9, day=1)], a_clinic(), ()),  # what came later is not what it fell from
        (mood(4), [phq9(20, day=-1), answered(PHQ2, 3, 3, day=-1)], a_clinic(), ()),
    ],
)
def test_a_low_mood_or_a_sharp_fall_calls_for_a_person(
    now: CheckIn, earlier: list[CheckIn], clinic: Clinic, expected: tuple[Concern, ...]
) -> None:
    assert concerns(now, earlier, clinic) == expected


@pytest.mark.parametrize(
    ("earlier", "expected"),
    [
        ([phq9(10, day=-30)], ()),
        ([phq9(9, day=-30)], (low(Why.PHQ9_WORSE),)),
        ([phq9(18, day=-60), phq9(4, day=-30)], (low(Why.PHQ9_WORSE),)),  # better than at first, and relapsing
        ([phq9(4, day=-60), phq9(13, day=-30)], (low(Why.PHQ9_WORSE),)),  # slowly, but far from the baseline
        ([answered(PHQ9, 0, None, day=-30)], ()),
        ([mood(0, day=-1)], ()),
    ],
)
def test_a_phq9_five_points_worse_calls_for_a_person(earlier: list[CheckIn], expected: tuple[Concern, ...]) -> None:
    assert concerns(phq9(14), earlier, a_clinic()) == expected
