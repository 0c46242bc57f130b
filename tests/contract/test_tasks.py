"""Tasks: opened once, changed under a lock, listed and due as long as they are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.errors import Unavailable
from reminders.model import Task, TaskKind, Urgency
from reminders.ports import LedgerRecord, LedgerWrite, PatientRef, Turn
from tests.builders import NOW, a_session
from tests.contract.builders import HOUR, REF, a_claim, a_task, adopted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLINIC = PatientRef("harbor", "")
CRISIS = a_task(
    id="crisis.p1.SM1", kind=TaskKind.CRISIS, urgency=Urgency.URGENT, session_id=None, due_at=NOW, next_due_at=NOW
)


def taken(task: Task) -> Task:
    return replace(task, taken_by="Dana Reyes", taken_at=NOW, next_due_at=None)


def closed(task: Task) -> Task:
    return replace(task, closed_at=NOW, note="called")


@pytest.mark.parametrize(
    ("task", "ref"),
    [
        (CRISIS, REF),
        (replace(CRISIS, patient_id=None, undeliverable=True, attempt=2), CLINIC),
        (a_task(detail="no driver", step="prepare"), REF),
    ],
    ids=["of a patient", "of the clinic", "of no hurry"],
)
def test_a_task_is_read_as_it_was_opened(store: DynamoStore, task: Task, ref: PatientRef) -> None:
    assert store.open_task(task)
    assert store.task(ref, task.id) == task
    assert store.open_tasks("harbor") == [task]
    assert not store.open_task(replace(task, note="again"))
    due = store.due(NOW + HOUR)
    assert [(found.turn, found.at) for found in due] == (
        [(Turn(ref, f"TASK#{task.id}"), NOW)] if task.next_due_at else []
    )


def test_a_task_that_is_not_there_cannot_be_changed(store: DynamoStore) -> None:
    store.open_task(CRISIS)
    assert store.task(CLINIC, CRISIS.id) is None
    assert store.change_task(CLINIC, CRISIS.id, taken) is None
    assert store.change_task(REF, "crisis.p1.SM2", taken) is None


def test_a_task_that_is_taken_wakes_nobody_and_stays_on_the_list(store: DynamoStore) -> None:
    store.open_task(CRISIS)
    assert store.change_task(REF, CRISIS.id, taken) == taken(CRISIS)
    assert store.task(REF, CRISIS.id) == taken(CRISIS)
    assert store.open_tasks("harbor") == [taken(CRISIS)]
    assert store.earliest_due() is None


def test_a_task_wakes_again_when_the_change_says_so(store: DynamoStore) -> None:
    store.open_task(CRISIS)
    store.change_task(REF, CRISIS.id, lambda task: replace(task, attempt=1, next_due_at=NOW + HOUR))
    assert [due.at for due in store.due(NOW + 2 * HOUR)] == [NOW + HOUR]


def test_a_closed_task_is_in_no_index(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    store.open_task(CRISIS)
    changed = store.change_task(REF, CRISIS.id, closed)
    assert changed == store.task(REF, CRISIS.id) == replace(closed(CRISIS), next_due_at=None)
    assert store.open_tasks("harbor") == []
    assert store.earliest_due() is None
    key = {"pk": {"S": "CLINIC#harbor#PATIENT#p1"}, "sk": {"S": f"TASK#{CRISIS.id}"}}
    item = dynamodb.get_item(TableName=table, Key=key)["Item"]
    assert not item.keys() & {"listing", "listing_order", "due_shard", "next_due_at"}
    assert not store.open_task(CRISIS)  # what caused it has been dealt with


def test_a_task_that_is_opened_again_is_listed_again(store: DynamoStore) -> None:
    store.open_task(a_task())
    store.change_task(REF, a_task().id, closed)
    again = store.change_task(REF, a_task().id, lambda task: replace(task, closed_at=None))
    assert store.open_tasks("harbor") == [again]


def test_of_two_who_take_a_task_at_once_one_has_it(store: DynamoStore) -> None:
    store.open_task(CRISIS)

    def first_come(task: Task, by: str) -> Task:
        return task if task.taken_by else replace(taken(task), taken_by=by)

    def meanwhile(task: Task) -> Task:
        if task.taken_by is None:
            store.change_task(REF, CRISIS.id, lambda found: first_come(found, "Lee Ortiz"))
        return first_come(task, "Dana Reyes")

    changed = store.change_task(REF, CRISIS.id, meanwhile)
    assert changed == store.task(REF, CRISIS.id)
    assert changed
    assert changed.taken_by == "Lee Ortiz"


def test_a_task_others_never_let_go_of_is_unavailable(store: DynamoStore) -> None:
    store.open_task(a_task())

    def overtaken(task: Task) -> Task:
        store.change_task(REF, task.id, lambda found: found)
        return task

    with pytest.raises(Unavailable):
        store.change_task(REF, a_task().id, overtaken)


def test_a_task_that_a_claim_or_an_answer_opens_can_wake_too(store: DynamoStore) -> None:
    claim = a_claim(adopted(store, a_session()))
    with_task = LedgerWrite(
        chart=claim.chart, ledger=claim.ledger, set_entries=claim.set_entries, tasks=(CRISIS,), next_due_at=NOW + HOUR
    )
    assert store.commit([with_task]) == set()
    other = replace(CRISIS, id="crisis.p1.SM2", next_due_at=NOW + HOUR)
    store.record([LedgerRecord(REF, "s1", 2, {}, None, (other,))])
    assert [due.turn.item for due in store.due(NOW + 2 * HOUR)] == [f"TASK#{CRISIS.id}", f"TASK#{other.id}"]


def test_the_most_urgent_come_first_and_then_the_earliest_due(store: DynamoStore) -> None:
    later = a_task(id="later", due_at=NOW + 2 * HOUR)
    other_clinic = a_task(id="theirs", clinic_id="other")
    for task in (later, a_task(), CRISIS, other_clinic):
        store.open_task(task)
    assert [task.id for task in store.open_tasks("harbor")] == [CRISIS.id, a_task().id, "later"]
