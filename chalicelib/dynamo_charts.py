"""Items put together to a chart, leaving out what cannot be read and saying why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chalicelib import dynamo_items as items
from chalicelib.dynamo_items import Item
from reminders.errors import BadInput
from reminders.model import Chart, Ledger, Session

Visit = tuple[str, Item | None, Item | None]  # session id, its session, its ledger


def chart_of(clinic: Item, patient: Item, visits: Sequence[Visit]) -> tuple[Chart, dict[str, str]]:
    """A chart, and what is wrong with the sessions it leaves out. Raises BadInput for all but sessions."""
    sessions: dict[str, Session] = {}
    ledgers: dict[str, Ledger] = {}
    spelled: dict[str, str] = {}
    malformed: dict[str, str] = {}
    for session_id, session, ledger in visits:
        if ledger:
            with _naming("ledger"):
                ledgers[session_id] = items.read_ledger(ledger)
        if session:
            try:
                sessions[session_id] = items.read_session(session)
                spelled[session_id] = session["starts_at"]["S"]
            except BadInput as error:
                malformed[session_id] = str(error)
    with _naming("clinic"):
        of_clinic = items.read_clinic(clinic)
    with _naming("patient"):
        of_patient = items.read_patient(patient)
    chart = Chart(
        clinic=of_clinic,
        patient=of_patient,
        patient_version=items.version_of(patient),
        sessions=sessions,
        ledgers=ledgers,
        starts_as_stored=spelled,
    )
    return chart, malformed


@contextmanager
def _naming(whose: str) -> Iterator[None]:
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{whose}.{error.field}", error.problem) from None
