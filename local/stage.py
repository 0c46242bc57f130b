"""A whole clinic on this machine: the real workflow and store over an embedded AWS, a sandbox provider behind real
HTTP, and a virtual clock that jumps to the next thing to do.

What EventBridge, Lambda's pollers and the provider's webhooks do in the cloud, `Stage.run` does here, in the order
of the clock: agenda, stream, ticks, deliveries, receipts.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
from botocore.config import Config
from chalice.test import Client
from twilio.request_validator import RequestValidator

from chalicelib import wiring
from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_stream import changed
from chalicelib.routes import inbound
from chalicelib.secrets import TwilioSecret
from chalicelib.ses_email import SesEmail, ses_client
from chalicelib.settings import Settings
from chalicelib.twilio_sms import TwilioSms
from local.crashes import Crashes, CrashingSender, CrashingStore, Killed
from local.embedded import REGION, embedded_aws
from local.provider import Sandbox
from local.provider_messages import ACCOUNT_SID, AUTH_TOKEN, Accepted
from local.queue import LocalQueue
from local.resources import create_table
from reminders import gsm, telling
from reminders.adopting import adopt
from reminders.desk import Desk
from reminders.errors import BadInput, Unavailable
from reminders.model import Channel, Clinic, Language, Ledger, Outcome, Outgoing, Rendered
from reminders.ports import PatientRef, Sender, Store
from reminders.workflow import deliver, dispatch

MINUTE = timedelta(minutes=1)
RECORDS_AT_ONCE = 1000  # of GetRecords
TABLE = "reminders"
STREAMS = f"https://streams.dynamodb.{REGION}.amazonaws.com"  # the one address moto knows
TOLD_RECEIPTS = ("delivered", "undelivered", "failed", "bounced", "complained")

Action = Callable[[], None]
Told = Callable[[str, Mapping[str, object]], None]


class Stage:
    """Use as a context manager; `told` hears every event of the journal."""

    store: DynamoStore
    desk: Desk
    _streams: Any  # moto's client; the stubs do not know streams
    _iterator: str

    def __init__(self, now: datetime, told: Told, public_url: str = "http://127.0.0.1") -> None:
        self.settings = Settings(
            table_name=TABLE,
            deliver_queue_url="local",
            public_url=public_url,
            twilio_secret="local",  # noqa: S106  # a name, not a secret
            ses_configuration_set="local",
            email_from="visits@clinic.example",
            due_shards=1,
        )
        self.now = now
        self.told = told
        self.queue = LocalQueue()
        self.crashes = Crashes()
        self.agenda: list[tuple[datetime, int, Action]] = []
        self.outgoing: dict[str, Rendered] = {}  # by the provider's reference
        self._last_tick = _minute(now) - MINUTE
        self._planned = itertools.count()
        self._heard = itertools.count(1)

    def __enter__(self) -> Stage:
        self._open = ExitStack()
        self._open.enter_context(embedded_aws())
        self.sandbox = Sandbox(clock=lambda: self.now)
        self.sandbox.start()
        self._build()
        return self

    def __exit__(self, *_: object) -> None:
        wiring.use(None)
        self.sandbox.stop()
        self._open.close()

    def at(self, when: datetime, action: Action) -> None:
        """Put something on the agenda: it happens when the clock gets there."""
        self.agenda.append((when, next(self._planned), action))

    def reply(self, clinic: Clinic, sender: str, text: str, sid: str | None = None, opt_out: str | None = None) -> None:
        """Somebody texts the clinic: the signed webhook, as Twilio would bring it, and the answer it gives."""
        sid = sid or f"SM{next(self._heard):032x}"
        form = {"AccountSid": ACCOUNT_SID, "Body": text, "From": sender, "MessageSid": sid, "NumMedia": "0"}
        form["To"] = clinic.sms_from or ""
        if opt_out is not None:
            form["OptOutType"] = opt_out
        signature = RequestValidator(AUTH_TOKEN).compute_signature(self.settings.public_url + inbound.PATH, form)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
        answer = self._app.http.post(inbound.PATH, headers=headers, body=urlencode(form).encode())
        if answer.status_code != HTTPStatus.OK:
            raise Unavailable(f"the webhook answered {answer.status_code}")
        for message in ElementTree.fromstring(answer.body).iter("Message"):  # noqa: S314  # our own answer
            self._answered(clinic, sender, sid, message.text or "")

    def web(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request to the app's own routes, as a browser would make it."""
        answer = self._app.http.request(method, path, headers=dict(headers), body=body)
        return answer.status_code, dict(answer.headers), answer.body

    def _answered(self, clinic: Clinic, sender: str, sid: str, body: str) -> None:
        """The provider takes the answer of a webhook as it takes any message."""
        ref = f"SMreply{len(self.sandbox.log):027}"
        kept = self.store.inbound(clinic.id, sid)
        tags = {"clinic": clinic.id, "reply": sid}
        if kept is not None and kept.patient_id:
            tags["patient"] = kept.patient_id
        self.sandbox.log.append(
            Accepted(self.now, Channel.SMS, sender, clinic.sms_from or "", body, ref, tags=tags, status="delivered")
        )
        language = kept.answer_language if kept and kept.answer_language else Language.EN
        template = self.desk.catalogue.find(kept.answer if kept and kept.answer else "", language, Channel.SMS)
        if template is not None:
            self.outgoing[ref] = Rendered(
                body=body,
                template=template.name,
                version=template.version,
                language=language,
                channel=Channel.SMS,
                encoding=gsm.encoding(body),
                segments=gsm.segments(body),
            )

    def run(self, until: datetime) -> None:
        """Let everything happen that is to happen up to `until`, jumping from one thing to the next."""
        while True:
            tick = self._next_tick()
            upcoming = self._first(tick)
            if upcoming is None or upcoming > until:
                break
            self.now = max(self.now, upcoming)
            self._step(tick)
        self.now = max(self.now, until)

    def next_at(self) -> datetime | None:
        """When the next thing happens; None when nothing is left to do."""
        return self._first(self._next_tick())

    def _first(self, tick: datetime | None) -> datetime | None:
        agenda = min((when for when, _, _ in self.agenda), default=None)
        times = [agenda, tick, self.queue.next_at(), self.sandbox.next_receipt_at()]
        return min((at for at in times if at is not None), default=None)

    # --- one round --------------------------------------------------------------------------------------

    def _step(self, tick: datetime | None) -> None:
        for item in sorted(item for item in self.agenda if item[0] <= self.now):
            self.agenda.remove(item)
            item[2]()
            self._drain_stream()
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
            try:
                failed = deliver(self.desk, [record.turn for record in batch], self.now)
            except (Killed, Unavailable):
                self._tell_the_untold()
                continue  # as on Lambda: the whole batch becomes visible again when its time runs out
            self.queue.done(record for record in batch if record.turn not in failed)

    def _tell_the_untold(self) -> None:
        """What a killed delivery had written is true, though it died before it could say so."""
        for write in self.crashes.untold:
            telling.entries(self.desk, write.chart, write.ledger.session_id, write.set_entries.values())
            for task in write.tasks:
                telling.task(self.desk, task)
        self.crashes.untold = []

    def _drain_stream(self) -> None:
        refs: dict[PatientRef, None] = {}
        while True:
            answer = self._streams.get_records(ShardIterator=self._iterator)
            self._iterator = answer["NextShardIterator"]
            for record in answer["Records"]:
                try:
                    ref = changed(record["dynamodb"]["Keys"])
                except BadInput as error:
                    self.told("malformed", {"at": self.now, "problem": str(error)})
                    continue
                if ref is not None:
                    refs[ref] = None
            if len(answer["Records"]) < RECORDS_AT_ONCE:
                break
        for ref in refs:
            adopt(self.desk, ref, self.now)

    def _post_receipts(self) -> None:
        """Bring each receipt to the real route, signed, or the real function, as Twilio and SES would."""
        for post in self.sandbox.receipts_due(self.now):
            if post.channel is Channel.SMS:
                path = post.url.removeprefix(self.settings.public_url)
                self._app.http.post(path, headers=post.headers, body=urlencode(post.form).encode())
            else:
                sns = self._app.events.generate_sns_event(message=post.event)
                self._app.lambda_.invoke("email_events", sns)
            if post.status in TOLD_RECEIPTS:
                facts = {"at": post.at, "status": post.status, "code": post.code, "channel": post.channel}
                step = post.tags.get("entry", "").partition("|")[0] or None
                self.told("receipt", {**facts, **post.tags, "step": step})

    # --- wiring -----------------------------------------------------------------------------------------

    def ledgers(self, ref: PatientRef) -> dict[str, Ledger]:
        """All of a patient's, by session: that of a visit of last month too, which is no longer among the live ones."""
        chart = self.store.whole_chart(ref).chart
        return chart.ledgers if chart else {}

    def _note(self, event: str, /, **facts: object) -> None:
        if event == "received":  # the journal has ids only; here the words belong to the picture
            kept = self.store.inbound(str(facts["clinic"]), str(facts["sid"]))
            if kept is not None:
                facts = {**facts, "from": kept.sender, "body": kept.body, "score": kept.score}
        self.told(event, facts)

    def _sent(self, outgoing: Outgoing, outcome: Outcome) -> None:
        if outcome.ref is not None:
            self.outgoing[outcome.ref] = outgoing.message

    def _build(self) -> None:
        plain = Config(parameter_validation=False)  # the contract suite validates; here it only costs time
        dynamodb = boto3.client("dynamodb", region_name=REGION, config=plain)
        create_table(dynamodb, TABLE)
        self._streams = boto3.client("dynamodbstreams", region_name=REGION, endpoint_url=STREAMS)
        arn = dynamodb.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]
        shard = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        self._iterator = self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        self.store = DynamoStore(dynamodb, TABLE, shards=1)
        secret = TwilioSecret(lambda: json.dumps({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}))
        senders: dict[Channel, Sender] = {
            Channel.SMS: TwilioSms(secret, self.settings.public_url, api=self.sandbox.url),
            Channel.EMAIL: SesEmail(
                ses_client(self.sandbox.url), self.settings.ses_configuration_set, self.settings.email_from
            ),
        }
        house = wiring.House(
            store=cast(Store, CrashingStore(self.store, self.crashes)),
            queue=self.queue,
            senders={channel: CrashingSender(sender, self.crashes, self._sent) for channel, sender in senders.items()},
            clock=lambda: self.now,
            settings=self.settings,
            secrets=secret,
            journal=self._note,
        )
        wiring.use(house)
        self.desk = wiring.desk()
        from app import app  # reads the environment that `embedded_aws` has set

        logging.getLogger().handlers = [logging.StreamHandler()]  # stdout belongs to the rehearsal's lines
        self._app = Client(app)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _next_minute(at: datetime) -> datetime:
    whole = _minute(at)
    return whole if whole == at else whole + MINUTE
