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

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from chalicelib.dynamo_items import Key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_ACTIONS = 100
TRIES = 3  # of a bundle that meets another transaction on the same item, or a throttle

Action = dict[str, Any]  # {"Update": …}, {"Put": …} or {"ConditionCheck": …}

NO_ANSWER = (HTTPClientError, ConnectionError)  # other errors of botocore are mistakes of ours

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
    waiting, alone, lost = list(bundles), list[Bundle](), list[Bundle]()
    while waiting:
        answer = _attempt(client, waiting)
        if answer.written:
            break
        lost += [bundle for bundle in waiting if id(bundle) in answer.failed]
        alone += [bundle for bundle in waiting if id(bundle) in answer.busy]
        waiting = [bundle for bundle in waiting if id(bundle) not in answer.failed | answer.busy]
    return lost + [bundle for bundle in alone if not _take_alone(client, bundle)]


def _take_alone(client: DynamoDBClient, bundle: Bundle) -> bool:
    for attempt in range(1, TRIES + 1):
        # Two workers that met once must not meet again at the same moment.
        time.sleep(random.uniform(0.01, 0.04) * 2**attempt)  # noqa: S311 - jitter, not a secret
        answer = _attempt(client, [bundle])
        while not (answer.written or answer.failed or answer.busy):
            answer = _attempt(client, [bundle])
        if not answer.busy:
            return answer.written
    return False


@dataclass(frozen=True)
class _Answer:
    """Of one call: all is written, or nothing is. `failed` and `busy` are ids of bundles; when both are empty, only
    something `once` was there already, and has been dropped from its bundles."""

    written: bool = False
    failed: frozenset[int] = frozenset()
    busy: frozenset[int] = frozenset()


def _attempt(client: DynamoDBClient, bundles: Sequence[Bundle]) -> _Answer:
    everyone = frozenset(map(id, bundles))
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
            return _Answer(busy=everyone)
        raise
    except NO_ANSWER:
        return _Answer(failed=everyone)
    return _Answer(written=True)


def _blame(bundles: Sequence[Bundle], codes: dict[Key, str]) -> _Answer:
    """Whose conditions failed, and who met another transaction."""
    failed: set[int] = set()
    busy: set[int] = set()
    there_already = False
    for key, code in codes.items():
        for bundle in bundles if code != "None" else ():
            if key in bundle.once and code == "ConditionalCheckFailed":
                del bundle.once[key]
                there_already = True
            elif key in bundle.writes or key in bundle.checks or key in bundle.once:
                (busy if code in BUSY else failed).add(id(bundle))
    if not (failed or busy or there_already):  # a cancellation without a reason
        return _Answer(busy=frozenset(map(id, bundles)))
    return _Answer(failed=frozenset(failed), busy=frozenset(busy - failed))
