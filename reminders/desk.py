"""What the use cases work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from reminders.messages import Catalogue
from reminders.model import Cadence, Channel, Kind, Task
from reminders.ports import Journal, PatientRef, Queue, Sender, Store


@dataclass(frozen=True)
class Desk:
    """`link` makes the address at which staff see and take a task; `alarm` tells whoever listens to the topic."""

    store: Store
    queue: Queue
    senders: Mapping[Channel, Sender]
    cadences: Mapping[Kind, Cadence]
    catalogue: Catalogue
    journal: Journal
    link: Callable[[PatientRef, Task, datetime], str]
    alarm: Callable[[str], None]
