"""Ids on their way through a provider and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.tags import Tags, escape, escaped, read, status_callback, unescape
from reminders.ports import PatientRef

TAGS = {
    "clinic": "harbor",
    "patient": "p.1",
    "session": "s_1",
    "entry": "day_before|20260309T170000Z|sms",
    "attempt": "2",
}


@given(st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=127)))
def test_whatever_is_escaped_comes_back(value: str) -> None:
    spelled = escape(value)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", spelled)
    assert unescape(spelled) == value


def test_the_longest_tags_fit_into_what_ses_takes() -> None:
    longest = {**TAGS, "session": "_" * 64, "entry": "." * 64 + "|20260309T170000Z|email"}
    assert max(len(value) for value in escaped(longest).values()) <= 256


def test_tags_are_read_as_they_were_written() -> None:
    tags = read(escaped(TAGS))
    assert tags == Tags(**TAGS)
    assert tags
    assert tags.ref == PatientRef("harbor", "p.1")


@pytest.mark.parametrize(
    "change",
    [
        {"clinic": None},
        {"attempt": None},
        {"attempt": "two"},
        {"patient": ""},
        {"patient": "a b"},
        {"patient": "p" * 65},
        {"session": "s1#x"},
        {"entry": "day_before"},
        {"entry": "day_before|20260309T170000Z|fax"},
        {"entry": 'x"|20260309T170000Z|sms'},
    ],
)
def test_what_we_could_not_have_written_is_not_ours(change: dict[str, str | None]) -> None:
    given = {name: value for name, value in {**TAGS, **change}.items() if value is not None}
    assert read(escaped(given)) is None


def test_tags_of_others_beside_ours_are_left_out() -> None:
    assert read({**escaped(TAGS), "ses:configuration-set": "x", "ses_caller-identity": "y"}) == Tags(**TAGS)


def test_the_callback_has_nothing_to_escape_and_one_order() -> None:
    url = status_callback("https://reminders.example/api", TAGS)
    assert re.fullmatch(r"https://reminders\.example/api/webhooks/twilio/status\?[A-Za-z0-9_=&-]+", url)
    assert url == status_callback("https://reminders.example/api", dict(reversed(TAGS.items())))


def test_a_message_without_tags_has_a_callback_without_a_query() -> None:
    assert status_callback("https://reminders.example", {}) == "https://reminders.example/webhooks/twilio/status"
