"""A clinic's own rules for a kind of session, never looser than the floors that kind has.

Spravato's floors are the label's (rules.md 1): no food for 2 hours and no liquids for 30 minutes before, observed for
at least 2 hours. A clinic may tighten them. For the other treatments clinics disagree, so each is a clinic's setting.
"""

from __future__ import annotations

from datetime import timedelta

from reminders.model import Clinic, Kind, Treatment

NOSE_SPRAY_BEFORE = timedelta(hours=1)  # steroid or decongestant sprays, before a nasal treatment

_NONE = Treatment(solids_hours=0, liquids_hours=0, observed_minutes=0, alcohol_hours=0)
_SPRAVATO = Treatment(solids_hours=2, liquids_hours=0.5, observed_minutes=120)
_FLOORS = {Kind.SPRAVATO: Treatment(solids_hours=2, liquids_hours=0.5, observed_minutes=120, alcohol_hours=0)}
_DEFAULTS = {Kind.SPRAVATO: _SPRAVATO, Kind.CONSULTATION: _NONE, Kind.FOLLOW_UP: _NONE}


def treatment_for(clinic: Clinic, kind: Kind) -> Treatment:
    """The rules in force for this kind at this clinic: its own, raised to the kind's floors; hours before the start."""
    own = clinic.treatments.get(kind, _DEFAULTS.get(kind, Treatment()))
    floor = _FLOORS.get(kind, _NONE)
    return Treatment(
        solids_hours=max(own.solids_hours, floor.solids_hours),
        liquids_hours=max(own.liquids_hours, floor.liquids_hours),
        observed_minutes=max(own.observed_minutes, floor.observed_minutes),
        alcohol_hours=max(own.alcohol_hours, floor.alcohol_hours),
    )
