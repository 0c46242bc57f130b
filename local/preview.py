"""Shows one message as a patient would get it, for the terminal's `render`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from local.sample import SAMPLE_CLINIC
from reminders.errors import BadInput
from reminders.messages import context, load_defaults, render
from reminders.model import Channel, Chart, Kind, Language, Patient, Ride, Session
from reminders.names import EXTRAS, NAMES, OPTIONAL

KNOWN = {*NAMES, *OPTIONAL, *(name for extras in EXTRAS.values() for name in extras)}
AN_HOUR = datetime(2026, 3, 9, 17, tzinfo=UTC)  # a Monday, 10:00 in Los Angeles


def show(templates: Path, step: str, channel: str, language: str, values: Path | None, *, as_json: bool) -> None:
    """Print it with encoding and segments. Raises BadInput for a message or name that does not exist."""
    catalogue = load_defaults(templates / "messages")
    versions = catalogue.versions(step, Language(language), Channel(channel))
    if not versions:
        raise BadInput("KIND", f"there is no message {step!r}; there are: {', '.join(catalogue.steps())}")
    given = _values(values)
    words = {**_sample_words(step, Language(language), given), **given}
    rendered, _ = render(versions, words)
    if as_json:
        click.echo(msgspec.json.encode(rendered).decode())
        return
    if rendered.subject is not None:
        click.echo(f"Subject: {rendered.subject}\n")
    click.echo(rendered.body)
    if rendered.encoding is not None:
        click.echo(f"\n{rendered.encoding}, {len(rendered.body)} characters, segments: {rendered.segments}")


def _sample_words(step: str, language: Language, given: dict[str, object]) -> dict[str, object]:
    try:
        kind = Kind(str(given.get("kind", Kind.IV)))
    except ValueError:
        raise BadInput("kind", f"is none of {', '.join(Kind)}") from None
    patient = Patient(
        id="p1", clinic_id=SAMPLE_CLINIC.id, first_name="Ana", time_zone=SAMPLE_CLINIC.time_zone, language=language
    )
    session = Session(id="s1", clinic_id=SAMPLE_CLINIC.id, patient_id="p1", kind=kind, starts_at=AN_HOUR)
    chart = Chart(clinic=SAMPLE_CLINIC, patient=patient, sessions={"s1": session})
    words = context(chart, session, step, AN_HOUR - timedelta(days=3), ride=Ride())
    extras: dict[str, object] = {
        "link": "https://visits.example/p/abc123",
        "attempt": 1,
        "undeliverable": False,
        "score": 7,
        "highest": 10,
        "choices": "1 = Mon Mar 9, 2 = Thu Mar 12",
    }
    return {**extras, **words}


def _values(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from None
    except ValueError:
        raise BadInput(str(path), "is not JSON") from None
    if not isinstance(values, dict):
        raise BadInput(str(path), "is not a JSON object of names and values")
    for name, value in values.items():
        if name not in KNOWN:
            raise BadInput(name, "is not a name that messages know")
        if not isinstance(value, str | int | float):
            raise BadInput(name, "is neither text nor a number nor true or false")
    return values
