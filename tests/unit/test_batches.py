"""Which records of a batch come again: Lambda counts every one that is not named as done."""

from __future__ import annotations

import pytest

from chalicelib import sqs
from chalicelib.batches import Batch
from chalicelib.dynamo_stream import changed
from reminders.errors import BadInput
from reminders.ports import PatientRef, Turn

ANA, BEN = Turn(PatientRef("harbor", "ana")), Turn(PatientRef("harbor", "ben"))


def turn(asked: Turn) -> str:
    return f'{{"clinic": "{asked.ref.clinic_id}", "patient": "{asked.ref.patient_id}"}}'


def named(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.mark.parametrize(
    ("records", "failed", "come_again"),
    [
        ([], [], []),
        ([("1", "not JSON"), ("2", turn(ANA))], [], ["1"]),
        ([("1", "not JSON"), ("2", turn(ANA))], [ANA], ["2", "1"]),
        ([("1", '{"clinic": "harbor", "patient": "a b"}')], [], ["1"]),
        ([("1", turn(ANA)), ("2", turn(BEN)), ("3", turn(ANA))], [ANA], ["1", "3"]),
        ([("1", turn(ANA)), ("2", turn(BEN))], [], []),
    ],
)
def test_what_failed_and_what_cannot_be_read_comes_again(
    records: list[tuple[str, str]], failed: list[Turn], come_again: list[str]
) -> None:
    assert named(Batch.of(records, sqs.read).answer(failed)) == come_again


def test_a_patient_has_one_turn_however_often_the_queue_names_them() -> None:
    assert list(Batch.of([("1", turn(ANA)), ("2", turn(ANA))], sqs.read).ids) == [ANA]


@pytest.mark.parametrize(
    ("pk", "sk", "whose"),
    [
        ("CLINIC#harbor#PATIENT#ana", "SESSIONS", None),
        ("CLINIC#harbor#PATIENT#ana", "LEDGER#s1", None),
        ("CLINIC#harbor#PATIENT#ana", "TASK#t1", None),
        ("CLINIC#harbor", "CLINIC", None),
        ("HEARTBEAT", "TICK", None),
        ("CLINIC#harbor#PATIENT#ana", "PATIENT", ANA.ref),
        ("CLINIC#harbor#PATIENT#ana", "SESSION#s1", ANA.ref),
    ],
)
def test_only_patients_and_sessions_are_adopted(pk: str, sk: str, whose: PatientRef | None) -> None:
    assert changed({"pk": {"S": pk}, "sk": {"S": sk}}) == whose


@pytest.mark.parametrize("pk", ["", "ana", "CLINIC#harbor", "CLINIC#harbor#PATIENT#", "CLINIC#harbor#PATIENT#a b"])
def test_a_session_in_nobodys_partition_is_kept_for_a_person_to_see(pk: str) -> None:
    with pytest.raises(BadInput, match="pk"):
        changed({"pk": {"S": pk}, "sk": {"S": "SESSION#s1"}})
