"""What people must do: opened once, changed under a lock, listed and due while open."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from chalicelib import dynamo_items as items
from chalicelib.dynamo_table import CHANGE_TRIES, DynamoTable, answering
from chalicelib.dynamo_writes import ONLY_ONCE, Change
from reminders.errors import Unavailable
from reminders.model import Task
from reminders.ports import PatientRef


class Tasks(DynamoTable):
    """The part of `reminders.ports.Store` that is about tasks. A ref without a patient is the clinic's own."""

    @answering
    def open_task(self, task: Task) -> bool:
        """True if it was not there yet."""
        return self._put(items.task_item(task, self._shards), **ONLY_ONCE)

    @answering
    def open_tasks(self, clinic_id: str) -> list[Task]:
        """The most urgent first, then the earliest due. The list comes through an index and may lag by moments."""
        tasks = map(items.read_task, self._listed(items.tasks_listing(clinic_id)))
        return [task for task in tasks if task.closed_at is None]

    @answering
    def task(self, ref: PatientRef, task_id: str) -> Task | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.task_key(ref, task_id))
        return items.read_task(item) if item else None

    @answering
    def change_task(self, ref: PatientRef, task_id: str, change: Callable[[Task], Task]) -> Task | None:
        """Change a task as it is now, again if somebody else did meanwhile; a closed one is listed and due no more.

        Raises Unavailable when others never let go.
        """
        for _ in range(CHANGE_TRIES):
            item = self._get(items.task_key(ref, task_id))
            if item is None:
                return None
            changed = change(items.read_task(item))
            if changed.closed_at is not None:
                changed = replace(changed, next_due_at=None)
            update = self._task_change(changed)
            update.require_there()
            update.require_version(items.version_of(item))
            if self._update(update):
                return changed
        raise Unavailable("this task keeps being changed by others")

    def _task_change(self, task: Task) -> Change:
        given = items.task_attributes(task, self._shards)
        change = Change(items.key_of_task(task))
        change.set_all(given)
        for name in items.TASK_ATTRIBUTES:
            if name not in given:
                change.remove(name)
        change.raise_version()
        return change
