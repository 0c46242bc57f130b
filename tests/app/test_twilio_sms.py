"""The Twilio sender over real HTTP."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace
from urllib3.exceptions import ReadTimeoutError

from chalicelib.secrets import TwilioSecret
from chalicelib.tags import status_callback
from chalicelib.twilio_http import LeanHttp
from chalicelib.twilio_sms import LONGEST_VALIDITY_S, TwilioSms
from local.provider import Sandbox
from reminders.errors import Unavailable
from reminders.model import Channel, Outcome, Result
from tests.app.builders import NUMBER, PHONE, PUBLIC_URL, SERVICE, a_text, tags, twilio
from tests.app.conftest import Clock
from tests.builders import NOW


@pytest.mark.parametrize(
    ("outcome", "result", "code", "kept"),
    [
        ("timeout_accepted", Result.UNKNOWN, "timeout", 1),
        ("timeout_lost", Result.UNKNOWN, "timeout", 0),
        ("20500", Result.UNKNOWN, "500", 0),
        ("throttled", Result.REFUSED, "20429", 0),
        ("20003", Result.REFUSED, "20003", 0),
        ("20429", Result.REFUSED, "20429", 0),
        ("14107", Result.REFUSED, "14107", 0),
        ("21211", Result.REFUSED, "21211", 0),
        ("21408", Result.REFUSED, "21408", 0),
        ("21610", Result.REFUSED, "21610", 0),
        ("21611", Result.REFUSED, "21611", 0),
        ("21614", Result.REFUSED, "21614", 0),
        ("30003", Result.ACCEPTED, None, 1),
        ("delivered", Result.ACCEPTED, None, 1),
    ],
)
def test_every_answer_of_twilio_becomes_an_outcome(
    sandbox: Sandbox, outcome: str, result: Result, code: str | None, kept: int
) -> None:
    sandbox.script(Channel.SMS, PHONE, outcome)
    answer = twilio(sandbox).send(a_text(), NOW)
    assert (answer.result, answer.code, len(sandbox.log)) == (result, code, kept)
    assert answer.ref == (sandbox.log[0].ref if result is Result.ACCEPTED else None)


def test_it_goes_on_after_the_connection_was_cut(sandbox: Sandbox) -> None:
    sender = twilio(sandbox)
    sandbox.script(Channel.SMS, PHONE, "timeout_lost", times=2)
    results = [sender.send(a_text(), NOW).result for _ in range(4)]
    assert results == [Result.UNKNOWN, Result.UNKNOWN, Result.ACCEPTED, Result.ACCEPTED]


@pytest.fixture
def nobody() -> str:
    """An address at which nothing listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_where_nothing_listens_nothing_was_sent(sandbox: Sandbox, nobody: str) -> None:
    sender = TwilioSms(TwilioSecret(lambda: sandbox.secret), PUBLIC_URL, api=nobody)
    assert sender.send(a_text(), NOW) == Outcome(result=Result.REFUSED, code="unreachable")


