"""A store on a fresh table: moto in this process, or whatever answers at DYNAMODB_ENDPOINT."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from chalicelib.dynamo import DynamoStore
from local.resources import create_queue, create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

SHARDS = 3
REGION = "us-west-2"


@pytest.fixture(scope="package")
def _aws() -> Iterator[str | None]:
    """The endpoint, or None inside moto."""
    endpoint = os.environ.get("DYNAMODB_ENDPOINT")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.delenv("AWS_PROFILE", raising=False)
        if endpoint:
            yield endpoint
        else:
            with mock_aws():
                yield None


@pytest.fixture
def dynamodb(_aws: str | None) -> DynamoDBClient:
    return boto3.client(
        "dynamodb", region_name=REGION, endpoint_url=_aws, config=Config(retries={"total_max_attempts": 2})
    )


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> Iterator[str]:
    name = f"contract-{uuid.uuid4().hex[:12]}"
    create_table(dynamodb, name)
    yield name
    dynamodb.delete_table(TableName=name)


@pytest.fixture
def store(dynamodb: DynamoDBClient, table: str) -> DynamoStore:
    return DynamoStore(dynamodb, table, SHARDS)


@pytest.fixture
def calls(dynamodb: DynamoDBClient) -> Callable[[], list[str]]:
    """What has been called since the last time it was asked."""
    made: list[str] = []

    def note(model: object, **_: object) -> None:
        made.append(model.name)  # type: ignore[attr-defined]  # botocore's OperationModel is not typed

    dynamodb.meta.events.register("before-call.dynamodb", note)

    def since() -> list[str]:
        answer = made.copy()
        made.clear()
        return answer

    return since


@pytest.fixture
def sqs() -> Iterator[SQSClient]:
    """Always moto: SQS has no endpoint of its own here."""
    with mock_aws():
        yield boto3.client("sqs", region_name=REGION)


@pytest.fixture
def queue_url(sqs: SQSClient) -> str:
    return create_queue(sqs, f"deliver-{uuid.uuid4().hex[:12]}")
