"""Killing a delivery at a chosen point, from outside: the code that is killed knows nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from reminders.model import Channel, Outcome, Outgoing
from reminders.ports import LedgerRecord, LedgerWrite, Sender, Store


class Killed(BaseException):
    """The function's process is gone. Not an Exception: nothing in the workflow may catch it."""


class Crashes:
    """The points at which the next deliveries die, in order; `untold` is what was written and nobody lived to tell."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.untold: list[LedgerWrite] = []

    def reached(self, point: str) -> None:
        if point in self.waiting:
            self.waiting.remove(point)
            raise Killed(point)


class CrashingStore:
    """A Store that dies after a claim or a record when it is told to; everything else passes to the real one."""

    def __init__(self, store: Store, crashes: Crashes) -> None:
        self._store = store
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def commit(self, writes: Sequence[LedgerWrite]) -> set[str]:
        lost = self._store.commit(writes)
        if any(write.set_bodies for write in writes):
            self._crashes.untold = [write for write in writes if write.ledger.session_id not in lost]
            self._crashes.reached("claim")
            self._crashes.untold = []
        return lost

    def record(self, records: Sequence[LedgerRecord]) -> None:
        self._store.record(records)
        self._crashes.reached("record")


class CrashingSender:
    """A Sender that dies after the provider has answered; `sent` hears of every answer before."""

    def __init__(self, sender: Sender, crashes: Crashes, sent: Callable[[Outgoing, Outcome], None]) -> None:
        self._sender = sender
        self._crashes = crashes
        self._sent = sent
        self.channel: Channel = sender.channel

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        outcome = self._sender.send(outgoing, now)
        self._sent(outgoing, outcome)
        self._crashes.reached("send")
        return outcome

    def find(self, outgoing_to: str, tags: dict[str, str], since: datetime, body: str | None) -> Outcome | None:
        return self._sender.find(outgoing_to, tags, since, body)
