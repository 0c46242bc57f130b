"""A clinic's own rules, and the floors it cannot go below."""

from __future__ import annotations

import pytest

from reminders.model import Kind, Treatment
from reminders.treatment import treatment_for
from tests.builders import a_clinic


def test_spravato_can_be_tightened_and_never_loosened() -> None:
    loose = Treatment(solids_hours=1, liquids_hours=0, observed_minutes=30, alcohol_hours=12)
    tight = Treatment(solids_hours=4, liquids_hours=1, observed_minutes=150, alcohol_hours=48)
    floor = Treatment(solids_hours=2, liquids_hours=0.5, observed_minutes=120, alcohol_hours=12)
    assert treatment_for(a_clinic(treatments={Kind.SPRAVATO: loose}), Kind.SPRAVATO) == floor
    assert treatment_for(a_clinic(treatments={Kind.SPRAVATO: tight}), Kind.SPRAVATO) == tight


@pytest.mark.parametrize(
    ("kind", "solids", "liquids", "observed"),
    [
        (Kind.SPRAVATO, 2, 0.5, 120),
        (Kind.IV, 6, 2, 0),
        (Kind.LOZENGE_HOME, 6, 2, 0),
        (Kind.CONSULTATION, 0, 0, 0),
        (Kind.FOLLOW_UP, 0, 0, 0),
    ],
)
def test_a_clinic_that_says_nothing_gets_the_defaults(kind: Kind, solids: int, liquids: float, observed: int) -> None:
    rules = treatment_for(a_clinic(), kind)
    assert (rules.solids_hours, rules.liquids_hours, rules.observed_minutes) == (solids, liquids, observed)


def test_another_kind_is_the_clinics_own_choice() -> None:
    eight = Treatment(solids_hours=8, liquids_hours=3)
    assert treatment_for(a_clinic(treatments={Kind.IV: eight}), Kind.IV) == eight


def test_a_negative_setting_counts_as_none() -> None:
    assert treatment_for(a_clinic(treatments={Kind.IM: Treatment(solids_hours=-3)}), Kind.IM).solids_hours == 0
