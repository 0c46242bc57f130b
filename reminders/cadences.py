"""Cadences as data: which steps a kind of session takes, read from TOML that a coordinator can read too.

`steps.toml` defines every step once; `<kind>.toml` lists the steps a kind takes, in order, and changes what it must.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from reminders.errors import BadInput
from reminders.model import Cadence, Frozen, Kind, Step


class _File(Frozen, frozen=True):
    version: int
    steps: tuple[str, ...]
    changes: dict[str, dict[str, Any]] = {}


def load(folder: Path) -> dict[Kind, Cadence]:
    """All cadences of a folder. Raises BadInput naming the file and the place in it."""
    base = _toml(folder / "steps.toml")
    return {kind: cadence(kind, base, _toml(folder / f"{kind}.toml")) for kind in Kind}


def cadence(kind: Kind, base: Mapping[str, Any], listing: Mapping[str, Any]) -> Cadence:
    """One kind's cadence from the shared steps and the kind's own listing."""
    try:
        file = msgspec.convert(listing, _File)
    except msgspec.ValidationError as error:
        raise BadInput(f"{kind}.toml", str(error)) from None
    for key in (*file.steps, *file.changes):
        if key not in base:
            raise BadInput(f"{kind}.toml", f"there is no step {key!r} in steps.toml")
    for key in file.changes:
        if key not in file.steps:
            raise BadInput(f"{kind}.toml", f"changes a step it does not list: {key!r}")
    steps = tuple(_step(kind, key, {**base[key], **file.changes.get(key, {})}) for key in file.steps)
    return Cadence(kind=kind, version=file.version, steps=steps)


def _step(kind: Kind, key: str, settings: Mapping[str, Any]) -> Step:
    try:
        step = msgspec.convert({**settings, "key": key}, Step)
    except msgspec.ValidationError as error:
        raise BadInput(f"{kind}.toml: {key}", str(error)) from None
    if (step.days is None) != (step.at is None):
        raise BadInput(f"{kind}.toml: {key}", "`days` and `at` go together")
    if step.days is not None and step.minutes:
        raise BadInput(f"{kind}.toml: {key}", "give either `minutes` or `days` and `at`, not both")
    return step


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(path.name, "this file is missing") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(path.name, str(error)) from None
