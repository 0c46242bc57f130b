"""Rehearses a course of treatment: a scenario in, every message, silence and task out, in time order (contract 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import click
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from local import jsonl, progress
from local import scenario as scenarios
from local.provider_messages import Accepted
from local.scenario import Scenario
from local.stage import Stage
from reminders import receiving
from reminders.model import Ledger, SessionStatus
from reminders.ports import PatientRef

Line = dict[str, Any]

# What the journal says that a rehearsal shows, and which of its facts. `sent` is taken from the provider's own log.
SHOWN: dict[str, tuple[str, ...]] = {
    "skipped": ("session", "step", "channel", "reason", "code"),
    "task": ("session", "step", "kind", "urgency"),
    "receipt": ("session", "step", "channel", "status", "code"),
    "received": ("from", "body", "level", "intent", "score"),
    "page": ("to", "channel", "attempt"),
    "acknowledged": ("by",),
    "booked": ("session",),
    "moved": ("session",),
    "cancelled": ("session",),
    "discharged": ("session",),
    "no_show": ("session",),
}


TOLD_EVEN_IF_NULL = {("received", "score"), ("receipt", "code")}

# Of what happens in the same instant, causes before their effects.
ORDER = {"received": 0, "booked": 1, "moved": 1, "cancelled": 1, "discharged": 1, "no_show": 1, "sent": 2, "skipped": 2}


def rehearse(scenario: Scenario, watch: Callable[[object], None] = lambda _now: None) -> list[Line]:
    """Every line of the rehearsal, in time order; `watch` is told how late it is."""
    lines: list[Line] = []
    with Stage(scenario.starts, _collector(lines, watch)) as stage:
        stage.store.put_clinic(scenario.the_clinic())
        for patient in scenario.the_patients():
            stage.store.put_patient(patient)
        for at, session in scenario.bookings():
            stage.at(at, _put(stage, session))
        for event in scenario.events:
            action = _action(stage, scenario, event)
            if action is not None:
                stage.at(event.at, action)
        stage.run(scenario.ends)
        ledgers = cache(stage.ledgers)
        lines += [sent_line(stage, accepted, ledgers) for accepted in stage.sandbox.log]
    return sorted(lines, key=lambda line: (str(line["at"]), ORDER.get(line["event"], len(ORDER))))


def show(scenario: Scenario, *, as_json: bool) -> None:
    """Rehearse and print: JSON lines, or a table for people."""
    with progress.until(scenario.starts, scenario.ends, "rehearsing") as watch:
        lines = rehearse(scenario, watch)
    if as_json:
        for line in lines:
            click.echo(jsonl.line(line))
        return
    table = Table("at (UTC)", "event", "patient", "session", "step", "what", title="Rehearsal")
    for line in lines:
        facts = ("body", "reason", "kind", "status", "code", "level", "intent", "to")
        what = " · ".join(str(line[fact]) for fact in facts if line.get(fact) is not None)
        cells = [str(line.get(name) or "") for name in ("at", "event", "patient", "session", "step")]
        table.add_row(*cells, what)
    Console().print(table)


def utc(at: datetime) -> str:
    """ISO 8601, UTC, ending in Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sent_line(stage: Stage, accepted: Accepted, ledgers: Callable[[PatientRef], dict[str, Ledger]]) -> Line:
    """One message the provider accepted, with what our ledger and our templates know of it."""
    tags = accepted.tags
    line: Line = {"at": utc(accepted.at), "event": "sent"}
    line.update({name: tags[name] for name in ("patient", "session") if tags.get(name)})
    ledger = ledgers(PatientRef(tags.get("clinic", ""), tags.get("patient", ""))).get(tags.get("session", ""))
    entry = ledger.entries.get(tags.get("entry", "")) if ledger else None
    rendered = stage.outgoing.get(accepted.ref)
    if rendered is not None:
        line.update(step=rendered.template.partition("/")[0], template=rendered.template, version=rendered.version)
        line["language"] = rendered.language
        if rendered.encoding:
            line.update(encoding=rendered.encoding, segments=rendered.segments)
    if entry is not None:
        line.update(step=entry.step, template=entry.template, version=entry.version, language=entry.language)
        if entry.sessions:
            line["sessions"] = list(entry.sessions)
        if entry.encoding:
            line.update(encoding=entry.encoding, segments=entry.segments)
        if entry.shift:
            line["moved"] = str(entry.shift)
    staff = str(line.get("step", "")) == "page"
    line.update(channel=str(accepted.channel), to=accepted.to, audience="staff" if staff else "patient")
    line["body"] = accepted.body
    if accepted.subject is not None:
        line["subject"] = accepted.subject
    if str(line.get("step", "")).startswith("reply_"):
        line["reply"] = True
    return line


def _collector(lines: list[Line], watch: Callable[[object], None]) -> Callable[[str, Mapping[str, object]], None]:
    def told(event: str, facts: Mapping[str, object]) -> None:
        watch(facts.get("at"))
        if event not in SHOWN:
            return
        at = facts["at"]
        line: Line = {"at": utc(at) if isinstance(at, datetime) else str(at), "event": event}
        for name in ("patient", *SHOWN[event]):
            if facts.get(name) is not None or (event, name) in TOLD_EVEN_IF_NULL:
                line[name] = facts.get(name)
        lines.append(line)

    return told


def _put(stage: Stage, session: Any) -> Callable[[], None]:
    return lambda: stage.store.put_session(session)


def _action(stage: Stage, scenario: Scenario, event: scenarios.Event) -> Callable[[], None] | None:
    """What an event does, as the booking system, the staff, the provider or fate would do it."""
    match event:
        case scenarios.Book():
            return None  # among the bookings
        case scenarios.Move():
            return _overwrite(stage, scenario, event.session, starts_at=event.starts_at)
        case scenarios.Cancel():
            return _overwrite(stage, scenario, event.session, status=SessionStatus.CANCELLED, status_at=event.at)
        case scenarios.Discharge():
            return _overwrite(stage, scenario, event.session, status=SessionStatus.DISCHARGED, status_at=event.at)
        case scenarios.NoShow():
            return _overwrite(stage, scenario, event.session, status=SessionStatus.NO_SHOW, status_at=event.at)
        case scenarios.Provider():
            return lambda: stage.sandbox.script(event.channel, event.to, event.outcome, event.times)
        case scenarios.Crash():
            return lambda: stage.crashes.waiting.append(event.after)
        case scenarios.Reply():
            clinic = scenario.the_clinic()
            return lambda: stage.reply(clinic, event.sender, event.text, event.sid, event.opt_out_type)
        case scenarios.Acknowledge():
            ref = PatientRef(scenario.clinic.id, event.patient)
            return lambda: _acknowledge(stage, ref, event.by)


def _acknowledge(stage: Stage, ref: PatientRef, by: str) -> None:
    receiving.acknowledge_all(stage.desk, ref, by, stage.now)


def _overwrite(stage: Stage, scenario: Scenario, session_id: str, **changes: object) -> Callable[[], None]:
    patient_id = {session.id: session.patient_id for _, session in scenario.bookings()}[session_id]
    ref = PatientRef(scenario.clinic.id, patient_id)

    def change() -> None:
        session = stage.store.session(ref, session_id)
        if session is not None:
            stage.store.put_session(replace(session, **changes))

    return change
