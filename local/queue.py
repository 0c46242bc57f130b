"""SQS on a virtual clock: delays, batches of ten, redelivery after the visibility timeout, dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reminders.ports import Turn

BATCH = 10
VISIBILITY = timedelta(minutes=6)  # as .chalice/resources.json has it: six times the function's timeout
MOST_RECEIVES = 5


@dataclass
class _Record:
    turn: Turn
    visible_at: datetime
    receives: int = 0


@dataclass
class LocalQueue:
    """`reminders.ports.Queue`; whoever runs the clock takes batches and says which are done."""

    dead: list[Turn] = field(default_factory=list)
    _records: list[_Record] = field(default_factory=list)

    def put(self, turns: Iterable[tuple[Turn, datetime]], now: datetime) -> int:
        fresh = [_Record(turn, max(due, now)) for turn, due in turns]
        self._records += fresh
        return len(fresh)

    def next_at(self) -> datetime | None:
        return min((record.visible_at for record in self._records), default=None)

    def take(self, now: datetime) -> list[_Record]:
        """At most one batch; each record is hidden until it is done or its visibility runs out."""
        ready = sorted((r for r in self._records if r.visible_at <= now), key=lambda r: r.visible_at)[:BATCH]
        for record in list(ready):
            record.receives += 1
            record.visible_at = now + VISIBILITY
            if record.receives > MOST_RECEIVES:
                self._records.remove(record)
                self.dead.append(record.turn)
                ready.remove(record)
        return ready

    def done(self, records: Iterable[_Record]) -> None:
        for record in records:
            self._records.remove(record)
