"""The store: one DynamoDB table (docs/data-contract.md has its design)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from chalicelib import dynamo_items as items
from chalicelib.dynamo_answers import Answers
from chalicelib.dynamo_charts import chart_of
from chalicelib.dynamo_people import People
from chalicelib.dynamo_table import answering
from chalicelib.dynamo_tasks import Tasks
from chalicelib.dynamo_transactions import take
from chalicelib.dynamo_values import moment, stamp
from chalicelib.dynamo_writes import Change, bundle_of_record, bundles_of_writes, receipt_change
from reminders.errors import BadInput, Unavailable
from reminders.model import Chart, Receipt, Session
from reminders.ports import Due, LedgerRecord, LedgerWrite, PatientRef, RawChart


class DynamoStore(People, Tasks, Answers):
    """`reminders.ports.Store` over one table; here are sessions, their ledgers and what is due."""

    # --- single items -------------------------------------------------------------------------------

    @answering
    def session(self, ref: PatientRef, session_id: str) -> Session | None:
        """Raises BadInput when the item is malformed."""
        item = self._get(items.session_key(ref, session_id))
        return items.read_session(item) if item else None

    @answering
    def put_session(self, session: Session) -> None:
        """Overwrites the whole item, as a booking system does."""
        self._client.put_item(TableName=self._table, Item=items.session_item(session))

    @answering
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

    # --- what is due --------------------------------------------------------------------------------

    @answering
    def due(self, before: datetime) -> list[Due]:
        """All whose `next_due_at` is before `before`, earliest first."""
        found = [
            Due(items.turn_of(items.key_of(item)), moment(item["next_due_at"]["S"]))
            for shard in range(self._shards)
            for item in self._query(
                IndexName="due",
                KeyConditionExpression="due_shard = :shard AND next_due_at < :before",
                ExpressionAttributeValues={":shard": {"S": f"due#{shard}"}, ":before": {"S": stamp(before)}},
            )
        ]
        return sorted(found, key=lambda due: due.at)

    @answering
    def earliest_due(self) -> datetime | None:
        firsts = [
            moment(item["next_due_at"]["S"])
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

    # --- charts -------------------------------------------------------------------------------------

    @answering
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
            **items.CHART_PROJECTION,
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

    @answering
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

    # --- claims and what came of them ---------------------------------------------------------------

    @answering
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

    @answering
    def commit(self, writes: Sequence[LedgerWrite]) -> set[str]:
        """Take each write atomically, many in one call; returns ids of sessions of which nothing was written.

        Writes decided on one chart are taken together or not at all.
        """
        lost = take(self._client, bundles_of_writes(self._table, writes, self._shards))
        return {write.ledger.session_id for bundle in lost for write in bundle.label}

    @answering
    def record(self, records: Sequence[LedgerRecord]) -> None:
        """Keep what the provider answered, whatever else has happened. Raises Unavailable if any could not be kept."""
        as_claimed = [bundle_of_record(self._table, record, self._shards, as_claimed=True) for record in records]
        overtaken = [bundle.label for bundle in take(self._client, as_claimed)]
        in_any_case = [bundle_of_record(self._table, record, self._shards, as_claimed=False) for record in overtaken]
        lost = take(self._client, in_any_case)
        if lost:
            raise Unavailable(f"{len(lost)} of {len(records)} answers of the provider could not be kept")

    @answering
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
