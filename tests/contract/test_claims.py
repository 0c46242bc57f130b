"""Commit and record: one claim wins, and no answer of a provider is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.model import Chart, Ledger, Ride, RideState, SessionStatus, State, TaskKind, Urgency
from reminders.ports import LedgerWrite, PatientRef
from tests.builders import NOW, a_clinic, a_patient, a_session
from tests.contract.builders import HOUR, REF, a_claim, a_task, adopted, an_answer, ledger_of, ride_of

# --- guards -----------------------------------------------------------------------------------------


def test_of_two_claims_of_the_same_read_one_wins(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    assert store.commit([a_claim(chart)]) == set()
    assert store.commit([a_claim(chart)]) == {"s1"}
    assert ledger_of(store).version == 2


def test_of_two_first_ledgers_one_wins(store: DynamoStore) -> None:
    store.put_clinic(a_clinic())
    store.put_patient(a_patient())
    store.put_session(a_session())
    chart = store.whole_chart(REF).chart
    assert chart
    first = LedgerWrite(
        chart=chart, ledger=Ledger(session_id="s1", starts_at=NOW, booked_at=NOW), next_due_at=NOW + HOUR
    )
    assert store.commit([first]) == set()
    assert store.commit([first]) == {"s1"}


CHANGES_BETWEEN: dict[str, Callable[[DynamoStore, Chart], object]] = {
    "session moved": lambda store, _: store.put_session(a_session(starts_at=NOW + 200 * HOUR)),
    "session cancelled": lambda store, _: store.put_session(a_session(status=SessionStatus.CANCELLED)),
    "patient changed": lambda store, _: store.put_patient(a_patient(consent={})),
    "live list changed": lambda store, chart: store.set_live(REF, ["s1"], chart.patient_version),
    "ride confirmed": lambda store, _: ride_of(store, "s1", Ride(state=RideState.CONFIRMED, who="sister")),
    "sibling claimed": lambda store, _: store.commit([a_claim(store.charts([REF])[REF], "s2")]),
    "sibling changed": lambda store, _: ride_of(store, "s2", Ride(state=RideState.NONE)),
}


@pytest.mark.parametrize("change", CHANGES_BETWEEN.values(), ids=CHANGES_BETWEEN.keys())
def test_a_claim_falls_when_what_it_was_decided_on_has_changed(
    store: DynamoStore, change: Callable[[DynamoStore, Chart], object]
) -> None:
    chart = adopted(store, a_session(), a_session(id="s2", starts_at=NOW + 300 * HOUR))
    change(store, chart)
    assert store.commit([a_claim(chart)]) == {"s1"}
    assert not ledger_of(store).entries


def test_a_session_that_only_got_a_note_can_be_claimed(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    store.put_session(a_session(minutes=90))
    assert store.commit([a_claim(chart)]) == set()


def test_two_sessions_of_one_patient_are_claimed_together(store: DynamoStore) -> None:
    chart = adopted(store, a_session(), a_session(id="s2", starts_at=NOW + 300 * HOUR))
    assert store.commit([a_claim(chart, "s1"), a_claim(chart, "s2")]) == set()
    assert {len(ledger_of(store, session_id).entries) for session_id in ("s1", "s2")} == {1}


def test_what_was_decided_together_falls_together(store: DynamoStore) -> None:
    chart = adopted(store, a_session(), a_session(id="s2", starts_at=NOW + 300 * HOUR))
    store.put_session(a_session(id="s2", starts_at=NOW + 400 * HOUR))
    assert store.commit([a_claim(chart, "s1"), a_claim(chart, "s2")]) == {"s1", "s2"}
    assert not ledger_of(store).entries


# --- batches ----------------------------------------------------------------------------------------


def test_a_batch_of_ten_takes_four_calls(store: DynamoStore, calls: Callable[[], list[str]]) -> None:
    refs = [PatientRef("harbor", f"p{n}") for n in range(10)]
    for ref in refs:
        sid = f"s-{ref.patient_id}"
        adopted(store, a_session(id=sid, patient_id=ref.patient_id), patient_id=ref.patient_id)
    calls()
    charts = store.charts(refs)
    claims = [a_claim(charts[ref], f"s-{ref.patient_id}") for ref in refs]
    assert store.commit(claims) == set()
    store.record([an_answer(claim) for claim in claims])
    assert calls() == ["BatchGetItem", "BatchGetItem", "TransactWriteItems", "TransactWriteItems"]
    assert {ledger_of(store, f"s-{ref.patient_id}", ref).version for ref in refs} == {3}


def test_one_that_fails_in_a_batch_does_not_hold_up_the_others(store: DynamoStore) -> None:
    refs = [PatientRef("harbor", f"p{n}") for n in range(10)]
    for ref in refs:
        sid = f"s-{ref.patient_id}"
        adopted(store, a_session(id=sid, patient_id=ref.patient_id), patient_id=ref.patient_id)
    charts = store.charts(refs)
    store.put_session(a_session(id="s-p3", patient_id="p3", starts_at=NOW + 200 * HOUR))
    store.put_patient(a_patient(id="p7", consent={}))
    assert store.commit([a_claim(charts[ref], f"s-{ref.patient_id}") for ref in refs]) == {"s-p3", "s-p7"}
    entries = {ref.patient_id: len(ledger_of(store, f"s-{ref.patient_id}", ref).entries) for ref in refs}
    assert entries == {ref.patient_id: int(ref.patient_id not in ("p3", "p7")) for ref in refs}


def test_equal_session_ids_of_two_clinics_are_not_confused(store: DynamoStore) -> None:
    here = adopted(store, a_session())
    store.put_clinic(a_clinic(id="other"))
    store.put_patient(a_patient(clinic_id="other"))
    store.put_session(a_session(clinic_id="other"))
    there = store.whole_chart(PatientRef("other", "p1")).chart
    assert there
    first = LedgerWrite(chart=there, ledger=Ledger(session_id="s1", starts_at=NOW, booked_at=NOW), next_due_at=NOW)
    store.put_session(a_session(clinic_id="other", status=SessionStatus.CANCELLED))
    assert store.commit([a_claim(here), first]) == {"s1"}
    assert not ledger_of(store).entries  # the answer says s1 only, so neither may have been written


@pytest.mark.slow
def test_a_patient_with_more_sessions_than_a_transaction_holds_is_served(store: DynamoStore) -> None:
    ids = [f"s{n}" for n in range(105)]  # twice a week for a year, booked in one go
    chart = adopted(store, *[a_session(id=sid, starts_at=NOW + n * 84 * HOUR) for n, sid in enumerate(ids)])
    assert chart.ledgers.keys() == chart.sessions.keys() == set(ids)
    assert store.commit([a_claim(chart, "s0")]) == set()
    chart = store.charts([REF])[REF]
    assert store.commit([a_claim(chart, sid, step="day_before") for sid in ids]) == set()
    claimed = store.charts([REF])[REF].ledgers
    assert {sid: len(ledger.entries) for sid, ledger in claimed.items()} == dict.fromkeys(ids, 1) | {"s0": 2}


# --- record -----------------------------------------------------------------------------------------


def test_an_answer_is_kept_with_the_next_due_time(store: DynamoStore) -> None:
    claim = a_claim(adopted(store, a_session()))
    store.commit([claim])
    store.record([an_answer(claim)])
    ledger = ledger_of(store)
    (entry,) = ledger.entries.values()
    assert (entry.state, entry.ref, ledger.next_due_at) == (State.SENT, "SM1", NOW + 24 * HOUR)


def test_an_answer_that_comes_after_a_move_is_kept_and_leaves_the_due_time(store: DynamoStore) -> None:
    claim = a_claim(adopted(store, a_session()))
    store.commit([claim])
    chart = store.charts([REF])[REF]
    moved = replace(chart.ledgers["s1"], starts_at=NOW + 200 * HOUR, moved_at=NOW, moved_from=NOW)
    write = LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], replace=moved, next_due_at=NOW + 5 * HOUR)
    assert store.commit([write]) == set()
    store.record([an_answer(claim)])
    ledger = ledger_of(store)
    (entry,) = ledger.entries.values()
    assert (entry.ref, ledger.next_due_at, ledger.moved_at) == ("SM1", NOW + 5 * HOUR, NOW)


def test_one_overtaken_answer_does_not_cost_the_others_their_due_time(store: DynamoStore) -> None:
    claims = []
    for patient_id in ("p1", "p2"):
        sid = f"s-{patient_id}"
        chart = adopted(store, a_session(id=sid, patient_id=patient_id), patient_id=patient_id)
        claims.append(a_claim(chart, sid))
    store.commit(claims)
    ride_of(store, "s-p1", Ride(state=RideState.NONE))
    store.record([an_answer(claim) for claim in claims])
    overtaken, other = ledger_of(store, "s-p1"), ledger_of(store, "s-p2", PatientRef("harbor", "p2"))
    assert (overtaken.next_due_at, other.next_due_at) == (NOW + HOUR, NOW + 24 * HOUR)
    assert {entry.ref for ledger in (overtaken, other) for entry in ledger.entries.values()} == {"SM1"}


def test_two_answers_for_one_ledger_in_one_call_are_both_kept(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    first, second = a_claim(chart), a_claim(chart, step="day_before")
    both = replace_entries(first, second)
    assert store.commit([both]) == set()
    store.record([an_answer(first), an_answer(second)])
    assert [entry.ref for entry in ledger_of(store).entries.values()] == ["SM1", "SM1"]


def replace_entries(first: LedgerWrite, second: LedgerWrite) -> LedgerWrite:
    return LedgerWrite(
        chart=first.chart,
        ledger=first.ledger,
        set_entries=first.set_entries | second.set_entries,
        next_due_at=first.next_due_at,
    )


# --- tasks ------------------------------------------------------------------------------------------


def test_a_task_is_opened_once_and_never_holds_up_what_opens_it(store: DynamoStore) -> None:
    assert store.open_task(a_task(note="first"))
    claim = a_claim(adopted(store, a_session()))
    with_task = LedgerWrite(
        chart=claim.chart,
        ledger=claim.ledger,
        set_entries=claim.set_entries,
        tasks=(a_task(note="second"), a_task(id="other", note="new")),
        next_due_at=claim.next_due_at,
    )
    assert store.commit([with_task]) == set()
    assert len(ledger_of(store).entries) == 1
    assert sorted(task.note for task in store.open_tasks("harbor")) == ["first", "new"]
    assert not store.open_task(a_task(note="third"))


def test_one_task_of_the_clinic_may_come_from_every_message_of_a_batch(store: DynamoStore) -> None:
    broken = a_task(id="template-prepare", kind=TaskKind.TEMPLATE, patient_id=None, session_id=None)
    claims = []
    for patient_id in ("p1", "p2"):
        sid = f"s-{patient_id}"
        chart = adopted(store, a_session(id=sid, patient_id=patient_id), patient_id=patient_id)
        claim = a_claim(chart, sid)
        claims.append(LedgerWrite(chart=chart, ledger=claim.ledger, set_entries=claim.set_entries, tasks=(broken,)))
    assert store.commit(claims) == set()
    assert store.open_tasks("harbor") == [broken]


def test_tasks_are_listed_the_most_urgent_first(store: DynamoStore) -> None:
    for urgency, hours in ((Urgency.ROUTINE, 0), (Urgency.URGENT, 2), (Urgency.REVIEW, 0), (Urgency.URGENT, 1)):
        store.open_task(a_task(id=f"{urgency}-{hours}", urgency=urgency, due_at=NOW + hours * HOUR))
    store.open_task(a_task(id="done", closed_at=NOW))
    store.open_task(a_task(id="elsewhere", clinic_id="other"))
    listed = [task.id for task in store.open_tasks("harbor")]
    assert listed == ["urgent-1", "urgent-2", "review-0", "routine-0"]


def test_a_body_is_kept_beside_its_entry_and_stays_out_of_the_chart(store: DynamoStore) -> None:
    claim = a_claim(adopted(store, a_session()))
    store.commit([claim])
    (key,) = claim.set_entries
    assert store.body(REF, "s1", key) == "Harbor Clinic: see you soon"
    assert store.body(REF, "s1", "never|sent|sms") is None
    assert store.body(REF, "nobody", key) is None
