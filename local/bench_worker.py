"""`python -m local.bench_worker`: what Lambda runs, in a process of its own, measured from inside.

Reads one JSON object from stdin (an order) and writes one to stdout (what was measured). The addresses of AWS and of
the provider, and all that a deployment sets, are in the environment, as on Lambda.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import msgspec
from botocore.config import Config

from chalicelib import wiring
from local import bench_clock
from local.bench_clock import Clock, Day, TimedSender, WholeSeconds
from local.provider_messages import ACCOUNT_SID, AUTH_TOKEN
from reminders import workflow
from reminders.model import Channel
from reminders.ports import Sender, Turn

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEXT = "Harbor Clinic: Hi Ana, see you Mon Mar 9 at 10:00 AM. Please arrive at 9:45 AM. Call (213) 555-0100"

TICK = {
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "detail": {},
    "resources": [],
    **dict.fromkeys(("id", "time", "account", "region", "version"), ""),
}


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """`refs` are clinic and patient of each message; times are ISO 8601 with an offset."""

    what: str
    now: datetime
    until: datetime
    refs: list[tuple[str, str]] = []
    warm: int = 0  # batches that are not measured
    rounds: int = 0


# --- what is counted --------------------------------------------------------------------------------


class Calls:
    """Every call of DynamoDB from now on, and the items that queries have read. Make it before the house is built."""

    def __init__(self) -> None:
        self.made = 0
        self.read = 0
        self.heard: Callable[[], None] = lambda: None
        parts: Any = wiring  # the one place where clients are made
        make = parts.dynamodb_client

        def counted(config: Config) -> DynamoDBClient:
            client: DynamoDBClient = make(config)
            client.meta.events.register("before-call", self._before)
            client.meta.events.register("after-call.dynamodb.Query", self._after)
            return client

        parts.dynamodb_client = counted

    def _before(self, **_: object) -> None:
        self.made += 1
        self.heard()

    def _after(self, parsed: Any, **_: object) -> None:
        self.read += parsed.get("ScannedCount", 0)


def _event(turns: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Records as Lambda hands them over."""
    return {
        "Records": [
            {
                "messageId": f"{position:08}-0000-4000-8000-000000000000",
                "receiptHandle": "none",
                "body": json.dumps({"clinic": clinic, "patient": patient}),
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772000000000"},
                "messageAttributes": {},
                "md5OfBody": "",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-west-2:123456789012:deliver",
                "awsRegion": "us-west-2",
            }
            for position, (clinic, patient) in enumerate(turns)
        ]
    }


def _cpu_ms(work: Callable[[], object]) -> float:
    """CPU of this process, all its threads, user and system."""
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


# --- orders -----------------------------------------------------------------------------------------


def price(order: Order) -> dict[str, Any]:
    """CPU of one message from queue record to recorded, beside bare creates, in rounds that alternate."""
    calls = Calls()
    front, _ = _lambda(order.now)
    batches = [_event(order.refs[start : start + 10]) for start in range(0, len(order.refs), 10)]
    create, lean = _bare(), _bare(lean=True)
    for batch in batches[: order.warm]:
        front.deliver(batch, None)
    for _ in range(100):
        create()
        lean()
    measured = batches[order.warm :]
    size = len(measured) // order.rounds
    ours, bare, leaner = [], [], []
    counted = calls.made
    for number in range(order.rounds):
        mine = measured[number * size : (number + 1) * size]
        gc.collect()
        ours.append(_cpu_ms(lambda mine=mine: [front.deliver(batch, None) for batch in mine]) / (10 * size))  # type: ignore[misc]
        bare.append(_cpu_ms(lambda: [create() for _ in range(10 * size)]) / (10 * size))
        leaner.append(_cpu_ms(lambda: [lean() for _ in range(10 * size)]) / (10 * size))
    return {
        "message_ms": [round(value, 3) for value in ours],
        "bare_ms": [round(value, 3) for value in bare],
        "lean_ms": [round(value, 3) for value in leaner],
        "messages": 10 * size * order.rounds,
        "deliver_calls": calls.made - counted,
        "peak_rss_mb": _peak_rss_mb(),
    }


