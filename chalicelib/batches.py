"""Records that come many at a time, and which of them are to come again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from reminders.errors import BadInput
from reminders.ports import PatientRef

_Record = TypeVar("_Record")


@dataclass
class Batch:
    """Whose turn it is, each patient once, with the ids of the records that say so."""

    ids: dict[PatientRef, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)  # come again until they reach the dead letters

    @classmethod
    def of(cls, records: Iterable[tuple[str, _Record]], read: Callable[[_Record], PatientRef | None]) -> Batch:
        """From (id, record) pairs; `read` gives None for a record that is nobody's turn and raises BadInput."""
        batch = cls()
        for record_id, record in records:
            try:
                ref = read(record)
            except BadInput:
                batch.unreadable.append(record_id)
                continue
            if ref is not None:
                batch.ids.setdefault(ref, []).append(record_id)
        return batch

    def answer(self, failed: Iterable[PatientRef]) -> dict[str, list[dict[str, str]]]:
        """What Lambda wants to hear: the records to bring again. It counts all others as done."""
        again = [record_id for ref in failed for record_id in self.ids[ref]] + self.unreadable
        return {"batchItemFailures": [{"itemIdentifier": record_id} for record_id in again]}
