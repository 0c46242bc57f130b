"""The SES sender over real HTTP, the email it writes, and the events that come back."""

from __future__ import annotations

import json
import logging
import socket
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from msgspec.structs import replace

from chalicelib.ses_email import EmailEvent, SesEmail, mime, read_event, ses_client
from chalicelib.tags import Tags, escaped
from local.provider import Sandbox
from reminders.errors import BadInput, Unavailable
from reminders.model import Channel, Outcome, Outgoing, Receipt, Result
from tests.app.builders import EMAIL, an_email, tags
from tests.app.conftest import Clock
from tests.builders import NOW

SENDER = "Harbor Clinic <hello@harbor.example>"


def ses(sandbox: Sandbox) -> SesEmail:
    return SesEmail(ses_client(sandbox.url), "reminders", SENDER)


def written(outgoing: Outgoing) -> EmailMessage:
    message = message_from_bytes(mime(outgoing, SENDER, NOW), policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part
    return str(part.get_content())


# --- sending -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "result", "code", "kept"),
    [
        ("timeout_accepted", Result.UNKNOWN, "timeout", 1),
        ("timeout_lost", Result.UNKNOWN, "timeout", 0),
        ("throttled", Result.REFUSED, "throttled", 0),
        ("bounced", Result.ACCEPTED, None, 1),
        ("complained", Result.ACCEPTED, None, 1),
        ("delivered", Result.ACCEPTED, None, 1),
    ],
)
def test_every_answer_of_ses_becomes_an_outcome_at_the_first_try(
    sandbox: Sandbox, outcome: str, result: Result, code: str | None, kept: int
) -> None:
    sandbox.script(Channel.EMAIL, EMAIL, outcome)
    answer = ses(sandbox).send(an_email(), NOW)
    assert (answer.result, answer.code, len(sandbox.log)) == (result, code, kept)
    assert len(sandbox.heard) == 1


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("InternalFailure", Outcome(result=Result.UNKNOWN, code="500")),
        ("ServiceUnavailable", Outcome(result=Result.UNKNOWN, code="503")),
        ("ThrottlingException", Outcome(result=Result.REFUSED, code="throttled")),
        ("MessageRejected", Outcome(result=Result.REFUSED, code="MessageRejected")),
        ("SendingPausedException", Outcome(result=Result.REFUSED, code="SendingPausedException")),
    ],
)
def test_a_refusal_of_ses_keeps_its_name(sandbox: Sandbox, kind: str, outcome: Outcome) -> None:
    sandbox.script(Channel.EMAIL, EMAIL, kind)
    assert ses(sandbox).send(an_email(), NOW) == outcome
    assert len(sandbox.heard) == 1


def test_where_nothing_listens_nothing_was_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    answer = SesEmail(ses_client(address), "reminders", SENDER).send(an_email(), NOW)
    assert answer == Outcome(result=Result.REFUSED, code="unreachable")


def test_a_provider_that_never_answers_leaves_it_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        impatient = Config(read_timeout=0.05, retries={"total_max_attempts": 1})
        client = boto3.client("sesv2", config=impatient, endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        answer = SesEmail(client, "reminders", SENDER).send(an_email(), NOW)
    assert answer == Outcome(result=Result.UNKNOWN, code="timeout")


def test_without_credentials_nothing_was_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    assert ses(sandbox).send(an_email(), NOW) == Outcome(result=Result.REFUSED, code="no_credentials")
    assert not sandbox.heard


@mock_aws
def test_it_reaches_the_sandbox_from_inside_an_embedded_aws(sandbox: Sandbox) -> None:
    assert ses(sandbox).send(an_email(), NOW).result is Result.ACCEPTED
    assert len(sandbox.log) == 1


def test_ses_cannot_be_asked_and_never_says_no(sandbox: Sandbox) -> None:
    with pytest.raises(Unavailable):
        ses(sandbox).find(EMAIL, tags(Channel.EMAIL), NOW, "x")


def test_what_is_asked_of_ses(sandbox: Sandbox) -> None:
    ses(sandbox).send(an_email(sender="care@harbor.example"), NOW)
    asked = json.loads(sandbox.heard[0][2])
    assert asked["FromEmailAddress"] == "care@harbor.example"
    assert asked["Destination"] == {"ToAddresses": [EMAIL]}
    assert asked["ConfigurationSetName"] == "reminders"
    assert {tag["Name"]: tag["Value"] for tag in asked["EmailTags"]} == escaped(tags(Channel.EMAIL))
    assert sandbox.log[0].tags == tags(Channel.EMAIL)


@pytest.mark.parametrize("outcome", ["delivered", "throttled", "timeout_lost"])
def test_neither_address_nor_body_is_logged(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, outcome: str) -> None:
    caplog.set_level(logging.INFO)
    sandbox.script(Channel.EMAIL, EMAIL, outcome)
    ses(sandbox).send(an_email(), NOW)
    told = " ".join(record.getMessage() for record in caplog.records)
    assert EMAIL not in told
    assert "cita" not in told


# --- the email ---------------------------------------------------------------------------------------------


def test_an_email_has_text_html_and_a_calendar_file() -> None:
    message = written(an_email())
    assert message.get_content_type() == "multipart/mixed"
    alternatives = message.get_payload(0)
    assert isinstance(alternatives, EmailMessage)
    kinds = [part.get_content_type() for part in alternatives.iter_parts()]
    assert kinds == ["text/plain", "text/html", "text/calendar"]
    assert text_of(message, "plain").splitlines() == an_email().message.body.splitlines()
    assert text_of(message, "html").strip() == an_email().message.html
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "appointment.ics"
    assert attached.get_content_disposition() == "attachment"


def test_its_headers() -> None:
    message = written(an_email(unsubscribe="https://reminders.example/p/t0k3n"))
    assert message["From"] == SENDER
    assert message["To"] == EMAIL
    assert message["Subject"] == "Harbor Clinic: su cita mañana"
    assert message["Date"] == "Mon, 02 Mar 2026 17:00:00 +0000"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "es"
    assert message["List-Unsubscribe"] == "<https://reminders.example/p/t0k3n>"
    assert written(an_email())["List-Unsubscribe"] is None


@pytest.mark.parametrize("method", ["PUBLISH", "CANCEL"])
def test_the_calendars_method_stands_in_its_header_too(method: str) -> None:
    calendar = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nEND:VCALENDAR\r\n"
    message = written(an_email(message=replace(an_email().message, calendar=calendar)))
    calendars = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert [part.get_param("method") for part in calendars] == [method, method]
    assert all(part.get_content().splitlines() == calendar.splitlines() for part in calendars)


@pytest.mark.parametrize(
    ("without", "kind"),
    [({"calendar": None}, "multipart/alternative"), ({"calendar": None, "html": None}, "text/plain")],
)
def test_what_is_not_there_leaves_no_empty_part(without: dict[str, Any], kind: str) -> None:
    assert written(an_email(message=replace(an_email().message, **without))).get_content_type() == kind


@given(body=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=1200))
def test_whatever_the_body_its_lines_are_short_and_of_seven_bits(body: str) -> None:
    raw = mime(an_email(message=replace(an_email().message, body=body, html=f"<p>{body}</p>")), SENDER, NOW)
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) < 998
    assert text_of(message_from_bytes(raw, policy=policy.default), "plain").split() == body.split()


