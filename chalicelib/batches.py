"""Records that come many at a time, and which of them are to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from reminders.errors import BadInput

_Record = TypeVar("_Record")
_Turn = TypeVar("_Turn")  # what a record asks for, such as a Turn of the queue


@dataclass
class Batch(Generic[_Turn]):
    """What is to be done, each turn once, with the ids of the records that say so."""

    ids: dict[_Turn, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)  # come again until they reach the dead letters

    @classmethod
    def of(cls, records: Iterable[tuple[str, _Record]], read: Callable[[_Record], _Turn | None]) -> Batch[_Turn]:
        """From (id, record) pairs; `read` gives None for a record that is nobody's turn and raises BadInput."""
        batch: Batch[_Turn] = cls()
        for record_id, record in records:
            try:
                turn = read(record)
            except BadInput:
                batch.unreadable.append(record_id)
                continue
            if turn is not None:
                batch.ids.setdefault(turn, []).append(record_id)
        return batch

    def answer(self, failed: Iterable[_Turn]) -> dict[str, list[dict[str, str]]]:
        """What Lambda wants to hear: the records to bring again. It counts all others as done."""
        again = [record_id for turn in failed for record_id in self.ids[turn]] + self.unreadable
        return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in again]}
