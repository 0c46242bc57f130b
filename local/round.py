"""One dispatch and delivery round against the configured AWS, for the terminal's `tick`.

It stands alone: what is due goes through a queue in this process, so that an engineer sees a round from end to end
whether the deployed one runs or not. Both may run at once; the claim sees to it that nothing goes out twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

import click

from chalicelib import wiring
from local import jsonl
from local.aws import answering
from local.progress import spinner
from local.queue import BATCH
from reminders.errors import ReminderError
from reminders.ports import Turn
from reminders.workflow import deliver, dispatch

TOLD = ("sent", "skipped", "failed", "retry", "in_doubt", "task")


@dataclass
class Turns:
    """`reminders.ports.Queue`, for as long as a round lasts."""

    waiting: dict[Turn, datetime] = field(default_factory=dict)

    def put(self, turns: Iterable[tuple[Turn, datetime]], now: datetime) -> int:
        del now
        fresh = dict(turns)
        self.waiting |= fresh
        return len(fresh)

    def take(self, now: datetime) -> list[Turn]:
        """At most one batch of those whose time has come."""
        ready = [turn for turn, due in self.waiting.items() if due <= now][:BATCH]
        for turn in ready:
            del self.waiting[turn]
        return ready


def run(*, as_json: bool) -> None:
    """Deliver what is due now and print how many; what falls due within the next minute is counted as later.

    Raises BadInput when something is not configured, Unavailable when AWS does not answer, and ReminderError when
    some could not be decided.
    """
    told: Counter[str] = Counter()

    def hear(event: str, /, **_: object) -> None:
        told[event] += 1

    with answering(), spinner("one round"):
        house, queue = wiring.current(), Turns()
        now = house.now()
        desk = replace(wiring.desk(), queue=queue, journal=hear)
        dispatch(house.store, queue, now)
        due, stuck = 0, 0
        while batch := queue.take(now):
            due += len(batch)
            stuck += len(deliver(desk, batch, now))
    counts = {"due": due, "later": len(queue.waiting), **{event: told[event] for event in TOLD}}
    if as_json:
        click.echo(jsonl.line(counts))
    else:
        click.echo(", ".join(f"{event.replace('_', ' ')}: {count}" for event, count in counts.items()))
    if stuck:
        raise ReminderError(f"{stuck} of {due} could not be worked on and will be due again")
