"""The most a message can have to say: every kind of visit and state of the ride, the longest names and dates.

The linter and the tests render each text with these, so that what fits here fits everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

from reminders.messages import context
from reminders.model import Chart, Clinic, Kind, Language, Patient, Ride, RideState, Session, Treatment
from reminders.names import EXTRAS, OPTIONAL

# Wednesday at 12:45 PM Mountain time for a patient in Hawaii: no date is longer in either language.
START = datetime(2026, 9, 30, 18, 45, tzinfo=UTC)
NOW = START - timedelta(days=7)
LINK = "https://" + "abcdefghij." * 6 + "example/p/" + "k" * 32  # 116 characters: a gateway's own name and a token

_CLINIC = Clinic(
    id="worst",
    name="Wellness Mountain Co",  # 20 characters
    phone="+12135550100",
    time_zone="America/Denver",
    address="12345 South Washington Boulevard, Suite 1200, Albuquerque",
    treatments={
        # Fasting from the evening before, so that the cut-offs need a day too; clear liquids are for the day itself
        # where the nose spray takes the room.
        kind: Treatment(solids_hours=14, liquids_hours=0.5 if kind is Kind.SPRAVATO else 13)
        for kind in Kind
        if kind.treatment
    },
)
_RIDES = tuple(Ride(state=state, who="Guadalupe Montgomery") for state in RideState)
_EXTRAS: dict[str, tuple[object, ...]] = {
    "link": (LINK,),
    "attempt": (12,),
    "undeliverable": (True, False),
    "code": ("123456", None),  # None: left out
    "score": (10,),
    "highest": (10, 3),
    "choices": ("1 = Wed Sep 30 at 12:45 PM, 2 = Wed Sep 23 at 12:45 PM, 3 = Wed Sep 16 at 12:45 PM",),
}


def contexts(step: str, language: Language) -> Iterator[dict[str, object]]:
    """Every case of what this message may have to say, with what is optional and without."""
    extras = {name: (*_EXTRAS[name], None) for name in OPTIONAL} | {
        name: _EXTRAS[name] for name in EXTRAS.get(step, {})
    }
    given = [
        {name: value for name, value in zip(extras, values, strict=True) if value is not None}
        for values in product(*extras.values())
    ]
    patient = Patient(
        id="worst",
        clinic_id=_CLINIC.id,
        first_name="Maximilianoo",
        time_zone="Pacific/Honolulu",
        language=language,
    )
    chart = Chart(clinic=_CLINIC, patient=patient)
    for kind, ride in product(Kind, _RIDES):
        session = Session(id="worst", clinic_id=_CLINIC.id, patient_id=patient.id, kind=kind, starts_at=START)
        words = context(chart, session, step, NOW, ride=ride)
        for extra in given:
            yield words | extra
