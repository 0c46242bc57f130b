"""Patients and sessions from a spreadsheet saved as CSV (docs/import.md). Text in, what it says out.

A row says something of one patient and, if it likes, of one of that patient's sessions. A row with anything wrong is
left out whole and named with every reason; no reason quotes a cell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from reminders import cells, csv_rows
from reminders.cells import Unreadable
from reminders.errors import BadInput
from reminders.model import Clinic, Frozen, Kind, Language, PatientStatus

PATIENT_COLUMNS: Mapping[str, Callable[[str, ZoneInfo], object]] = {
    "patient_id": lambda text, _: cells.identity(text),
    "first_name": lambda text, _: cells.name(text),
    "phone": lambda text, _: cells.phone(text),
    "email": lambda text, _: cells.email(text),
    "language": lambda text, _: cells.language(text),
    "time_zone": lambda text, _: cells.zone(text),
    "sms_consent": lambda text, _: cells.yes_or_no(text),
    "email_consent": lambda text, _: cells.yes_or_no(text),
    "consent_date": cells.day_or_moment,
    "status": lambda text, _: cells.status(text),
    "experienced": lambda text, _: cells.yes_or_no(text),
}
SESSION_COLUMNS: Mapping[str, Callable[[str, ZoneInfo], object]] = {
    "session_id": lambda text, _: cells.identity(text),
    "kind": lambda text, _: cells.kind(text),
    "starts_at": cells.moment,
    "minutes": lambda text, _: cells.minutes(text),
}
SESSION_NEEDS = ("session_id", "kind", "starts_at")
CLINIC = "clinic_id"
COLUMNS = (CLINIC, *PATIENT_COLUMNS, *SESSION_COLUMNS)
_READERS = {CLINIC: PATIENT_COLUMNS["patient_id"], **PATIENT_COLUMNS, **SESSION_COLUMNS}
_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class Problem:
    """Why a row was rejected. `row` counts as the spreadsheet does: the header is 1."""

    row: int
    column: str
    sentence: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.column}: {self.sentence}"


class Said(Frozen, frozen=True):
    """What a file says of one patient; None where it says nothing."""

    patient_id: str
    first_name: str | None = None
    phone: str | None = None
    email: str | None = None
    language: Language | None = None
    time_zone: str | None = None
    sms_consent: bool | None = None
    email_consent: bool | None = None
    consent_date: datetime | None = None
    status: PatientStatus | None = None
    experienced: bool | None = None


class Visit(Frozen, frozen=True):
    """What a file says of one session."""

    session_id: str
    patient_id: str
    kind: Kind
    starts_at: datetime
    minutes: int | None = None


@dataclass(frozen=True)
class Row:
    """One good row."""

    number: int
    said: Said
    visit: Visit | None = None


@dataclass(frozen=True)
class Sheet:
    """`count`: how many rows are not blank. `unread`: columns whose names we do not know."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    count: int = 0
    unread: tuple[str, ...] = ()

    @property
    def patients(self) -> tuple[Said, ...]:
        """Each patient once, with what all good rows together say."""
        return tuple(together(row.said for row in rows) for rows in self.by_patient())

    @property
    def sessions(self) -> tuple[Visit, ...]:
        """Each session once."""
        return tuple({row.visit.session_id: row.visit for row in self.rows if row.visit}.values())

    def by_patient(self) -> list[list[Row]]:
        """Good rows of one patient together, in the order of the file."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.said.patient_id, []).append(row)
        return list(found.values())


def read(text: str, clinic: Clinic | None) -> Sheet:
    """What the file says. Times without an offset are the clinic's wall time.

    Without a clinic (to try a file out) they are only looked at, and stand in UTC. Raises BadInput that names a column
    when the file as a whole is of no use.
    """
    table = _table(text)
    zone = ZoneInfo(clinic.time_zone) if clinic else _UTC
    reading = _Reading(clinic.id if clinic else None)
    problems = list(table.problems)
    count = len(problems)
    good = []
    for number, filled in table.rows:
        count += 1
        found = filled if isinstance(filled, list) else _values(number, filled, zone)
        row = reading.row(number, found) if isinstance(found, dict) else found
        if isinstance(row, Row):
            good.append(row)
        else:
            problems += row
    problems.sort(key=lambda problem: problem.row)
    return Sheet(tuple(good), tuple(problems), count, table.unread)


def clinic_named(text: str) -> str | None:
    """The clinic that the first row with a `clinic_id` names. Raises BadInput as `read` does."""
    for _, filled in _table(text).rows:
        if isinstance(filled, dict) and CLINIC in filled:
            try:
                return cells.identity(filled[CLINIC])
            except Unreadable:
                continue
    return None


def together(said: Iterable[Said]) -> Said:
    """What several rows that do not contradict each other say of one patient."""
    first, *others = said
    for other in others:
        told = {name: value for name, value in msgspec.structs.asdict(other).items() if value is not None}
        first = msgspec.structs.replace(first, **told)
    return first


# --- rows ---------------------------------------------------------------------------------------------


def _values(number: int, filled: Mapping[str, str], zone: ZoneInfo) -> dict[str, Any] | list[Problem]:
    """The row's cells, read; or everything that is wrong with it."""
    values: dict[str, Any] = {}
    problems = []
    for column, text in filled.items():
        try:
            values[column] = _READERS[column](text, zone)
        except Unreadable as error:
            problems.append(Problem(number, column, str(error)))
    needed = ["patient_id"]
    if any(column in filled for column in SESSION_COLUMNS):
        needed += SESSION_NEEDS
    problems += [Problem(number, column, "is missing") for column in needed if column not in filled]
    return problems or values


