"""The embedded AWS (moto), in this process: nothing leaves the machine and no account is needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from moto import mock_aws

from local import lean_moto

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
    lean_moto.install()
    with mock_aws():
        yield
