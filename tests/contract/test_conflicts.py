"""A table that is busy, throttled or gone. Its answers are put in botocore's place, the rest is real."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from chalicelib.dynamo import DynamoStore
from reminders.errors import Unavailable
from reminders.model import State
from reminders.ports import LedgerWrite, PatientRef
from tests.builders import NOW, a_session
from tests.contract.builders import HOUR, a_claim, adopted, an_answer, ledger_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Refuse = Callable[..., None]
REFS = [PatientRef("harbor", "p1"), PatientRef("harbor", "p2")]


@pytest.fixture
def refuse(dynamodb: DynamoDBClient) -> Refuse:
    """The next `times` transactions meet this error; `reasons` are the cancellation's, by action."""

    def arrange(code: str, times: int, reasons: list[str] | None = None) -> None:
        left = [times]

        def answer(**_: object) -> Any:  # botocore's stubs say None, its code takes a response
            if not left[0]:
                return None
            left[0] -= 1
            if code == "timeout":
                raise ReadTimeoutError(endpoint_url="https://dynamodb.invalid")
            parsed: dict[str, Any] = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {}}
            if reasons:
                parsed["CancellationReasons"] = [{"Code": reason} for reason in reasons]
            return AWSResponse("", 400, HTTPHeaders(), None), parsed

        dynamodb.meta.events.register("before-call.dynamodb.TransactWriteItems", answer)

    return arrange


@pytest.fixture
def claims(store: DynamoStore) -> list[LedgerWrite]:
    """Of two patients; each is an update of the ledger after checks of the patient and the session."""
    found = []
    for ref in REFS:
        sid = f"s-{ref.patient_id}"
        chart = adopted(store, a_session(id=sid, patient_id=ref.patient_id), patient_id=ref.patient_id)
        found.append(a_claim(chart, sid))
    return found


def entries(store: DynamoStore) -> list[int]:
    return [len(ledger_of(store, f"s-{ref.patient_id}", ref).entries) for ref in REFS]


FIRST_IN_CONFLICT = ["None", "None", "TransactionConflict", "None", "None", "None"]


@pytest.mark.parametrize(
    ("code", "reasons"),
    [
        ("TransactionCanceledException", FIRST_IN_CONFLICT),
        ("TransactionCanceledException", ["ThrottlingError"] * 6),
        ("ThrottlingException", None),
        ("ProvisionedThroughputExceededException", None),
        ("TransactionInProgressException", None),
    ],
)
def test_what_meets_a_busy_table_goes_again_one_by_one(
    store: DynamoStore,
    claims: list[LedgerWrite],
    refuse: Refuse,
    calls: Callable[[], list[str]],
    code: str,
    reasons: list[str] | None,
) -> None:
    refuse(code, 1, reasons)
    calls()
    assert store.commit(claims) == set()
    assert calls() == ["TransactWriteItems"] * 2  # beside the one that was refused
    assert entries(store) == [1, 1]


def test_who_failed_a_condition_is_not_tried_again(
    store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse
) -> None:
    failed = ["None", "ConditionalCheckFailed", "None", "None", "None", "TransactionConflict"]
    refuse("TransactionCanceledException", 1, failed)
    assert store.commit(claims) == {"s-p1"}
    assert entries(store) == [0, 1]


def test_claims_that_stay_in_conflict_are_reported(
    store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse
) -> None:
    refuse("ThrottlingException", 100)
    assert store.commit(claims) == {"s-p1", "s-p2"}


def test_a_claim_without_an_answer_is_not_ours(store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse) -> None:
    refuse("timeout", 1)
    assert store.commit(claims) == {"s-p1", "s-p2"}


def test_answers_are_kept_when_the_table_was_busy(
    store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse
) -> None:
    store.commit(claims)
    refuse("TransactionCanceledException", 1, ["TransactionConflict", "None"])
    store.record([an_answer(claim) for claim in claims])
    assert [
        (entry.state, entry.ref)
        for ref in REFS
        for entry in ledger_of(store, f"s-{ref.patient_id}", ref).entries.values()
    ] == [(State.SENT, "SM1")] * 2
    assert store.earliest_due() == NOW + 24 * HOUR


def test_answers_that_met_a_timeout_are_kept_all_the_same(
    store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse
) -> None:
    store.commit(claims)
    refuse("timeout", 1)
    store.record([an_answer(claim) for claim in claims])
    assert {entry.ref for ref in REFS for entry in ledger_of(store, f"s-{ref.patient_id}", ref).entries.values()} == {
        "SM1"
    }


def test_answers_that_cannot_be_kept_are_an_error(
    store: DynamoStore, claims: list[LedgerWrite], refuse: Refuse
) -> None:
    store.commit(claims)
    refuse("timeout", 100)
    with pytest.raises(Unavailable, match="2 of 2"):
        store.record([an_answer(claim) for claim in claims])


def test_a_table_that_does_not_answer_is_unavailable(store: DynamoStore, dynamodb: DynamoDBClient) -> None:
    def silence(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url="https://dynamodb.invalid")

    dynamodb.meta.events.register("before-call.dynamodb", silence)
    for read in (lambda: store.patient(REFS[0]), lambda: store.due(NOW), lambda: store.charts(REFS)):
        with pytest.raises(Unavailable) as caught:
            read()
        assert caught.value.__cause__ is None
    dynamodb.meta.events.unregister("before-call.dynamodb", silence)