def road(order: Order) -> dict[str, Any]:
    """Every call from due to recorded: the tick, the queue itself, the deliveries."""
    calls = Calls()
    front, _ = _lambda(order.now)

    front.tick(TICK, None)
    of_tick = calls.made
    sqs, url = boto3.client("sqs"), wiring.current().settings.deliver_queue_url
    messages = batches = 0
    while True:
        taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        if not taken:
            break
        bodies = [json.loads(message["Body"]) for message in taken]
        front.deliver(_event((body["clinic"], body["patient"]) for body in bodies), None)
        messages, batches = messages + len(taken), batches + 1
    return {"calls": calls.made, "of_tick": of_tick, "messages": messages, "batches": batches}


def reading(order: Order) -> dict[str, Any]:
    """Items that one dispatch reads."""
    calls = Calls()
    _lambda(order.now)

    queue = WholeSeconds(Clock(order.now))
    queued = workflow.dispatch(wiring.current().store, queue, order.now)
    return {"read": calls.read, "queued": queued, "calls": calls.made}


def day(order: Order) -> dict[str, Any]:
    """Real dispatches and deliveries on a virtual clock."""
    calls = Calls()
    front, clock = _lambda(order.now)

    house = wiring.current()
    sender, queue = TimedSender(house.senders[Channel.SMS], Channel.SMS, clock), WholeSeconds(clock)
    senders: dict[Channel, Sender] = {Channel.SMS: sender}
    house = replace(house, queue=queue, senders=senders)
    wiring.use(house)
    late: list[float] = []

    def deliver(turns: Sequence[Turn]) -> list[Turn]:
        before = len(sender.handed_over)
        refs = [(turn.ref.clinic_id, turn.ref.patient_id) for turn in turns]
        answer = front.deliver(_event(refs), None)
        whose = {turn.ref.patient_id: turn for turn in turns}
        late.extend((at - queue.due[whose[patient]]).total_seconds() for patient, at in sender.handed_over[before:])
        again = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [turn for position, turn in enumerate(turns) if f"{position:08}-0000-4000-8000-000000000000" in again]

    def next_due() -> datetime | None:
        before = calls.made
        due = house.store.earliest_due()
        calls.made = before  # only this clock asks that
        return due

    calls.heard = lambda: clock.spend(bench_clock.CALL_S)
    rounds = Day(clock, queue, lambda: workflow.dispatch(house.store, queue, clock.now), next_due, deliver)
    rounds.run(order.until)
    return {
        "messages": len(sender.handed_over),
        "patients": len({patient for patient, _ in sender.handed_over}),
        "last_s": (max(at for _, at in sender.handed_over) - order.now).total_seconds(),
        "late_s": [round(value, 3) for value in late],
        "batches": rounds.batches,
        "ticks": rounds.ticks,
        "dynamodb_calls": calls.made,
        "queue_calls": queue.calls,
    }


ORDERS = {work.__name__: work for work in (price, road, reading, day)}


# --- the function and what it is measured against ---------------------------------------------------


def _lambda(now: datetime) -> tuple[Any, Clock]:
    """The module that Lambda loads, in the house it would build, with a clock that says `now`."""
    import app

    clock = Clock(now)
    wiring.use(replace(wiring.current(), clock=clock))
    return app, clock


def _bare(*, lean: bool = False) -> Callable[[], object]:
    """One `messages.create` of Twilio's own client, as anybody would call it, or with our lean pool below it."""
    from twilio.http.http_client import TwilioHttpClient
    from twilio.rest import Client

    from chalicelib.twilio_http import TWILIO, LeanHttp

    api = os.environ["TWILIO_API"]

    class ToSandbox(TwilioHttpClient):
        def request(self, method: str, uri: str, *given: Any, **named: Any) -> Any:  # type: ignore[override]  # as given
            return super().request(method, api + uri.removeprefix(TWILIO), *given, **named)

    http = LeanHttp(api, 10) if lean else ToSandbox(timeout=10)
    client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=http)
    return lambda: client.messages.create(to="+12135550123", from_="+12135550199", body=TEXT)


def _peak_rss_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1024 if sys.platform == "linux" else 1024 * 1024), 1)  # KiB there, bytes on macOS


def main() -> None:
    """Log lines cost what they cost on Lambda, but go nowhere; stdout is for the answer."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # not a file
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    json.dump(ORDERS[order.what](order), answer)
    answer.close()


if __name__ == "__main__":
    main()