@pytest.mark.parametrize(
    "change",
    [
        {"to": "ana@example.com\r\nBcc: eve@example.com"},
        {"message": replace(an_email().message, subject="Hello\r\nBcc: eve@example.com")},
        {"unsubscribe": "https://x.example>\nBcc: eve@example.com"},
    ],
)
def test_nothing_smuggles_in_a_header(sandbox: Sandbox, change: dict[str, Any]) -> None:
    answer = ses(sandbox).send(an_email(**change), NOW)
    assert answer == Outcome(result=Result.REFUSED, code="unwritable")
    assert not sandbox.heard


# --- events ------------------------------------------------------------------------------------------------


def an_event(kind: str, **facts: Any) -> str:
    mail = {
        "messageId": "0100",
        "destination": [EMAIL],
        "tags": {"ses:configuration-set": ["x"], **{n: [v] for n, v in escaped(tags(Channel.EMAIL)).items()}},
    }
    return json.dumps({"eventType": kind, "mail": mail} | facts)


@pytest.mark.parametrize(
    ("message", "receipt", "code"),
    [
        (an_event("Send", send={}), Receipt.SENT, None),
        (an_event("Delivery", delivery={"recipients": [EMAIL]}), Receipt.DELIVERED, None),
        (an_event("Bounce", bounce={"bounceType": "Permanent"}), Receipt.BOUNCED, "bounced"),
        (an_event("Bounce", bounce={"bounceType": "Transient"}), Receipt.UNDELIVERED, "bounced_for_now"),
        (an_event("Bounce", bounce={"bounceType": "Undetermined"}), Receipt.UNDELIVERED, "bounced_for_now"),
        (an_event("Bounce"), Receipt.UNDELIVERED, "bounced_for_now"),
        (an_event("Complaint", complaint={"complaintFeedbackType": "abuse"}), Receipt.COMPLAINED, "complained"),
        (an_event("Reject", reject={"reason": "Bad content"}), Receipt.FAILED, "rejected"),
    ],
)
def test_an_event_becomes_a_receipt(message: str, receipt: Receipt, code: str | None) -> None:
    assert read_event(message) == EmailEvent(Tags(**tags(Channel.EMAIL)), receipt, code, "0100")


@pytest.mark.parametrize(
    "message", [an_event("DeliveryDelay"), an_event("Open"), an_event("Subscription"), an_event("")]
)
def test_what_settles_nothing_is_left_alone(message: str) -> None:
    assert read_event(message) is None


@pytest.mark.parametrize("given_tags", [{}, {"clinic": []}, {"clinic": ["harbor"]}])
def test_an_email_of_others_is_left_alone(given_tags: dict[str, list[str]]) -> None:
    mail = {"messageId": "0100", "tags": given_tags}
    assert read_event(json.dumps({"eventType": "Send", "mail": mail})) is None


@pytest.mark.parametrize(
    "message", ["", "null", "[]", "{}", '{"eventType": "Send"}', "Successfully validated SNS topic"]
)
def test_what_is_not_an_event_is_bad_input(message: str) -> None:
    with pytest.raises(BadInput, match="email event"):
        read_event(message)


@pytest.mark.parametrize(
    ("outcome", "receipts"),
    [
        ("delivered", [Receipt.SENT, Receipt.DELIVERED]),
        ("timeout_accepted", [Receipt.SENT, Receipt.DELIVERED]),
        ("bounced", [Receipt.SENT, Receipt.BOUNCED]),
        ("complained", [Receipt.SENT, Receipt.DELIVERED, Receipt.COMPLAINED]),
    ],
)
def test_the_sandbox_tells_events_as_ses_does(
    sandbox: Sandbox, clock: Clock, outcome: str, receipts: list[Receipt]
) -> None:
    sandbox.script(Channel.EMAIL, EMAIL, outcome)
    ses(sandbox).send(an_email(), NOW)
    events = [read_event(post.event) for post in sandbox.receipts_due(clock.wind(minutes=1))]
    assert [event.receipt for event in events if event] == receipts
    assert {event.ref for event in events if event} == {sandbox.log[0].ref}
