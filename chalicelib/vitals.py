"""Signs of life, for monitoring: when the last tick was, and how many turns wait in the queue."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from reminders.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

# One item beside all clinics; docs/data-contract.md. The tick's policy lets it write under this key only.
TICK = {"pk": {"S": "HEARTBEAT"}, "sk": {"S": "TICK"}}


class Vitals:
    """Every call raises Unavailable when AWS does not answer."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, sqs: SQSClient, queue_url: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._sqs = sqs
        self._queue_url = queue_url

    def ticked(self, now: datetime) -> None:
        """Keep when a dispatch went through."""
        try:
            self._dynamodb.put_item(TableName=self._table, Item={**TICK, "at": {"S": now.astimezone(UTC).isoformat()}})
        except (BotoCoreError, ClientError):
            raise Unavailable("the table does not answer") from None

    def last_tick(self) -> datetime | None:
        """When the last dispatch went through; None before the first."""
        try:
            item = self._dynamodb.get_item(TableName=self._table, Key=TICK, ConsistentRead=True).get("Item")
        except (BotoCoreError, ClientError):
            raise Unavailable("the table does not answer") from None
        return datetime.fromisoformat(item["at"]["S"]) if item else None

    def queue_depth(self) -> int:
        """How many turns could be taken now and are not. SQS counts approximately."""
        try:
            found = self._sqs.get_queue_attributes(
                QueueUrl=self._queue_url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        except (BotoCoreError, ClientError):
            raise Unavailable("the queue does not answer") from None
        return int(found["Attributes"]["ApproximateNumberOfMessages"])
