"""How the domain's values lie in the table: keys, attributes, and the way back (docs/data-contract.md).

Attributes carry the names of `reminders/model.py`. Ids are in the keys and nowhere else. Booking systems may spell
their times with any offset. A ledger's entries are JSON strings: botocore spends ten times as long on the same fields
as DynamoDB maps, and delivery reads every entry of every live session.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.dynamo_values import attributes, bad_input, convert, fields, stamp, with_zone
from reminders.model import Clinic, Entry, Ledger, Patient, Receipt, Session, Task, Urgency
from reminders.ports import PatientRef, Turn

Item = Mapping[str, Any]  # attribute name → {"S": …}, as DynamoDB spells it
Key = tuple[str, str]  # partition and sort key

_entry_json = msgspec.json.Encoder()
_entry_reader = msgspec.json.Decoder(Entry)

PATIENT = "PATIENT"
SESSION = "SESSION#"
LEDGER = "LEDGER#"
TASK = "TASK#"
CLINIC = "CLINIC"
REPLY = "REPLY#"
AT_PHONE = "PATIENT#"  # in a phone's partition: whose it is

PATIENT_FIELDS = tuple(name for name in Patient.__struct_fields__ if name not in ("id", "clinic_id"))
SESSION_FIELDS = tuple(name for name in Session.__struct_fields__ if name not in ("id", "clinic_id", "patient_id"))
LEDGER_FIELDS = tuple(name for name in Ledger.__struct_fields__ if name not in ("session_id", "entries"))
# Of a ledger, what a version guards and an adoption may replace.
LEDGER_STANDING = tuple(name for name in LEDGER_FIELDS if name not in ("version", "next_due_at"))
# What a chart needs of sessions and ledgers: not the bodies, which are most of a ledger's size.
CHART_FIELDS = tuple(dict.fromkeys(("pk", "sk", *SESSION_FIELDS, *LEDGER_FIELDS, "entries", "receipts")))
_CHART_NAMES = {f"#n{position}": name for position, name in enumerate(CHART_FIELDS)}
CHART_PROJECTION = {"ProjectionExpression": ", ".join(_CHART_NAMES), "ExpressionAttributeNames": _CHART_NAMES}
_TASK_FIELDS = tuple(name for name in Task.__struct_fields__ if name not in ("id", "clinic_id", "patient_id"))
TASK_ATTRIBUTES = (*_TASK_FIELDS, "due_shard", "listing", "listing_order")


# --- keys -------------------------------------------------------------------------------------------


def clinic_key(clinic_id: str) -> Key:
    return f"CLINIC#{clinic_id}", CLINIC


def partition(ref: PatientRef) -> str:
    """Where all of one patient lies; a ref without a patient is the clinic itself."""
    return f"CLINIC#{ref.clinic_id}#PATIENT#{ref.patient_id}" if ref.patient_id else f"CLINIC#{ref.clinic_id}"


def patient_key(ref: PatientRef) -> Key:
    return partition(ref), PATIENT


def session_key(ref: PatientRef, session_id: str) -> Key:
    return partition(ref), SESSION + session_id


def ledger_key(ref: PatientRef, session_id: str) -> Key:
    return partition(ref), LEDGER + session_id


def task_key(ref: PatientRef, task_id: str) -> Key:
    return partition(ref), TASK + task_id


def key_of_task(task: Task) -> Key:
    return task_key(PatientRef(task.clinic_id, task.patient_id or ""), task.id)


def inbound_key(clinic_id: str, sid: str) -> Key:
    """A partition of its own: what is due, and what a queue message names, must not hold a phone number."""
    return f"CLINIC#{clinic_id}#{REPLY}{sid}", "REPLY"


def phone_partition(clinic_id: str, phone: str) -> str:
    return f"CLINIC#{clinic_id}#PHONE#{phone}"


def phone_key(ref: PatientRef, phone: str) -> Key:
    return phone_partition(ref.clinic_id, phone), AT_PHONE + ref.patient_id


def sender_key(address: str) -> Key:
    return f"SENDER#{address}", CLINIC


def ref_of(pk: str) -> PatientRef:
    """The way back from a partition key of a clinic's. Ids never contain `#`."""
    _, clinic_id, *rest = pk.split("#")
    return PatientRef(clinic_id, rest[1] if rest and rest[0] == PATIENT else "")


def turn_of(key: Key) -> Turn:
    """What is to be worked on when this item is due: a ledger is part of its patient's messages."""
    pk, sk = key
    if sk.startswith(LEDGER):
        return Turn(ref_of(pk))
    return Turn(ref_of(pk), REPLY + pk.rpartition("#")[2] if sk == "REPLY" else sk)


def named(key: Key) -> dict[str, dict[str, str]]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def key_of(item: Item) -> Key:
    return item["pk"]["S"], item["sk"]["S"]


def shard(pk: str, shards: int) -> str:
    """Which part of the due index a partition is in: one hot key would not carry everyone at 09:00."""
    return f"due#{zlib.crc32(pk.encode()) % shards}"


# --- clinic, patient, session, task -----------------------------------------------------------------


def clinic_item(clinic: Clinic) -> dict[str, Any]:
    return {**named(clinic_key(clinic.id)), **attributes(clinic, leave_out=("id",))}


def read_clinic(item: Item) -> Clinic:
    """Raises BadInput."""
    names = tuple(name for name in Clinic.__struct_fields__ if name != "id")
    return with_zone(convert({"id": ref_of(item["pk"]["S"]).clinic_id, **fields(item, names)}, Clinic))


