"""Log lines carry ids and places in code, and no word that a patient, or an error about one, has said."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from chalicelib import logs
from reminders.errors import Unavailable
from reminders.model import Channel, Reason

AT = datetime(2026, 3, 9, 9, 30, tzinfo=ZoneInfo("America/Los_Angeles"))


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_identifies_a_patient_is_left_out_even_if_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logs.journal("sent", patient="p1", to="+12135550123", body="Hi Ana", name="Ana", score=3, subject="Your visit")
    [line] = lines(capsys)
    assert line["patient"] == "p1"
    assert not {"+12135550123", "Hi Ana", "Ana", 3, "Your visit"} & set(line.values())


def test_an_error_is_told_by_its_kind_and_place_and_never_by_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    try:
        raise ValueError("no number +12135550123")
    except ValueError:
        logging.getLogger("botocore.client").exception("called with %s", "+12135550123")
    [line] = lines(capsys)
    assert "+12135550123" not in json.dumps(line)
    assert line["error"] == "ValueError"
    assert "test_logs.py:" in str(line["trace"])


def test_a_line_has_its_times_in_utc_and_its_words_as_they_are_stored(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logs.journal("skipped", at=AT, channel=Channel.SMS, reason=Reason.DAILY_CAP, code=None, attempt=2)
    [line] = lines(capsys)
    assert line["event"] == "skipped"
    assert line["at"] == "2026-03-09T16:30:00+00:00"
    assert (line["channel"], line["reason"], line["attempt"]) == ("sms", "daily_cap", 2)
    assert "code" not in line


def test_libraries_are_heard_only_when_something_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logging.getLogger("botocore.endpoint").info("Making request for +12135550123")
    assert not lines(capsys)


def test_starting_twice_writes_each_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()
    logs.start()
    logs.journal("sent", patient="p1")
    assert len(lines(capsys)) == 1


def test_an_error_of_a_kind_nobody_planned_for_goes_on_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.start()

    def fail(_event: object) -> None:
        raise KeyError("+12135550123")

    with pytest.raises(logs.Unforeseen) as raised:
        logs.discreet({}, fail)
    assert raised.value.args == ("KeyError",)
    assert raised.value.__suppress_context__
    [line] = lines(capsys)
    assert line["error"] == "KeyError"
    assert "+12135550123" not in json.dumps(line)


def test_our_own_errors_are_clear_sentences_already_and_go_on_as_they_are() -> None:
    def fail(_event: object) -> None:
        raise Unavailable("the table does not answer")

    with pytest.raises(Unavailable, match="the table does not answer"):
        logs.discreet({}, fail)
