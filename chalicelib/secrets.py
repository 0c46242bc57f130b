"""Secrets from Secrets Manager or, for a name that starts with a slash, from an SSM SecureString."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import msgspec

from reminders.errors import BadInput, Unavailable

KEPT_S = 300  # a changed secret is seen within five minutes
AGAIN_S = 15  # a wrong one is not read again sooner


class TwilioCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The secret's JSON. `auth_token` also signs webhooks; an API key, if there is one, sends."""

    account_sid: str
    auth_token: str
    api_key: str | None = None
    api_secret: str | None = None

    @property
    def login(self) -> tuple[str, str]:
        """User name and password for Twilio's API."""
        if self.api_key and self.api_secret:
            return self.api_key, self.api_secret
        return self.account_sid, self.auth_token

    def __repr__(self) -> str:
        return "TwilioCredentials(…)"  # reprs end up in logs


class TwilioSecret:
    """Twilio's credentials, kept for a while. `read` fetches the secret's text; `clock` counts seconds."""

    def __init__(self, read: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._kept: TwilioCredentials | None = None
        self._read_at = -math.inf

    def __call__(self) -> TwilioCredentials:
        """Raises Unavailable when it cannot be read and was not before, BadInput when it is not what it should be."""
        if self._kept is None or self._age_s() >= KEPT_S:
            try:
                self._kept = _decode(self._read())
            except Unavailable:
                if self._kept is None:
                    raise
            self._read_at = self._clock()
        return self._kept

    def changed(self) -> bool:
        """Read again, since Twilio has just refused what we kept; whether there is something new to try."""
        before = self._kept
        if self._age_s() < AGAIN_S:
            return False
        self._read_at = -math.inf
        return self() != before

    def _age_s(self) -> float:
        return self._clock() - self._read_at


def _decode(text: str) -> TwilioCredentials:
    try:
        return msgspec.json.decode(text, type=TwilioCredentials)
    except msgspec.MsgspecError:
        raise BadInput("TWILIO_SECRET", "must be JSON with account_sid and auth_token") from None


def reader(name: str) -> Callable[[], str]:
    """How to fetch the text of the secret of that name. Its calls raise Unavailable."""
    return lambda: _fetch(name)


def _fetch(name: str) -> str:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        if name.startswith("/"):
            parameter = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)
            return parameter["Parameter"]["Value"]
        return boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    except (BotoCoreError, ClientError, KeyError):
        raise Unavailable("the secret with Twilio's credentials cannot be read") from None
