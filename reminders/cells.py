"""How one cell of a spreadsheet is read: as people type it, and as spreadsheet programs save it.

Each reader takes the text of a cell that is not blank and gives a value, or raises Unreadable. No sentence quotes a
cell. A cell that looks like a formula is text like any other.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers

from reminders.model import Kind, Language, PatientStatus

LONGEST_NAME = 40  # as `Patient.first_name` has it
LONGEST_EMAIL = 254  # RFC 5321, 4.5.3.1.3, less the two angle brackets
SHORTEST_VISIT, LONGEST_VISIT = 5, 720  # minutes, as `Session.minutes` has it

_YES = frozenset(["yes", "y", "true", "t", "x", "1", "✓", "✔", "si", "sí", "verdadero"])
_NO = frozenset(["no", "n", "false", "f", "0", "falso"])
_LANGUAGES = {
    **dict.fromkeys(("en", "english", "inglés", "ingles"), Language.EN),
    **dict.fromkeys(("es", "spanish", "español", "espanol"), Language.ES),
}
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+")
_DASHES = re.compile("[‐‑–—]")
_PHONE = re.compile(r"\+?[0-9 ().\-/]+", re.ASCII)
_ISO_DAY = r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
_US_DAY = r"(?P<us_month>\d{1,2})/(?P<us_day>\d{1,2})/(?P<us_year>\d{4}|\d{2})"
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?\s*(?P<half>[AaPp]\.?\s?[Mm]\.?)?"
_OFFSET = r"(?P<offset>[Zz]|[+-]\d{2}:?\d{2})"
_MOMENT = re.compile(rf"(?:{_ISO_DAY}|{_US_DAY})(?:(?:[Tt]|,?\s+){_TIME}\s*{_OFFSET}?)?", re.ASCII)

_Choice = TypeVar("_Choice", bound=StrEnum)


class Unreadable(Exception):
    """Why a cell cannot be read: a sentence without its subject, which is the column."""


def plain(text: str) -> str:
    """A cell as it was meant: composed characters, one space between words, without the apostrophe that marks text."""
    composed = unicodedata.normalize("NFC", text)
    seen = "".join(c for c in composed if unicodedata.category(c) != "Cf")  # marks that come along when one copies
    return " ".join(seen.split()).removeprefix("'").strip()


def identity(text: str) -> str:
    if not _ID.fullmatch(text):
        raise Unreadable("may hold 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def name(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise Unreadable(f"is longer than {LONGEST_NAME} characters")
    if not text.isprintable():
        raise Unreadable("holds characters that cannot be printed")
    return text


def phone(text: str) -> str:
    """In E.164. A number without a country code is one of the United States."""
    dialled = _DASHES.sub("-", text)
    if not _PHONE.fullmatch(dialled):
        raise Unreadable("is not a phone number")
    try:
        number = phonenumbers.parse(dialled, "US")
    except phonenumbers.NumberParseException:
        raise Unreadable("is not a phone number") from None
    if not phonenumbers.is_valid_number(number):
        raise Unreadable("is not a number that can be called (with its area code; abroad, with + and the country code)")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(text: str) -> str:
    if not _EMAIL.fullmatch(text) or len(text) > LONGEST_EMAIL or not text.isprintable():
        raise Unreadable("is not an email address")
    return text


def language(text: str) -> Language:
    found = _LANGUAGES.get(text.casefold())
    if found is None:
        raise Unreadable("is neither en nor es")
    return found


def zone(text: str) -> str:
    """An IANA name."""
    wanted = text.replace(" ", "_")
    try:
        ZoneInfo(wanted)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unreadable("is not the name of a time zone such as America/Los_Angeles") from None
    return wanted


def yes_or_no(text: str) -> bool:
    said = text.casefold()
    if said not in _YES | _NO:
        raise Unreadable("is neither yes nor no")
    return said in _YES


def status(text: str) -> PatientStatus:
    return _one_of(PatientStatus, text)


def kind(text: str) -> Kind:
    return _one_of(Kind, text)


def minutes(text: str) -> int:
    number = re.fullmatch(r"(\d{1,4})(?:\.0+)?", text, re.ASCII)
    if number is None or not SHORTEST_VISIT <= int(number[1]) <= LONGEST_VISIT:
        raise Unreadable(f"is not a whole number from {SHORTEST_VISIT} to {LONGEST_VISIT}")
    return int(number[1])


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A date and time, in UTC; without an offset it is the wall time in `zone`. Slashed dates are US: month first."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise Unreadable("is not a date and time such as 2026-03-09 10:00 or 3/9/2026 10:00 AM")
    if found["hour"] is None:
        raise Unreadable("has a date, but no time of day")
    return _instant(found, zone)


def day_or_moment(text: str, zone: ZoneInfo) -> datetime:
    """As `moment`, or a date alone: then where the day begins in `zone`."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise Unreadable("is not a date such as 2026-03-02 or 3/2/2026")
    return _instant(found, zone)


def _one_of(choices: type[_Choice], text: str) -> _Choice:
    wanted = re.sub(r"[^a-z]+", "_", text.casefold()).strip("_")
    try:
        return choices(wanted)
    except ValueError:
        raise Unreadable(f"is none of {', '.join(choices)}") from None


def _instant(found: re.Match[str], zone: ZoneInfo) -> datetime:
    written = found["year"] or found["us_year"]
    year = int(written) + (2000 if len(written) == 2 else 0)
    month, day = int(found["month"] or found["us_month"]), int(found["day"] or found["us_day"])
    if not 2000 <= year < 2100:  # a mistyped year, and far enough from where the calendar ends
        raise Unreadable("is not in this century")
    try:
        wall = datetime(year, month, day, _hour(found), int(found["minute"] or 0), int(found["second"] or 0), 0, zone)
        if found["offset"]:
            offset = datetime.strptime(found["offset"].upper(), "%z").tzinfo
            return wall.replace(tzinfo=offset).astimezone(UTC)
    except ValueError:
        raise Unreadable("is a date or time that does not exist (months come first in 3/9/2026)") from None
    if found["hour"] is None:
        return wall.astimezone(UTC)
    if wall.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
        raise Unreadable("is a time that the clocks skip that day")
    if wall.utcoffset() != wall.replace(fold=1).utcoffset():
        raise Unreadable("is a time that comes twice that day; add its offset, as in -07:00")
    return wall.astimezone(UTC)


def _hour(found: re.Match[str]) -> int:
    hour = int(found["hour"] or 0)
    if not found["half"]:
        return hour
    if not 1 <= hour <= 12:
        raise Unreadable("has an hour that does not go with AM or PM")
    return hour % 12 + (12 if found["half"][0] in "Pp" else 0)
