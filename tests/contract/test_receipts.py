"""Receipts come early, late, twice, out of order, and for attempts long given up."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.model import Entry, Receipt, State
from reminders.ports import LedgerWrite
from tests.builders import NOW, a_session
from tests.contract.builders import HOUR, REF, a_claim, adopted, an_answer, ledger_of

KEY = "prepare|20260309T170000Z|sms"


@pytest.fixture
def claim(store: DynamoStore) -> LedgerWrite:
    written = a_claim(adopted(store, a_session()))
    assert store.commit([written]) == set()
    return written


def came(
    store: DynamoStore,
    receipt: Receipt,
    ref: str = "SM1",
    code: str | None = None,
    wake_at: datetime | None = None,
    entry: str = KEY,
    session_id: str = "s1",
) -> bool:
    return store.receipt(REF, session_id, entry, ref, receipt, code, wake_at)


def entry_of(store: DynamoStore) -> Entry:
    return ledger_of(store).entries[KEY]


def test_a_receipt_before_the_answer_is_kept_with_its_reference(store: DynamoStore, claim: LedgerWrite) -> None:
    assert came(store, Receipt.DELIVERED)
    assert (entry_of(store).state, entry_of(store).ref) == (State.CLAIMED, "SM1")
    store.record([an_answer(claim)])
    entry = entry_of(store)
    assert (entry.state, entry.ref, entry.receipt) == (State.SENT, "SM1", Receipt.DELIVERED)


@pytest.mark.parametrize(
    ("order", "kept", "stands"),
    [
        ((Receipt.DELIVERED, Receipt.SENT), (True, False), Receipt.DELIVERED),
        ((Receipt.SENT, Receipt.SENT), (True, False), Receipt.SENT),
        ((Receipt.QUEUED, Receipt.SENT, Receipt.DELIVERED), (True, True, True), Receipt.DELIVERED),
        ((Receipt.UNDELIVERED, Receipt.DELIVERED), (True, True), Receipt.DELIVERED),
        ((Receipt.COMPLAINED, Receipt.DELIVERED), (True, False), Receipt.COMPLAINED),
    ],
)
def test_receipts_only_move_forward(
    store: DynamoStore, claim: LedgerWrite, order: tuple[Receipt, ...], kept: tuple[bool, ...], stands: Receipt
) -> None:
    store.record([an_answer(claim)])
    assert tuple(came(store, receipt) for receipt in order) == kept
    assert entry_of(store).receipt is stands


@pytest.mark.parametrize("stranger", [{"ref": "SM2"}, {"entry": "prepare|20260310T170000Z|sms"}, {"session_id": "s9"}])
def test_a_receipt_that_fits_nothing_changes_nothing(
    store: DynamoStore, claim: LedgerWrite, stranger: dict[str, Any]
) -> None:
    store.record([an_answer(claim)])
    before = ledger_of(store)
    assert not came(store, Receipt.DELIVERED, **stranger)
    assert ledger_of(store) == before


def test_a_reference_that_begins_like_ours_is_another(store: DynamoStore, claim: LedgerWrite) -> None:
    store.record([an_answer(claim)])
    assert not came(store, Receipt.DELIVERED, ref="SM")


def test_a_late_receipt_of_an_earlier_attempt_does_not_touch_the_new_one(
    store: DynamoStore, claim: LedgerWrite
) -> None:
    attempt = claim
    for number in (1, 2, 3):
        store.record([an_answer(attempt, ref=f"SM{number}")])
        assert came(store, Receipt.UNDELIVERED, ref=f"SM{number}", code="30003")
        chart = store.charts([REF])[REF]
        attempt = a_claim(chart, attempt=number + 1)
        assert store.commit([attempt]) == set()
        assert (entry_of(store).receipt, entry_of(store).ref) == (None, None)
    assert [came(store, Receipt.DELIVERED, ref=f"SM{number}") for number in (1, 2, 3)] == [False, False, False]
    assert came(store, Receipt.SENT, ref="SM4")
    assert entry_of(store).ref == "SM4"


def test_a_failure_says_why_and_makes_the_ledger_due(store: DynamoStore, claim: LedgerWrite) -> None:
    store.record([an_answer(claim)])
    assert came(store, Receipt.UNDELIVERED, code="30003", wake_at=NOW + HOUR / 2)
    assert (entry_of(store).code, ledger_of(store).next_due_at) == ("30003", NOW + HOUR / 2)
    assert store.earliest_due() == NOW + HOUR / 2


def test_a_failure_never_puts_off_what_is_due_sooner(store: DynamoStore, claim: LedgerWrite) -> None:
    store.record([an_answer(claim)])  # next due in 24 hours
    assert came(store, Receipt.UNDELIVERED, code="30003", wake_at=NOW + 48 * HOUR)
    assert (entry_of(store).code, ledger_of(store).next_due_at) == ("30003", NOW + 24 * HOUR)


def test_a_failure_wakes_a_ledger_that_had_nothing_left_to_do(store: DynamoStore, claim: LedgerWrite) -> None:
    store.record([dataclasses.replace(an_answer(claim), next_due_at=None)])
    assert store.earliest_due() is None
    assert came(store, Receipt.FAILED, wake_at=NOW)
    assert [due.at for due in store.due(NOW + HOUR)] == [NOW]


def test_a_failure_before_the_answer_stays_due_at_once(store: DynamoStore, claim: LedgerWrite) -> None:
    assert came(store, Receipt.FAILED, wake_at=NOW)
    store.record([an_answer(claim)])
    ledger = ledger_of(store)
    assert (ledger.next_due_at, ledger.entries[KEY].state, ledger.entries[KEY].receipt) == (
        NOW,
        State.SENT,
        Receipt.FAILED,
    )


def test_a_decision_made_without_a_failure_is_made_again(store: DynamoStore, claim: LedgerWrite) -> None:
    store.record([an_answer(claim)])
    chart = store.charts([REF])[REF]
    assert came(store, Receipt.DELIVERED)
    assert store.commit([a_claim(chart, step="day_before")]) == set()
    chart = store.charts([REF])[REF]
    assert came(store, Receipt.COMPLAINED, wake_at=NOW)
    assert store.commit([a_claim(chart, step="same_day")]) == {"s1"}


@pytest.mark.usefixtures("claim")
def test_an_entry_that_is_written_again_keeps_its_receipt(store: DynamoStore) -> None:
    assert came(store, Receipt.DELIVERED)
    chart = store.charts([REF])[REF]
    found = replace(chart.ledgers["s1"].entries[KEY], state=State.SENT)
    assert store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], set_entries={KEY: found})]) == set()
    assert (entry_of(store).state, entry_of(store).receipt) == (State.SENT, Receipt.DELIVERED)