def read_patient(item: Item) -> Patient:
    """Raises BadInput."""
    ref = ref_of(item["pk"]["S"])
    return with_zone(
        convert({"id": ref.patient_id, "clinic_id": ref.clinic_id, **fields(item, PATIENT_FIELDS)}, Patient)
    )


def version_of(item: Item) -> int:
    return int(item["version"]["N"]) if "version" in item else 0


def live_of(item: Item) -> list[str]:
    """Ids of the sessions that delivery looks at."""
    return sorted(item["live"]["SS"]) if "live" in item else []


def session_item(session: Session) -> dict[str, Any]:
    ref = PatientRef(session.clinic_id, session.patient_id)
    return {
        **named(session_key(ref, session.id)),
        **attributes(session, leave_out=("id", "clinic_id", "patient_id")),
    }


def read_session(item: Item) -> Session:
    """A session as a booking system wrote it: documented attributes only, others are theirs. Raises BadInput."""
    ref = ref_of(item["pk"]["S"])
    ids = {"id": item["sk"]["S"].removeprefix(SESSION), "clinic_id": ref.clinic_id, "patient_id": ref.patient_id}
    return convert(ids | fields(item, SESSION_FIELDS), Session)


def task_item(task: Task, shards: int) -> dict[str, Any]:
    return {**named(key_of_task(task)), **task_attributes(task, shards)}


def task_attributes(task: Task, shards: int) -> dict[str, Any]:
    """All but the key. An open task is listed, the most urgent first, then the earliest due; and due, if it wakes."""
    given = attributes(task, leave_out=("clinic_id", "patient_id", "id", "next_due_at"))
    if task.closed_at is not None:
        return given
    rank = list(Urgency).index(task.urgency)
    return {
        **given,
        **due_attributes(key_of_task(task)[0], task.next_due_at, shards),
        "listing": {"S": tasks_listing(task.clinic_id)},
        "listing_order": {"S": f"{rank}#{stamp(task.due_at)}"},
    }


def read_task(item: Item) -> Task:
    """Raises BadInput."""
    ref = ref_of(item["pk"]["S"])
    ids = {
        "id": item["sk"]["S"].removeprefix(TASK),
        "clinic_id": ref.clinic_id,
        "patient_id": ref.patient_id or None,
    }
    return convert(ids | fields(item, _TASK_FIELDS), Task)


def tasks_listing(clinic_id: str) -> str:
    return f"CLINIC#{clinic_id}#TASKS"


def sessions_listing(clinic_id: str) -> str:
    return f"CLINIC#{clinic_id}#SESSIONS"


# --- ledger -----------------------------------------------------------------------------------------


def entry_json(entry: Entry) -> str:
    return _entry_json.encode(entry).decode()


def receipt_mark(receipt: Receipt, provider_ref: str, code: str | None) -> str:
    """One receipt as a string that sorts by rank (a single digit), so that a condition can compare two."""
    return f"{receipt.rank}|{receipt}|{provider_ref}|{code or ''}"


def _with_receipt(entry: Entry, mark: str) -> Entry:
    """The entry as its receipt completes it; a receipt may have come before the reference was kept."""
    _, receipt, provider_ref, code = mark.split("|", 3)
    return msgspec.structs.replace(
        entry, receipt=Receipt(receipt), ref=entry.ref or provider_ref, code=code or entry.code
    )


def read_ledger(item: Item) -> Ledger:
    """Raises BadInput."""
    ledger = convert(
        {"session_id": item["sk"]["S"].removeprefix(LEDGER), **fields(item, LEDGER_FIELDS)},
        Ledger,
    )
    marks = item["receipts"]["M"] if "receipts" in item else {}
    entries = {}
    for key, value in item["entries"]["M"].items() if "entries" in item else ():
        try:
            entry = _entry_reader.decode(value["S"])
        except msgspec.ValidationError as error:
            raise bad_input(error) from None
        entries[key] = _with_receipt(entry, marks[key]["S"]) if key in marks else entry
    return msgspec.structs.replace(ledger, entries=entries)


def new_ledger_item(
    ref: PatientRef,
    ledger: Ledger,
    entries: Mapping[str, Entry],
    bodies: Mapping[str, str],
    next_due_at: datetime | None,
    shards: int,
) -> dict[str, Any]:
    """A first ledger. Its maps exist even when empty: an update can set a key only in a map that is there."""
    key = ledger_key(ref, ledger.session_id)
    return {
        **named(key),
        **attributes(ledger, leave_out=("session_id", "entries", "version", "next_due_at")),
        **due_attributes(key[0], next_due_at, shards),
        **ledger_listing(ref.clinic_id, ledger.starts_at),
        "version": {"N": "1"},
        "entries": {"M": {name: {"S": entry_json(entry)} for name, entry in entries.items()}},
        "bodies": {"M": {name: {"S": body} for name, body in bodies.items()}},
        "receipts": {"M": {}},
        "earlier": {"M": {}},
    }


def due_attributes(pk: str, next_due_at: datetime | None, shards: int) -> dict[str, Any]:
    """Both or neither: an item without them is not in the due index."""
    if next_due_at is None:
        return {}
    return {"due_shard": {"S": shard(pk, shards)}, "next_due_at": {"S": stamp(next_due_at)}}


def ledger_listing(clinic_id: str, starts_at: datetime) -> dict[str, Any]:
    return {"listing": {"S": sessions_listing(clinic_id)}, "listing_order": {"S": stamp(starts_at)}}
