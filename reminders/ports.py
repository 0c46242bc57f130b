"""What the domain needs from outside, as Protocols. Adapters in `chalicelib/` and `local/` implement them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from reminders.model import (
    Channel,
    Chart,
    CheckIn,
    Clinic,
    Entry,
    Inbound,
    Ledger,
    Outcome,
    Outgoing,
    Patient,
    Receipt,
    Session,
    Task,
)


@dataclass(frozen=True)
class PatientRef:
    """Whose it is. Ids only; without a patient it is the clinic's own."""

    clinic_id: str
    patient_id: str


@dataclass(frozen=True)
class Turn:
    """What is to be worked on. Ids only: this is what travels through the queue.

    `item` is empty when it is a patient's messages, else `TASK#<id>` (of the patient, or of the clinic) or
    `REPLY#<sid>` (of the clinic: a kept message need not be from a patient).
    """

    ref: PatientRef
    item: str = ""


@dataclass(frozen=True)
class Due:
    """Something in the due index: a turn, and since when."""

    turn: Turn
    at: datetime


@dataclass(frozen=True)
class LedgerWrite:
    """One atomic change of one ledger, taken only if nothing it was decided on has changed.

    Guards: the ledger's `version` (0 means: must not exist yet), the patient's version, the session's start and
    status as they were read, and the version of every other ledger in the chart (for the daily cap). `tasks` are
    opened in the same transaction, each once. `chart` is what was read.
    """

    chart: Chart
    ledger: Ledger  # as read; `ledger.version` is the lock
    set_entries: dict[str, Entry] = field(default_factory=dict)
    set_bodies: dict[str, str] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    next_due_at: datetime | None = None
    replace: Ledger | None = None  # adoption: the ledger's other fields are set from this


@dataclass(frozen=True)
class LedgerRecord:
    """What the provider said to a claimed entry. Always kept; `next_due_at` only if still at `version` (as claimed)."""

    ref: PatientRef
    session_id: str
    version: int
    set_entries: dict[str, Entry]
    next_due_at: datetime | None
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True)
class RawChart:
    """A patient's whole partition, for adoption: like a Chart, with what could not be read."""

    chart: Chart | None  # None: no such patient (or it is malformed)
    malformed: dict[str, str] = field(default_factory=dict)  # session id → sentence naming the field
    orphans: tuple[str, ...] = ()  # ids of sessions whose patient is unknown
    live: tuple[str, ...] = ()  # what `set_live` last kept


