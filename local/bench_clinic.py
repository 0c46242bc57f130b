"""Patients in the middle of their treatment, by the thousand, for the benchmarks.

A few patterns are played through the rules up to the measured moment and written by the store itself; all others are
copies of their items under ids and phones of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from chalicelib.dynamo_items import shard
from local.sample import SAMPLE_CLINIC
from reminders import adoption
from reminders.attempts import after_answer
from reminders.decisions import decide, next_due
from reminders.model import (
    Cadence,
    Channel,
    Chart,
    Clinic,
    Entry,
    Kind,
    Language,
    Ledger,
    Outcome,
    Patient,
    Permission,
    PermissionState,
    Receipt,
    Result,
    Session,
    SessionStatus,
    State,
)
from reminders.ports import LedgerWrite, PatientRef

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_ITEMS = 25  # of one BatchWriteItem
PHONE = "+19990000000"
BODY = "Harbor Clinic: Hi Ana, see you Mon Mar 9 at 10:00 AM. Please arrive at 9:45 AM. Call (213) 555-0100"

Cadences = Mapping[Kind, Cadence]
Items = list[dict[str, Any]]


@dataclass(frozen=True)
class Pattern:
    """A patient with one session, and when it was discharged if it is over. All times UTC."""

    number: int
    kind: Kind
    starts_at: datetime
    booked_at: datetime
    time_zone: str = SAMPLE_CLINIC.time_zone
    language: Language = Language.EN
    discharged_at: datetime | None = None

    @property
    def clinic(self) -> Clinic:
        number = f"+1213556{self.number:04}"
        return replace(SAMPLE_CLINIC, id=f"clinic{self.number}", time_zone=self.time_zone, sms_from=number)

    @property
    def ref(self) -> PatientRef:
        return PatientRef(self.clinic.id, f"pattern-patient-{self.number}")

    @property
    def session(self) -> Session:
        return Session(
            id=f"pattern-session-{self.number}",
            clinic_id=self.clinic.id,
            patient_id=self.ref.patient_id,
            kind=self.kind,
            starts_at=self.starts_at,
            booked_at=self.booked_at,
        )

    @property
    def patient(self) -> Patient:
        granted = Permission(state=PermissionState.GRANTED, at=self.booked_at, source="intake form", wording="2026-01")
        return Patient(
            id=self.ref.patient_id,
            clinic_id=self.clinic.id,
            first_name="Ana",
            time_zone=self.time_zone,
            phone=PHONE,
            language=self.language,
            consent={Channel.SMS: granted},
            experienced=self.number % 4 != 0,
        )


def played(pattern: Pattern, cadences: Cadences, until: datetime) -> tuple[Chart, list[datetime]]:
    """The patient's chart just before `until`, every message on the way sent and delivered, and when each was due."""
    chart = Chart(clinic=pattern.clinic, patient=pattern.patient, sessions={pattern.session.id: pattern.session})
    now, due = pattern.booked_at, list[datetime]()
    chart = _adopted(chart, cadences, now)
    while True:
        upcoming = [at for at in next_due(chart, cadences, now).values() if at]
        if pattern.discharged_at and pattern.discharged_at > now:
            upcoming.append(pattern.discharged_at)
        now = max(now, min(upcoming, default=until))
        if now >= until:
            return chart, due
        if now == pattern.discharged_at:
            session = replace(pattern.session, status=SessionStatus.DISCHARGED, status_at=now)
            chart = _adopted(replace(chart, sessions={session.id: session}), cadences, now)
        chart, sent = _delivered(chart, cadences, now)
        due += [now] * sent


def _adopted(chart: Chart, cadences: Cadences, now: datetime) -> Chart:
    (session,) = chart.sessions.values()
    adopted = adoption.adopt(chart, session, cadences, now)
    if adopted is None:
        return chart
    known = chart.ledgers[session.id].entries if session.id in chart.ledgers else {}
    return replace(chart, ledgers={session.id: replace(adopted.ledger, entries={**known, **adopted.entries})})


def _delivered(chart: Chart, cadences: Cadences, now: datetime) -> tuple[Chart, int]:
    decision = decide(chart, cadences, now)
    ((session_id, ledger),) = chart.ledgers.items()
    entries = dict(ledger.entries)
    for key, entry in decision.entries.get(session_id, {}).items():
        entries[key] = _sent(entry, now, len(entries)) if entry.state is State.CLAIMED else entry
    return replace(chart, ledgers={session_id: replace(ledger, entries=entries)}), len(decision.sends)


def _sent(entry: Entry, now: datetime, number: int) -> Entry:
    answered, _ = after_answer(entry, Outcome(result=Result.ACCEPTED, at=now, ref=f"SM{number:032x}"), now)
    return replace(answered, template=f"{entry.step}/en.sms", version="0123456789", encoding="GSM-7", segments=1)


