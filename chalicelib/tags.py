"""The ids that travel with a message and come back in its receipts, in letters every provider passes on unchanged.

SES takes A-Z a-z 0-9 _ - in the value of a tag, 256 characters at most. The same spelling stands in the query of
Twilio's status callback: a URL in which nothing needs escaping is signed exactly as it was given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from reminders.model import Frozen, Id
from reminders.ports import PatientRef

STATUS_PATH = "/webhooks/twilio/status"

_SPECIAL = re.compile(r"[^A-Za-z0-9-]")
_ESCAPED = re.compile(r"_([0-9A-F]{2})")


class Tags(Frozen, frozen=True):
    """Which attempt at which message a receipt is about. Only what we ourselves could have written is read."""

    clinic: Id
    patient: Id
    session: Id
    entry: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}\|[0-9]{8}T[0-9]{6}Z\|(sms|email)$")]
    attempt: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,4}$")]

    @property
    def ref(self) -> PatientRef:
        return PatientRef(self.clinic, self.patient)


def escape(value: str) -> str:
    """Anything but letters, digits and hyphens becomes _ and two hexadecimal digits. `value` is ASCII."""
    return _SPECIAL.sub(lambda found: f"_{ord(found[0]):02X}", value)


def unescape(value: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


def escaped(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: escape(value) for name, value in tags.items()}


def read(given: Mapping[str, str]) -> Tags | None:
    """The tags of a message from their escaped form, names of others left out; None if they are not ours."""
    ours = {name: unescape(given[name]) for name in Tags.__struct_fields__ if name in given}
    try:
        return msgspec.convert(ours, Tags)
    except msgspec.ValidationError:
        return None


def status_callback(public_url: str, tags: Mapping[str, str]) -> str:
    """Where Twilio reports a message with these tags. The route writes it anew to check the signature over it.

    In alphabetical order: Lambda gets the query decoded, and in no order one could rely on.
    """
    query = "&".join(f"{name}={value}" for name, value in sorted(escaped(tags).items()))
    return f"{public_url}{STATUS_PATH}?{query}" if query else public_url + STATUS_PATH
