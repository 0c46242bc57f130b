"""Texts by Twilio's Programmable Messaging.

`twilio.rest` takes most of a second to import, so only the first send or look-up does; routes must never cause it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.secrets import TwilioCredentials, TwilioSecret
from chalicelib.tags import status_callback
from reminders.errors import BadInput, Unavailable
from reminders.model import Channel, Outcome, Outgoing, Result

if TYPE_CHECKING:
    from twilio.base.exceptions import TwilioException
    from twilio.rest import Client
    from twilio.rest.api.v2010.account.message import MessageInstance

TIMEOUT_S = 10
LONGEST_VALIDITY_S = 36_000  # ValidityPeriod takes 1 to 36000 (error 90007)
MOST_LISTED = 200
CLOCKS_DIFFER = timedelta(seconds=5)  # and Twilio's times are whole seconds
NOT_LOGGED_IN = "20003"


class TwilioSms:
    """`reminders.ports.Sender` for texts.

    `public_url` is where Twilio reaches our routes, without a slash at the end. `api` stands in for
    https://api.twilio.com.
    """

    channel = Channel.SMS

    def __init__(self, secret: TwilioSecret, public_url: str, api: str | None = None) -> None:
        self._secret = secret
        self._public_url = public_url
        self._api = api
        self._clients: dict[TwilioCredentials, Client] = {}

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """Create one message. Never raises for what Twilio or the network does: that is in the Outcome."""
        sender = outgoing.sender
        if sender is None:  # replies find their clinic by its own number, so there is no shared one to fall back on
            return Outcome(result=Result.REFUSED, code="no_sender")
        try:
            outcome = self._create(outgoing, sender, now)
            if outcome.code == NOT_LOGGED_IN and self._secret.changed():
                outcome = self._create(outgoing, sender, now)  # the secret was rotated while we kept the old one
        except Unavailable:
            return Outcome(result=Result.REFUSED, code="no_credentials")
        except BadInput:
            return Outcome(result=Result.REFUSED, code="bad_credentials")
        return outcome

    def find(
        self,
        outgoing_to: str,
        tags: dict[str, str],  # noqa: ARG002  # Twilio keeps none
        since: datetime,
        body: str | None,
    ) -> Outcome | None:
        """The latest text to that number since `since` with that body, or None when Twilio has none.

        Of two equal texts to one number either is taken for ours: better one too few than
        one twice. It is asked by number alone, since its filter goes by the time of sending, which a text still in
        Twilio's queue does not have. Raises Unavailable.
        """
        from twilio.base.exceptions import TwilioException
        from urllib3.exceptions import HTTPError

        try:
            listed = self._client().messages.list(to=outgoing_to, limit=MOST_LISTED, page_size=MOST_LISTED)
        except (TwilioException, HTTPError, BadInput):
            raise Unavailable("Twilio does not say what it was given") from None
        for message in listed:
            if _may_be(message, since - CLOCKS_DIFFER, body):
                code = None if message.error_code is None else str(message.error_code)
                return Outcome(result=Result.ACCEPTED, at=message.date_created, ref=message.sid, code=code)
        return None

    def _client(self) -> Client:
        from twilio.rest import Client

        from chalicelib.twilio_http import LeanHttp

        credentials = self._secret()
        if credentials not in self._clients:
            user, password = credentials.login
            http = LeanHttp(self._api, TIMEOUT_S)
            self._clients = {credentials: Client(user, password, credentials.account_sid, http_client=http)}
        return self._clients[credentials]

    def _create(self, outgoing: Outgoing, sender: str, now: datetime) -> Outcome:
        from twilio.base.exceptions import TwilioException
        from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

        validity_s = int((outgoing.send_by - now).total_seconds())
        by: dict[str, Any] = {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}
        client = self._client()
        try:
            message = client.messages.create(
                to=outgoing.to,
                body=outgoing.message.body,
                status_callback=status_callback(self._public_url, outgoing.tags),
                validity_period=min(max(validity_s, 1), LONGEST_VALIDITY_S),
                **by,
            )
        except TwilioException as error:
            return _refusal(error)
        except (ConnectTimeoutError, NewConnectionError):  # never got through to Twilio
            return Outcome(result=Result.REFUSED, code="unreachable")
        except (HTTPError, ValueError):  # no answer, or one that cannot be read
            return Outcome(result=Result.UNKNOWN, code="timeout")
        return Outcome(result=Result.ACCEPTED, at=now, ref=message.sid)


def _refusal(error: TwilioException) -> Outcome:
    """What Twilio's error answer means. Its words stay out of it: they quote the number."""
    status, code = getattr(error, "status", 500), getattr(error, "code", None)
    if status >= 500 or status == 408:
        return Outcome(result=Result.UNKNOWN, code=str(status))
    return Outcome(result=Result.REFUSED, code=str(code or status))


def _may_be(message: MessageInstance, since: datetime, body: str | None) -> bool:
    """Whether this is the text we look for. A body Twilio no longer keeps, or we do not, decides nothing."""
    if message.date_created is None or message.date_created < since:
        return False
    if not str(message.direction).startswith("outbound"):
        return False
    return not body or not message.body or message.body.split() == body.split()
