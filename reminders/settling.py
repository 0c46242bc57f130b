"""Settle: what a receipt says becomes part of its ledger entry."""

from __future__ import annotations

from datetime import datetime

from reminders.model import Receipt
from reminders.ports import PatientRef, Store

FAILURES = frozenset({Receipt.UNDELIVERED, Receipt.FAILED, Receipt.BOUNCED, Receipt.COMPLAINED})


def settle(
    store: Store,
    ref: PatientRef,
    session: str,
    entry: str,
    provider_ref: str,
    receipt: Receipt,
    code: str | None,
    now: datetime,
) -> bool:
    """Keep a receipt; a failure also makes the ledger due, so that what follows is decided where all else is.

    False if nothing changed: an equal or later receipt is known, or nobody knows the entry. Raises Unavailable.
    """
    wake_at = now if receipt in FAILURES else None
    return store.receipt(ref, session, entry, provider_ref, receipt, code, wake_at)
