"""What the use cases work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reminders.links import Links
from reminders.messages import Catalogue
from reminders.model import Cadence, Channel, Kind
from reminders.ports import Journal, Queue, Sender, Store


@dataclass(frozen=True)
class Desk:
    """`alarm` tells whoever listens to the topic of urgent tasks."""

    store: Store
    queue: Queue
    senders: Mapping[Channel, Sender]
    cadences: Mapping[Kind, Cadence]
    catalogue: Catalogue
    journal: Journal
    links: Links
    alarm: Callable[[str], None]