class Store(Protocol):
    """One DynamoDB table. Every read here is consistent unless it goes through an index."""

    def clinic(self, clinic_id: str) -> Clinic | None: ...
    def put_clinic(self, clinic: Clinic) -> None:
        """Overwrites. Raises BadInput for an `sms_from` that is another clinic's: replies would reach the wrong one."""
        ...

    def patient(self, ref: PatientRef) -> Patient | None: ...
    def put_patient(self, patient: Patient) -> None:
        """Overwrites; what may race with the patient (consent, addresses) goes through `change_patient`."""
        ...

    def change_patient(self, ref: PatientRef, change: Callable[[Patient], Patient]) -> Patient | None:
        """Change the patient as they are now, again if somebody else did meanwhile: no STOP is ever overwritten.

        Returns the patient as changed, None if there is none. Raises Unavailable when others never let go.
        """
        ...

    def session(self, ref: PatientRef, session_id: str) -> Session | None: ...
    def put_session(self, session: Session) -> None: ...

    def due(self, before: datetime) -> list[Due]:
        """All whose `next_due_at` is before `before`, earliest first. Reads the due index only."""
        ...

    def earliest_due(self) -> datetime | None:
        """The first `next_due_at` of all: for a clock that jumps."""
        ...

    def charts(self, refs: Sequence[PatientRef]) -> dict[PatientRef, Chart]:
        """Current state of many patients in two batch reads."""
        ...

    def whole_chart(self, ref: PatientRef) -> RawChart:
        """One patient's partition by query, malformed sessions included: what adoption looks at."""
        ...

    def set_live(self, ref: PatientRef, session_ids: Iterable[str], expected_version: int) -> bool:
        """Which sessions `charts` reads; raises the patient's version. False if the version has moved on."""
        ...

    def commit(self, writes: Sequence[LedgerWrite]) -> set[str]:
        """Take each write atomically, many in one call; returns session ids whose guards failed (nothing written)."""
        ...

    def record(self, records: Sequence[LedgerRecord]) -> None:
        """Keep what the provider answered."""
        ...

    def receipt(
        self,
        ref: PatientRef,
        session_id: str,
        entry: str,
        provider_ref: str,
        receipt: Receipt,
        code: str | None,
        wake_at: datetime | None,
    ) -> bool:
        """Advance an entry's receipt by rank; False when an equal or higher one is known, or it is another attempt's.

        A receipt may come before `record` has kept the reference: then it is kept with the reference.
        `wake_at` (for failures) also makes the ledger due, so that what follows is decided in one place.
        """
        ...

    def body(self, ref: PatientRef, session_id: str, entry: str) -> str | None:
        """The text of one entry as it was (to be) sent."""
        ...

    def open_task(self, task: Task) -> bool:
        """True if it was not there yet."""
        ...

    def open_tasks(self, clinic_id: str) -> list[Task]: ...
    def task(self, ref: PatientRef, task_id: str) -> Task | None: ...
    def change_task(self, ref: PatientRef, task_id: str, change: Callable[[Task], Task]) -> Task | None:
        """Change a task as it is now, again if somebody else did meanwhile; a closed one leaves the list and the due
        index. Returns it as changed, None if there is none."""
        ...

    # --- patients' answers --------------------------------------------------------------------------

    def clinic_of(self, address: str) -> str | None:
        """The clinic that texts from this number or Messaging Service id (`sms_from`)."""
        ...

    def patients_at(self, clinic_id: str, phone: str) -> list[PatientRef]:
        """Whose phone this is now, active or not, by id; several share one, or nobody has it."""
        ...

    def keep_inbound(self, inbound: Inbound) -> bool:
        """Keep a message as it came, due again at its `next_due_at` until it is done; False if its sid is known."""
        ...

    def inbound(self, clinic_id: str, sid: str) -> Inbound | None: ...
    def inbound_since(self, clinic_id: str, phone: str, since: datetime) -> list[Inbound]:
        """What came from this phone, oldest first. Comes through an index and may lag by moments."""
        ...

    def settle_inbound(self, inbound: Inbound) -> None:
        """Overwrite with what became of it (`done_at`, level, intent …); out of the due index."""
        ...

    def answer(
        self, ref: PatientRef, session_id: str, change: Callable[[Ledger], Ledger], wake_at: datetime | None
    ) -> Ledger | None:
        """Change a ledger's fields (ride, confirmed_at, home_safe_at, answered), but not its entries, as they are now,
        again if somebody else did meanwhile, raising its version; `wake_at` also makes it due if that is sooner.
        Returns it as changed, None if there is no such ledger. Raises Unavailable when others never let go."""
        ...

    def keep_checkin(self, ref: PatientRef, checkin: CheckIn) -> bool:
        """False if what was asked at that time is answered already; the newer of both answers is kept."""
        ...

    def checkins(self, ref: PatientRef) -> list[CheckIn]:
        """Oldest first."""
        ...


class Journal(Protocol):
    """Told of everything that happens, by ids only: becomes log lines and metrics, and the rehearsal's output."""

    def __call__(self, event: str, /, **facts: object) -> None: ...


class Queue(Protocol):
    def put(self, turns: Iterable[tuple[Turn, datetime]], now: datetime) -> int:
        """Hand over, each delayed to its second (whole seconds, at most 900)."""
        ...


class Sender(Protocol):
    """One channel's provider."""

    channel: Channel

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome: ...

    def find(self, outgoing_to: str, tags: dict[str, str], since: datetime, body: str | None) -> Outcome | None:
        """Look for a message we may have sent: its Outcome, or None when the provider never got it.
        Raises Unavailable when the provider cannot say."""
        ...
