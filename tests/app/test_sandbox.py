"""The sandbox provider: what tests, demo and rehearsal take for Twilio and SES."""

from __future__ import annotations

import base64
import hashlib
import hmac
import subprocess
import sys
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from chalicelib.ses_email import SesEmail, ses_client
from chalicelib.tags import status_callback
from local.provider import ACCOUNT_SID, AUTH_TOKEN, Sandbox
from local.provider_messages import REFUSALS
from reminders.delivery import Advice, advise
from reminders.model import Channel, Result
from tests.app.builders import EMAIL, PHONE, PUBLIC_URL, SERVICE, a_text, an_email, tags, twilio
from tests.app.conftest import Clock
from tests.builders import NOW

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
LOGIN = urllib3.make_headers(basic_auth=f"{ACCOUNT_SID}:{AUTH_TOKEN}")
GOOD = {"To": PHONE, "From": "+12135550100", "Body": "Hello"}


def post(sandbox: Sandbox, form: dict[str, str], path: str = f"{MESSAGES}.json", login: dict[str, str] = LOGIN) -> Any:
    return urllib3.request("POST", sandbox.url + path, body=urlencode(form), headers=login)


def get(sandbox: Sandbox, path: str) -> Any:
    return urllib3.request("GET", sandbox.url + path, headers=LOGIN)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21211),
        ({"To": "12135550123"}, 21211),
        ({"To": "+0123456789"}, 21211),
        ({"From": ""}, 21603),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"ValidityPeriod": "0"}, 90007),
        ({"ValidityPeriod": "36001"}, 90007),
        ({"ValidityPeriod": "soon"}, 90007),
    ],
)
def test_a_form_that_twilio_would_refuse_is_refused(sandbox: Sandbox, change: dict[str, str], code: int) -> None:
    answer = post(sandbox, GOOD | change)
    assert (answer.json()["code"], answer.json()["status"]) == (code, answer.status)
    assert answer.status == REFUSALS[str(code)][0]
    assert not sandbox.log


@pytest.mark.parametrize("login", [{}, {"Authorization": "Basic QUM6eA=="}, {"Authorization": "Bearer x"}])
def test_nobody_gets_in_without_the_token(sandbox: Sandbox, login: dict[str, str]) -> None:
    assert post(sandbox, GOOD, login=login).status == 401
    assert urllib3.request("GET", f"{sandbox.url}{MESSAGES}.json", headers=login).status == 401


@pytest.mark.parametrize(
    "path", ["/", "/2010-04-01/Accounts/AC0/Messages.json", f"{MESSAGES}/SM9.json", f"{MESSAGES}.xml"]
)
def test_elsewhere_there_is_nothing(sandbox: Sandbox, path: str) -> None:
    assert get(sandbox, path).status == 404


def test_an_unsigned_email_is_refused(sandbox: Sandbox) -> None:
    answer = urllib3.request("POST", f"{sandbox.url}/v2/email/outbound-emails", json={})
    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")


def test_the_list_comes_newest_first_in_pages(sandbox: Sandbox, clock: Clock) -> None:
    for body in ("one", "two", "three"):
        post(sandbox, GOOD | {"Body": body})
        post(sandbox, GOOD | {"Body": body, "To": "+12135550199"})
        clock.wind(minutes=1)
    page = get(sandbox, f"{MESSAGES}.json?To=%2B12135550123&PageSize=2").json()
    assert [message["body"] for message in page["messages"]] == ["three", "two"]
    rest = get(sandbox, page["next_page_uri"]).json()
    assert [message["body"] for message in rest["messages"]] == ["one"]
    assert rest["next_page_uri"] is None
    assert get(sandbox, rest["previous_page_uri"]).json()["messages"] == page["messages"]


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        ("DateSent%3E=2026-03-02T17:01:00Z", ["two", "one"]),
        ("DateSent%3E=2026-03-03", []),
        ("DateSent%3C=2026-03-02T17:00:30Z", ["zero"]),
        ("From=%2B12135550100", ["two", "one", "zero"]),
        ("From=%2B12135550177", []),
    ],
)
def test_the_list_can_be_narrowed(sandbox: Sandbox, clock: Clock, query: str, bodies: list[str]) -> None:
    for body in ("zero", "one", "two"):
        post(sandbox, GOOD | {"Body": body})
        clock.wind(minutes=1)
    assert [message["body"] for message in get(sandbox, f"{MESSAGES}.json?{query}").json()["messages"]] == bodies


def test_one_message_can_be_fetched_and_its_status_follows_its_receipts(sandbox: Sandbox, clock: Clock) -> None:
    sid = post(sandbox, GOOD).json()["sid"]
    told = []
    for _ in range(3):
        told.append(get(sandbox, f"{MESSAGES}/{sid}.json").json()["status"])
        sandbox.receipts_due(clock.wind(seconds=1))
    assert told == ["queued", "sent", "delivered"]


# --- scripts ------------------------------------------------------------------------------------------------


