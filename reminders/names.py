"""The names a message template may insert: for coordinators to read, and for the linter to hold templates against."""

from __future__ import annotations

from typing import Final

# Everything a template may insert, for coordinators and for the linter.
NAMES: Final = {
    "step": "which message this is: prepare, day_before …",
    "clinic_name": "the clinic's name",
    "clinic_phone": "the clinic's phone, as people write it",
    "clinic_address": "where the clinic is; empty if not known",
    "first_name": "the patient's first name",
    "kind": "iv, im, lozenge_clinic, lozenge_home, spravato, consultation or follow_up",
    "is_treatment": "whether this visit makes drowsy (not a consultation or follow_up)",
    "at_home": "whether the patient stays at home for it (lozenge_home)",
    "day": "the visit's day: Mon Mar 9",
    "day_and_time": "the visit at the clinic: Mon Mar 9 at 10:00 AM (and the zone, for who lives in another)",
    "long_day_and_time": "the same in full: Monday, March 9 at 10:00 AM",
    "zone": "the clinic's zone in words if the patient lives in another, else empty",
    "arrive_at": "when to arrive: 9:45 AM (Spanish with article: las 9:45 AM)",
    "stop_eating_at": "after when no food: 4:00 AM, or 10:00 PM on Sun Mar 8",
    "stop_drinking_at": "after when no clear liquids either",
    "stop_nose_spray_at": "after when no nose spray; empty where it does not matter",
    "fast_ahead": "whether stop_eating_at is still to come",
    "alcohol_hours": "how many hours before and after without alcohol",
    "visit_minutes": "how long the visit takes, with the time for watching over the patient",
    "ride_open": "whether we still need to hear who takes the patient home",
    "ride_missing": "whether the patient said that nobody can",
    "ride_who": "who takes the patient home, or stays with them at home; empty if not known",
    "visit_count": "how many visits this message speaks for",
}
OPTIONAL: Final = {"link": "the patient's private page; may be missing, so ask first: {% if link is defined %}"}

# What only some messages are given, on top. The sender adds them to the context.
EXTRAS: Final[dict[str, dict[str, str]]] = {
    "phq9": {"link": "the patient's private page"},
    "page": {
        "link": "where to see and take it",
        "attempt": "1 for the first page, 2 for the next …",
        "undeliverable": "whether our own reply could not be delivered",
        "code": "what to send back after ACK; may be left out",
    },
    "reply_score": {"score": "the number we understood"},
    "reply_score_again": {"highest": "10 for mood, 3 for the two-week questions"},
    "reply_which": {"choices": "what to choose from: 1 = Mon Mar 9, 2 = Thu Mar 12"},
}

# Some messages may know less, because of whom they can reach.
_OF_CLINIC: Final = {"clinic_name", "clinic_phone", "clinic_address"}
_OF_DRIVE: Final = _OF_CLINIC | {"day", "day_and_time", "long_day_and_time", "zone"}
_TO_ANYBODY: Final = ("help", "opt_out", "opt_in", "unclear", "wrong_number", "crisis")


def names_for(step: str) -> dict[str, str]:
    """Every name this message may use, with what it means.

    Replies that also go to numbers we do not know, pages to staff and texts to drivers tell nothing about the patient.
    """
    if step == "page" or step in {f"reply_{reply}" for reply in _TO_ANYBODY}:
        known = {name: NAMES[name] for name in sorted(_OF_CLINIC)}
    elif step.startswith("driver_"):
        known = {name: NAMES[name] for name in sorted(_OF_DRIVE)}
    else:
        known = NAMES | OPTIONAL
    return known | EXTRAS.get(step, {})
