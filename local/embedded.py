"""The embedded AWS (moto), in this process: nothing leaves the machine and no account is needed."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto import mock_aws
from moto.dynamodb.models.table import StreamShard

REGION = "us-west-2"
_NO_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def embedded_aws() -> Iterator[None]:
    """Every AWS client made inside talks to moto."""
    os.environ.update(_NO_ACCOUNT)
    # Before each transaction moto copies the whole table, with every record its stream ever held, to be able to go
    # back. The records never change, so the list of them is copy enough; without this a day takes minutes.
    StreamShard.__deepcopy__ = _copy_of_stream  # type: ignore[attr-defined]
    with mock_aws():
        yield


def _copy_of_stream(shard: StreamShard, memo: dict[int, Any]) -> StreamShard:
    kept = copy.copy(shard)
    memo[id(shard)] = kept
    kept.table = copy.deepcopy(shard.table, memo)
    kept.items = list(shard.items)
    return kept
