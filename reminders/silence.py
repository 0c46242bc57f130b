"""Check-ins that nobody answers: two in a row are work for a person (rules.md 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reminders.model import Cadence, Channel, Chart, Entry, Kind, Ledger, PatientStatus, Receipt, State, entry_key

STEP = "no_answer"
PATIENCE = timedelta(hours=24)  # after the second one went out
IN_A_ROW = 2
NEVER_CAME = (Receipt.UNDELIVERED, Receipt.FAILED, Receipt.BOUNCED)


@dataclass(frozen=True)
class Silence:
    """A task to open now, or when to look again; neither while there is nothing to wait for.

    Both name the session that the second unanswered check-in belongs to.
    """

    opens_now: tuple[str, Entry] | None = None
    wake: tuple[str, datetime] | None = None


def silent(chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> Silence:
    """Whether a patient has stopped answering: the last check-ins of all sessions, by the time they went out.

    An answer, late or not, ends the count. One silence is one task however long it lasts; it is opened 24 hours after
    its second check-in went out. `now` is aware.
    """
    unanswered = _unanswered(chart, cadences)
    if len(unanswered) < IN_A_ROW or chart.patient.status is not PatientStatus.ACTIVE:
        return Silence()
    session_id, second = unanswered[IN_A_ROW - 1]
    if _opened_since(chart, second.at):
        return Silence()
    at = second.at + PATIENCE
    return Silence(opens_now=(session_id, second)) if at <= now else Silence(wake=(session_id, at))


def _unanswered(chart: Chart, cadences: Mapping[Kind, Cadence]) -> list[tuple[str, Entry]]:
    """The check-ins since the last answered one, with their sessions, oldest first."""
    keys = {step.key for cadence in cadences.values() for step in cadence.steps if step.collapses}
    asked = [
        (entry.at, session_id, entry)
        for session_id, ledger in chart.ledgers.items()
        if session_id in chart.sessions
        for entry in ledger.entries.values()
        if entry.step in keys and entry.state is State.SENT and entry.receipt not in NEVER_CAME
    ]
    unanswered: list[tuple[str, Entry]] = []
    for _, session_id, entry in sorted(asked, key=lambda one: (one[0], one[1], one[2].key)):
        if _answered(chart.ledgers[session_id], entry):
            unanswered.clear()
        else:
            unanswered.append((session_id, entry))
    return unanswered


def _answered(ledger: Ledger, entry: Entry) -> bool:
    """On whichever channel: a text may be answered after the provider took it for lost and an email went instead."""
    return any(entry_key(entry.step, entry.start, channel) in ledger.answered for channel in Channel)


def _opened_since(chart: Chart, since: datetime) -> bool:
    return any(
        entry.step == STEP and entry.at >= since
        for ledger in chart.ledgers.values()
        for entry in ledger.entries.values()
    )