@pytest.fixture
def silent() -> Iterator[str]:
    """Something that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_provider_that_never_answers_is_not_waited_for(silent: str) -> None:
    with pytest.raises(ReadTimeoutError):
        LeanHttp(silent, timeout_s=0.05).request("GET", "https://api.twilio.com/x")


@pytest.mark.parametrize("sender", [SERVICE, NUMBER])
def test_a_text_comes_from_its_clinics_own_number_or_service(sandbox: Sandbox, sender: str) -> None:
    twilio(sandbox).send(a_text(sender=sender), NOW)
    assert sandbox.log[0].sender == sender


def test_without_any_sender_nothing_is_asked_of_twilio(sandbox: Sandbox) -> None:
    answer = twilio(sandbox).send(a_text(sender=None), NOW)
    assert answer == Outcome(result=Result.REFUSED, code="no_sender")
    assert not sandbox.heard


@pytest.mark.parametrize(
    ("left", "validity_s"),
    [
        (timedelta(seconds=-5), 1),
        (timedelta(0), 1),
        (timedelta(seconds=90.9), 90),
        (timedelta(days=3), LONGEST_VALIDITY_S),
    ],
)
def test_twilio_is_told_how_long_a_text_is_of_use(sandbox: Sandbox, left: timedelta, validity_s: int) -> None:
    twilio(sandbox).send(a_text(send_by=NOW + left), NOW)
    assert sandbox.log[0].validity_s == validity_s


def test_the_ids_travel_in_the_callback(sandbox: Sandbox) -> None:
    twilio(sandbox).send(a_text(), NOW)
    assert sandbox.log[0].tags == tags()
    assert sandbox.log[0].callback == status_callback(PUBLIC_URL, tags())


def test_letters_of_all_kinds_arrive_as_they_were(sandbox: Sandbox) -> None:
    body = "¿Mañana & más? 100% +1=2 €\nsí; «ñ» 😀"
    twilio(sandbox).send(a_text(message=replace(a_text().message, body=body)), NOW)
    assert sandbox.log[0].body == body


# --- looking a message up ----------------------------------------------------------------------------------


def test_a_text_whose_answer_was_lost_is_found(sandbox: Sandbox, clock: Clock) -> None:
    sender = twilio(sandbox)
    sandbox.script(Channel.SMS, PHONE, "timeout_accepted")
    sender.send(a_text(), NOW)
    clock.wind(minutes=5)
    found = sender.find(PHONE, tags(), NOW, a_text().message.body)
    assert found == Outcome(result=Result.ACCEPTED, at=NOW, ref=sandbox.log[0].ref)


def test_a_text_twilio_never_got_is_not_found(sandbox: Sandbox) -> None:
    sender = twilio(sandbox)
    sandbox.script(Channel.SMS, PHONE, "timeout_lost")
    sender.send(a_text(), NOW)
    sender.send(a_text(to="+12135550199"), NOW)
    sender.send(a_text(message=replace(a_text().message, body="Something else")), NOW)
    assert sender.find(PHONE, tags(), NOW, a_text().message.body) is None


@pytest.mark.parametrize(("since_s", "found"), [(-600, True), (0, True), (4, True), (6, False), (600, False)])
def test_only_a_text_of_that_time_counts(sandbox: Sandbox, since_s: int, found: bool) -> None:
    sender = twilio(sandbox)
    sender.send(a_text(), NOW)
    answer = sender.find(PHONE, tags(), NOW + timedelta(seconds=since_s), a_text().message.body)
    assert (answer is not None) is found


def test_when_we_no_longer_have_the_body_any_text_of_that_time_is_taken_for_it(sandbox: Sandbox) -> None:
    sender = twilio(sandbox)
    sender.send(a_text(), NOW)
    assert sender.find(PHONE, tags(), NOW, None) is not None


def test_a_text_that_failed_is_found_with_its_code(sandbox: Sandbox, clock: Clock) -> None:
    sender = twilio(sandbox)
    sandbox.script(Channel.SMS, PHONE, "30005")
    sender.send(a_text(), NOW)
    sandbox.receipts_due(clock.wind(minutes=1))
    found = sender.find(PHONE, tags(), NOW, a_text().message.body)
    assert found
    assert found.code == "30005"


@pytest.mark.parametrize("secret", ["{}", '{"account_sid": "AC0", "auth_token": "wrong"}'])
def test_a_look_up_that_fails_says_so_rather_than_nothing(sandbox: Sandbox, secret: str) -> None:
    sender = twilio(sandbox, secret=TwilioSecret(lambda: secret))
    with pytest.raises(Unavailable):
        sender.find(PHONE, tags(), NOW, "x")


def test_a_look_up_where_nothing_listens_says_so(sandbox: Sandbox, nobody: str) -> None:
    sender = TwilioSms(TwilioSecret(lambda: sandbox.secret), PUBLIC_URL, api=nobody)
    with pytest.raises(Unavailable):
        sender.find(PHONE, tags(), NOW, "x")


# --- credentials -------------------------------------------------------------------------------------------


def test_a_rotated_secret_is_taken_up_at_the_first_refusal(sandbox: Sandbox) -> None:
    wrong = json.dumps({**json.loads(sandbox.secret), "auth_token": "old"})
    held, seconds = [wrong], [0.0]
    sender = twilio(sandbox, secret=TwilioSecret(lambda: held[0], clock=lambda: seconds[0]))
    assert sender.send(a_text(), NOW).code == "20003"
    held[0], seconds[0] = sandbox.secret, 60.0
    assert sender.send(a_text(), NOW).result is Result.ACCEPTED


def _gone() -> str:
    raise Unavailable("the secret cannot be read")


@pytest.mark.parametrize(("secret", "code"), [(_gone, "no_credentials"), (lambda: "not JSON", "bad_credentials")])
def test_without_credentials_nothing_was_sent(sandbox: Sandbox, secret: object, code: str) -> None:
    answer = twilio(sandbox, secret=TwilioSecret(secret)).send(a_text(), NOW)  # type: ignore[arg-type]  # a table
    assert answer == Outcome(result=Result.REFUSED, code=code)


# --- what must not happen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["delivered", "21211", "timeout_lost", "20500"])
def test_neither_secret_nor_patient_is_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, outcome: str) -> None:
    caplog.set_level(logging.INFO)
    sandbox.script(Channel.SMS, PHONE, outcome)
    sender = twilio(sandbox)
    sender.send(a_text(), NOW)
    sender.find(PHONE, tags(), NOW, a_text().message.body)
    assert [record.getMessage() for record in caplog.records] == []


def test_only_sending_imports_twilios_client() -> None:
    program = "import sys, chalicelib.routes.webhooks; print('twilio.rest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603  # our own words
    assert done.stdout.strip() == "False"
