"""Progress on a terminal, on stderr, so that stdout stays what a verb prints. Elsewhere nothing is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress, track

_Thing = TypeVar("_Thing")


def bar(things: Sequence[_Thing], what: str) -> Iterator[_Thing]:
    """The things one by one, a bar growing with them."""
    console = Console(stderr=True)
    yield from track(things, description=what, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def until(starts: datetime, ends: datetime, what: str) -> Iterator[Callable[[object], None]]:
    """A bar for a virtual clock: tell it how late it is (what is no time is passed over)."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=(ends - starts).total_seconds())

        def tell(now: object) -> None:
            if isinstance(now, datetime):
                progress.update(task, completed=(now - starts).total_seconds())

        yield tell


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """A sign of life where nobody knows how long it takes."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
