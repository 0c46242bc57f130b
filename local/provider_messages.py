"""What the sandbox provider took, what it refuses, and the receipts it writes, in the shapes of Twilio and SES."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import RequestValidator

from chalicelib import tags as spelling
from reminders.model import Channel

ACCOUNT_SID = "AC" + "0" * 31 + "1"
AUTH_TOKEN = "sandbox"  # noqa: S105  # opens nothing but this sandbox

# Twilio's words (docs/api/errors) and HTTP status for what it refuses at create.
REFUSALS: dict[str, tuple[int, str]] = {
    "20003": (401, "Authenticate"),
    "20500": (500, "Internal Server Error"),
    "20404": (404, "The requested resource was not found"),
    "20429": (429, "Too Many Requests"),
    "14107": (400, "SMS send rate limit exceeded"),
    "21211": (400, "The 'To' number is not a valid phone number."),
    "21408": (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number"),
    "21602": (400, "Message body is required."),
    "21603": (400, "A 'From' phone number is required."),
    "21610": (400, "Attempt to send to unsubscribed recipient"),
    "21611": (429, "This 'From' number has exceeded the maximum number of queued messages"),
    "21614": (400, "'To' number is not a valid mobile number"),
    "21617": (400, "The concatenated message body exceeds the 1600 character limit"),
    "90007": (400, "Invalid validity period value"),
}
# SES's exceptions at SendEmail, and their HTTP status.
EMAIL_REFUSALS: dict[str, int] = {
    "TooManyRequestsException": 429,
    "ThrottlingException": 400,
    "AccountSuspendedException": 400,
    "LimitExceededException": 400,
    "MailFromDomainNotVerifiedException": 400,
    "MessageRejected": 400,
    "SendingPausedException": 400,
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
}
FAILED = frozenset({"30001", "30002", "30022"})  # never left Twilio; the other 30xxx come back from the carrier


@dataclass(frozen=True)
class Refusal:
    """The provider says no."""

    code: str


@dataclass(frozen=True)
class Hangup:
    """The provider closes the connection without an answer."""


@dataclass
class Accepted:
    """One message the provider took. `status` and `error_code` are as its receipts have told so far."""

    at: datetime
    channel: Channel
    to: str
    sender: str
    body: str
    ref: str
    tags: dict[str, str] = field(default_factory=dict)
    subject: str | None = None
    html: str | None = None
    raw: bytes = b""  # the email as it was sent
    callback: str | None = None
    validity_s: int | None = None
    status: str = "queued"
    error_code: str | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Post:
    """One receipt to be delivered: a form to a URL (sms), or an event on the topic (email)."""

    at: datetime
    channel: Channel
    ref: str
    tags: dict[str, str]
    status: str
    code: str | None = None
    url: str = ""
    form: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    event: str = ""


def callback(message: Accepted, at: datetime, status: str, code: str | None) -> Post:
    """A status callback, signed as Twilio signs."""
    url = message.callback or ""
    form = {
        "AccountSid": ACCOUNT_SID,
        "ApiVersion": "2010-04-01",
        "From": message.sender,
        "MessageSid": message.ref,
        "MessageStatus": status,
        "SmsSid": message.ref,
        "SmsStatus": status,
        "To": message.to,
    }
    if code:
        form["ErrorCode"] = code
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Twilio-Signature": RequestValidator(AUTH_TOKEN).compute_signature(url, form),
    }
    return Post(at, Channel.SMS, message.ref, message.tags, status, code, url=url, form=form, headers=headers)


def event(message: Accepted, at: datetime, status: str) -> Post:
    """An event as SES publishes it to the topic."""
    stamp = _stamp(at)
    recipients = [{"emailAddress": message.to}]
    kinds: dict[str, tuple[str, str, dict[str, object]]] = {
        "sent": ("Send", "send", {}),
        "delivered": ("Delivery", "delivery", {"timestamp": stamp, "recipients": [message.to]}),
        "bounced": (
            "Bounce",
            "bounce",
            {
                "timestamp": stamp,
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": recipients,
            },
        ),
        "complained": ("Complaint", "complaint", {"timestamp": stamp, "complainedRecipients": recipients}),
    }
    kind, name, facts = kinds[status]
    spelled = {tag: [value] for tag, value in spelling.escaped(message.tags).items()}
    mail = {
        "timestamp": _stamp(message.at),
        "messageId": message.ref,
        "source": message.sender,
        "destination": [message.to],
        "tags": {"ses:operation": ["SendEmail"], **spelled},
    }
    told = json.dumps({"eventType": kind, "mail": mail, name: facts})
    code = status if status in ("bounced", "complained") else None
    return Post(at, Channel.EMAIL, message.ref, message.tags, status, code, event=told)


def tags_of(url: str | None) -> dict[str, str]:
    """The ids in a status callback's query."""
    query = parse_qsl(urlsplit(url or "").query)
    return {name: spelling.unescape(value) for name, value in query}


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