def test_a_script_holds_for_its_address_channel_and_number_of_sends(sandbox: Sandbox) -> None:
    sandbox.script(Channel.SMS, PHONE, "21610", times=2)
    sandbox.script(Channel.SMS, PHONE, "throttled")
    sender = twilio(sandbox)
    assert sender.send(a_text(to="+12135550199"), NOW).code is None
    assert [sender.send(a_text(), NOW).code for _ in range(4)] == ["21610", "21610", "20429", None]
    assert SesEmail(ses_client(sandbox.url), "x", "h@example.com").send(an_email(), NOW).result is Result.ACCEPTED


@pytest.mark.parametrize("code", ["20003", "20429", "14107", "21211", "21408", "21610", "21611", "21614"])
def test_every_refusal_of_the_contract_has_advice(code: str) -> None:
    assert code in REFUSALS
    assert advise(code) is not Advice.OTHER


# --- receipts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "receipts"),
    [
        ("delivered", [("sent", None), ("delivered", None)]),
        ("timeout_accepted", [("sent", None), ("delivered", None)]),
        ("30001", [("failed", "30001")]),
        ("30003", [("sent", None), ("undelivered", "30003")]),
        ("30007", [("sent", None), ("undelivered", "30007")]),
        ("30941", [("sent", None), ("undelivered", "30941")]),
        ("timeout_lost", []),
        ("21610", []),
    ],
)
def test_receipts_follow_in_order_each_once(
    sandbox: Sandbox, clock: Clock, outcome: str, receipts: list[tuple[str, str | None]]
) -> None:
    sandbox.script(Channel.SMS, PHONE, outcome)
    twilio(sandbox).send(a_text(), NOW)
    assert not sandbox.receipts_due(NOW)
    posts = sandbox.receipts_due(clock.wind(minutes=1))
    assert [(post.form["MessageStatus"], post.form.get("ErrorCode")) for post in posts] == receipts
    assert {(post.url, post.ref) for post in posts} <= {(status_callback(PUBLIC_URL, tags()), f"SM{1:032x}")}
    assert sandbox.next_receipt_at() is None
    assert not sandbox.receipts_due(NOW + timedelta(days=1))


def test_receipts_of_many_messages_come_in_the_order_of_the_clock(sandbox: Sandbox, clock: Clock) -> None:
    sender = twilio(sandbox)
    sender.send(a_text(), NOW)
    clock.wind(seconds=0.5)
    sender.send(a_text(to="+12135550199"), NOW)
    assert sandbox.next_receipt_at() == NOW + timedelta(seconds=1)
    posts = sandbox.receipts_due(clock.wind(minutes=1))
    assert [(post.form["To"], post.status) for post in posts] == [
        (PHONE, "sent"),
        ("+12135550199", "sent"),
        (PHONE, "delivered"),
        ("+12135550199", "delivered"),
    ]


def test_receipts_are_signed_as_twilio_says(sandbox: Sandbox, clock: Clock) -> None:
    """https://www.twilio.com/docs/usage/security: the URL, then every name and value, sorted by name, under SHA-1."""
    twilio(sandbox).send(a_text(sender=SERVICE), NOW)
    for receipt in sandbox.receipts_due(clock.wind(minutes=1)):
        said = receipt.url + "".join(name + receipt.form[name] for name in sorted(receipt.form))
        signature = base64.b64encode(hmac.new(AUTH_TOKEN.encode(), said.encode(), hashlib.sha1).digest()).decode()
        assert receipt.headers["X-Twilio-Signature"] == signature


def test_without_a_callback_there_is_no_receipt_but_the_status_moves(sandbox: Sandbox, clock: Clock) -> None:
    post(sandbox, GOOD)
    assert not sandbox.receipts_due(clock.wind(minutes=1))
    assert sandbox.log[0].status == "delivered"


def test_the_log_has_what_was_accepted_as_it_was_sent(sandbox: Sandbox) -> None:
    twilio(sandbox).send(a_text(), NOW)
    SesEmail(ses_client(sandbox.url), "x", "h@example.com").send(an_email(), NOW)
    text, email = sandbox.log
    assert (text.at, text.channel, text.to, text.body) == (NOW, Channel.SMS, PHONE, a_text().message.body)
    assert (email.channel, email.to, email.subject) == (Channel.EMAIL, EMAIL, an_email().message.subject)
    assert (email.body, email.html) == (an_email().message.body.strip(), an_email().message.html)
    assert email.tags == tags(Channel.EMAIL)


def test_it_runs_in_a_process_of_its_own() -> None:
    with subprocess.Popen([sys.executable, "-m", "local.provider"], stdout=subprocess.PIPE, text=True) as provider:
        assert provider.stdout
        url = provider.stdout.readline().strip()
        answer = urllib3.request("POST", f"{url}{MESSAGES}.json", body=urlencode(GOOD), headers=LOGIN)
        provider.terminate()
    assert answer.status == 201
