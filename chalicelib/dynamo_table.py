"""Reading and changing items of the one table, for whatever lies in it. Nothing here ever scans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from chalicelib import dynamo_items as items
from chalicelib.dynamo_items import Item, Key
from chalicelib.dynamo_transactions import BUSY, NO_ANSWER
from chalicelib.dynamo_writes import Change
from reminders.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_KEYS = 100  # of one BatchGetItem
BATCH_TRIES = 6
CHANGE_TRIES = 5

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def answering(method: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """A table that does not answer, or is too busy, is Unavailable; what botocore says may quote an item."""

    @wraps(method)
    def call(*given: _Given.args, **named: _Given.kwargs) -> _Answer:
        try:
            return method(*given, **named)
        except NO_ANSWER:
            raise Unavailable("the table does not answer") from None
        except ClientError as error:
            if error.response["Error"]["Code"] in BUSY:
                raise Unavailable("the table is too busy") from None
            raise

    return call


class DynamoTable:
    """`shards`: into how many parts the due index is split; all processes of one deployment use the same number."""

    def __init__(self, client: DynamoDBClient, table: str, shards: int) -> None:
        self._client = client
        self._table = table
        self._shards = shards

    def _get(self, key: Key, **projection: Any) -> Item | None:
        answer = self._client.get_item(TableName=self._table, Key=items.named(key), ConsistentRead=True, **projection)
        return answer.get("Item")

    def _put(self, item: Item, **conditions: Any) -> bool:
        """False when a condition does not hold."""
        try:
            self._client.put_item(TableName=self._table, Item=item, **conditions)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _update(self, change: Change) -> bool:
        """False when a condition does not hold."""
        try:
            self._client.update_item(**change.arguments(self._table))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _query(self, **asked: Any) -> Iterator[Item]:
        """Every page."""
        for page in self._client.get_paginator("query").paginate(TableName=self._table, **asked):
            yield from page["Items"]

    def _beginning(self, pk: str, sk: str) -> Iterator[Item]:
        """A partition's items whose sort key begins like this, in its order, consistently."""
        return self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues={":pk": {"S": pk}, ":sk": {"S": sk}},
            ConsistentRead=True,
        )

    def _listed(self, listing: str, first: str = "") -> list[Item]:
        """Items of a listing in its order, from `first` on. The index may lag by moments; the items are read as they
        are now."""
        asked: dict[str, Any] = {":listing": {"S": listing}}
        condition = "listing = :listing"
        if first:
            asked[":first"] = {"S": first}
            condition += " AND listing_order >= :first"
        keys = [
            items.key_of(item)
            for item in self._query(
                IndexName="listing", KeyConditionExpression=condition, ExpressionAttributeValues=asked
            )
        ]
        found = self._batch(keys)
        return [found[key] for key in keys if key in found]

    def _batch(self, keys: list[Key], **projection: Any) -> dict[Key, Item]:
        """Many items, consistently; those that are not there are missing from the answer."""
        found: dict[Key, Item] = {}
        for start in range(0, len(keys), MOST_KEYS):
            asked: dict[str, Any] = {
                self._table: {
                    "Keys": [items.named(key) for key in keys[start : start + MOST_KEYS]],
                    "ConsistentRead": True,
                    **projection,
                }
            }
            for attempt in range(BATCH_TRIES):
                answer = self._client.batch_get_item(RequestItems=asked)
                found |= {items.key_of(item): item for item in answer["Responses"].get(self._table, ())}
                asked = dict(answer.get("UnprocessedKeys", {}))
                if not asked:
                    break
                time.sleep(0.02 * 2**attempt)
            else:
                raise Unavailable("the table leaves keys unread")
        return found
