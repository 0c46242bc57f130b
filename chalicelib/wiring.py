"""The one place where concrete classes meet. Functions ask `current()` for what they work with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import boto3
from botocore.config import Config

from chalicelib import logs, settings
from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_client import dynamodb_client
from chalicelib.secrets import TwilioCredentials, TwilioSecret, reader
from chalicelib.ses_email import SesEmail, ses_client
from chalicelib.settings import Settings
from chalicelib.sqs import SqsQueue
from chalicelib.tokens import DynamoLinks
from chalicelib.twilio_sms import TwilioSms
from chalicelib.vitals import Vitals
from reminders import cadences, messages
from reminders.desk import Desk
from reminders.links import Links
from reminders.model import Cadence, Channel, Kind
from reminders.ports import Journal, Queue, Sender, Store

# DynamoDB and SQS answer in milliseconds: who waits seconds should try another of their machines. They check what we
# send themselves, and the tests do too; botocore's own check costs a sixth of a delivery.
PROMPT = Config(
    parameter_validation=False,
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent="session-reminders",  # botocore's own is put together anew for every call
)
TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass(frozen=True)
class House:
    """Everything a function works with."""

    store: Store
    queue: Queue
    senders: Mapping[Channel, Sender]
    clock: Callable[[], datetime]
    settings: Settings
    secrets: Callable[[], TwilioCredentials]
    journal: Journal = logs.journal

    def now(self) -> datetime:
        return self.clock()

    def twilio_secrets(self) -> TwilioCredentials:
        """Raises Unavailable or BadInput."""
        return self.secrets()


_in_use: House | None = None


def use(house: House | None) -> None:
    """Work with this house from now on; None goes back to the environment's."""
    global _in_use
    _in_use = house


def current() -> House:
    """The house in use; the first time on Lambda, built from the environment. Raises BadInput."""
    global _in_use
    if _in_use is None:
        _in_use = on_aws(settings.read(os.environ))
    return _in_use


def on_aws(chosen: Settings) -> House:
    """Everything on AWS and Twilio."""
    secret = TwilioSecret(reader(chosen.twilio_secret))
    return House(
        store=DynamoStore(dynamodb_client(PROMPT), chosen.table_name, chosen.due_shards),
        queue=SqsQueue(boto3.client("sqs", config=PROMPT), chosen.deliver_queue_url),
        senders={
            Channel.SMS: TwilioSms(secret, chosen.public_url, chosen.twilio_api),
            Channel.EMAIL: SesEmail(ses_client(), chosen.ses_configuration_set, chosen.email_from),
        },
        clock=lambda: datetime.now(UTC),
        settings=chosen,
        secrets=secret,
    )


def desk() -> Desk:
    """What delivery and adoption work with, in the house in use."""
    house, (planned, catalogue) = current(), _shipped()
    return Desk(
        store=house.store,
        queue=house.queue,
        senders=house.senders,
        cadences=planned,
        catalogue=catalogue,
        journal=house.journal,
        links=links(),
        alarm=_alarm,
    )


def _alarm(sentence: str) -> None:
    """Tell the topic, if the deployment has one; it is a third way to wake somebody, beside texts and email."""
    topic = current().settings.alarm_topic
    if topic is not None:
        boto3.client("sns").publish(TopicArn=topic, Message=sentence)


@cache
def _shipped() -> tuple[dict[Kind, Cadence], messages.Catalogue]:
    """Cadences and templates as they were deployed, read once."""
    return cadences.load(TEMPLATES / "cadences"), messages.load_defaults(TEMPLATES / "messages")


def links() -> Links:
    """Private links of the house in use."""
    chosen = current().settings
    return _links(chosen.table_name, chosen.public_url)


@cache
def _links(table: str, public_url: str) -> DynamoLinks:
    return DynamoLinks(boto3.client("dynamodb"), table, public_url)


def vitals() -> Vitals:
    """Signs of life of the house in use."""
    chosen = current().settings
    return _vitals(chosen.table_name, chosen.deliver_queue_url)


@cache
def _vitals(table: str, queue_url: str) -> Vitals:
    return Vitals(dynamodb_client(PROMPT), table, boto3.client("sqs", config=PROMPT), queue_url)
