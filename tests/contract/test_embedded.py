"""The embedded AWS answers as moto does, with its costs made lean: what a transaction may leave, what a query finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.embedded import REGION, embedded_aws
from local.resources import create_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "embedded"


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBClient]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.setenv(name, "")  # put back afterwards, whatever `embedded_aws` sets
    with embedded_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        create_table(client, TABLE)
        for sk in ("A", "B", "C"):
            client.put_item(TableName=TABLE, Item=_item(sk, "before"))
        yield client
        client.delete_table(TableName=TABLE)  # the suite around it may share this moto


def _key(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "P"}, "sk": {"S": sk}}


def _item(sk: str, note: str) -> dict[str, Any]:
    return {**_key(sk), "due_shard": {"S": "due#0"}, "next_due_at": {"S": sk}, "notes": {"L": [{"S": note}]}}


def _change(sk: str, **more: Any) -> Any:
    return {
        "Update": {
            "TableName": TABLE,
            "Key": _key(sk),
            "UpdateExpression": "SET notes = list_append(notes, :more)",
            "ExpressionAttributeValues": {":more": {"L": [{"S": "after"}]}},
            **more,
        }
    }


def _put(sk: str) -> Any:
    return {"Put": {"TableName": TABLE, "Item": _item(sk, "after")}}


def _delete(sk: str) -> Any:
    return {"Delete": {"TableName": TABLE, "Key": _key(sk)}}


REFUSED: Any = {
    "ConditionCheck": {"TableName": TABLE, "Key": _key("C"), "ConditionExpression": "attribute_not_exists(pk)"},
}


def _all(client: DynamoDBClient) -> list[dict[str, Any]]:
    return client.query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "P"}}
    )["Items"]


def _records(client: DynamoDBClient) -> list[str]:
    arn = client.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]
    streams: Any = boto3.client(
        "dynamodbstreams", region_name=REGION, endpoint_url=f"https://streams.dynamodb.{REGION}.amazonaws.com"
    )
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    place = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    records = streams.get_records(ShardIterator=place)["Records"]
    return [f"{record['eventName']} {record['dynamodb']['Keys']['sk']['S']}" for record in records]


@pytest.mark.parametrize(
    "actions",
    [
        pytest.param([_change("A"), REFUSED], id="a changed item"),
        pytest.param([_put("A"), REFUSED], id="an item put over another"),
        pytest.param([_put("D"), REFUSED], id="a new item"),
        pytest.param([_delete("A"), REFUSED], id="a deleted item"),
        pytest.param([_change("A"), _put("D"), _delete("B"), REFUSED], id="all of them"),
        pytest.param([_change("A", UpdateExpression="SET nothing.there = :more"), _put("D")], id="an impossible path"),
        pytest.param([_change("A"), _put("A")], id="an item named twice"),
    ],
)
def test_a_refused_transaction_leaves_no_trace(dynamodb: DynamoDBClient, actions: list[Any]) -> None:
    before, streamed = _all(dynamodb), _records(dynamodb)
    with pytest.raises(dynamodb.exceptions.ClientError):
        dynamodb.transact_write_items(TransactItems=actions)
    assert _all(dynamodb) == before
    assert _records(dynamodb) == streamed


def test_a_transaction_that_is_taken_changes_all_it_names_and_nothing_else(dynamodb: DynamoDBClient) -> None:
    dynamodb.transact_write_items(TransactItems=[_change("A"), _put("D"), _delete("B")])
    notes = {item["sk"]["S"]: [note["S"] for note in item["notes"]["L"]] for item in _all(dynamodb)}
    assert notes == {"A": ["before", "after"], "C": ["before"], "D": ["after"]}
    assert _records(dynamodb)[3:] == ["MODIFY A", "INSERT D", "REMOVE B"]


def test_after_a_refused_transaction_the_same_items_can_be_written_again(dynamodb: DynamoDBClient) -> None:
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=[_change("A"), _put("D"), REFUSED])
    dynamodb.transact_write_items(TransactItems=[_change("A"), _put("D")])
    assert [len(item["notes"]["L"]) for item in _all(dynamodb)] == [2, 1, 1, 1]


def test_the_due_index_gives_what_is_due_in_order_and_reads_no_more(dynamodb: DynamoDBClient) -> None:
    dynamodb.put_item(TableName=TABLE, Item={**_item("0", "elsewhere"), "due_shard": {"S": "due#1"}})
    dynamodb.put_item(TableName=TABLE, Item=_key("not due"))
    found = dynamodb.query(
        TableName=TABLE,
        IndexName="due",
        KeyConditionExpression="due_shard = :shard AND next_due_at < :before",
        ExpressionAttributeValues={":shard": {"S": "due#0"}, ":before": {"S": "C"}},
    )
    assert [item["sk"]["S"] for item in found["Items"]] == ["A", "B"]
    assert found["ScannedCount"] == 2


def test_pages_of_a_query_join_up(dynamodb: DynamoDBClient) -> None:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=TABLE,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "P"}},
        PaginationConfig={"PageSize": 2},
    )
    assert [[item["sk"]["S"] for item in page["Items"]] for page in pages] == [["A", "B"], ["C"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("next_due_at, nothing", {"next_due_at": {"S": "A"}}),
        ("notes", {"notes": {"L": [{"S": "before"}]}}),
        ("notes[0], sk", {"notes": {"L": [{"S": "before"}]}, "sk": {"S": "A"}}),
        ("nothing", {}),
    ],
)
def test_a_projection_gives_what_was_asked_for_and_leaves_the_item_whole(
    dynamodb: DynamoDBClient, asked: str, found: dict[str, Any]
) -> None:
    answer = dynamodb.get_item(TableName=TABLE, Key=_key("A"), ProjectionExpression=asked)
    assert answer.get("Item", {}) == found
    assert dynamodb.get_item(TableName=TABLE, Key=_key("A"))["Item"] == _item("A", "before")


def test_values_of_every_type_come_back_as_they_were_given(dynamodb: DynamoDBClient) -> None:
    values: dict[str, Any] = {
        "text": {"S": ""},
        "number": {"N": "-2.5"},
        "bytes": {"B": b"\x00\xff"},
        "set": {"SS": ["a"]},
        "numbers": {"NS": ["1"]},
        "yes": {"BOOL": True},
        "nothing": {"NULL": True},
        "map": {"M": {"list": {"L": [{"S": "deep"}, {"B": b"deeper"}, {"M": {}}]}}},
    }
    dynamodb.put_item(TableName=TABLE, Item=_key("D") | values)
    assert dynamodb.get_item(TableName=TABLE, Key=_key("D"))["Item"] == _key("D") | values
