"""From the clock to whoever does the work: dispatch what is due, deliver it.

A patient's messages go through delivering.py, pages through paging.py, kept replies through receiving.py. What a
booking system writes comes in through adopting.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from reminders import delivering, paging, receiving
from reminders.desk import Desk
from reminders.ports import Queue, Store, Turn

AHEAD = timedelta(minutes=1)  # dispatch runs every minute and looks one minute ahead


def dispatch(store: Store, queue: Queue, now: datetime) -> int:
    """Queue everything that falls due before the next tick, delayed to the second; returns how many turns.

    Writes nothing: whatever is lost in the queue is still due a minute later.
    """
    turns: dict[Turn, datetime] = {}
    for due in store.due(now + AHEAD):
        turns[due.turn] = min(due.at, turns.get(due.turn, due.at))
    return queue.put(turns.items(), now) if turns else 0


def deliver(desk: Desk, turns: Iterable[Turn], now: datetime) -> list[Turn]:
    """Everything that is due: patients' messages together, each other item for itself.

    Returns turns of which nothing came, so that they come again, and alone, to the dead letters at last.
    Raises Unavailable when the table does not answer: then all come again.
    """
    given = list(dict.fromkeys(turns))
    failed = _others(desk, [turn for turn in given if turn.item], now)  # first: somebody may have to be woken
    return failed + [Turn(ref) for ref in delivering.send_due(desk, [turn.ref for turn in given if not turn.item], now)]


def _others(desk: Desk, turns: Sequence[Turn], now: datetime) -> list[Turn]:
    """Tasks that wake somebody, and messages whose handling was cut short. Returns those that come again."""
    failed = []
    for turn in turns:
        kind, _, name = turn.item.partition("#")
        try:
            if kind == "TASK":
                paging.page(desk, turn.ref, name, now)
            elif kind == "REPLY":
                receiving.rework(desk, turn.ref.clinic_id, name, now)
        except Exception as error:  # one item's trouble must not hold up the others; it is told and comes again
            desk.journal("stuck", at=now, clinic=turn.ref.clinic_id, error=type(error).__name__)
            failed.append(turn)
    return failed
