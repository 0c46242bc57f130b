"""What Twilio tells of a text: signed, forged, twice, out of order, about others, and in the sandbox's own words."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import boto3
import pytest
from chalice.test import Client
from moto import mock_aws
from twilio.request_validator import RequestValidator

from app import app
from chalicelib import wiring
from chalicelib.dynamo import DynamoStore
from chalicelib.secrets import TwilioSecret
from chalicelib.settings import Settings
from chalicelib.tags import escaped, status_callback
from local.provider import AUTH_TOKEN, Sandbox
from local.queue import LocalQueue
from local.resources import create_table
from reminders.errors import Unavailable
from reminders.model import Channel, Entry, Receipt, State
from tests.app.builders import PHONE, PUBLIC_URL, a_text, tags, twilio
from tests.app.conftest import Clock
from tests.builders import NOW, a_session
from tests.contract.builders import HOUR, a_claim, adopted, an_answer, ledger_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SID = "SM" + "0" * 31 + "1"
KEY = tags()["entry"]


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-west-2")


@pytest.fixture
def store(dynamodb: DynamoDBClient, sandbox: Sandbox, clock: Clock) -> Iterator[DynamoStore]:
    """With one text that was claimed for session s1 and accepted by Twilio as SID; `wiring` works on it."""
    create_table(dynamodb, "reminders")
    kept = DynamoStore(dynamodb, "reminders", 3)
    claim = a_claim(adopted(kept, a_session()))
    assert not kept.commit([claim])
    kept.record([an_answer(claim, ref=SID)])
    house = wiring.House(
        store=kept,
        queue=LocalQueue(),
        senders={Channel.SMS: twilio(sandbox)},
        clock=clock,
        settings=Settings("reminders", "https://queue", PUBLIC_URL, "twilio", "reminders", "clinic@example.org"),
        secrets=TwilioSecret(lambda: sandbox.secret),
    )
    wiring.use(house)
    yield kept
    wiring.use(None)
    dynamodb.delete_table(TableName="reminders")


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(app) as opened:
        yield opened


def entry_of(store: DynamoStore) -> Entry:
    return ledger_of(store).entries[KEY]


def a_form(status: str = "delivered", **changes: str) -> dict[str, str]:
    form = {"MessageSid": SID, "MessageStatus": status, "To": PHONE, "From": "+12135550100", "AccountSid": "AC0"}
    return form | changes


def signed(url: str, form: dict[str, str], token: str = AUTH_TOKEN) -> str:
    signature: str = RequestValidator(token).compute_signature(url, form)
    return signature


def tell(
    client: Client, form: dict[str, str], given: dict[str, str] | None = None, signature: str | None = None
) -> int:
    """Post a status callback as API Gateway would hand it over; returns the HTTP status."""
    url = status_callback(PUBLIC_URL, tags() if given is None else given)
    return post(client, url, urlencode(form), signed(url, form) if signature is None else signature)


def post(
    client: Client, url: str, body: str | bytes, signature: str, kind: str = "application/x-www-form-urlencoded"
) -> int:
    headers = {"Content-Type": kind, "X-Twilio-Signature": signature}
    raw = body.encode() if isinstance(body, str) else body
    return client.http.post(url.removeprefix(PUBLIC_URL), headers=headers, body=raw).status_code


# --- believed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "receipt"),
    [
        ("accepted", Receipt.QUEUED),
        ("scheduled", Receipt.QUEUED),
        ("queued", Receipt.QUEUED),
        ("sending", Receipt.QUEUED),
        ("sent", Receipt.SENT),
        ("delivered", Receipt.DELIVERED),
        ("read", Receipt.DELIVERED),
        ("undelivered", Receipt.UNDELIVERED),
        ("failed", Receipt.FAILED),
        ("canceled", Receipt.FAILED),
    ],
)
def test_every_status_becomes_a_receipt(store: DynamoStore, client: Client, status: str, receipt: Receipt) -> None:
    assert tell(client, a_form(status)) == 204
    assert entry_of(store).receipt is receipt


def test_a_failure_keeps_its_code_and_makes_the_ledger_due_now(store: DynamoStore, client: Client) -> None:
    assert tell(client, a_form("undelivered", ErrorCode="30003")) == 204
    assert (entry_of(store).receipt, entry_of(store).code) == (Receipt.UNDELIVERED, "30003")
    assert ledger_of(store).next_due_at == NOW


def test_good_news_wakes_nobody(store: DynamoStore, client: Client) -> None:
    assert tell(client, a_form("delivered")) == 204
    assert ledger_of(store).next_due_at == NOW + 24 * HOUR


@pytest.mark.parametrize(
    ("order", "stands"),
    [
        (("delivered", "sent", "queued"), Receipt.DELIVERED),
        (("sent", "sent", "sent"), Receipt.SENT),
        (("undelivered", "sent"), Receipt.UNDELIVERED),
        (("delivered", "delivered"), Receipt.DELIVERED),
    ],
)
def test_twice_or_out_of_order_states_only_move_forward(
    store: DynamoStore, client: Client, order: tuple[str, ...], stands: Receipt
) -> None:
    assert [tell(client, a_form(status)) for status in order] == [204] * len(order)
    assert entry_of(store).receipt is stands


def test_blank_fields_are_part_of_what_is_signed(store: DynamoStore, client: Client) -> None:
    assert tell(client, a_form(ErrorMessage="", MessagingServiceSid="", RawDlrDoneDate="")) == 204
    assert entry_of(store).receipt is Receipt.DELIVERED


def test_letters_of_all_kinds_are_part_of_what_is_signed(store: DynamoStore, client: Client) -> None:
    assert tell(client, a_form(ChannelPrefix="ñ + & = % 😀", Padding="x" * 20_000)) == 204
    assert entry_of(store).receipt is Receipt.DELIVERED


def test_the_order_of_the_query_does_not_matter(store: DynamoStore, client: Client) -> None:
    form = a_form()
    query = urlencode(list(reversed(escaped(tags()).items())))
    signature = signed(status_callback(PUBLIC_URL, tags()), form)
    assert post(client, f"{PUBLIC_URL}/webhooks/twilio/status?{query}", urlencode(form), signature) == 204
    assert entry_of(store).receipt is Receipt.DELIVERED


@pytest.mark.parametrize(
    ("outcome", "receipt", "code"),
    [
        ("delivered", Receipt.DELIVERED, None),
        ("timeout_accepted", Receipt.DELIVERED, None),
        ("30003", Receipt.UNDELIVERED, "30003"),
        ("30001", Receipt.FAILED, "30001"),
    ],
)
def test_what_the_sandbox_tells_is_believed(
    store: DynamoStore, client: Client, sandbox: Sandbox, clock: Clock, outcome: str, receipt: Receipt, code: str | None
) -> None:
    sandbox.script(Channel.SMS, PHONE, outcome)
    twilio(sandbox).send(a_text(), NOW)
    for told in sandbox.receipts_due(clock.wind(minutes=1)):
        assert post(client, told.url, urlencode(told.form), told.headers["X-Twilio-Signature"]) == 204
    assert (entry_of(store).state, entry_of(store).receipt, entry_of(store).code) == (State.SENT, receipt, code)


# --- refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "x",
        "é",
        signed(status_callback(PUBLIC_URL, tags()), a_form(), token="another"),
        signed(status_callback(PUBLIC_URL, tags()), a_form("failed")),
        signed(status_callback(PUBLIC_URL, tags() | {"patient": "p2"}), a_form()),
        signed(status_callback("http://reminders.example/api", tags()), a_form()),
        signed(status_callback(PUBLIC_URL, {}), a_form()),
    ],
)
def test_what_twilio_did_not_sign_is_refused(store: DynamoStore, client: Client, signature: str) -> None:
    assert tell(client, a_form(), signature=signature) == 403
    assert entry_of(store).receipt is None


def test_a_request_without_a_signature_is_refused(store: DynamoStore, client: Client) -> None:
    path = status_callback("", tags())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.http.post(path, headers=headers, body=urlencode(a_form()).encode()).status_code == 403
    assert client.http.post(path, headers=headers).status_code == 403
    assert entry_of(store).receipt is None


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join(b"f%d=" % number for number in range(2000)), b""])
def test_a_body_that_is_no_form_is_refused(store: DynamoStore, client: Client, body: bytes) -> None:
    assert post(client, status_callback(PUBLIC_URL, tags()), body, "x") == 403
    assert entry_of(store).receipt is None


def test_only_forms_are_taken(store: DynamoStore, client: Client) -> None:
    url = status_callback(PUBLIC_URL, tags())
    assert post(client, url, "{}", signed(url, {}), kind="application/json") == 415
    assert entry_of(store).receipt is None


# --- left alone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "given"),
    [
        ({"MessageStatus": "receiving"}, {}),
        ({"MessageStatus": ""}, {}),
        ({"MessageSid": ""}, {}),
        ({"MessageSid": 'SM","x":"'}, {}),
        ({}, {"clinic": "elsewhere"}),
        ({}, {"patient": "p9"}),
        ({}, {"patient": "p 1#"}),
        ({}, {"session": "s9"}),
        ({}, {"entry": "day_before|20260309T170000Z|sms"}),
        ({}, {"entry": "nonsense"}),
        ({}, {"attempt": "one"}),
        ({"MessageSid": "SM" + "f" * 32}, {}),
    ],
)
def test_what_is_not_about_our_text_changes_nothing(
    store: DynamoStore, client: Client, change: dict[str, str], given: dict[str, str]
) -> None:
    before = ledger_of(store)
    assert tell(client, a_form("failed") | change, tags() | given) == 204
    assert ledger_of(store) == before


def test_a_text_without_ids_is_left_alone(store: DynamoStore, client: Client) -> None:
    assert tell(client, a_form("failed"), {}) == 204
    assert entry_of(store).receipt is None


@pytest.mark.parametrize("code", ["", "0", "abc", "30003; DROP", "1234567"])
def test_a_code_that_is_none_is_left_out(store: DynamoStore, client: Client, code: str) -> None:
    assert tell(client, a_form("failed", ErrorCode=code)) == 204
    assert (entry_of(store).receipt, entry_of(store).code) == (Receipt.FAILED, None)


# --- when we are at fault --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("store")
def test_a_secret_that_cannot_be_read_is_our_fault(client: Client) -> None:
    def gone() -> str:
        raise Unavailable("the secret cannot be read")

    house = wiring.current()
    wiring.use(replace(house, secrets=TwilioSecret(gone)))
    assert tell(client, a_form()) == 503


@pytest.mark.usefixtures("store")
def test_nothing_of_the_form_is_logged(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    tell(client, a_form("undelivered", ErrorCode="30003"))
    tell(client, a_form(), signature="forged")
    told = " ".join(record.getMessage() for record in caplog.records)
    assert PHONE not in told
    assert AUTH_TOKEN not in told
