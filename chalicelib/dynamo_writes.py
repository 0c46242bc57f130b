"""Ledger writes as DynamoDB actions, made of named parts and named conditions.

Who may overtake whom, on one ledger (v = version):

    deliver A   reads v4 ── decides ── commit: claim, v4 → v5 ── sends ── record: reference, v5 → v6, next_due_at
    deliver B   reads v4 ── decides ── commit: needs v4 → refused, decides again from what it then reads
    booking     moves the session ──── commit needs the start as read → refused
    STOP        patient v7 → v8 ────── commit needs patient v7 → refused
    receipt             (a failure) ────────────────────────── v5 → v6, due now ── record: not at v5, keeps its
                                                                                   reference, leaves next_due_at

So between a decision and its claim nothing it rests on has changed; and after the claim nobody else can send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.dynamo_items import (
    LEDGER_STANDING,
    Key,
    due_attributes,
    entry_json,
    key_of_task,
    ledger_key,
    ledger_listing,
    named,
    new_ledger_item,
    patient_key,
    receipt_mark,
    session_key,
    task_item,
)
from chalicelib.dynamo_transactions import MOST_ACTIONS, Action, Bundle
from chalicelib.dynamo_values import attributes, stamp, stored
from reminders.model import Chart, Ledger, Receipt, SessionStatus, Task
from reminders.ports import LedgerRecord, LedgerWrite, PatientRef

NEVER = datetime.max.replace(tzinfo=UTC)
ONLY_ONCE = {"ConditionExpression": "attribute_not_exists(pk)"}


class Change:
    """One UpdateItem or ConditionCheck. Every name goes through a placeholder: half of ours are reserved words."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def path(self, *names: str) -> str:
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in names)

    def value(self, attribute: Mapping[str, Any]) -> str:
        placeholder = f":v{len(self._values)}"
        self._values[placeholder] = attribute
        return placeholder

    def set(self, attribute: Mapping[str, Any], *names: str) -> None:
        self._sets.append(f"{self.path(*names)} = {self.value(attribute)}")

    def set_all(self, given: Mapping[str, Any]) -> None:
        for name, attribute in given.items():
            self.set(attribute, name)

    def set_expression(self, expression: str, *names: str) -> None:
        self._sets.append(f"{self.path(*names)} = {expression}")

    def remove(self, *names: str) -> None:
        self._removes.append(self.path(*names))

    def raise_version(self) -> None:
        version = self.path("version")
        zero, one = self.value({"N": "0"}), self.value({"N": "1"})
        self._sets.append(f"{version} = if_not_exists({version}, {zero}) + {one}")

    def require(self, condition: str) -> None:
        self._conditions.append(condition)

    def require_there(self) -> None:
        self.require(f"attribute_exists({self.path('pk')})")

    def require_version(self, version: int) -> None:
        """Version 0 is an item without one: not written yet, or not by us."""
        if version:
            self.require(f"{self.path('version')} = {self.value({'N': str(version)})}")
        else:
            self.require(f"attribute_not_exists({self.path('version')})")

    def require_not_due_before(self, when: datetime) -> None:
        due = self.path("next_due_at")
        self.require(f"(attribute_not_exists({due}) OR {due} > {self.value({'S': stamp(when)})})")

    def due(self, next_due_at: datetime | None, shards: int) -> None:
        wanted = due_attributes(self._key[0], next_due_at, shards)
        self.set_all(wanted)
        if not wanted:
            self.remove("due_shard")
            self.remove("next_due_at")

    def arguments(self, table: str) -> dict[str, Any]:
        """For UpdateItem, or inside a transaction's Update or ConditionCheck."""
        parts = [f"{verb} {', '.join(them)}" for verb, them in (("SET", self._sets), ("REMOVE", self._removes)) if them]
        given = {
            "TableName": table,
            "Key": named(self._key),
            "UpdateExpression": " ".join(parts),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in self._names.items()},
            "ExpressionAttributeValues": self._values,
        }
        return {name: argument for name, argument in given.items() if argument}


# --- named conditions -------------------------------------------------------------------------------


def _ledger_unchanged(table: str, ref: PatientRef, ledger: Ledger) -> Action:
    check = Change(ledger_key(ref, ledger.session_id))
    check.require_version(ledger.version)
    return {"ConditionCheck": check.arguments(table)}


