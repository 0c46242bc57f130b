"""Many conditional writes in one call, and what becomes of each when some of them may not happen.

A *bundle* is what stands or falls together. Bundles that have nothing to do with each other share a transaction only
to share its price: one call instead of ten. When DynamoDB cancels it, its reasons say whose condition failed; those
bundles are lost, the others go again without them.

Limits that shape this (DynamoDB API reference, TransactWriteItems): 100 actions; an item at most once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.dynamo_items import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_ACTIONS = 100
TRIES = 4  # of a bundle that meets another transaction on the same item, or a throttle

Action = dict[str, Any]  # {"Update": …}, {"Put": …} or {"ConditionCheck": …}

BUSY = frozenset(
    {
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ThrottlingError",
        "ThrottlingException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "InternalServerError",
        "ServiceUnavailable",
    }
)


@dataclass
class Bundle:
    """What stands or falls together.

    `writes` change items, `checks` hold what must not have changed, `once` are puts that are dropped (not failed)
    when the item is there already. `label` is the caller's.
    """

    label: Any
    writes: dict[Key, Action] = field(default_factory=dict)
    checks: dict[Key, Action] = field(default_factory=dict)
    once: dict[Key, Action] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.writes) + len(self.checks) + len(self.once)

    def shares_with(self, other: Bundle) -> bool:
        """Whether both fit into one transaction: no item twice, unless both ask the same of it."""
        mine = self.writes.keys() | self.checks.keys()
        return not (
            self.writes.keys() & (other.writes.keys() | other.checks.keys())
            or other.writes.keys() & mine
            or any(other.checks.get(key, check) != check for key, check in self.checks.items())
        )


class Busy(Exception):
    """The whole call was turned away; nothing was written. Never leaves this module."""


def take(client: DynamoDBClient, bundles: Sequence[Bundle]) -> list[Bundle]:
    """Write each bundle or none of it; returns those that were not written (or not known to be).

    A call without an answer counts as not written: whoever claims then sends nothing, and whoever records tries again.
    Any other error is a mistake of ours and is raised.
    """
    lost: list[Bundle] = []
    for together in _chunks(bundles):
        lost += _take_together(client, together)
    return lost


def _chunks(bundles: Sequence[Bundle]) -> Iterator[list[Bundle]]:
    """In order, as many in one transaction as it may hold."""
    chunk: list[Bundle] = []
    for bundle in bundles:
        if chunk and (
            sum(map(len, chunk)) + len(bundle) > MOST_ACTIONS or not all(bundle.shares_with(other) for other in chunk)
        ):
            yield chunk
            chunk = []
        chunk.append(bundle)
    if chunk:
        yield chunk


def _take_together(client: DynamoDBClient, bundles: list[Bundle]) -> list[Bundle]:
    waiting = list(bundles)
    lost: list[Bundle] = []
    while waiting:
        try:
            failed = _attempt(client, waiting)
        except Busy:
            return lost + [bundle for bundle in waiting if not _take_alone(client, bundle)]
        except BotoCoreError:
            return lost + waiting
        if failed is None:
            return lost
        lost += [bundle for bundle in waiting if id(bundle) in failed]
        waiting = [bundle for bundle in waiting if id(bundle) not in failed]
    return lost


def _take_alone(client: DynamoDBClient, bundle: Bundle) -> bool:
    for attempt in range(1, TRIES + 1):
        # Two workers that met once must not meet again at the same moment.
        time.sleep(random.uniform(0.01, 0.04) * 2**attempt)  # noqa: S311 - jitter, not a secret
        try:
            while True:
                failed = _attempt(client, [bundle])
                if failed is None:
                    return True
                if failed:
                    return False
        except Busy:
            continue
        except BotoCoreError:
            return False
    return False


def _attempt(client: DynamoDBClient, bundles: Sequence[Bundle]) -> set[int] | None:
    """One call. None: all written. Otherwise nothing was: the ids of bundles whose condition failed (perhaps none,
    when only something `once` was there already; it has been dropped). Raises Busy."""
    actions: dict[Key, Action] = {}
    for bundle in bundles:
        actions |= bundle.checks | bundle.once | bundle.writes
    try:
        client.transact_write_items(TransactItems=list(actions.values()))  # type: ignore[arg-type]  # Action is loose
    except client.exceptions.TransactionCanceledException as error:
        codes = [reason.get("Code", "None") for reason in error.response["CancellationReasons"]]
        return _blame(bundles, dict(zip(actions, codes, strict=True)))
    except ClientError as error:
        if error.response["Error"]["Code"] in BUSY:
            raise Busy from None
        raise
    return None


def _blame(bundles: Sequence[Bundle], codes: dict[Key, str]) -> set[int]:
    failed: set[int] = set()
    there_already = False
    for key, code in codes.items():
        if code == "None" or code in BUSY:
            continue
        for bundle in bundles:
            if key in bundle.once and code == "ConditionalCheckFailed":
                del bundle.once[key]
                there_already = True
            elif key in bundle.writes or key in bundle.checks or key in bundle.once:
                failed.add(id(bundle))
    if not failed and not there_already:
        raise Busy
    return failed
