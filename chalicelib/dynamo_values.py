"""Values as DynamoDB attributes, and the way back with a check that never quotes what it refuses.

Every time we write is UTC, ISO 8601 with six decimals and a `Z`, so that the order of strings is the order of time.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from reminders.errors import BadInput

_Value = TypeVar("_Value", bound=msgspec.Struct)


class _Reader(TypeDeserializer):
    """Numbers as int or float, as the models declare them, not as Decimal."""

    def _deserialize_n(self, value: str) -> int | float:
        return int(value) if value.lstrip("-").isdigit() else float(value)

    def _deserialize_b(self, value: bytes | str) -> bytes:
        """Nothing of ours is binary; kept apart from text, so that a check refuses it. `dynamo_client` decodes none."""
        return value if isinstance(value, bytes) else b64decode(value)


_reader = _Reader()
_writer = TypeSerializer()


def stamp(when: datetime) -> str:
    """UTC, always 27 characters, so that strings sort as times do."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def stored(value: Any) -> Any:
    """One Python value as a DynamoDB attribute value."""
    return _writer.serialize(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(datetime,))
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, float):
        return Decimal(str(value))  # boto3 refuses floats
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def attributes(value: msgspec.Struct, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """A struct's fields as attributes; defaults are left out, and what is not there is the default."""
    return {name: _writer.serialize(inner) for name, inner in _plain(value).items() if name not in leave_out}


def fields(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Some of an item's attributes as Python values, unchecked; what is not there is left out."""
    return {name: _reader.deserialize(item[name]) for name in names if name in item}


def convert(values: dict[str, Any], to: type[_Value]) -> _Value:
    """Check values against a model. Raises BadInput, which names the attribute and never what it held."""
    try:
        return msgspec.convert(values, to)
    except msgspec.ValidationError as error:
        raise bad_input(error) from None


def bad_input(error: msgspec.ValidationError) -> BadInput:
    """msgspec's message without the value: a patient's data must not reach a log."""
    problem, _, path = str(error).replace("`", "").partition(" - at $")
    name = path.strip(".")
    if problem.startswith("Object missing required field "):
        missing = problem.removeprefix("Object missing required field ")
        return BadInput(f"{name}.{missing}" if name else missing, "is missing")
    if problem.startswith("Invalid enum value"):
        problem = "is none of the documented values"
    return BadInput(name or "item", problem[0].lower() + problem[1:])


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; not a path inside the database; a folder of it
        return False
    return True


def with_zone(value: _Value) -> _Value:
    """The clinic or patient itself, if its time zone exists. Raises BadInput."""
    if not _is_zone(value.time_zone):  # type: ignore[attr-defined]  # Clinic or Patient; msgspec has no protocol for it
        raise BadInput("time_zone", "is not the name of an IANA time zone")
    return value
