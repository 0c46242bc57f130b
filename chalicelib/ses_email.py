"""Email by Amazon SES v2: raw MIME with text, HTML and a calendar file. Its configuration set demands TLS and
publishes what becomes of each email, with our tags, to a topic.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from chalicelib.tags import Tags, escaped
from chalicelib.tags import read as read_tags
from reminders.errors import BadInput, Unavailable
from reminders.model import Channel, Outcome, Outgoing, Receipt, Result

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

# SES wants everything encoded to seven bits (SendEmail, RawMessage).
_SEVEN_BITS = policy.SMTP.clone(cte_type="7bit")
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})


def ses_client(endpoint: str | None = None) -> SESV2Client:
    """A client that tries once: SES has no idempotency key, so a repeated SendEmail may be a second email."""
    once = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    return boto3.client("sesv2", config=once, endpoint_url=endpoint)


class SesEmail:
    """`reminders.ports.Sender` for email. `sender` is for clinics that name none."""

    channel = Channel.EMAIL

    def __init__(self, client: SESV2Client, configuration_set: str, sender: str) -> None:
        self._client = client
        self._configuration_set = configuration_set
        self._sender = sender

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """Hand over one email. Never raises for what SES or the network does: that is in the Outcome."""
        sender = outgoing.sender or self._sender
        try:
            raw = mime(outgoing, sender, now)
        except (ValueError, MessageError):  # an address or a subject that no header can hold
            return Outcome(result=Result.REFUSED, code="unwritable")
        try:
            answer = self._client.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": [outgoing.to]},
                Content={"Raw": {"Data": raw}},
                EmailTags=[{"Name": name, "Value": value} for name, value in escaped(outgoing.tags).items()],
                ConfigurationSetName=self._configuration_set,
            )
        except ClientError as error:
            return _refusal(error)
        except ConnectionError:  # never got through to SES
            return Outcome(result=Result.REFUSED, code="unreachable")
        except HTTPClientError:
            return Outcome(result=Result.UNKNOWN, code="timeout")
        except BotoCoreError:  # not even a request: no credentials, no region
            return Outcome(result=Result.REFUSED, code="no_credentials")
        return Outcome(result=Result.ACCEPTED, at=now, ref=answer["MessageId"])

    def find(
        self,
        outgoing_to: str,  # noqa: ARG002  # the port's; here nobody can be asked
        tags: dict[str, str],  # noqa: ARG002  # the same
        since: datetime,  # noqa: ARG002  # the same
        body: str | None,  # noqa: ARG002  # the same
    ) -> Outcome | None:
        """SES cannot be asked what it was given, and None would mean it was not: always raises Unavailable.

        If it did take the email, its Send event settles the question by our tags.
        """
        raise Unavailable("SES does not say what it was given")


def mime(outgoing: Outgoing, sender: str, now: datetime) -> bytes:
    """One email as it travels. Raises ValueError or email.errors.MessageError for what no header can hold."""
    message = outgoing.message
    email = EmailMessage(policy=_SEVEN_BITS)
    email["From"] = sender
    email["To"] = outgoing.to
    email["Subject"] = message.subject or ""
    email["Date"] = format_datetime(now)
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday notice answers it
    if outgoing.unsubscribe:
        email["List-Unsubscribe"] = f"<{outgoing.unsubscribe}>"  # RFC 2369
    email.set_content(message.body)
    if message.html is not None:
        email.add_alternative(message.html, subtype="html")
    if message.calendar is not None:
        method = "CANCEL" if "METHOD:CANCEL" in message.calendar else "PUBLISH"
        parameters = {"method": method}
        email.add_alternative(message.calendar, subtype="calendar", params=parameters)
        email.add_attachment(message.calendar, subtype="calendar", params=parameters, filename="appointment.ics")
    email["Content-Language"] = str(message.language)  # last: an earlier one would move into the first part
    return email.as_bytes()


def _refusal(error: ClientError) -> Outcome:
    """What SES's error answer means. Its words stay out of it: they quote the address."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"]["Code"]
    if status >= 500:
        return Outcome(result=Result.UNKNOWN, code=str(status))
    return Outcome(result=Result.REFUSED, code="throttled" if code in _THROTTLES else code)


# --- events ---------------------------------------------------------------------------------------------
# https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html


class EmailEvent(msgspec.Struct, frozen=True):
    """What became of one email."""

    tags: Tags
    receipt: Receipt
    code: str | None
    ref: str


class _Mail(msgspec.Struct, frozen=True):
    messageId: str
    tags: dict[str, list[str]] = {}


class _Bounce(msgspec.Struct, frozen=True):
    bounceType: str = "Undetermined"


class _Event(msgspec.Struct, frozen=True):
    eventType: str
    mail: _Mail
    bounce: _Bounce = _Bounce()


_Settled = tuple[Receipt, str | None]

_DEAD: _Settled = (Receipt.BOUNCED, "bounced")
_GIVEN_UP: _Settled = (Receipt.UNDELIVERED, "bounced_for_now")
_SETTLED: dict[str, _Settled] = {
    "Send": (Receipt.SENT, None),
    "Delivery": (Receipt.DELIVERED, None),
    "Complaint": (Receipt.COMPLAINED, "complained"),
    "Reject": (Receipt.FAILED, "rejected"),
    "Rendering Failure": (Receipt.FAILED, "rejected"),
}


def read_event(message: str) -> EmailEvent | None:
    """One event from the topic, as the JSON text SNS carries; None if it settles nothing or is not about ours.

    A bounce is a dead address only when SES calls it permanent; after any other it has given up trying.
    A delay settles nothing: SES goes on trying. Raises BadInput.
    """
    try:
        event = msgspec.json.decode(message, type=_Event)
    except msgspec.MsgspecError:
        raise BadInput("email event", "is not what SES publishes") from None
    settled = _SETTLED.get(event.eventType)
    if event.eventType == "Bounce":
        settled = _DEAD if event.bounce.bounceType == "Permanent" else _GIVEN_UP
    tags = read_tags(_single(event.mail.tags))
    if settled is None or tags is None:
        return None
    return EmailEvent(tags, *settled, event.mail.messageId)


def _single(tags: Mapping[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in tags.items() if values}