def _patient_unchanged(table: str, ref: PatientRef, version: int) -> Action:
    check = Change(patient_key(ref))
    check.require_there()
    check.require_version(version)
    return {"ConditionCheck": check.arguments(table)}


def _session_unchanged(table: str, ref: PatientRef, chart: Chart, session_id: str) -> Action:
    """Its start, in the booking system's own spelling, and its status; everything else may change meanwhile."""
    session = chart.sessions[session_id]
    start = chart.starts_as_stored.get(session_id) or stamp(session.starts_at)
    check = Change(session_key(ref, session_id))
    check.require(f"{check.path('starts_at')} = {check.value({'S': start})}")
    status, as_read = check.path("status"), check.value({"S": session.status})
    if session.status is SessionStatus.BOOKED:
        check.require(f"({status} = {as_read} OR attribute_not_exists({status}))")
    else:
        check.require(f"{status} = {as_read}")
    return {"ConditionCheck": check.arguments(table)}


# --- bundles ----------------------------------------------------------------------------------------


def bundles_of_writes(table: str, writes: Sequence[LedgerWrite], shards: int) -> list[Bundle]:
    """One bundle for all that was decided together, labelled with its writes.

    Writes from one chart belong together: what one says may rest on what the other says (one text speaks for both,
    the day's cap is shared). Writes of different clinics on equal session ids do too, because the answer of `commit`
    names sessions only. Adoptions plan and send nothing, so each stands alone and needs no sibling to hold still.
    Only what exceeds a transaction is taken in parts.
    """
    groups: list[list[LedgerWrite]] = []
    for write in writes:
        for group in groups:
            if _belongs(write, group):
                group.append(write)
                break
        else:
            groups.append([write])
    return [_bundle(table, part, group, shards) for group in groups for part in _parts(group)]


def _belongs(write: LedgerWrite, group: list[LedgerWrite]) -> bool:
    same_id = [other for other in group if other.ledger.session_id == write.ledger.session_id]
    if same_id:
        return all(_ref(other) != _ref(write) for other in same_id)
    return not write.replace and any(write.chart is other.chart and not other.replace for other in group)


def _parts(group: list[LedgerWrite]) -> list[list[LedgerWrite]]:
    """A write is its ledger, at most one check each of session and patient, and its tasks."""
    parts: list[list[LedgerWrite]] = [[]]
    room = MOST_ACTIONS
    for write in group:
        needs = 3 + len(write.tasks)
        if needs > room and parts[-1]:
            parts.append([])
            room = MOST_ACTIONS
        parts[-1].append(write)
        room -= needs
    return parts


def _ref(write: LedgerWrite) -> PatientRef:
    return PatientRef(write.chart.clinic.id, write.chart.patient.id)


def _bundle(table: str, writes: list[LedgerWrite], group: list[LedgerWrite], shards: int) -> Bundle:
    bundle = Bundle(label=writes)
    for write in writes:
        ref, session_id, chart = _ref(write), write.ledger.session_id, write.chart
        bundle.writes[ledger_key(ref, session_id)] = _ledger_write(table, ref, write, shards)
        bundle.checks[patient_key(ref)] = _patient_unchanged(table, ref, chart.patient_version)
        if session_id in chart.sessions:
            bundle.checks[session_key(ref, session_id)] = _session_unchanged(table, ref, chart, session_id)
        bundle.once |= _tasks(table, write.tasks, shards)
    for key, check in _siblings_unchanged(table, writes, group).items():
        if len(bundle) < MOST_ACTIONS:
            bundle.checks[key] = check
    return bundle


def _siblings_unchanged(table: str, writes: list[LedgerWrite], group: list[LedgerWrite]) -> dict[Key, Action]:
    """The other ledgers that were looked at, those first that may act soonest: they come first if there is no room
    for all. A ledger that is itself written requires the version it was read at, and DynamoDB takes an item once."""
    written = {ledger_key(_ref(write), write.ledger.session_id) for write in group}
    siblings = [
        (_ref(write), ledger) for write in writes if not write.replace for ledger in write.chart.ledgers.values()
    ]
    siblings.sort(key=lambda sibling: sibling[1].next_due_at or NEVER)
    return {
        key: _ledger_unchanged(table, ref, ledger)
        for ref, ledger in siblings
        if (key := ledger_key(ref, ledger.session_id)) not in written
    }


