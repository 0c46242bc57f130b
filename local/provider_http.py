"""The sandbox provider's HTTP side: Twilio's Messages resource and SES v2's SendEmail, as their clients know them."""

from __future__ import annotations

import base64
import binascii
import json
import re
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from chalicelib.tags import unescape
from local.provider_messages import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    EMAIL_REFUSALS,
    REFUSALS,
    Accepted,
    Hangup,
    Refusal,
    tags_of,
)
from reminders.model import Channel

if TYPE_CHECKING:
    from local.provider import Sandbox

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
EMAILS = "/v2/email/outbound-emails"
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST_BODY = 1600
LONGEST_VALIDITY_S = 36_000
MOST_TO_A_PAGE = 1000

_LOGIN = "Basic " + base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()

Answer = tuple[int, dict[str, Any], dict[str, str]]  # status, JSON body, headers


class Server(ThreadingHTTPServer):
    """On this machine only."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Conversation)
        self.sandbox = sandbox


class _Conversation(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet an answer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.sandbox.heard.append(("POST", self.path, body))
        path = urlsplit(self.path).path
        if path == EMAILS:
            self._reply(_send_email(self.server.sandbox, self.headers.get("Authorization", ""), body))
        elif not self._logged_in():
            self._reply(_refused("20003"))
        elif path == f"{MESSAGES}.json":
            form = dict(parse_qsl(body.decode(), keep_blank_values=True))
            self._reply(_create(self.server.sandbox, form))
        else:
            self._reply(_refused("20404"))

    def do_GET(self) -> None:
        self.server.sandbox.heard.append(("GET", self.path, b""))
        path, query = urlsplit(self.path)[2:4]
        if not self._logged_in():
            self._reply(_refused("20003"))
        elif path == f"{MESSAGES}.json":
            self._reply(_list(self.server.sandbox, {name: values[-1] for name, values in parse_qs(query).items()}))
        elif path.startswith(f"{MESSAGES}/") and path.endswith(".json"):
            self._reply(_fetch(self.server.sandbox, path.removeprefix(f"{MESSAGES}/").removesuffix(".json")))
        else:
            self._reply(_refused("20404"))

    def _logged_in(self) -> bool:
        return self.headers.get("Authorization") == _LOGIN

    def _reply(self, answer: Answer | Hangup) -> None:
        if isinstance(answer, Hangup):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status, shape, headers = answer
        body = json.dumps(shape).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a rehearsal prints its own lines."""


# --- Twilio ---------------------------------------------------------------------------------------------


def _refused(code: str) -> Answer:
    status, message = REFUSALS[code]
    more = f"https://www.twilio.com/docs/errors/{code}"
    return status, {"code": int(code), "message": message, "more_info": more, "status": status}, {}


def _wrong(form: Mapping[str, str]) -> str | None:
    """The code Twilio refuses such a form with."""
    if not E164.fullmatch(form.get("To", "")):
        return "21211"
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return "21603"
    if not form.get("Body"):
        return "21602"
    if len(form["Body"]) > LONGEST_BODY:
        return "21617"
    validity = form.get("ValidityPeriod", "1")
    if not validity.isdecimal() or not 1 <= int(validity) <= LONGEST_VALIDITY_S:
        return "90007"
    return None


def _create(sandbox: Sandbox, form: Mapping[str, str]) -> Answer | Hangup:
    wrong = _wrong(form)
    if wrong:
        return _refused(wrong)
    callback = form.get("StatusCallback")
    taken = sandbox.take(
        Accepted(
            at=sandbox.clock(),
            channel=Channel.SMS,
            to=form["To"],
            sender=form.get("From") or form["MessagingServiceSid"],
            body=form["Body"],
            ref="",
            tags=tags_of(callback),
            callback=callback,
            validity_s=int(form["ValidityPeriod"]) if "ValidityPeriod" in form else None,
        )
    )
    if isinstance(taken, Hangup):
        return taken
    if isinstance(taken, Refusal):
        return _refused(taken.code)
    return 201, _message(taken), {}


def _fetch(sandbox: Sandbox, sid: str) -> Answer:
    found = sandbox.find(sid)
    return _refused("20404") if found is None else (200, _message(found), {})


def _list(sandbox: Sandbox, query: Mapping[str, str]) -> Answer:
    size = min(int(query.get("PageSize", "50")), MOST_TO_A_PAGE)
    page = int(query.get("Page", "0"))
    after, before = (_instant(query.get(name)) for name in ("DateSent>", "DateSent<"))
    found = [
        message
        for message in sandbox.sent_to(query.get("To"))
        if query.get("From") in (None, message.sender)
        and (after is None or message.at >= after)
        and (before is None or message.at <= before)
    ]
    shown = found[page * size : (page + 1) * size]

    def uri(number: int) -> str:
        return f"{MESSAGES}.json?" + urlencode({**query, "PageSize": size, "Page": number})

    more = (page + 1) * size < len(found)
    shape = {
        "first_page_uri": uri(0),
        "next_page_uri": uri(page + 1) if more else None,
        "previous_page_uri": uri(page - 1) if page else None,
        "uri": uri(page),
        "page": page,
        "page_size": size,
        "start": page * size,
        "end": page * size + max(len(shown) - 1, 0),
        "messages": [_message(message) for message in shown],
    }
    return 200, shape, {}


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _message(message: Accepted) -> dict[str, Any]:
    service = message.sender.startswith("MG")
    uri = f"{MESSAGES}/{message.ref}"
    return {
        "account_sid": ACCOUNT_SID,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": _date(message.at),
        "date_sent": None if message.status == "queued" else _date(message.at),
        "date_updated": _date(message.changed_at or message.at),
        "direction": "outbound-api",
        "error_code": int(message.error_code) if message.error_code else None,
        "error_message": None,
        "from": None if service else message.sender,
        "messaging_service_sid": message.sender if service else None,
        "num_media": "0",
        "num_segments": "0" if service else "1",
        "price": None,
        "price_unit": None,
        "sid": message.ref,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to,
        "uri": f"{uri}.json",
    }


def _date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC))


# --- SES ------------------------------------------------------------------------------------------------


def _refused_email(kind: str, status: int, message: str) -> Answer:
    return status, {"message": message}, {"x-amzn-ErrorType": kind}


def _send_email(sandbox: Sandbox, authorization: str, body: bytes) -> Answer | Hangup:
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        return _refused_email("MissingAuthenticationTokenException", 403, "Missing Authentication Token")
    try:
        asked = json.loads(body)
        raw = base64.b64decode(asked["Content"]["Raw"]["Data"], validate=True)
        to = asked["Destination"]["ToAddresses"][0]
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error):
        return _refused_email("BadRequestException", 400, "The request is not understood.")
    mime = message_from_bytes(raw, policy=policy.default)
    taken = sandbox.take(
        Accepted(
            at=sandbox.clock(),
            channel=Channel.EMAIL,
            to=to,
            sender=asked.get("FromEmailAddress", ""),
            subject=mime["Subject"],
            body=_part(mime, "plain"),
            html=_part(mime, "html"),
            raw=raw,
            ref="",
            tags={tag["Name"]: unescape(tag["Value"]) for tag in asked.get("EmailTags", ())},
        )
    )
    if isinstance(taken, Hangup):
        return taken
    if isinstance(taken, Refusal):
        return _refused_email(taken.code, EMAIL_REFUSALS[taken.code], "Not this time.")
    return 200, {"MessageId": taken.ref}, {}


def _part(mime: EmailMessage, kind: str) -> str:
    part = mime.get_body((kind,))
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n").removesuffix("\n")
