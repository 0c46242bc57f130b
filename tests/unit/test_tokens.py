"""Tokens of private links: nobody guesses them, phones do not break them, a form key is good for one thing only."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib import tokens
from reminders import links
from reminders.model import Instrument
from reminders.ports import PatientRef
from tests.builders import NOW, a_session

TOKEN = "a1B2c3D4e5F6g7H8i9J0kL"  # noqa: S105 - of nobody
REF = PatientRef("harbor", "p1")


def test_a_token_has_131_bits_and_nothing_a_phone_would_leave_out_of_a_link() -> None:
    drawn = {tokens.fresh() for _ in range(500)}
    assert len(drawn) == 500
    assert all(re.fullmatch(r"[A-Za-z0-9]{22}", token) for token in drawn)


def test_an_address_leaves_a_text_its_room() -> None:
    assert len(f"https://visits.example.org/p/{tokens.fresh()}") <= 60


@pytest.mark.parametrize(
    ("token", "action", "key"),
    [
        (TOKEN, "confirm", ""),
        (TOKEN, "confirm", "x"),
        (TOKEN, "confirm", "é" * 22),
        (TOKEN, "confirm", tokens.form_key(TOKEN, "reschedule")),
        (TOKEN, "confirm2026-03-09", tokens.form_key(TOKEN, "confirm2026-03-10")),
        (TOKEN, "confirm", tokens.form_key(TOKEN.lower(), "confirm")),
        (TOKEN, "confirm", tokens.form_key(TOKEN, "confirm") + "="),
        (TOKEN, "confirm", tokens.form_key(TOKEN, "confirm")[:-1]),
    ],
)
def test_a_key_of_another_page_or_action_opens_nothing(token: str, action: str, key: str) -> None:
    assert not tokens.opens(token, action, key)


def test_the_key_of_this_page_and_action_opens_it() -> None:
    assert tokens.opens(TOKEN, "confirm", tokens.form_key(TOKEN, "confirm"))


def test_a_form_key_does_not_give_the_token_away() -> None:
    assert TOKEN not in tokens.form_key(TOKEN, "confirm")
    assert tokens.form_key(TOKEN, "confirm") != tokens.form_key(TOKEN, "ride")


@pytest.mark.parametrize(
    ("link", "ends_at"),
    [
        (links.to_visit(a_session()), a_session().starts_at + timedelta(days=2)),
        (links.to_checkin(REF, Instrument.PHQ9, NOW), NOW + timedelta(days=7)),
        (links.to_task(REF, "crisis.p1", NOW), NOW + timedelta(days=2)),
    ],
)
def test_every_link_ends(link: links.Link, ends_at: datetime) -> None:
    assert link.open_at(ends_at - timedelta(microseconds=1))
    assert not link.open_at(ends_at)
    assert not link.open_at(datetime(2100, 1, 1, tzinfo=UTC))