def _tasks(table: str, tasks: tuple[Task, ...], shards: int) -> dict[Key, Action]:
    return {key_of_task(task): {"Put": _put_once(table, task_item(task, shards))} for task in tasks}


def _put_once(table: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"TableName": table, "Item": item, **ONLY_ONCE}


def _ledger_write(table: str, ref: PatientRef, write: LedgerWrite, shards: int) -> Action:
    standing, ledger = write.replace or write.ledger, write.ledger
    if ledger.version == 0:
        item = new_ledger_item(ref, standing, write.set_entries, write.set_bodies, write.next_due_at, shards)
        return {"Put": _put_once(table, item)}
    change = Change(ledger_key(ref, ledger.session_id))
    change.require_version(ledger.version)
    change.raise_version()
    for key, entry in write.set_entries.items():
        change.set({"S": entry_json(entry)}, "entries", key)
        before = ledger.entries.get(key)
        if before and (before.attempt != entry.attempt or before.ref not in (None, entry.ref)):
            _forget_attempt(change, key, before.ref)
    for key, body in write.set_bodies.items():
        change.set({"S": body}, "bodies", key)
    change.due(write.next_due_at, shards)
    if write.replace:
        stand_as(change, ref, write.replace)
    return {"Update": change.arguments(table)}


def _forget_attempt(change: Change, key: str, provider_ref: str | None) -> None:
    """A new attempt starts without a receipt; one that still comes for the old attempt is recognised by its ref."""
    change.remove("receipts", key)
    if provider_ref:
        refs = change.value(stored([provider_ref]))
        earlier = change.path("earlier", key)
        change.set_expression(
            f"list_append(if_not_exists({earlier}, {change.value({'L': []})}), {refs})", "earlier", key
        )


def stand_as(change: Change, ref: PatientRef, ledger: Ledger) -> None:
    """Everything of the ledger but its entries, as given; what is the default is not stored."""
    given = attributes(ledger, leave_out=("session_id", "entries", "version", "next_due_at"))
    change.set_all(given)
    change.set_all(ledger_listing(ref.clinic_id, ledger.starts_at))
    for name in LEDGER_STANDING:
        if name not in given:
            change.remove(name)


def bundle_of_record(table: str, record: LedgerRecord, shards: int, as_claimed: bool) -> Bundle:
    """The provider's answers. `as_claimed`: only at the claim's version, and with `next_due_at`; otherwise in any case,
    and whoever changed the ledger meanwhile has said when to look again."""
    key = ledger_key(record.ref, record.session_id)
    change = Change(key)
    for name, entry in record.set_entries.items():
        change.set({"S": entry_json(entry)}, "entries", name)
    change.raise_version()
    if as_claimed:
        change.require_version(record.version)
        change.due(record.next_due_at, shards)
    else:
        change.require_there()
    return Bundle(
        label=record, writes={key: {"Update": change.arguments(table)}}, once=_tasks(table, record.tasks, shards)
    )


# --- receipts ---------------------------------------------------------------------------------------


def receipt_change(key: Key, entry: str, provider_ref: str, receipt: Receipt, code: str | None) -> Change:
    """Keep a receipt, if it is of the attempt that the entry stands for and says more than what is known."""
    change = Change(key)
    line, mark, earlier = (change.path(name, entry) for name in ("entries", "receipts", "earlier"))
    # The entry is JSON without spaces, so its reference can be looked for as text.
    mine, any_at_all = change.value({"S": f'"ref":"{provider_ref}"'}), change.value({"S": '"ref":"'})
    change.require(f"attribute_exists({line})")
    change.require(f"(contains({line}, {mine}) OR NOT contains({line}, {any_at_all}))")
    change.require(f"NOT contains({earlier}, {change.value({'S': provider_ref})})")
    # A mark starts with its rank, one digit: a mark of this rank or a higher one sorts after the bare digit.
    change.require(f"(attribute_not_exists({mark}) OR {mark} < {change.value({'S': str(receipt.rank)})})")
    change.set({"S": receipt_mark(receipt, provider_ref, code)}, "receipts", entry)
    return change
