"""A whole clinic on this machine: the real workflow and store over an embedded AWS, a sandbox provider behind real
HTTP, and a virtual clock that jumps to the next thing to do.

What EventBridge, Lambda's pollers and the provider's webhooks do in the cloud, `Stage.run` does here, in the order
of the clock: agenda, stream, ticks, deliveries, receipts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config
from moto import mock_aws

from chalicelib import tags as spelling
from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_stream import changed
from chalicelib.secrets import TwilioSecret
from chalicelib.twilio_sms import TwilioSms
from local.crashes import Crashes, CrashingSender, CrashingStore, Killed
from local.provider import Sandbox
from local.provider_messages import ACCOUNT_SID, AUTH_TOKEN
from local.queue import LocalQueue
from local.resources import create_table
from reminders.cadences import load as load_cadences
from reminders.errors import BadInput, Unavailable
from reminders.messages import load_defaults as load_templates
from reminders.model import Channel, Entry, Receipt
from reminders.ports import PatientRef, Sender, Store
from reminders.settling import settle
from reminders.workflow import Desk, adopt, deliver, dispatch

ROOT = Path(__file__).parent.parent
MINUTE = timedelta(minutes=1)
REGION = "us-west-2"
PUBLIC_URL = "http://127.0.0.1"
TABLE = "reminders"
STREAMS = f"https://streams.dynamodb.{REGION}.amazonaws.com"  # the one address moto knows

Action = Callable[[], None]
Told = Callable[[str, Mapping[str, object]], None]


class Stage:
    """Use as a context manager; `told` hears every event of the journal."""

    def __init__(self, now: datetime, told: Told) -> None:
        self.now = now
        self.told = told
        self.queue = LocalQueue()
        self.crashes = Crashes()
        self.agenda: list[tuple[datetime, int, Action]] = []
        self._last_tick = _minute(now) - MINUTE
        self._posted = 0

    def __enter__(self) -> Stage:
        for name, value in _NO_ACCOUNT.items():
            os.environ[name] = value
        self._aws = mock_aws()
        self._aws.start()
        self.sandbox = Sandbox(clock=lambda: self.now)
        self.sandbox.start()
        self._build()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()
        self._aws.stop()

    def at(self, when: datetime, action: Action) -> None:
        """Put something on the agenda: it happens when the clock gets there."""
        self.agenda.append((when, len(self.agenda), action))

    def run(self, until: datetime) -> None:
        """Let everything happen that is to happen up to `until`, jumping from one thing to the next."""
        while (upcoming := self.next_at()) is not None and upcoming <= until:
            self.now = max(self.now, upcoming)
            self._step()
        self.now = max(self.now, until)

    def next_at(self) -> datetime | None:
        """When the next thing happens; None when nothing is left to do."""
        agenda = min((when for when, _, _ in self.agenda), default=None)
        times = [agenda, self._next_tick(), self.queue.next_at(), self.sandbox.next_receipt_at()]
        return min((at for at in times if at is not None), default=None)

    # --- one round --------------------------------------------------------------------------------------

    def _step(self) -> None:
        for item in sorted(item for item in self.agenda if item[0] <= self.now):
            self.agenda.remove(item)
            item[2]()
            self._drain_stream()
        tick = self._next_tick()
        if tick is not None and tick <= self.now:
            self._last_tick = tick
            dispatch(self.store, self.queue, self.now)
        self._work_queue()
        self._post_receipts()
        self._drain_stream()

    def _next_tick(self) -> datetime | None:
        """Ticks come every minute; those at which nothing is due are jumped over."""
        due = self.store.earliest_due()
        if due is None:
            return None
        return max(_minute(due), self._last_tick + MINUTE, _next_minute(self.now))

    def _work_queue(self) -> None:
        while batch := self.queue.take(self.now):
            refs = [record.ref for record in batch]
            try:
                failed = deliver(self.desk, refs, self.now)
            except (Killed, Unavailable):
                continue  # as on Lambda: the whole batch becomes visible again when its time runs out
            self.queue.done(record for record in batch if record.ref not in failed)

    def _drain_stream(self) -> None:
        refs: dict[PatientRef, None] = {}
        while True:
            answer = self._streams.get_records(ShardIterator=self._iterator)
            self._iterator = answer["NextShardIterator"]
            if not answer["Records"]:
                break
            for record in answer["Records"]:
                try:
                    ref = changed(record["dynamodb"]["Keys"])
                except BadInput as error:
                    self.told("malformed", {"at": self.now, "problem": str(error)})
                    continue
                if ref is not None:
                    refs[ref] = None
        for ref in refs:
            adopt(self.desk, ref, self.now)

    def _post_receipts(self) -> None:
        for post in self.sandbox.receipts_due(self.now):
            known = spelling.read(spelling.escaped(post.tags))
            status = Receipt(post.status) if post.status in set(Receipt) else None
            if known is None or status is None:
                continue
            settle(self.store, known.ref, known.session, known.entry, post.ref, status, post.code, self.now)
            if status is not Receipt.SENT:
                facts = {"at": post.at, "status": post.status, "code": post.code, "channel": post.channel}
                self.told("receipt", {**facts, **post.tags, "step": known.entry.partition("|")[0]})

    # --- wiring -----------------------------------------------------------------------------------------

    def entry(self, tags: Mapping[str, str]) -> Entry | None:
        """What the ledger knows of a message, by the ids that travelled with it."""
        ref = PatientRef(tags.get("clinic", ""), tags.get("patient", ""))
        chart = self.store.charts([ref]).get(ref)
        ledger = chart.ledgers.get(tags.get("session", "")) if chart else None
        return ledger.entries.get(tags.get("entry", "")) if ledger else None

    def _note(self, event: str, /, **facts: object) -> None:
        self.told(event, facts)

    def _build(self) -> None:
        plain = Config(parameter_validation=False)  # the contract suite validates; here it only costs time
        dynamodb = boto3.client("dynamodb", region_name=REGION, config=plain)
        create_table(dynamodb, TABLE)
        self._streams: Any = boto3.client("dynamodbstreams", region_name=REGION, endpoint_url=STREAMS)
        arn = dynamodb.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]
        shard = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        self._iterator: str = self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self.store = DynamoStore(dynamodb, TABLE, shards=1)
        secret = TwilioSecret(lambda: json.dumps({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}))
        senders: dict[Channel, Sender] = {
            Channel.SMS: TwilioSms(secret, PUBLIC_URL, api=self.sandbox.url),
        }
        self.desk = Desk(
            store=cast(Store, CrashingStore(self.store, self.crashes)),
            queue=self.queue,
            senders={channel: CrashingSender(sender, self.crashes) for channel, sender in senders.items()},
            cadences=load_cadences(ROOT / "templates" / "cadences"),
            catalogue=load_templates(ROOT / "templates" / "messages"),
            journal=self._note,
        )


_NO_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _next_minute(at: datetime) -> datetime:
    whole = _minute(at)
    return whole if whole == at else whole + MINUTE
