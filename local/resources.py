"""Builds the deployed table and queues on any endpoint, from the very template that is deployed.

Reads `.chalice/resources.json`; works on moto, DynamoDB Local and MiniStack. What an emulator does not know
(encryption, point-in-time recovery) is left to CloudFormation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

TEMPLATE = Path(__file__).parent.parent / ".chalice" / "resources.json"

# What CreateTable spells as the template does; the stream is spelled differently, the rest are calls of their own.
_AS_WRITTEN = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")


def properties(logical_id: str) -> dict[str, Any]:
    """One resource's properties as the template has them."""
    found: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"][logical_id]["Properties"]
    return found


def create_table(client: DynamoDBClient, name: str) -> None:
    """The table with both indexes, its stream and its time to live; ready to use on return."""
    table = properties("Table")
    client.create_table(
        TableName=name,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": table["StreamSpecification"]["StreamViewType"]},
        **{key: table[key] for key in _AS_WRITTEN},
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    client.update_time_to_live(TableName=name, TimeToLiveSpecification=table["TimeToLiveSpecification"])


def create_queue(client: SQSClient, name: str) -> str:
    """The delivery queue and, beside it, `<name>-dead-letters`; returns the delivery queue's URL."""
    dead = client.create_queue(
        QueueName=f"{name}-dead-letters", Attributes=_attributes(properties("DeliverDeadLetters"))
    )["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    deliver = properties("DeliverQueue")
    deliver["RedrivePolicy"] = {**deliver["RedrivePolicy"], "deadLetterTargetArn": arn}
    return client.create_queue(QueueName=name, Attributes=_attributes(deliver))["QueueUrl"]


def _attributes(queue: dict[str, Any]) -> dict[Any, str]:
    """SQS takes every attribute as a string, booleans and policies in JSON."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in queue.items()}
