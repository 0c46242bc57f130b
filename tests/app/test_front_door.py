"""What Lambda calls, as Lambda calls it: tick, turns from the queue, the table's stream, events of email, health."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from chalice.test import Client
from moto import mock_aws

from app import app
from chalicelib import wiring
from chalicelib.settings import Settings
from local.resources import create_queue, create_table
from tests.builders import NOW, a_clinic, a_patient, a_session

pytestmark = pytest.mark.usefixtures("house")

REGION = "us-west-2"


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[wiring.House]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        create_table(boto3.client("dynamodb"), "reminders")
        chosen = Settings(
            table_name="reminders",
            deliver_queue_url=create_queue(boto3.client("sqs"), "deliver"),
            public_url="https://reminders.example.org",
            twilio_secret="twilio",
            ses_configuration_set="reminders",
            email_from="clinic@example.org",
        )
        opened = replace(wiring.on_aws(chosen), clock=lambda: NOW)
        wiring.use(opened)
        yield opened
        wiring.use(None)


@pytest.fixture
def client() -> Iterator[Client]:
    with Client(app) as opened:
        yield opened


def health(client: Client) -> dict[str, Any]:
    answer = client.http.get("/health")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json_body
    return found


def stream(*sort_keys: str) -> dict[str, Any]:
    """Records of the table's stream, numbered from 1."""
    return {
        "Records": [
            {
                "dynamodb": {
                    "ApproximateCreationDateTime": NOW.timestamp(),
                    "Keys": {"pk": {"S": "CLINIC#harbor#PATIENT#p1"}, "sk": {"S": sk}},
                    "SequenceNumber": str(number),
                    "SizeBytes": 100,
                    "StreamViewType": "KEYS_ONLY",
                },
                "awsRegion": REGION,
                "eventID": str(number),
                "eventName": "MODIFY",
                "eventSourceARN": "arn:aws:dynamodb:us-west-2:123456789012:table/reminders/stream/x",
            }
            for number, sk in enumerate(sort_keys, start=1)
        ]
    }


def test_before_the_first_tick_monitoring_hears_that_there_was_none(client: Client) -> None:
    assert health(client) == {"last_tick": None, "oldest_overdue_s": 0, "queue_depth": 0}


def test_a_tick_leaves_its_time(client: Client) -> None:
    client.lambda_.invoke("tick", client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []))
    assert health(client)["last_tick"] == NOW.isoformat()


def test_a_session_a_booking_system_wrote_is_queued_at_once(client: Client, house: wiring.House) -> None:
    house.store.put_clinic(a_clinic())
    house.store.put_patient(a_patient())
    house.store.put_session(a_session())
    answer = client.lambda_.invoke("adopt", stream("PATIENT", "SESSION#s1", "LEDGER#s1")).payload
    assert answer == {"batchItemFailures": []}
    assert health(client)["queue_depth"] == 1


def test_monitoring_hears_how_late_the_latest_is(client: Client, house: wiring.House) -> None:
    house.store.put_clinic(a_clinic())
    house.store.put_patient(a_patient())
    house.store.put_session(a_session())
    client.lambda_.invoke("adopt", stream("SESSION#s1"))
    wiring.use(replace(house, clock=lambda: datetime(2026, 3, 2, 17, 5, tzinfo=UTC)))
    assert health(client)["oldest_overdue_s"] == 300


def test_a_turn_nobody_can_read_comes_again_and_holds_up_no_other(client: Client) -> None:
    nobody_is_there = json.dumps({"clinic": "harbor", "patient": "p1"})
    event = client.events.generate_sqs_event(["not a turn", nobody_is_there])
    for number, record in enumerate(event["Records"], start=1):
        record["messageId"] = f"m{number}"  # the test client gives every record the same
    assert client.lambda_.invoke("deliver", event).payload == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_an_email_event_about_a_message_of_others_settles_nothing(client: Client) -> None:
    told = json.dumps({"eventType": "Delivery", "mail": {"messageId": "0102", "tags": {"campaign": ["spring"]}}})
    assert client.lambda_.invoke("email_events", client.events.generate_sns_event(told)).payload is None


def test_a_table_that_does_not_answer_is_told_as_such(client: Client) -> None:
    boto3.client("dynamodb").delete_table(TableName="reminders")
    answer = client.http.get("/health")
    assert (answer.status_code, answer.json_body) == (503, {"problem": "the table does not answer"})