@dataclass
class _Reading:
    """What the rows so far have said, so that a later row can be held against them."""

    clinic_id: str | None
    said: dict[str, dict[str, tuple[Any, int]]] = field(default_factory=dict)  # patient → column → value, row
    visits: dict[str, tuple[Visit, int]] = field(default_factory=dict)

    def row(self, number: int, values: dict[str, Any]) -> Row | list[Problem]:
        """A good row, remembered; or what it contradicts."""
        clinic_id = values.pop(CLINIC, None)
        about = {column: value for column, value in values.items() if column in PATIENT_COLUMNS}
        visit = None
        if "session_id" in values:
            of_session = {column: value for column, value in values.items() if column in SESSION_COLUMNS}
            visit = Visit(patient_id=values["patient_id"], **of_session)
        problems = [*self._clinic(number, clinic_id), *self._patient(number, about), *self._visit(number, visit)]
        if problems:
            return problems
        self.clinic_id = self.clinic_id or clinic_id
        known = self.said.setdefault(values["patient_id"], {})
        for column, value in about.items():
            known.setdefault(column, (value, number))
        if visit:
            self.visits[visit.session_id] = (self._whole(visit), number)
        return Row(number, Said(**about), visit and self._whole(visit))

    def _clinic(self, number: int, clinic_id: str | None) -> Iterator[Problem]:
        if None not in (clinic_id, self.clinic_id) and clinic_id != self.clinic_id:
            yield Problem(number, CLINIC, "is another clinic; a file is of one clinic")

    def _patient(self, number: int, about: Mapping[str, Any]) -> Iterator[Problem]:
        known = self.said.get(about["patient_id"], {})
        for column, value in about.items():
            before, row = known.get(column, (value, 0))
            if before != value:
                yield Problem(number, column, f"is not what row {row} says of the same patient")

    def _visit(self, number: int, visit: Visit | None) -> Iterator[Problem]:
        if visit is None or visit.session_id not in self.visits:
            return
        known, row = self.visits[visit.session_id]
        if visit.patient_id != known.patient_id:
            yield Problem(number, "session_id", f"is of another patient in row {row}")
            return
        for column in SESSION_COLUMNS:
            before, now = getattr(known, column), getattr(visit, column)
            if None not in (before, now) and before != now:
                yield Problem(number, column, f"is not what row {row} says of the same session")

    def _whole(self, visit: Visit) -> Visit:
        """With the length that an earlier row gave."""
        known = self.visits.get(visit.session_id)
        return known[0] if known and visit.minutes is None else visit


# --- the table ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    """`rows`: number and filled cells by column, or what is wrong with the row's shape."""

    rows: list[tuple[int, dict[str, str] | list[Problem]]]
    problems: list[Problem]
    unread: tuple[str, ...]


def _table(text: str) -> _Table:
    lines, unclear = csv_rows.rows(text)
    if not lines:
        raise BadInput("file", "is empty")
    _, header = lines.pop(0)
    columns, unread = _columns(header)
    problems = [Problem(number, "row", sentence) for number, sentence in unclear]
    rows: list[tuple[int, dict[str, str] | list[Problem]]] = []
    for number, line in lines:
        filled = {column: cell for column, cell in zip(columns, line, strict=False) if column and cell}
        if any(line[len(columns) :]):
            rows.append((number, [Problem(number, "row", "has more cells than there are columns")]))
        elif any(line):
            rows.append((number, filled))
    return _Table(rows, problems, unread)


def _columns(header: list[str]) -> tuple[list[str | None], tuple[str, ...]]:
    """For each cell of the header the column it means; and the names that mean none. Raises BadInput."""
    meant = {_squeezed(column): column for column in COLUMNS}
    columns = [meant.get(_squeezed(cell)) for cell in header]
    for column in COLUMNS:
        if columns.count(column) > 1:
            raise BadInput(column, "this column is there twice")
    needed = ["patient_id"]
    if any(column in columns for column in SESSION_COLUMNS):
        needed += SESSION_NEEDS
    for column in needed:
        if column not in columns:
            raise BadInput(column, f"this column is missing from the first row; columns are {', '.join(COLUMNS)}")
    return columns, tuple(cell for cell, column in zip(header, columns, strict=True) if cell and not column)


def _squeezed(name: str) -> str:
    """`Patient ID`, `patient-id` and `PATIENT_ID` are one name."""
    return re.sub(r"[\W_]+", "", name.casefold())
