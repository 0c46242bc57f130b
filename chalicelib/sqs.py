"""The delivery queue: ids of what is to be worked on, each delayed to its second."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from reminders.errors import BadInput, Unavailable
from reminders.model import Frozen, Id
from reminders.ports import PatientRef, Turn

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

# SQS API reference, SendMessageBatch and DelaySeconds.
MOST_ENTRIES = 10
LONGEST_DELAY_S = 900


class SqsQueue:
    """`reminders.ports.Queue` over one SQS queue."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def put(self, turns: Iterable[tuple[Turn, datetime]], now: datetime) -> int:
        """Hand over, each delayed to its second; returns how many. What is due later than 900 s comes early.

        Raises Unavailable when some could not be handed over after a second try; dispatch finds those again.
        """
        entries = [_entry(position, turn, due, now) for position, (turn, due) in enumerate(turns)]
        for start in range(0, len(entries), MOST_ENTRIES):
            left = self._send(self._send(entries[start : start + MOST_ENTRIES]))
            if left:
                raise Unavailable(f"the queue refused {len(left)} of {len(entries)} messages")
        return len(entries)

    def _send(self, entries: list[SendMessageBatchRequestEntryTypeDef]) -> list[SendMessageBatchRequestEntryTypeDef]:
        """Returns those the queue did not take."""
        if not entries:
            return []
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except (ClientError, ConnectionError, HTTPClientError):
            raise Unavailable("the queue does not answer") from None
        failed = {failure["Id"] for failure in answer.get("Failed", ())}
        return [entry for entry in entries if entry["Id"] in failed]


def _entry(position: int, turn: Turn, due: datetime, now: datetime) -> SendMessageBatchRequestEntryTypeDef:
    wait_s = math.ceil((due - now).total_seconds())
    return {
        "Id": str(position),
        "MessageBody": msgspec.json.encode(_body(turn)).decode(),
        "DelaySeconds": min(max(wait_s, 0), LONGEST_DELAY_S),
    }


class _Body(Frozen, frozen=True):
    """`patient` is empty when `item` is the clinic's; `item` is left out when it is a patient's messages."""

    clinic: Id
    patient: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,64}$")]
    item: Annotated[str, msgspec.Meta(pattern=r"^((TASK|REPLY)#[^#\s]{1,400})?$")] = ""


def _body(turn: Turn) -> _Body:
    return _Body(clinic=turn.ref.clinic_id, patient=turn.ref.patient_id, item=turn.item)


def read(body: str) -> Turn:
    """What a queue message asks for. Raises BadInput."""
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except msgspec.MsgspecError:
        raise BadInput("queue message", "is not {clinic, patient, item}") from None
    if not (decoded.patient or decoded.item):
        raise BadInput("queue message", "names neither a patient nor an item")
    return Turn(PatientRef(decoded.clinic, decoded.patient), decoded.item)
