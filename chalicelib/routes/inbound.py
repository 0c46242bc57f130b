"""Messages from phones, as Twilio brings them: kept before a word is read, then worked on and answered at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from chalice.app import Blueprint, Response
from twilio.twiml.messaging_response import MessagingResponse

from chalicelib import logs, wiring
from chalicelib.routes.webhooks import FORM, signed_form
from reminders import receiving
from reminders.errors import Unavailable
from reminders.model import Inbound

PATH = "/webhooks/twilio/inbound"
AGAIN_AFTER = timedelta(seconds=20)  # a message whose handling was cut short is due again after this
UNCLAIMED = "unclaimed"  # messages to a number that no clinic texts from are kept under this name

_SID = re.compile(r"[A-Za-z0-9._-]{1,64}")

routes = Blueprint(__name__)


@routes.route(PATH, methods=["POST"], content_types=[FORM])
def inbound() -> Response:
    """Should the working on it fail, the answer is an empty one: the kept message is due again within a minute."""
    house = wiring.current()
    url = house.settings.public_url + PATH
    try:
        form = signed_form(routes.current_request, url, house.twilio_secrets().auth_token)
        if form is None:
            return Response("", status_code=403)
        heard = _as_inbound(house, form)
        if heard is None or not house.store.keep_inbound(heard):
            return _twiml(None)
    except Unavailable:
        return Response("", status_code=503)
    try:
        reply = receiving.receive(wiring.desk(), heard, house.now())
    except Exception as error:  # the words are kept and come again; only the kind of error is told
        logs.journal("stuck", at=house.now(), clinic=heard.clinic_id, error=type(error).__name__)
        reply = None
    return _twiml(reply.rendered.body if reply else None)


def _as_inbound(house: wiring.House, form: Mapping[str, str]) -> Inbound | None:
    """None for what is no message at all."""
    sid, sender = form.get("MessageSid", ""), form.get("From", "")
    if not _SID.fullmatch(sid) or not sender:
        return None
    addresses = [form[name] for name in ("To", "MessagingServiceSid") if form.get(name)]
    clinic_id = next((found for found in map(house.store.clinic_of, addresses) if found), UNCLAIMED)
    if clinic_id == UNCLAIMED:
        logs.journal("unclaimed", at=house.now(), clinic=UNCLAIMED)
    return Inbound(
        sid=sid,
        clinic_id=clinic_id,
        sender=sender[:64],
        body=form.get("Body", ""),
        received_at=house.now(),
        opt_out_type=form.get("OptOutType") or None,
        next_due_at=house.now() + AGAIN_AFTER,
    )


def _twiml(body: str | None) -> Response:
    answer = MessagingResponse()
    if body is not None:
        answer.message(body)
    return Response(str(answer), headers={"Content-Type": "application/xml"})
