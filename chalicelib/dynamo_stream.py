"""The table's stream: whose items somebody changed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.dynamo_items import PATIENT, SESSION, ref_of
from reminders.errors import BadInput
from reminders.ports import PatientRef

_PARTITION = re.compile(r"CLINIC#[A-Za-z0-9._-]{1,64}#PATIENT#[A-Za-z0-9._-]{1,64}")


def changed(keys: Mapping[str, Any]) -> PatientRef | None:
    """The patient whose own item or session changed; None for what only we write.

    `keys` are as DynamoDB spells them. Raises BadInput for a session in a partition that is no patient's.
    """
    pk, sk = keys["pk"]["S"], keys["sk"]["S"]
    if sk != PATIENT and not sk.startswith(SESSION):
        return None
    if not _PARTITION.fullmatch(pk):
        raise BadInput("pk", "is not CLINIC#<clinic>#PATIENT#<patient>")
    return ref_of(pk)
