"""docs/data-contract.md says what is true: its examples run, its tables name what the code knows."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from chalicelib import dynamo_items
from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_answers import INBOUND_KEPT
from chalicelib.dynamo_values import stored
from local.resources import properties
from reminders.model import Kind, Session, SessionStatus
from tests.builders import a_clinic, a_patient
from tests.contract.builders import REF

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DOCUMENT = (Path(__file__).parents[2] / "docs" / "data-contract.md").read_text(encoding="utf-8")
EXAMPLE = Session(
    id="s1", clinic_id="harbor", patient_id="p1", kind=Kind.IV, starts_at=datetime(2026, 3, 9, 17, tzinfo=UTC)
)


def fenced(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(block)


def read_back(store: DynamoStore) -> Session:
    store.put_clinic(a_clinic())
    store.put_patient(a_patient())
    raw = store.whole_chart(REF)
    assert raw.malformed == {}
    assert raw.chart
    return raw.chart.sessions["s1"]


def test_the_example_item_is_read_as_a_session(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    item = {name: stored(value) for name, value in json.loads(fenced("json")).items()}
    dynamodb.put_item(TableName=table, Item=item)
    session = read_back(store)
    assert (session.kind, session.starts_at, session.booked_at) == (
        EXAMPLE.kind,
        EXAMPLE.starts_at,
        datetime(2026, 3, 2, 17, tzinfo=UTC),
    )


def test_the_example_call_runs_as_it_is_printed(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", dynamodb.meta.region_name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb.meta.endpoint_url)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    exec(fenced("python"), {"table_name": table})  # noqa: S102 - our own document, run to prove that it is right
    assert read_back(store) == EXAMPLE


def test_every_attribute_that_is_read_is_documented() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| [SN] \|\s*([^|]*?)\s*\|", DOCUMENT, re.MULTILINE))
    assert rows.keys() == set(dynamo_items.SESSION_FIELDS)
    assert {name for name, default in rows.items() if default == "required"} == {"kind", "starts_at"}
    for value in (*Kind, *SessionStatus):
        assert f"`{value}`" in DOCUMENT


def test_what_is_kept_for_a_time_says_for_how_long() -> None:
    assert timedelta(days=2 * 365) == INBOUND_KEPT
    assert "| two years after `received_at` | `INBOUND_KEPT` in `chalicelib/dynamo_answers.py` |" in DOCUMENT


def test_both_indexes_and_their_keys_are_documented() -> None:
    table = properties("Table")
    for index in table["GlobalSecondaryIndexes"]:
        assert f"| `{index['IndexName']}` |" in DOCUMENT
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    for attribute in table["AttributeDefinitions"]:
        assert f"`{attribute['AttributeName']}`" in DOCUMENT
    assert f"`{table['TimeToLiveSpecification']['AttributeName']}`" in DOCUMENT
