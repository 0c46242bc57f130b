"""Unguessable tokens of private links, and the items that say what each stands for (docs/decisions/0004).

A token is 22 letters and digits from the system's random source, 131 bits. The table keeps its SHA-256 only, so whoever
reads the table, or a backup, holds no link. No punctuation: phones leave a `-` or `_` at the end out of a link.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import string
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from reminders.errors import Unavailable
from reminders.links import Link

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LENGTH = 22
REMEMBERED = timedelta(days=30)  # so long after its end a link still names the clinic to call
MOST_PUTS = 25  # of one BatchWriteItem
TRIES = 6

_LETTERS = string.ascii_letters + string.digits
_TOKEN = re.compile(rf"[A-Za-z0-9]{{{LENGTH}}}")


def fresh() -> str:
    """A token nobody can guess."""
    return "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))


def form_key(token: str, action: str) -> str:
    """What a form of this page must bring back to do this one thing: only who has seen the page knows it."""
    mac = hmac.digest(token.encode(), b"form|" + action.encode(), "sha256")
    return base64.urlsafe_b64encode(mac[:16]).decode().rstrip("=")


def opens(token: str, action: str, key: str) -> bool:
    """Whether `key` is the form key of that action on that page, compared in constant time."""
    return hmac.compare_digest(form_key(token, action).encode(), key.encode())


class DynamoLinks:
    """`reminders.links.Links` in the table. `public_url` has no slash at the end."""

    def __init__(self, client: DynamoDBClient, table: str, public_url: str) -> None:
        self._client = client
        self._table = table
        self._public_url = public_url

    def issue(self, links: Sequence[Link]) -> list[str]:
        """A new address for each, 25 kept in one call. Raises Unavailable."""
        tokens = [fresh() for _ in links]
        puts = [{"PutRequest": {"Item": _item(token, link)}} for token, link in zip(tokens, links, strict=True)]
        for start in range(0, len(puts), MOST_PUTS):
            self._put(puts[start : start + MOST_PUTS])
        return [f"{self._public_url}/p/{token}" for token in tokens]

    def find(self, token: str) -> Link | None:
        """What a token stands for, also when it has ended; what no token can be is not looked up.

        Raises Unavailable.
        """
        if not _TOKEN.fullmatch(token):
            return None
        try:
            found = self._client.get_item(TableName=self._table, Key=_key(token), ConsistentRead=True).get("Item")
        except (BotoCoreError, ClientError):
            raise Unavailable("the table does not answer") from None
        return msgspec.json.decode(found["link"]["S"], type=Link) if found else None

    def _put(self, puts: list[Any]) -> None:
        asked = {self._table: puts}
        for attempt in range(TRIES):
            try:
                left = self._client.batch_write_item(RequestItems=asked).get("UnprocessedItems")
            except (BotoCoreError, ClientError):
                raise Unavailable("the table does not answer") from None
            if not left:
                return
            asked = dict(left)
            time.sleep(0.02 * 2**attempt)
        raise Unavailable("the table leaves links unwritten")


def _key(token: str) -> dict[str, Any]:
    digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
    return {"pk": {"S": f"LINK#{digest}"}, "sk": {"S": "LINK"}}


def _item(token: str, link: Link) -> dict[str, Any]:
    """`expires_at` (seconds since 1970) is when DynamoDB deletes it; a link ends by its own `ends_at`, long before."""
    return {
        **_key(token),
        "link": {"S": msgspec.json.encode(link).decode()},
        "expires_at": {"N": str(int((link.ends_at + REMEMBERED).timestamp()))},
    }
