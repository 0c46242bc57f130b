"""When a message may go out: sending hours on the patient's wall, and the hours in which a patient is drowsy.

Everything is computed on the wall clock of an IANA zone and handed back as UTC instants, so the two days a year
on which a day has 23 or 25 hours need no special case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from reminders.model import Chart, Hours, SessionStatus

EVENING_CLOSES = time(22)  # contract 3: the home-safe question may run until 22:00
BEFORE_CLOSING = timedelta(minutes=15)  # a message pulled earlier leaves room for a slow minute
_LOOK_DAYS = 14

Span = tuple[datetime, datetime]


@lru_cache(maxsize=4096)  # one decision asks for the same few days again and again
def wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant (UTC) of a wall time. One that DST skips is counted with the offset before; of two, the first."""
    return datetime.combine(day, at, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True)
class Door:
    """Open from `opens` until before `closes` on the wall of `zone`, but never inside a `shut` span (UTC)."""

    zone: ZoneInfo
    opens: time
    closes: time
    shut: tuple[Span, ...] = ()

    def is_open(self, at: datetime) -> bool:
        day = at.astimezone(self.zone).date()
        return any(start <= at < end for start, end in self._spans(day))

    def next_open(self, at: datetime) -> datetime | None:
        """The first open instant at or after `at`; None if there is none within two weeks."""
        first = at.astimezone(self.zone).date()
        for offset in range(_LOOK_DAYS):
            for start, end in self._spans(first + timedelta(days=offset)):
                if at < end:
                    return max(at, start)
        return None

    def last_open(self, at: datetime) -> datetime | None:
        """The last open instant at or before `at`, a little before the door closes; None within two weeks."""
        last = at.astimezone(self.zone).date()
        for offset in range(_LOOK_DAYS):
            for start, end in reversed(list(self._spans(last - timedelta(days=offset)))):
                if start <= at:
                    return at if at < end else max(start, end - BEFORE_CLOSING)
        return None

    def _spans(self, day: date) -> Iterator[Span]:
        """The open spans of one local day, in order."""
        start, end = wall(day, self.opens, self.zone), wall(day, self.closes, self.zone)
        for shut_from, shut_until in sorted(self.shut):
            if shut_until <= start or shut_from >= end:
                continue
            if start < shut_from:
                yield start, shut_from
            start = shut_until
        if start < end:
            yield start, end


def door(chart: Chart, hours: Hours, *, asks: bool) -> Door:
    """When a message to this patient may go. `asks`: it wants an answer, so it waits while the patient is drowsy."""
    sending = chart.clinic.sending_hours
    closes = max(sending.closes, EVENING_CLOSES) if hours is Hours.EVENING else sending.closes
    return Door(
        zone=ZoneInfo(chart.patient.time_zone),
        opens=sending.opens,
        closes=closes,
        shut=drowsy(chart) if asks else (),
    )


def drowsy(chart: Chart) -> tuple[Span, ...]:
    """From the start of every treatment until the patient's next morning: no decisions of a sedated patient."""
    zone = ZoneInfo(chart.patient.time_zone)
    spans = []
    for session in chart.sessions.values():
        if session.kind.treatment and session.status in (SessionStatus.BOOKED, SessionStatus.DISCHARGED):
            morning = session.starts_at.astimezone(zone).date() + timedelta(days=1)
            spans.append((session.starts_at, wall(morning, chart.clinic.sending_hours.opens, zone)))
    return tuple(spans)


def local_day(at: datetime, chart: Chart) -> date:
    """The date on the patient's wall."""
    return at.astimezone(ZoneInfo(chart.patient.time_zone)).date()
