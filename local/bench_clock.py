"""The platform on a virtual clock, for the benchmarks: queue, workers, and a provider that takes so many a second.

The code that is measured is real; how long its calls take is modelled, with the numbers below.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from local.queue import VISIBILITY
from reminders.model import Channel, Outcome, Outgoing, Result
from reminders.ports import Sender, Turn

RATE = 100  # sends a second that the provider takes of one account
SEND_S = 0.1  # one create, from here to the answer
CALL_S = 0.01  # one call of DynamoDB
MINUTE = timedelta(minutes=1)
POLL_S = 0.05  # from visible in the queue to the function's start
BATCH = 10
WORKERS = 15  # `maximum_concurrency` in app.py
LONGEST_DELAY_S = 900


class Clock:
    """The instant at which the worker that runs now has arrived."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def spend(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Turnstile:
    """The provider's: one place every 1/rate seconds, each taken once; whoever finds it taken waits for the next."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._taken: set[int] = set()

    def pass_at(self, at: datetime) -> datetime:
        place = math.ceil(at.timestamp() * self._rate)
        while place in self._taken:
            place += 1
        self._taken.add(place)
        return max(at, datetime.fromtimestamp(place / self._rate, UTC))


@dataclass
class TimedSender:
    """A real sender, whose sends take their time on the virtual clock."""

    sender: Sender
    channel: Channel
    clock: Clock
    turnstile: Turnstile = field(default_factory=lambda: Turnstile(RATE))
    handed_over: list[tuple[str, datetime]] = field(default_factory=list)  # patient, when the provider had it

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        outcome = self.sender.send(outgoing, now)
        self.clock.now = self.turnstile.pass_at(self.clock.now)
        self.clock.spend(SEND_S)
        if outcome.result is Result.ACCEPTED:
            self.handed_over.append((outgoing.tags["patient"], self.clock.now))
        return outcome

    def find(self, outgoing_to: str, tags: dict[str, str], since: datetime, body: str | None) -> Outcome | None:
        return self.sender.find(outgoing_to, tags, since, body)


@dataclass
class WholeSeconds:
    """`reminders.ports.Queue` as SQS is: ten to a call, delays of whole seconds, 900 at most."""

    clock: Clock
    due: dict[Turn, datetime] = field(default_factory=dict)
    calls: int = 0
    _waiting: list[tuple[datetime, int, Turn]] = field(default_factory=list)
    _put: int = 0

    def put(self, turns: Iterable[tuple[Turn, datetime]], now: datetime) -> int:
        count = 0
        for turn, due in turns:
            if count % BATCH == 0:
                self.calls += 1
                self.clock.spend(CALL_S)
            count += 1
            self.due[turn] = due
            delay_s = min(max(math.ceil((due - now).total_seconds()), 0), LONGEST_DELAY_S)
            self.hide(turn, self.clock.now + timedelta(seconds=delay_s))
        return count

    def hide(self, turn: Turn, until: datetime) -> None:
        self._put += 1
        heapq.heappush(self._waiting, (until, self._put, turn))

    def next_at(self) -> datetime | None:
        return self._waiting[0][0] if self._waiting else None

    def take(self, now: datetime) -> list[Turn]:
        """A batch of what is visible."""
        taken: list[Turn] = []
        while self._waiting and self._waiting[0][0] <= now and len(taken) < BATCH:
            taken.append(heapq.heappop(self._waiting)[2])
        return taken


@dataclass
class Day:
    """Ticks, on every whole minute, and workers in the order of the clock.

    `deliver` answers with the turns that are to come again.
    """

    clock: Clock
    queue: WholeSeconds
    dispatch: Callable[[], object]
    next_due: Callable[[], datetime | None]
    deliver: Callable[[Sequence[Turn]], Iterable[Turn]]
    ticks: int = 0
    batches: int = 0

    def run(self, until: datetime) -> None:
        """Until nothing waits and nothing is due before `until`. Ticks that would find nothing are jumped over."""
        free = [self.clock.now] * WORKERS
        tick = minute(self.clock.now)
        while True:
            visible = self.queue.next_at()
            if visible is None:
                due = self.next_due()
                if due is None or due >= until:
                    return
                tick = max(tick, minute(due))
            starts = max(visible, free[0]) if visible else None
            if starts is None or tick <= starts:
                self.clock.now = tick
                self.dispatch()
                self.ticks += 1
                tick += MINUTE
            else:
                heapq.heapreplace(free, self._batch(starts))

    def _batch(self, starts: datetime) -> datetime:
        """One worker's work; returns when it is free again."""
        self.clock.now = starts
        self.clock.spend(POLL_S)
        turns = self.queue.take(starts)
        for turn in self.deliver(turns):
            self.queue.hide(turn, starts + VISIBILITY)
        self.batches += 1
        return self.clock.now


def minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)) - 1, 0)]
