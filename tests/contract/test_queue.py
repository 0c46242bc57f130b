"""The queue carries ids only, each delayed to its second."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.sqs import SqsQueue, read
from reminders.errors import BadInput, Unavailable
from reminders.ports import PatientRef, Queue, Turn
from tests.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

REF = PatientRef("harbor", "p1")
TURN = Turn(REF)


@pytest.fixture
def sent(sqs: SQSClient) -> list[dict[str, Any]]:
    """Every entry handed to SQS, batch after batch."""
    batches: list[dict[str, Any]] = []
    sqs.meta.events.register(
        "provide-client-params.sqs.SendMessageBatch", lambda params, **_: batches.append(dict(params))
    )
    return batches


@pytest.mark.parametrize(
    ("seconds", "delay"), [(-30, 0), (0, 0), (0.2, 1), (1, 1), (59.001, 60), (900, 900), (5000, 900)]
)
def test_a_message_waits_for_its_second(
    sqs: SQSClient, queue_url: str, sent: list[dict[str, Any]], seconds: float, delay: int
) -> None:
    queue: Queue = SqsQueue(sqs, queue_url)
    assert queue.put([(TURN, NOW + timedelta(seconds=seconds))], NOW) == 1
    assert sent[0]["Entries"][0]["DelaySeconds"] == delay


def test_messages_go_in_tens_and_come_back_as_they_were(
    sqs: SQSClient, queue_url: str, sent: list[dict[str, Any]]
) -> None:
    turns = [Turn(PatientRef("harbor", f"p{n}")) for n in range(23)]
    assert SqsQueue(sqs, queue_url).put(((turn, NOW) for turn in turns), NOW) == 23
    assert [len(batch["Entries"]) for batch in sent] == [10, 10, 3]
    bodies = [
        message["Body"]
        for _ in range(3)
        for message in sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    ]
    assert {read(body) for body in bodies} == set(turns)
    assert json.loads(bodies[0]).keys() == {"clinic", "patient"}


@pytest.mark.parametrize(
    "turn",
    [
        Turn(REF),
        Turn(REF, "TASK#crisis.p1.SM1"),
        Turn(PatientRef("harbor", ""), "TASK#template.prepare/es.sms"),
        Turn(PatientRef("harbor", ""), "REPLY#SM0123456789abcdef"),
    ],
)
def test_every_turn_comes_back_as_it_was(sqs: SQSClient, queue_url: str, turn: Turn) -> None:
    SqsQueue(sqs, queue_url).put([(turn, NOW)], NOW)
    [message] = sqs.receive_message(QueueUrl=queue_url)["Messages"]
    assert read(message["Body"]) == turn


def test_nothing_to_hand_over_makes_no_call(sqs: SQSClient, queue_url: str, sent: list[dict[str, Any]]) -> None:
    assert SqsQueue(sqs, queue_url).put([], NOW) == 0
    assert sent == []


def refuse_third(sqs: SQSClient, times: int) -> None:
    left = [times]

    def refuse(parsed: dict[str, Any], **_: object) -> None:
        if left[0]:
            left[0] -= 1
            taken = parsed.pop("Successful")[-1]
            parsed["Failed"] = [{"Id": taken["Id"], "SenderFault": False, "Code": "InternalError"}]

    sqs.meta.events.register("after-call.sqs.SendMessageBatch", refuse)


def test_what_the_queue_refused_goes_once_more(sqs: SQSClient, queue_url: str, sent: list[dict[str, Any]]) -> None:
    refuse_third(sqs, times=1)
    turns = [(Turn(PatientRef("harbor", f"p{n}")), NOW) for n in range(3)]
    assert SqsQueue(sqs, queue_url).put(turns, NOW) == 3
    assert [len(batch["Entries"]) for batch in sent] == [3, 1]


def test_a_queue_that_keeps_refusing_is_unavailable(sqs: SQSClient, queue_url: str) -> None:
    refuse_third(sqs, times=2)
    with pytest.raises(Unavailable, match="1 of 1"):
        SqsQueue(sqs, queue_url).put([(TURN, NOW)], NOW)


def test_a_queue_that_is_not_there_is_unavailable(sqs: SQSClient, queue_url: str) -> None:
    with pytest.raises(Unavailable):
        SqsQueue(sqs, queue_url + "-gone").put([(TURN, NOW)], NOW)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Ana",
        "[]",
        "{}",
        '{"clinic": "harbor"}',
        '{"clinic": "harbor", "patient": 1}',
        '{"clinic": "a", "patient": "Ana M"}',
        '{"clinic": "a", "patient": "b", "phone": "+1"}',
        '{"clinic": "a", "patient": ""}',
        '{"clinic": "a", "patient": "b", "item": "Ana M"}',
        '{"clinic": "a", "patient": "b", "item": "LEDGER#s1"}',
        '{"clinic": "a", "patient": "b", "item": "TASK#"}',
        '{"clinic": "a", "patient": "", "item": "REPLY#Ana M"}',
    ],
)
def test_a_message_that_is_not_ours_is_refused_without_quoting_it(body: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(body)
    assert "Ana" not in str(caught.value)


def test_what_fails_five_times_is_set_aside_for_a_fortnight(sqs: SQSClient, queue_url: str) -> None:
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]
    policy = json.loads(attributes["RedrivePolicy"])
    assert int(policy["maxReceiveCount"]) == 5
    assert int(attributes["VisibilityTimeout"]) == 360
    dead = sqs.get_queue_attributes(QueueUrl=f"{queue_url}-dead-letters", AttributeNames=["All"])["Attributes"]
    assert policy["deadLetterTargetArn"] == dead["QueueArn"]
    assert int(dead["MessageRetentionPeriod"]) == 14 * 24 * 3600
