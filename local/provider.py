"""A provider of texts and email that behaves like Twilio and SES: real HTTP, scripted trouble, signed receipts.

`python -m local.provider --port N` runs it in a process of its own, without receipts.
"""

from __future__ import annotations

import argparse
import heapq
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from local.provider_http import Server
from local.provider_messages import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    EMAIL_REFUSALS,
    FAILED,
    REFUSALS,
    Accepted,
    Hangup,
    Post,
    Refusal,
    callback,
    event,
)
from reminders.model import Channel

__all__ = ["ACCOUNT_SID", "AUTH_TOKEN", "Accepted", "Post", "Sandbox"]

SENT_AFTER = timedelta(seconds=1)
SETTLED_AFTER = timedelta(seconds=2)


@dataclass(frozen=True, order=True)
class _Promise:
    at: datetime
    number: int
    status: str = field(compare=False)
    accepted: Accepted = field(compare=False)
    code: str | None = field(default=None, compare=False)


class Sandbox:
    """`script` says what the next sends to an address meet; `log` is what was accepted, in order."""

    def __init__(self, clock: Callable[[], datetime], *, receipts: bool = True, port: int = 0) -> None:
        self.clock = clock
        self.log: list[Accepted] = []
        self.heard: deque[tuple[str, str, bytes]] = deque(maxlen=100)  # the last requests: method, target, body
        self.lock = threading.Lock()
        self._receipts = receipts
        self._by_ref: dict[str, Accepted] = {}
        self._scripts: dict[tuple[Channel, str], deque[str]] = defaultdict(deque)
        self._promises: list[_Promise] = []
        self._promised = 0
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def secret(self) -> str:
        """What the Twilio secret holds to log in here."""
        return json.dumps({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN})

    def start(self) -> None:
        serve = partial(self._server.serve_forever, poll_interval=0.02)  # seconds until `stop` is noticed
        threading.Thread(target=serve, name="sandbox", daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """In this thread, until interrupted."""
        self._server.serve_forever()

    # --- what a test or a rehearsal says -----------------------------------------------------------------

    def script(self, channel: Channel, to: str, outcome: str, times: int = 1) -> None:
        """The next `times` sends to `to` meet `outcome`: a word or code of the contract's `provider` event.

        Also any other code of Twilio's or exception of SES's that `provider_messages.py` lists.
        """
        with self.lock:
            self._scripts[channel, to].extend([outcome] * times)

    def next_receipt_at(self) -> datetime | None:
        with self.lock:
            return self._promises[0].at if self._promises else None

    def receipts_due(self, now: datetime) -> list[Post]:
        """Every receipt whose time has come, in order, each given once."""
        with self.lock:
            due = []
            while self._promises and self._promises[0].at <= now:
                due.append(heapq.heappop(self._promises))
            return [post for promise in due for post in self._settle(promise)]

    # --- what the HTTP side asks -------------------------------------------------------------------------

    def take(self, message: Accepted) -> Accepted | Refusal | Hangup:
        """One send: what it meets is the address's script, or else it is accepted and delivered."""
        with self.lock:
            waiting = self._scripts.get((message.channel, message.to))
            outcome = waiting.popleft() if waiting else "delivered"
            if outcome == "throttled":
                outcome = "20429" if message.channel is Channel.SMS else "TooManyRequestsException"
            if outcome in (REFUSALS if message.channel is Channel.SMS else EMAIL_REFUSALS):
                return Refusal(outcome)
            if outcome == "timeout_lost":
                return Hangup()
            message.ref = self._next_ref(message.channel)
            self.log.append(message)
            self._by_ref[message.ref] = message
            if self._receipts:
                self._promise(message, outcome)
            return Hangup() if outcome == "timeout_accepted" else message

    def find(self, ref: str) -> Accepted | None:
        with self.lock:
            return self._by_ref.get(ref)

    def sent_to(self, to: str | None) -> list[Accepted]:
        """Texts, newest first."""
        with self.lock:
            return [m for m in reversed(self.log) if m.channel is Channel.SMS and to in (None, m.to)]

    # --- receipts ----------------------------------------------------------------------------------------

    def _next_ref(self, channel: Channel) -> str:
        number = len(self.log) + 1
        return f"SM{number:032x}" if channel is Channel.SMS else f"{number:016x}-0000-sandbox-000000"

    def _promise(self, message: Accepted, outcome: str) -> None:
        final, code = "delivered", None
        if outcome in ("bounced", "complained"):
            final = outcome
        elif outcome.isdecimal():
            final, code = ("failed" if outcome in FAILED else "undelivered"), outcome
        steps = [(SENT_AFTER, "sent", None), (SETTLED_AFTER, final, code)]
        if final == "failed":
            del steps[0]
        if final == "complained":
            steps.insert(1, (SETTLED_AFTER, "delivered", None))
        for after, status, why in steps:
            self._promised += 1
            heapq.heappush(self._promises, _Promise(message.at + after, self._promised, status, message, why))

    def _settle(self, promise: _Promise) -> list[Post]:
        message = promise.accepted
        message.status, message.error_code, message.changed_at = promise.status, promise.code, promise.at
        if message.channel is Channel.EMAIL:
            return [event(message, promise.at, promise.status)]
        return [callback(message, promise.at, promise.status, promise.code)] if message.callback else []


def main() -> None:
    """Until interrupted; the first line printed is the address."""
    parser = argparse.ArgumentParser(prog="python -m local.provider", description="A sandbox for Twilio and SES.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    sandbox = Sandbox(lambda: datetime.now(UTC), receipts=False, port=parser.parse_args().port)
    print(sandbox.url, flush=True)
    with suppress(KeyboardInterrupt):
        sandbox.serve()


if __name__ == "__main__":
    main()
