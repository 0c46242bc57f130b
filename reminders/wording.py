"""Days, times, places and numbers in a patient's words, in English and Spanish.

A Spanish time carries its article ("las 9:45 AM", "la 1:00 PM"), so that a template can say "a {{ arrive_at }}".
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers

from reminders.model import Language

_EN, _ES = Language.EN, Language.ES

_WEEKDAYS = {
    _EN: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    _ES: ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTHS = {
    _EN: (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    _ES: (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}

# By abbreviation and offset in hours: "CST" alone is also Havana's and Shanghai's.
_ZONES = {
    ("AST", -4): ("Atlantic time", "hora del Atlántico"),
    ("EST", -5): ("Eastern time", "hora del Este"),
    ("EDT", -4): ("Eastern time", "hora del Este"),
    ("CST", -6): ("Central time", "hora del Centro"),
    ("CDT", -5): ("Central time", "hora del Centro"),
    ("MST", -7): ("Mountain time", "hora de la Montaña"),
    ("MDT", -6): ("Mountain time", "hora de la Montaña"),
    ("PST", -8): ("Pacific time", "hora del Pacífico"),
    ("PDT", -7): ("Pacific time", "hora del Pacífico"),
    ("AKST", -9): ("Alaska time", "hora de Alaska"),
    ("AKDT", -8): ("Alaska time", "hora de Alaska"),
    ("HST", -10): ("Hawaii time", "hora de Hawái"),
    ("ChST", 10): ("Guam time", "hora de Guam"),
}
_ARIZONA = ("Arizona time", "hora de Arizona")  # no daylight saving: "Mountain time" would be an hour off in summer


def day(local: date, language: Language) -> str:
    """`Mon Mar 9`, `lun 9 mar`."""
    weekday, month = _WEEKDAYS[language][local.weekday()][:3], _MONTHS[language][local.month - 1][:3]
    return f"{weekday} {month} {local.day}" if language is _EN else f"{weekday} {local.day} {month}"


def long_day(local: date, language: Language) -> str:
    """`Monday, March 9`, `lunes 9 de marzo`."""
    weekday, month = _WEEKDAYS[language][local.weekday()], _MONTHS[language][local.month - 1]
    return f"{weekday}, {month} {local.day}" if language is _EN else f"{weekday} {local.day} de {month}"


def clock(local: datetime, language: Language) -> str:
    """`9:45 AM`, `las 9:45 AM`, `la 1:00 PM`: twelve hours, as both languages are read in the US."""
    hour = local.hour % 12 or 12
    shown = f"{hour}:{local.minute:02} {'AM' if local.hour < 12 else 'PM'}"
    if language is _EN:
        return shown
    return f"{'la' if hour == 1 else 'las'} {shown}"


def at(when: str, local: datetime, language: Language) -> str:
    """A day in words with its time: `Mon Mar 9 at 10:00 AM`, `lun 9 mar a las 10:00 AM`."""
    return f"{when} {'at' if language is _EN else 'a'} {clock(local, language)}"


def time_near(local: datetime, visit: date, language: Language) -> str:
    """A time of the visit's own day, or with its day when that is another: `10:00 PM on Sun Mar 8`."""
    if local.date() == visit:
        return clock(local, language)
    return f"{clock(local, language)} {'on' if language is _EN else 'del'} {day(local.date(), language)}"


def cut_off(local: datetime, visit: date, language: Language) -> str:
    """The last moment something is allowed. Midnight is said as 11:59 PM: nobody is sure which day "12:00 AM" is."""
    if (local.hour, local.minute) == (0, 0):
        local -= timedelta(minutes=1)
    return time_near(local, visit, language)


def zone_name(local: datetime, language: Language) -> str:
    """What people call the zone of this wall time: `Pacific time`, `hora del Pacífico`."""
    zone, offset = local.tzinfo, local.utcoffset()
    key = zone.key if isinstance(zone, ZoneInfo) else "UTC"
    hours = offset.total_seconds() / 3600 if offset else 0
    if key == "America/Phoenix":
        names = _ARIZONA
    else:
        city = key.rpartition("/")[2].replace("_", " ")
        names = _ZONES.get((local.tzname() or "", int(hours)), (f"{city} time", f"hora de {city}"))
    return names[0 if language is _EN else 1]


@lru_cache(maxsize=4096)
def phone(e164: str) -> str:
    """As people in the country write it: `(213) 555-0100`; numbers of other countries with their code."""
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return e164  # a country code nobody has: shown as it was given
    style = phonenumbers.PhoneNumberFormat.INTERNATIONAL
    if number.country_code == 1:
        style = phonenumbers.PhoneNumberFormat.NATIONAL
    return phonenumbers.format_number(number, style)


def one_line(text: str) -> str:
    """With every run of spaces and line breaks made one space."""
    return " ".join(text.split())