def written(store: DynamoStore, client: DynamoDBClient, table: str, pattern: Pattern, chart: Chart) -> Items:
    """Write this patient as the workflow would have; the items as they then lie in the table."""
    store.put_clinic(pattern.clinic)
    store.put_patient(pattern.patient)
    ((session_id, session),) = chart.sessions.items()
    ledger = chart.ledgers[session_id]
    store.put_session(session)
    before = store.whole_chart(pattern.ref).chart
    if before is None:
        raise RuntimeError("the patient that was just written is not there")
    store.commit(
        [
            LedgerWrite(
                chart=before,
                ledger=Ledger(session_id=session_id, starts_at=ledger.starts_at, booked_at=ledger.booked_at),
                replace=ledger,
                set_entries=ledger.entries,
                set_bodies={key: BODY for key, entry in ledger.entries.items() if entry.ref},
                next_due_at=pattern.booked_at,  # `copies` sets the right one
            )
        ]
    )
    store.set_live(pattern.ref, [session_id], before.patient_version)
    for key, entry in ledger.entries.items():
        if entry.ref:
            store.receipt(pattern.ref, session_id, key, entry.ref, Receipt.DELIVERED, None, None)
    return client.query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"CLINIC#{pattern.clinic.id}#PATIENT#{pattern.ref.patient_id}"}},
        ConsistentRead=True,
    )["Items"]


def copies(
    pattern: Pattern, items: Items, due_at: datetime | None, numbers: Sequence[int], shards: int
) -> Iterator[Any]:
    """The pattern's items again for each number, under ids and a phone of its own, due at `due_at`."""
    text = json.dumps(items)
    for number in numbers:
        mine = (
            text.replace(pattern.ref.patient_id, f"p{number:06}")
            .replace(pattern.session.id, f"s{number:06}")
            .replace(PHONE, f"+1999{number:07}")
        )
        for item in json.loads(mine):
            if "next_due_at" in item and due_at is not None:
                item["due_shard"] = {"S": shard(item["pk"]["S"], shards)}
                item["next_due_at"] = {"S": f"{due_at:%Y-%m-%dT%H:%M:%S.%fZ}"}
            yield item


def store_all(client: DynamoDBClient, table: str, items: Iterator[Any]) -> None:
    """Many items, in as few calls as it takes."""
    while batch := list(islice(items, MOST_ITEMS)):
        asked: Any = {table: [{"PutRequest": {"Item": item}} for item in batch]}
        while asked:
            asked = client.batch_write_item(RequestItems=asked).get("UnprocessedItems")


@dataclass(frozen=True)
class Population:
    """Who was written: how many patients, and the messages that must go out in the measured time."""

    refs: list[PatientRef]
    messages: int


def populate(
    client: DynamoDBClient,
    table: str,
    shards: int,
    cadences: Cadences,
    patterns: Sequence[Pattern],
    opens: datetime,
    closes: datetime,
    messages: int,
    first: int = 0,
) -> Population:
    """Play each pattern up to `opens` and write it so often that together they send so many messages before `closes`.

    `first` is the number of the first patient.
    """
    store = DynamoStore(client, table, shards)
    found = [(pattern, *_outlook(pattern, cadences, opens, closes)) for pattern in patterns]
    sending = [line for line in found if line[3]]
    refs: list[PatientRef] = []
    written_for = 0
    for position, (pattern, chart, due_at, count) in enumerate(sending):
        share = (position + 1) * messages / len(sending)
        number_of_copies = max(round((share - written_for) / count), 0)
        numbers = range(first + len(refs), first + len(refs) + number_of_copies)
        items = written(store, client, table, pattern, chart)
        store_all(client, table, copies(pattern, items, due_at, numbers, shards))
        _remove(client, table, items)
        refs += [PatientRef(pattern.clinic.id, f"p{number:06}") for number in numbers]
        written_for += number_of_copies * count
    return Population(refs, written_for)


def _outlook(
    pattern: Pattern, cadences: Cadences, opens: datetime, closes: datetime
) -> tuple[Chart, datetime | None, int]:
    """The chart at `opens`, when it is next due, and how many messages go before `closes`."""
    chart, before = played(pattern, cadences, opens)
    (due_at,) = next_due(chart, cadences, opens).values()
    return chart, due_at, len(played(pattern, cadences, closes)[1]) - len(before)


def _remove(client: DynamoDBClient, table: str, items: Items) -> None:
    for item in items:
        client.delete_item(TableName=table, Key={"pk": item["pk"], "sk": item["sk"]})
