"""Patients' answers: messages as they came, what they changed in a ledger, and check-ins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib import dynamo_items as items
from chalicelib.dynamo_items import Item, Key
from chalicelib.dynamo_table import CHANGE_TRIES, DynamoTable, answering
from chalicelib.dynamo_values import attributes, convert, fields, stamp
from chalicelib.dynamo_writes import ONLY_ONCE, Change, stand_as
from reminders.errors import Unavailable
from reminders.model import CheckIn, Inbound, Ledger
from reminders.ports import PatientRef

INBOUND_KEPT = timedelta(days=730)  # the clinic's counsel decides (docs/data-contract.md, retention)
CHECKIN = "CHECKIN#"

_INBOUND_FIELDS = tuple(name for name in Inbound.__struct_fields__ if name not in ("sid", "clinic_id"))


class Answers(DynamoTable):
    """The part of `reminders.ports.Store` that is about what patients say."""

    # --- messages as they came ----------------------------------------------------------------------

    @answering
    def keep_inbound(self, inbound: Inbound) -> bool:
        """Keep a message as it came, due at its `next_due_at` until it is settled; False if its sid is known."""
        return self._put(_inbound_item(inbound, self._shards), **ONLY_ONCE)

    @answering
    def inbound(self, clinic_id: str, sid: str) -> Inbound | None:
        item = self._get(items.inbound_key(clinic_id, sid))
        return _read_inbound(item) if item else None

    @answering
    def inbound_since(self, clinic_id: str, phone: str, since: datetime) -> list[Inbound]:
        """What came from this phone, oldest first. Comes through an index and may lag by moments."""
        return [_read_inbound(item) for item in self._listed(items.phone_partition(clinic_id, phone), stamp(since))]

    @answering
    def settle_inbound(self, inbound: Inbound) -> None:
        """Overwrite with what became of it; out of the due index."""
        self._put(_inbound_item(replace(inbound, next_due_at=None), self._shards))

    # --- what they changed --------------------------------------------------------------------------

    @answering
    def answer(
        self, ref: PatientRef, session_id: str, change: Callable[[Ledger], Ledger], wake_at: datetime | None
    ) -> Ledger | None:
        """Change a ledger's fields, but not its entries, as they are now, again if somebody else did meanwhile.

        Raises its version, so that whoever decided without the answer decides again. With `wake_at` the ledger is due
        then, unless it is due sooner anyway. None if there is no such ledger. Raises Unavailable when others never let
        go.
        """
        key = items.ledger_key(ref, session_id)
        for _ in range(CHANGE_TRIES):
            item = self._get(key, **items.CHART_PROJECTION)
            if item is None:
                return None
            ledger = items.read_ledger(item)
            changed = replace(change(ledger), version=ledger.version + 1, next_due_at=_sooner(ledger, wake_at))
            update = Change(key)
            update.require_there()
            update.require_version(ledger.version)
            update.raise_version()
            stand_as(update, ref, changed)
            update.due(changed.next_due_at, self._shards)
            if self._update(update):
                return changed
        raise Unavailable("this ledger keeps being changed by others")

    # --- check-ins ----------------------------------------------------------------------------------

    @answering
    def keep_checkin(self, ref: PatientRef, checkin: CheckIn) -> bool:
        """False if what was asked at that time is answered already; the newer of both answers is kept."""
        item = items.named(_checkin_key(ref, checkin)) | attributes(checkin, leave_out=("asked_at", "instrument"))
        if self._put(item, **ONLY_ONCE):
            return True
        self._put(
            item,
            ConditionExpression="attribute_not_exists(pk) OR answered_at < :this",
            ExpressionAttributeValues={":this": {"S": stamp(checkin.answered_at)}},
        )
        return False

    @answering
    def checkins(self, ref: PatientRef) -> list[CheckIn]:
        """By the time they were asked, oldest first."""
        return [_read_checkin(item) for item in self._beginning(items.partition(ref), CHECKIN)]


def _sooner(ledger: Ledger, wake_at: datetime | None) -> datetime | None:
    return min((at for at in (ledger.next_due_at, wake_at) if at is not None), default=None)


# --- items ------------------------------------------------------------------------------------------


def _inbound_item(inbound: Inbound, shards: int) -> dict[str, Any]:
    key = items.inbound_key(inbound.clinic_id, inbound.sid)
    expires_at = int((inbound.received_at + INBOUND_KEPT).timestamp())
    return {
        **items.named(key),
        **attributes(inbound, leave_out=("sid", "clinic_id", "next_due_at")),
        **items.due_attributes(key[0], inbound.next_due_at, shards),
        "listing": {"S": items.phone_partition(inbound.clinic_id, inbound.sender)},
        "listing_order": {"S": f"{stamp(inbound.received_at)}#{inbound.sid}"},
        "expires_at": {"N": str(expires_at)},
    }


def _read_inbound(item: Item) -> Inbound:
    turn = items.turn_of(items.key_of(item))
    ids = {"clinic_id": turn.ref.clinic_id, "sid": turn.item.removeprefix(items.REPLY)}
    return convert(ids | fields(item, _INBOUND_FIELDS), Inbound)


def _checkin_key(ref: PatientRef, checkin: CheckIn) -> Key:
    return items.partition(ref), f"{CHECKIN}{stamp(checkin.asked_at)}#{checkin.instrument}"


def _read_checkin(item: Item) -> CheckIn:
    asked_at, instrument = item["sk"]["S"].removeprefix(CHECKIN).split("#")
    names = tuple(name for name in CheckIn.__struct_fields__ if name not in ("asked_at", "instrument"))
    return convert({"asked_at": asked_at, "instrument": instrument, **fields(item, names)}, CheckIn)
