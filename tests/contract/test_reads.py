"""Charts, due times and lists, and items that others have written badly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from chalicelib import dynamo_table
from chalicelib.dynamo import DynamoStore
from reminders.errors import BadInput, Unavailable
from reminders.model import (
    Channel,
    Kind,
    Ledger,
    Patient,
    Ride,
    RideState,
    SendingHours,
    Session,
    SessionStatus,
    Treatment,
)
from reminders.ports import LedgerWrite, PatientRef, Store, Turn
from tests.builders import NOW, a_clinic, a_patient, a_session
from tests.contract.builders import HOUR, REF, a_claim, a_task, adopted, an_answer, ledger_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PK = "CLINIC#harbor#PATIENT#p1"


def test_the_store_is_a_store(store: DynamoStore) -> None:
    as_port: Store = store  # mypy compares every method
    assert as_port


# --- there and back ---------------------------------------------------------------------------------


def test_what_is_put_is_what_is_read(store: DynamoStore) -> None:
    clinic = a_clinic(
        sending_hours=SendingHours(opens=time(8, 30)),
        treatments={Kind.IV: Treatment(solids_hours=8, liquids_hours=2.5)},
        paused=True,
    )
    session = a_session(status=SessionStatus.DISCHARGED, status_at=NOW, minutes=45)
    store.put_clinic(clinic)
    store.put_patient(a_patient(unreachable={"sms": "30005"}))
    store.put_session(session)
    assert store.clinic("harbor") == clinic
    assert store.patient(REF) == a_patient(unreachable={"sms": "30005"})
    assert store.session(REF, "s1") == session


def test_a_whole_ledger_is_what_is_read(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    full = Ledger(
        session_id="s1",
        starts_at=NOW + 300 * HOUR,
        booked_at=NOW,
        status=SessionStatus.CANCELLED,
        moved_at=NOW,
        moved_from=NOW + HOUR,
        cancelled_at=NOW,
        ride=Ride(state=RideState.CONFIRMED, who="sister", at=NOW, by="patient"),
        confirmed_at=NOW,
        home_safe_at=NOW,
    )
    store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], replace=full, next_due_at=NOW)])
    assert ledger_of(store) == replace(full, version=2, next_due_at=NOW)
    chart = store.charts([REF])[REF]
    bare = Ledger(session_id="s1", starts_at=NOW, booked_at=NOW)
    store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], replace=bare)])
    assert ledger_of(store) == replace(bare, version=3)


def test_what_is_not_there_is_none(store: DynamoStore) -> None:
    assert store.clinic("harbor") is None
    assert store.patient(REF) is None
    assert store.session(REF, "s1") is None
    assert store.charts([REF]) == {}
    assert store.due(NOW) == []
    assert store.earliest_due() is None
    assert store.open_tasks("harbor") == []
    assert not store.set_live(REF, ["s1"], 0)


@pytest.mark.parametrize("zone", ["", "PST8", "Los Angeles", "America", "../etc/passwd", "UTC+7"])
def test_a_time_zone_that_does_not_exist_is_refused(store: DynamoStore, zone: str) -> None:
    with pytest.raises(BadInput, match="time_zone"):
        store.put_patient(a_patient(time_zone=zone))
    with pytest.raises(BadInput, match="time_zone"):
        store.put_clinic(a_clinic(time_zone=zone))
    assert store.patient(REF) is None


def test_a_patient_put_again_keeps_the_live_sessions_and_loses_what_is_no_longer_said(store: DynamoStore) -> None:
    adopted(store, a_session())
    before = store.charts([REF])[REF]
    store.put_patient(a_patient(email=None))
    after = store.charts([REF])[REF]
    assert after.patient.email is None
    assert after.sessions.keys() == {"s1"}
    assert after.patient_version == before.patient_version + 1


def test_a_change_of_a_patient_never_undoes_what_came_in_between(store: DynamoStore) -> None:
    store.put_patient(a_patient())
    seen: list[Patient] = []

    def mark_unreachable(patient: Patient) -> Patient:
        if not seen:  # a STOP arrives between reading and writing
            store.put_patient(replace(patient, consent={}))
        seen.append(patient)
        return replace(patient, unreachable={Channel.EMAIL: "ana@example.com"})

    changed = store.change_patient(REF, mark_unreachable)
    assert changed == store.patient(REF) == a_patient(consent={}, unreachable={Channel.EMAIL: "ana@example.com"})
    assert len(seen) == 2
    assert store.change_patient(PatientRef("harbor", "nobody"), mark_unreachable) is None


def test_a_patient_others_never_let_go_of_is_unavailable(store: DynamoStore) -> None:
    store.put_patient(a_patient())

    def overtaken(patient: Patient) -> Patient:
        store.put_patient(patient)
        return patient

    with pytest.raises(Unavailable):
        store.change_patient(REF, overtaken)


# --- charts -----------------------------------------------------------------------------------------


def test_a_chart_holds_live_sessions_only(store: DynamoStore) -> None:
    adopted(store, a_session(), a_session(id="s2"))
    assert store.set_live(REF, ["s2"], store.charts([REF])[REF].patient_version)
    assert store.charts([REF])[REF].ledgers.keys() == {"s2"}
    assert store.set_live(REF, [], store.charts([REF])[REF].patient_version)
    assert store.charts([REF])[REF].ledgers == {}
    chart = store.whole_chart(REF).chart
    assert chart
    assert chart.ledgers.keys() == {"s1", "s2"}


def test_a_whole_chart_says_which_sessions_are_live(store: DynamoStore) -> None:
    version = adopted(store, a_session(), a_session(id="s2")).patient_version
    assert store.whole_chart(REF).live == ("s1", "s2")
    store.set_live(REF, [], version)
    assert store.whole_chart(REF).live == ()


def test_the_ledger_of_a_session_that_is_gone_can_still_be_put_to_rest(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    adopted(store, a_session())
    dynamodb.delete_item(TableName=table, Key={"pk": {"S": PK}, "sk": {"S": "SESSION#s1"}})
    chart = store.whole_chart(REF).chart
    assert chart
    assert store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], replace=chart.ledgers["s1"])]) == set()
    assert store.earliest_due() is None


def test_a_live_list_is_set_once_for_each_version(store: DynamoStore) -> None:
    version = adopted(store, a_session()).patient_version
    assert store.set_live(REF, [], version)
    assert not store.set_live(REF, ["s1"], version)


def test_a_hundred_and_fifty_patients_are_read_in_hundreds(store: DynamoStore, calls: Callable[[], list[str]]) -> None:
    refs = [PatientRef("harbor", f"p{n}") for n in range(150)]
    store.put_clinic(a_clinic())
    for ref in refs:
        store.put_patient(a_patient(id=ref.patient_id))
    calls()
    assert store.charts([*refs, *refs]).keys() == set(refs)
    assert calls() == ["BatchGetItem"] * 2


def test_keys_the_table_leaves_unread_are_asked_again(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    adopted(store, a_session())
    answers: list[int] = []

    def leave_one(parsed: dict[str, Any], **_: object) -> None:
        if not answers:
            item = parsed["Responses"][table].pop()
            parsed["UnprocessedKeys"] = {table: {"Keys": [{"pk": item["pk"], "sk": item["sk"]}]}}
        answers.append(len(parsed["Responses"][table]))

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_one)
    assert store.charts([REF])[REF].sessions.keys() == {"s1"}
    assert answers == [1, 1, 2]


def test_a_table_that_never_reads_a_key_is_unavailable(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo_table, "BATCH_TRIES", 1)

    def leave_all(parsed: dict[str, Any], **_: object) -> None:
        parsed["UnprocessedKeys"] = {table: {"Keys": [{"pk": {"S": PK}, "sk": {"S": "PATIENT"}}]}}

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_all)
    with pytest.raises(Unavailable):
        store.charts([REF])


def test_a_partition_of_several_pages_is_read_whole(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str, calls: Callable[[], list[str]]
) -> None:
    store.put_clinic(a_clinic())
    store.put_patient(a_patient())
    for n in range(8):
        put(dynamodb, table, sk=f"SESSION#s{n}", note="x" * 200_000)
    calls()
    chart = store.whole_chart(REF).chart
    assert chart
    assert len(chart.sessions) == 8
    assert calls().count("Query") > 1


# --- what others write ------------------------------------------------------------------------------


def put(dynamodb: DynamoDBClient, table: str, **changes: Any) -> None:
    """A session as a booking system writes it; None leaves an attribute out."""
    given: dict[str, Any] = {"pk": PK, "sk": "SESSION#s1", "kind": "iv", "starts_at": "2026-03-09T10:00:00-07:00"}
    item = {
        name: {"S": value} if isinstance(value, str) else value
        for name, value in (given | changes).items()
        if value is not None
    }
    dynamodb.put_item(TableName=table, Item=item)


@pytest.mark.parametrize(
    "start", ["2026-03-09T10:00:00-07:00", "2026-03-09T17:00:00.000Z", "2026-03-09T17:00:00+00:00", "2026-03-09 17:00Z"]
)
def test_a_start_is_guarded_as_the_booking_system_spelled_it(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str, start: str
) -> None:
    adopted(store, a_session())
    put(dynamodb, table, starts_at=start if "T" in start else "2026-03-09T17:00:00Z", room="4")
    chart = store.charts([REF])[REF]
    assert chart.sessions["s1"] == a_session(booked_at=None)
    claim = a_claim(chart)
    assert store.commit([claim]) == set()
    put(dynamodb, table, starts_at="2026-03-09T18:00:00Z")
    assert store.commit([a_claim(store.charts([REF])[REF], step="day_before")]) == set()


MALFORMED = {
    "no kind": ({"kind": None}, "kind"),
    "unknown kind": ({"kind": "Ana Maria"}, "kind"),
    "kind of another type": ({"kind": {"N": "7"}}, "kind"),
    "no start": ({"starts_at": None}, "starts_at"),
    "naive start": ({"starts_at": "2026-03-09T10:00:00"}, "starts_at"),
    "start in words": ({"starts_at": "Ana on Monday"}, "starts_at"),
    "start as a number": ({"starts_at": {"N": "1773072000"}}, "starts_at"),
    "start that is not": ({"starts_at": {"NULL": True}}, "starts_at"),
    "start as bytes": ({"starts_at": {"B": b"Ana"}}, "starts_at"),
    "minutes as text": ({"minutes": "Ana"}, "minutes"),
    "half minutes": ({"minutes": {"N": "60.5"}}, "minutes"),
    "no time at all": ({"minutes": {"N": "0"}}, "minutes"),
    "endless": ({"minutes": {"N": "1E+20"}}, "minutes"),
    "status of another house": ({"status": "Ana canceled"}, "status"),
    "naive status time": ({"status_at": "2026-03-09T10:00:00"}, "status_at"),
    "an id with a space": ({"sk": "SESSION#Ana Maria"}, "id"),
    "an empty id": ({"sk": "SESSION#"}, "id"),
}


@pytest.mark.parametrize(("wrong", "field"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_session_is_named_and_stops_nothing_else(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str, wrong: dict[str, Any], field: str
) -> None:
    adopted(store, a_session(id="good"))
    put(dynamodb, table, **wrong)
    session_id = wrong.get("sk", "SESSION#s1").removeprefix("SESSION#")
    raw = store.whole_chart(REF)
    assert raw.chart
    assert raw.chart.sessions.keys() == {"good"}
    assert raw.malformed.keys() == {session_id}
    sentence = raw.malformed[session_id]
    assert sentence.startswith(f"{field}: ")
    assert "Ana" not in sentence
    live = [sid for sid in ("good", session_id) if sid]
    assert store.set_live(REF, live, raw.chart.patient_version)
    assert store.charts([REF])[REF].sessions.keys() == {"good"}
    if session_id:
        with pytest.raises(BadInput, match=field):
            store.session(REF, session_id)


def test_sessions_of_nobody_are_orphans(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    store.put_clinic(a_clinic())
    put(dynamodb, table)
    put(dynamodb, table, sk="SESSION#s2", kind="unheard of")
    raw = store.whole_chart(REF)
    assert (raw.chart, raw.orphans, raw.malformed) == (None, ("s1", "s2"), {})


def test_a_malformed_patient_or_clinic_is_named_for_each_session(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    adopted(store, a_session())
    put(dynamodb, table, sk="PATIENT", kind=None, starts_at=None, first_name="Ana", time_zone="Ana/Maria")
    raw = store.whole_chart(REF)
    assert raw.chart is None
    assert raw.malformed == {"s1": "patient.time_zone: is not the name of an IANA time zone"}
    assert store.charts([REF]) == {}
    with pytest.raises(BadInput, match="time_zone"):
        store.patient(REF)
    store.put_patient(a_patient())
    put(dynamodb, table, pk="CLINIC#harbor", sk="CLINIC", kind=None, starts_at=None, name="Harbor", time_zone="UTC")
    assert store.whole_chart(REF).malformed == {"s1": "clinic.phone: is missing"}


def test_a_malformed_neighbour_does_not_cost_the_batch(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    adopted(store, a_session())
    put(dynamodb, table, pk="CLINIC#harbor#PATIENT#p2", sk="PATIENT", kind=None, starts_at=None, first_name="Bo")
    nobody = PatientRef("harbor", "p3")
    assert store.charts([PatientRef("harbor", "p2"), REF, nobody]).keys() == {REF}


# --- the due index ----------------------------------------------------------------------------------


def test_due_is_what_lies_before_the_time_earliest_first(store: DynamoStore) -> None:
    for n in range(12):
        pid, sid = f"p{n}", f"s{n}"
        chart = adopted(store, a_session(id=sid, patient_id=pid), patient_id=pid)
        ledger = chart.ledgers[sid]
        due_at = NOW + (12 - n) * HOUR
        assert store.commit([LedgerWrite(chart=chart, ledger=ledger, next_due_at=due_at)]) == set()
    due = store.due(NOW + 5 * HOUR)
    assert [found.turn for found in due] == [Turn(PatientRef("harbor", f"p{n}")) for n in (11, 10, 9, 8)]
    assert [found.at for found in due] == [NOW + n * HOUR for n in (1, 2, 3, 4)]
    assert store.earliest_due() == NOW + HOUR


def test_times_within_one_second_keep_their_order(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    at = datetime(2026, 3, 2, 17, 0, 0, 5, tzinfo=UTC)
    store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], next_due_at=at)])
    assert store.due(at) == []
    assert [due.at for due in store.due(at.replace(microsecond=6))] == [at]


def test_what_has_nothing_left_to_do_is_in_no_index(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    claim = a_claim(adopted(store, a_session()))
    store.commit([claim])
    store.record([dataclasses.replace(an_answer(claim), next_due_at=None)])
    assert store.earliest_due() is None
    (item,) = dynamodb.query(
        TableName=table,
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": PK}, ":sk": {"S": "LEDGER#"}},
    )["Items"]
    assert not item.keys() & {"due_shard", "next_due_at"}


def test_a_clinics_sessions_are_listed_by_their_start(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    chart = adopted(store, a_session(), a_session(id="s2", starts_at=NOW + 300 * HOUR))
    moved = replace(chart.ledgers["s1"], starts_at=NOW + 400 * HOUR)
    store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], replace=moved)])
    listed = dynamodb.query(
        TableName=table,
        IndexName="listing",
        KeyConditionExpression="listing = :listing",
        ExpressionAttributeValues={":listing": {"S": "CLINIC#harbor#SESSIONS"}},
    )["Items"]
    assert [item["sk"]["S"] for item in listed] == ["LEDGER#s2", "LEDGER#s1"]


def test_tasks_of_a_patient_stay_out_of_the_chart(store: DynamoStore) -> None:
    adopted(store, a_session())
    store.open_task(a_task())
    chart = store.whole_chart(REF).chart
    assert chart
    assert chart.sessions == {"s1": a_session()}


def test_a_session_without_a_ledger_is_in_the_chart(store: DynamoStore) -> None:
    adopted(store, a_session())
    late: Session = a_session(id="s2")
    store.put_session(late)
    chart = store.whole_chart(REF).chart
    assert chart
    assert chart.sessions["s2"] == late
    assert "s2" not in chart.ledgers


def test_nothing_scans_the_table() -> None:
    root = Path(__file__).parents[2]
    sources = [
        path for folder in ("reminders", "chalicelib", "local") for path in (root / folder).rglob("*.py")
    ] + list(root.glob("*.py"))
    assert sources
    scanning = [path.name for path in sources if ".scan(" in path.read_text() or '"scan"' in path.read_text()]
    assert scanning == []
