"""What Twilio tells us. Every request is checked against its signature before a word of it is believed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from chalice.app import Blueprint, Request, Response
from twilio.request_validator import RequestValidator

from chalicelib import tags as spelling
from chalicelib import wiring
from reminders.errors import Unavailable
from reminders.model import Receipt
from reminders.settling import settle

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 200

RECEIPTS = {
    "accepted": Receipt.QUEUED,
    "scheduled": Receipt.QUEUED,
    "queued": Receipt.QUEUED,
    "sending": Receipt.QUEUED,
    "sent": Receipt.SENT,
    "delivered": Receipt.DELIVERED,
    "read": Receipt.DELIVERED,
    "undelivered": Receipt.UNDELIVERED,
    "failed": Receipt.FAILED,
    "canceled": Receipt.FAILED,
}

_SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
_CODE = re.compile(r"[1-9][0-9]{2,5}")

routes = Blueprint(__name__)


@routes.route(spelling.STATUS_PATH, methods=["POST"], content_types=[FORM])
def status() -> Response:
    """What became of a text. Twilio tells it in any order, more than once, or never."""
    house = wiring.current()
    request = routes.current_request
    query: dict[str, str] = dict(request.query_params or {})
    given = {name: spelling.unescape(value) for name, value in query.items()}
    url = spelling.status_callback(house.settings.public_url, given)
    try:
        form = signed_form(request, url, house.twilio_secrets().auth_token)
        if form is None:
            return Response("", status_code=403)
        _settle(house, query, form)
    except Unavailable:
        return Response("", status_code=503)
    return Response("", status_code=204)


def signed_form(request: Request, url: str, auth_token: str) -> dict[str, str] | None:
    """The form, blank fields included; None unless Twilio signed it for that URL."""
    signature = request.headers.get("X-Twilio-Signature")
    if not signature:
        return None
    body = request.raw_body
    try:
        text = body if isinstance(body, str) else body.decode()
        form = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None
    return form if RequestValidator(auth_token).validate(url, form, signature) else None


def _settle(house: wiring.House, query: Mapping[str, str], form: Mapping[str, str]) -> None:
    """Keep the receipt. Whatever is not about a message of ours is left alone."""
    tags = spelling.read(query)
    receipt = RECEIPTS.get(form.get("MessageStatus", ""))
    sid = form.get("MessageSid", "")
    if tags is None or receipt is None or not _SID.fullmatch(sid):
        return
    code = form.get("ErrorCode", "")
    settle(
        house.store,
        tags.ref,
        tags.session,
        tags.entry,
        sid,
        receipt,
        code if _CODE.fullmatch(code) else None,
        house.now(),
    )
