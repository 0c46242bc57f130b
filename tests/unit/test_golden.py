"""The copy itself: one file for each message, language and channel, so that a reviewer reads what a patient reads.

`UPDATE_GOLDEN=1` writes the files anew. A case other than the plain one has a file only where it says something else.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reminders import gsm
from reminders.messages import context, load_defaults, render
from reminders.model import Channel, Chart, Kind, Language, Rendered, Ride, RideState
from reminders.names import EXTRAS
from reminders.worst_case import contexts
from tests.builders import NOW, a_clinic, a_patient, a_session

GOLDEN = Path(__file__).parent.parent / "golden"
CATALOGUE = load_defaults()
CASES = {
    "": (Kind.IV, Ride()),
    "ride_known": (Kind.IV, Ride(state=RideState.CONFIRMED, who="Jo")),
    "no_ride": (Kind.IV, Ride(state=RideState.NONE)),
    "lozenge_home": (Kind.LOZENGE_HOME, Ride()),
    "spravato": (Kind.SPRAVATO, Ride()),
    "consultation": (Kind.CONSULTATION, Ride()),
}
VALUES: dict[str, object] = {
    "link": "https://visits.example/p/Qm3xW7",
    "attempt": 1,
    "undeliverable": True,
    "code": "4821",
    "score": 7,
    "highest": 10,
    "choices": "1 = Mon Mar 9, 2 = Thu Mar 12",
}
EVERY = [(step, language) for step in CATALOGUE.steps() for language in Language]


def shown(step: str, language: Language, channel: Channel, kind: Kind, ride: Ride) -> Rendered:
    clinic = a_clinic(address="12 Ocean Avenue, Los Angeles")
    patient = a_patient(first_name="Ana" if language is Language.EN else "José", language=language)
    words = context(Chart(clinic=clinic, patient=patient), a_session(kind=kind), step, NOW, ride=ride)
    extras = {name: VALUES[name] for name in EXTRAS.get(step, {})}
    return render(CATALOGUE.versions(step, language, channel), words | extras)[0]


def as_read(message: Rendered) -> str:
    if message.subject is not None:
        return f"Subject: {message.subject}\n\n{message.body}"
    return (
        f"{message.body}\n\n({message.encoding}, {gsm.length(message.body)} characters, {message.segments} segments)\n"
    )


def held(path: Path, text: str | None) -> None:
    """Compare with the file, or write it; `None`: there must be no file."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text, encoding="utf-8")
    assert (path.read_text(encoding="utf-8") if path.exists() else None) == text


@pytest.mark.parametrize(("step", "language"), EVERY)
@pytest.mark.parametrize("channel", list(Channel))
def test_every_message_reads_as_it_was_approved(step: str, language: Language, channel: Channel) -> None:
    if not CATALOGUE.versions(step, language, channel):
        return
    plain = as_read(shown(step, language, channel, *CASES[""]))
    for case, (kind, ride) in CASES.items():
        text = as_read(shown(step, language, channel, kind, ride))
        name = ".".join(part for part in (language, channel, case, "txt") if part)
        held(GOLDEN / step / name, text if case == "" or text != plain else None)


def test_the_html_of_an_email_is_the_same_words() -> None:
    message = shown("prepare", Language.EN, Channel.EMAIL, *CASES[""])
    held(GOLDEN / "prepare" / "en.email.html", message.html)


def test_no_golden_file_is_left_of_a_message_that_is_gone() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == CATALOGUE.steps()


@pytest.mark.parametrize(("step", "language"), EVERY)
def test_every_text_is_gsm_and_at_most_two_segments_at_worst(step: str, language: Language) -> None:
    versions = CATALOGUE.versions(step, language, Channel.SMS)
    for words in contexts(step, language):
        message, _ = render(versions, words)
        assert (message.encoding, message.segments <= 2) == ("GSM-7", True), (
            f"{gsm.length(message.body)} {message.body}"
        )


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("kind", [Kind.CONSULTATION, Kind.FOLLOW_UP])
def test_a_talk_has_nothing_to_do_with_fasting_rides_or_driving(kind: Kind, language: Language) -> None:
    taboo = ("RIDE", "food", "drive", "driv", "coma", "liquid", "líquid", "manej", "lleva a casa", "home")
    for step in ("booked", "prepare", "day_before", "same_day", "moved", "cancelled", "missed"):
        for channel in Channel:
            body = shown(step, language, channel, kind, Ride()).body
            assert not [word for word in taboo if word in body], body


@pytest.mark.parametrize("language", list(Language))
def test_at_home_nobody_is_told_to_arrive_or_to_be_driven(language: Language) -> None:
    taboo = ("arrive", "takes you home", "ride home", "llegue", "lleva a casa", "Ocean Avenue")
    for step in CATALOGUE.steps():
        if step.startswith("driver_"):
            continue
        for channel in Channel:
            if CATALOGUE.versions(step, language, channel):
                body = shown(step, language, channel, Kind.LOZENGE_HOME, Ride()).body
                assert not [word for word in taboo if word in body], (step, body)


@pytest.mark.parametrize("language", list(Language))
def test_only_an_open_ride_is_asked_for(language: Language) -> None:
    for step in ("prepare", "day_before", "moved", "reply_confirm"):
        for case in ("ride_known", "no_ride"):
            assert "RIDE" not in shown(step, language, Channel.SMS, *CASES[case]).body
        assert "RIDE" in shown(step, language, Channel.SMS, *CASES[""]).body


@pytest.mark.parametrize(
    ("language", "advice"),
    [(Language.EN, "until tomorrow, after a night's sleep"), (Language.ES, "hasta mañana, después de dormir la noche")],
)
@pytest.mark.parametrize("channel", list(Channel))
def test_after_a_session_driving_waits_for_a_nights_sleep(channel: Channel, language: Language, advice: str) -> None:
    for kind in (kind for kind in Kind if kind.treatment):
        body = shown("after", language, channel, kind, Ride()).body
        assert advice in body
        assert "911" in body
        assert "(213) 555-0100" in body
