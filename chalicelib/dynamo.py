"""The store: one DynamoDB table (docs/data-contract.md has its design). Nothing here ever scans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from chalicelib import dynamo_items as items
from chalicelib.dynamo_charts import chart_of
from chalicelib.dynamo_items import Item, Key
from chalicelib.dynamo_transactions import BUSY, NO_ANSWER, take
from chalicelib.dynamo_writes import Change, bundle_of_record, bundles_of_writes, put_once, receipt_change
from reminders.errors import BadInput, Unavailable
from reminders.model import Chart, Clinic, Patient, Receipt, Ride, Session, Task
from reminders.ports import Due, LedgerRecord, LedgerWrite, PatientRef, RawChart

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_KEYS = 100  # of one BatchGetItem
BATCH_TRIES = 6
CHANGE_TRIES = 5

_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")


def _answering(method: Callable[_Given, _Answer]) -> Callable[_Given, _Answer]:
    """A table that does not answer, or is too busy, is Unavailable; what botocore says may quote an item."""

    @wraps(method)
    def call(*given: _Given.args, **named: _Given.kwargs) -> _Answer:
        try:
            return method(*given, **named)
        except NO_ANSWER:
            raise Unavailable("the table does not answer") from None
        except ClientError as error:
            if error.response["Error"]["Code"] in BUSY:
                raise Unavailable("the table is too busy") from None
            raise

    return call


class DynamoStore:
    """`reminders.ports.Store` over one table.

    `shards`: into how many partitions the due index is split; all processes of one deployment use the same number.
    """

    def __init__(self, client: DynamoDBClient, table: str, shards: int) -> None:
        self._client = client
        self._table = table
        self._shards = shards
        self._chart_names = {f"#n{position}": name for position, name in enumerate(items.CHART_FIELDS)}

    # --- single items -------------------------------------------------------------------------------

    @_answering
    def clinic(self, clinic_id: str) -> Clinic | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.clinic_key(clinic_id))
        return items.read_clinic(item) if item else None

    @_answering
    def put_clinic(self, clinic: Clinic) -> None:
        """Raises BadInput for a time zone that does not exist."""
        self._client.put_item(TableName=self._table, Item=items.clinic_item(items.with_zone(clinic)))

    @_answering
    def patient(self, ref: PatientRef) -> Patient | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.patient_key(ref))
        return items.read_patient(item) if item else None

    @_answering
    def put_patient(self, patient: Patient) -> None:
        """All of the patient's own fields; the list of live sessions stays. Raises BadInput for a wrong time zone."""
        self._update(_patient_change(patient))

    @_answering
    def change_patient(self, ref: PatientRef, change: Callable[[Patient], Patient]) -> Patient | None:
        """Change the patient as they are now, again if somebody else did meanwhile: no STOP is ever overwritten.

        Raises BadInput when the item is malformed or made so, Unavailable when others never let go.
        """
        for _ in range(CHANGE_TRIES):
            item = self._get(items.patient_key(ref))
            if item is None:
                return None
            changed = change(items.read_patient(item))
            update = _patient_change(changed)
            update.require_there()
            update.require_version(items.version_of(item))
            if self._update(update):
                return changed
        raise Unavailable("this patient keeps being changed by others")

    @_answering
    def session(self, ref: PatientRef, session_id: str) -> Session | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.session_key(ref, session_id))
        return items.read_session(item) if item else None

    @_answering
    def put_session(self, session: Session) -> None:
        """Overwrites the whole item, as a booking system does."""
        self._client.put_item(TableName=self._table, Item=items.session_item(session))

    @_answering
    def body(self, ref: PatientRef, session_id: str, entry: str) -> str | None:
        """The text of one entry as it was (to be) sent."""
        item = self._client.get_item(
            TableName=self._table,
            Key=items.named(items.ledger_key(ref, session_id)),
            ConsistentRead=True,
            ProjectionExpression="bodies.#entry",
            ExpressionAttributeNames={"#entry": entry},
        ).get("Item", {})
        return item["bodies"]["M"][entry]["S"] if "bodies" in item else None

    def _get(self, key: Key) -> Item | None:
        return self._client.get_item(TableName=self._table, Key=items.named(key), ConsistentRead=True).get("Item")

    def _update(self, change: Change) -> bool:
        """False when a condition does not hold."""
        try:
            self._client.update_item(**change.arguments(self._table))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    # --- what is due --------------------------------------------------------------------------------

    @_answering
    def due(self, before: datetime) -> list[Due]:
        """All whose `next_due_at` is before `before`, earliest first."""
        found = [
            Due(items.turn_of(items.key_of(item)), items.moment(item["next_due_at"]["S"]))
            for shard in range(self._shards)
            for item in self._query(
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND next_due_at < :before",
                ExpressionAttributeValues={":shard": {"S": f"due#{shard}"}, ":before": {"S": items.stamp(before)}},
            )
        ]
        return sorted(found, key=lambda due: due.at)

    @_answering
    def earliest_due(self) -> datetime | None:
        firsts = [
            items.moment(item["next_due_at"]["S"])
            for shard in range(self._shards)
            for item in self._client.query(
                TableName=self._table,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard",
                ExpressionAttributeValues={":shard": {"S": f"due#{shard}"}},
                Limit=1,
            )["Items"]
        ]
        return min(firsts, default=None)

    def _query(self, **asked: Any) -> Iterator[Item]:
        """Every page."""
        for page in self._client.get_paginator("query").paginate(TableName=self._table, **asked):
            yield from page["Items"]

    # --- charts -------------------------------------------------------------------------------------

    @_answering
    def charts(self, refs: Sequence[PatientRef]) -> dict[PatientRef, Chart]:
        """Patients and clinics in one read, their live sessions and ledgers in another, 100 items a call.

        Left out: patients who are not there, or whose own, clinic's or ledger's item is malformed. A malformed
        session is left out of its chart.
        """
        wanted = dict.fromkeys(refs)
        people = self._batch(
            [items.patient_key(ref) for ref in wanted]
            + [items.clinic_key(clinic_id) for clinic_id in dict.fromkeys(ref.clinic_id for ref in wanted)]
        )
        live = {ref: items.live_of(people.get(items.patient_key(ref), {})) for ref in wanted}
        visits = self._batch(
            [
                key(ref, session_id)
                for ref, session_ids in live.items()
                for session_id in session_ids
                for key in (items.session_key, items.ledger_key)
            ],
            ProjectionExpression=", ".join(self._chart_names),
            ExpressionAttributeNames=self._chart_names,
        )
        charts = {}
        for ref in wanted:
            clinic, patient = people.get(items.clinic_key(ref.clinic_id)), people.get(items.patient_key(ref))
            if clinic and patient:
                here = [
                    (sid, visits.get(items.session_key(ref, sid)), visits.get(items.ledger_key(ref, sid)))
                    for sid in live[ref]
                ]
                try:
                    charts[ref] = chart_of(clinic, patient, here)[0]
                except BadInput:
                    continue  # adoption reads the same items and has said what is wrong with them
        return charts

    @_answering
    def whole_chart(self, ref: PatientRef) -> RawChart:
        """One patient's partition, in key order: ledgers, the patient, sessions. Tasks are not read."""
        found = {
            items.key_of(item)[1]: item
            for item in self._query(
                KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
                # LEDGER# … PATIENT … SESSION#; `$` is the character after `#`
                ExpressionAttributeValues={
                    ":pk": {"S": items.partition(ref)},
                    ":first": {"S": items.LEDGER},
                    ":last": {"S": "SESSION$"},
                },
                ConsistentRead=True,
            )
        }
        session_ids = [sk.removeprefix(items.SESSION) for sk in found if sk.startswith(items.SESSION)]
        patient = found.get(items.PATIENT)
        if patient is None:
            return RawChart(chart=None, orphans=tuple(session_ids))
        clinic = self._get(items.clinic_key(ref.clinic_id))
        if clinic is None:
            return RawChart(chart=None, malformed=dict.fromkeys(session_ids, "its clinic is not known"))
        ledger_ids = [sk.removeprefix(items.LEDGER) for sk in found if sk.startswith(items.LEDGER)]
        visits = [
            (sid, found.get(items.SESSION + sid), found.get(items.LEDGER + sid))
            for sid in dict.fromkeys(session_ids + ledger_ids)
        ]
        try:
            chart, malformed = chart_of(clinic, patient, visits)
        except BadInput as error:
            return RawChart(chart=None, malformed=dict.fromkeys(session_ids, str(error)))
        return RawChart(chart=chart, malformed=malformed, live=tuple(items.live_of(patient)))

    def _batch(self, keys: list[Key], **projection: Any) -> dict[Key, Item]:
        """Many items, consistently; those that are not there are missing from the answer."""
        found: dict[Key, Item] = {}
        for start in range(0, len(keys), MOST_KEYS):
            asked: dict[str, Any] = {
                self._table: {
                    "Keys": [items.named(key) for key in keys[start : start + MOST_KEYS]],
                    "ConsistentRead": True,
                    **projection,
                }
            }
            for attempt in range(BATCH_TRIES):
                answer = self._client.batch_get_item(RequestItems=asked)
                found |= {items.key_of(item): item for item in answer["Responses"].get(self._table, ())}
                asked = dict(answer.get("UnprocessedKeys", {}))
                if not asked:
                    break
                time.sleep(0.02 * 2**attempt)
            else:
                raise Unavailable("the table leaves keys unread")
        return found

    # --- claims and what came of them ---------------------------------------------------------------

    @_answering
    def set_live(self, ref: PatientRef, session_ids: Iterable[str], expected_version: int) -> bool:
        """Which sessions `charts` reads; raises the patient's version. False if the version has moved on."""
        change = Change(items.patient_key(ref))
        change.require_there()
        change.require_version(expected_version)
        change.raise_version()
        ids = sorted(set(session_ids))
        if ids:
            change.set({"SS": ids}, "live")
        else:
            change.remove("live")
        return self._update(change)

    @_answering
    def commit(self, writes: Sequence[LedgerWrite]) -> set[str]:
        """Take each write atomically, many in one call; returns ids of sessions of which nothing was written.

        Writes decided on one chart are taken together or not at all.
        """
        lost = take(self._client, bundles_of_writes(self._table, writes, self._shards))
        return {write.ledger.session_id for bundle in lost for write in bundle.label}

    @_answering
    def record(self, records: Sequence[LedgerRecord]) -> None:
        """Keep what the provider answered, whatever else has happened. Raises Unavailable if any could not be kept."""
        as_claimed = [bundle_of_record(self._table, record, self._shards, as_claimed=True) for record in records]
        overtaken = [bundle.label for bundle in take(self._client, as_claimed)]
        in_any_case = [bundle_of_record(self._table, record, self._shards, as_claimed=False) for record in overtaken]
        lost = take(self._client, in_any_case)
        if lost:
            raise Unavailable(f"{len(lost)} of {len(records)} answers of the provider could not be kept")

    @_answering
    def receipt(
        self,
        ref: PatientRef,
        session_id: str,
        entry: str,
        provider_ref: str,
        receipt: Receipt,
        code: str | None,
        wake_at: datetime | None,
    ) -> bool:
        """Advance an entry by rank; False when an equal or higher receipt is known, or it is another attempt's.

        With `wake_at` the ledger is due then, unless it is due sooner anyway.
        """

        key = items.ledger_key(ref, session_id)
        if wake_at is None:
            return self._update(receipt_change(key, entry, provider_ref, receipt, code))
        sooner = receipt_change(key, entry, provider_ref, receipt, code)
        sooner.require_not_due_before(wake_at)
        sooner.due(wake_at, self._shards)
        as_it_is = receipt_change(key, entry, provider_ref, receipt, code)
        for change in (sooner, as_it_is):
            change.raise_version()  # whoever has read the ledger without this failure must read it again
            if self._update(change):
                return True
        return False

    @_answering
    def set_ride(self, ref: PatientRef, session_id: str, ride: Ride) -> None:
        """Raises BadInput for a session that has no ledger (yet)."""
        change = Change(items.ledger_key(ref, session_id))
        change.require_there()
        change.set(items.stored(ride), "ride")
        change.raise_version()
        if not self._update(change):
            raise BadInput("session_id", "is not known here")

    # --- lists --------------------------------------------------------------------------------------

    @_answering
    def open_task(self, task: Task) -> bool:
        """True if it was not there yet."""
        try:
            self._client.put_item(**put_once(self._table, items.task_item(task)))
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    @_answering
    def open_tasks(self, clinic_id: str) -> list[Task]:
        """The most urgent first, then the earliest due. The list comes through an index and may lag by moments."""
        keys = [
            items.key_of(item)
            for item in self._query(
                IndexName="listing",
                KeyConditionExpression="listing = :listing",
                ExpressionAttributeValues={":listing": {"S": items.tasks_listing(clinic_id)}},
            )
        ]
        found = self._batch(keys)
        tasks = [items.read_task(found[key]) for key in keys if key in found]
        return [task for task in tasks if task.closed_at is None]


def _patient_change(patient: Patient) -> Change:
    given = items.attributes(items.with_zone(patient), leave_out=("id", "clinic_id"))
    change = Change(items.patient_key(PatientRef(patient.clinic_id, patient.id)))
    change.set_all(given)
    for name in items.PATIENT_FIELDS:
        if name not in given:
            change.remove(name)
    change.raise_version()
    return change
