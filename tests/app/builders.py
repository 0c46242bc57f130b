"""Messages to send, and what tests of the senders and routes start from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.secrets import TwilioSecret
from chalicelib.twilio_sms import TwilioSms
from local.provider import Sandbox
from reminders.model import Channel, Language, Outgoing, Rendered
from tests.builders import NOW

PUBLIC_URL = "https://reminders.example/api"
PHONE = "+12135550123"
EMAIL = "ana@example.com"
SERVICE = "MG" + "0" * 32
NUMBER = "+12135550100"


def tags(channel: Channel = Channel.SMS) -> dict[str, str]:
    return {
        "clinic": "harbor",
        "patient": "p1",
        "session": "s1",
        "entry": f"prepare|20260309T170000Z|{channel}",
        "attempt": "1",
    }


def a_text(**changes: Any) -> Outgoing:
    message = Rendered(
        body="Harbor Clinic: your appointment is on Mon, Mar 9 at 10:00.",
        template="prepare.en.sms",
        version="1",
        language=Language.EN,
        channel=Channel.SMS,
        encoding="GSM-7",
        segments=1,
    )
    outgoing = Outgoing(to=PHONE, sender=NUMBER, message=message, send_by=NOW + timedelta(hours=2), tags=tags())
    return replace(outgoing, **changes)


def an_email(**changes: Any) -> Outgoing:
    message = Rendered(
        body="Hola Ana,\n\nsu cita es mañana a las 10:00.\n",
        template="prepare.es.email",
        version="1",
        language=Language.ES,
        channel=Channel.EMAIL,
        subject="Harbor Clinic: su cita mañana",
        html="<p>Hola Ana,</p><p>su cita es mañana a las 10:00.</p>",
        calendar="BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:PUBLISH\r\nEND:VCALENDAR\r\n",
    )
    outgoing = Outgoing(
        to=EMAIL,
        sender=None,
        message=message,
        send_by=NOW + timedelta(hours=2),
        tags=tags(Channel.EMAIL),
    )
    return replace(outgoing, **changes)


def twilio(sandbox: Sandbox, **changes: Any) -> TwilioSms:
    given: dict[str, Any] = {"secret": TwilioSecret(lambda: sandbox.secret), "public_url": PUBLIC_URL, **changes}
    return TwilioSms(api=sandbox.url, **given)
