"""The one place where concrete classes meet. Functions ask `current()` for what they work with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3

from chalicelib import settings
from chalicelib.dynamo import DynamoStore
from chalicelib.secrets import TwilioCredentials, TwilioSecret, reader
from chalicelib.ses_email import SesEmail, ses_client
from chalicelib.settings import Settings
from chalicelib.sqs import SqsQueue
from chalicelib.twilio_sms import TwilioSms
from reminders.model import Channel
from reminders.ports import Queue, Sender, Store


@dataclass(frozen=True)
class House:
    """Everything a function works with."""

    store: Store
    queue: Queue
    senders: Mapping[Channel, Sender]
    clock: Callable[[], datetime]
    settings: Settings
    secrets: Callable[[], TwilioCredentials]

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
        store=DynamoStore(boto3.client("dynamodb"), chosen.table_name, chosen.due_shards),
        queue=SqsQueue(boto3.client("sqs"), chosen.deliver_queue_url),
        senders={
            Channel.SMS: TwilioSms(secret, chosen.public_url, chosen.sms_from, chosen.twilio_api),
            Channel.EMAIL: SesEmail(ses_client(), chosen.ses_configuration_set, chosen.email_from),
        },
        clock=lambda: datetime.now(UTC),
        settings=chosen,
        secrets=secret,
    )
