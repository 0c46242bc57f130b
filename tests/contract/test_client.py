"""Our own DynamoDB client reads and writes what botocore's does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config

from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_client import dynamodb_client
from tests.builders import a_session
from tests.contract.builders import REF, adopted
from tests.contract.conftest import SHARDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ITEM: dict[str, Any] = {
    "pk": {"S": "P"},
    "sk": {"S": "S"},
    "text": {"S": "“¿Qué?”"},
    "number": {"N": "2.5"},
    "set": {"SS": ["a"]},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "map": {"M": {"list": {"L": [{"S": "deep"}, {"M": {}}]}}},
}


@pytest.fixture
def lean(_aws: str | None, monkeypatch: pytest.MonkeyPatch) -> DynamoDBClient:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    if _aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", _aws)
    return dynamodb_client(Config(parameter_validation=False))


def test_what_it_writes_the_other_reads_and_the_reverse(
    dynamodb: DynamoDBClient, lean: DynamoDBClient, table: str
) -> None:
    lean.put_item(TableName=table, Item=ITEM)
    key = {"pk": ITEM["pk"], "sk": ITEM["sk"]}
    assert dynamodb.get_item(TableName=table, Key=key)["Item"] == ITEM
    assert lean.get_item(TableName=table, Key=key)["Item"] == ITEM
    lean.transact_write_items(TransactItems=[{"Delete": {"TableName": table, "Key": key}}])
    assert "Item" not in lean.get_item(TableName=table, Key=key)


def test_values_are_handed_through_and_not_searched_for_their_members(lean: DynamoDBClient) -> None:
    shape: Any = lean.meta.service_model.shape_for("AttributeValue")
    assert shape.is_document_type


@pytest.mark.parametrize("attribute", ["starts_at", "kind", "status"])
def test_a_binary_attribute_is_named_and_not_taken_for_text(
    dynamodb: DynamoDBClient, lean: DynamoDBClient, table: str, attribute: str
) -> None:
    store = DynamoStore(lean, table, SHARDS)
    adopted(store, a_session())
    dynamodb.update_item(
        TableName=table,
        Key={"pk": {"S": "CLINIC#harbor#PATIENT#p1"}, "sk": {"S": "SESSION#s1"}},
        UpdateExpression="SET #name = :bytes",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":bytes": {"B": b"2026-03-09T17:00:00Z"}},
    )
    assert attribute in store.whole_chart(REF).malformed["s1"]
