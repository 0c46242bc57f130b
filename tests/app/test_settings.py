"""What a deployment sets, and how it is told what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.settings import Settings, read
from reminders.errors import BadInput

NEEDED = {
    "TABLE_NAME": "reminders",
    "DELIVER_QUEUE_URL": "https://queue",
    "PUBLIC_URL": "https://reminders.example/api/",
    "TWILIO_SECRET": "twilio",
    "SES_CONFIGURATION_SET": "settings",
    "EMAIL_FROM": "clinic@example.org",
}
OPTIONAL = {"DUE_SHARDS": "3", "TWILIO_API": "http://127.0.0.1:1", "ALARM_TOPIC": "arn:topic"}


def test_what_is_needed_is_enough() -> None:
    assert read(NEEDED) == Settings(
        table_name="reminders",
        deliver_queue_url="https://queue",
        public_url="https://reminders.example/api",
        twilio_secret="twilio",
        ses_configuration_set="settings",
        email_from="clinic@example.org",
    )


def test_the_rest_is_taken_too() -> None:
    chosen = read(NEEDED | OPTIONAL)
    assert (chosen.due_shards, chosen.twilio_api) == (3, "http://127.0.0.1:1")


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_missing_is_named(name: str, value: str | None) -> None:
    given = {key: kept for key, kept in (NEEDED | {name: value}).items() if kept is not None}
    with pytest.raises(BadInput, match=rf"^{name}: "):
        read(given)


@pytest.mark.parametrize("shards", ["0", "-1", "two", "1.5"])
def test_shards_are_a_whole_number(shards: str) -> None:
    with pytest.raises(BadInput, match=r"^DUE_SHARDS: "):
        read(NEEDED | {"DUE_SHARDS": shards})


def test_the_template_sets_all_that_is_needed() -> None:
    template = json.loads((Path(__file__).parents[2] / ".chalice" / "resources.json").read_text(encoding="utf-8"))
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert set(NEEDED) <= set(variables)
    assert set(variables) <= {*NEEDED, *OPTIONAL}
