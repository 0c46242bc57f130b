"""What the store's tests start from: a patient with sessions and ledgers, a claim, a provider's answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.model import Channel, Chart, Entry, Ledger, Ride, Session, State, Task, TaskKind, Urgency
from reminders.ports import LedgerRecord, LedgerWrite, PatientRef
from tests.builders import NOW, a_clinic, a_patient

REF = PatientRef("harbor", "p1")
HOUR = timedelta(hours=1)


def an_entry(session: Session, **changes: Any) -> Entry:
    entry = Entry(
        step="prepare",
        start=session.starts_at,
        state=State.CLAIMED,
        at=NOW,
        channel=Channel.SMS,
        to="+12135550123",
        again_at=NOW + HOUR,
    )
    return replace(entry, **changes)


def a_task(**changes: Any) -> Task:
    task = Task(
        id="no_ride-s1",
        clinic_id="harbor",
        kind=TaskKind.NO_RIDE,
        urgency=Urgency.REVIEW,
        opened_at=NOW,
        due_at=NOW + HOUR,
        patient_id="p1",
        session_id="s1",
    )
    return replace(task, **changes)


def adopted(store: DynamoStore, *sessions: Session, patient_id: str = "p1") -> Chart:
    """A patient of the clinic with these sessions, each with its first ledger, all of them live."""
    ref = PatientRef("harbor", patient_id)
    store.put_clinic(a_clinic())
    store.put_patient(a_patient(id=patient_id))
    for session in sessions:
        store.put_session(session)
    raw = store.whole_chart(ref)
    assert raw.chart
    assert not store.commit(
        [
            LedgerWrite(
                chart=raw.chart,
                ledger=Ledger(session_id=session.id, starts_at=session.starts_at, booked_at=NOW),
                replace=Ledger(session_id=session.id, starts_at=session.starts_at, booked_at=NOW),
                next_due_at=NOW,
            )
            for session in sessions
        ]
    )
    assert store.set_live(ref, [session.id for session in sessions], raw.chart.patient_version)
    return store.charts([ref])[ref]


def a_claim(chart: Chart, session_id: str = "s1", **changes: Any) -> LedgerWrite:
    entry = an_entry(chart.sessions[session_id], **changes)
    return LedgerWrite(
        chart=chart,
        ledger=chart.ledgers[session_id],
        set_entries={entry.key: entry},
        set_bodies={entry.key: "Harbor Clinic: see you soon"},
        next_due_at=entry.again_at,
    )


def an_answer(claim: LedgerWrite, **changes: Any) -> LedgerRecord:
    (entry,) = claim.set_entries.values()
    sent = replace(entry, **{"state": State.SENT, "ref": "SM1", "again_at": None} | changes)
    return LedgerRecord(
        ref=PatientRef(claim.chart.clinic.id, claim.chart.patient.id),
        session_id=claim.ledger.session_id,
        version=claim.ledger.version + 1,
        set_entries={sent.key: sent},
        next_due_at=NOW + 24 * HOUR,
    )


def ledger_of(store: DynamoStore, session_id: str = "s1", ref: PatientRef = REF) -> Ledger:
    chart = store.whole_chart(ref).chart
    assert chart
    return chart.ledgers[session_id]


def ride_of(store: DynamoStore, session_id: str, ride: Ride, ref: PatientRef = REF) -> None:
    """The patient answered who drives."""
    assert store.answer(ref, session_id, lambda ledger: replace(ledger, ride=ride), None)
