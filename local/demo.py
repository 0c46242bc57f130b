"""The demo: the sample clinic's busy morning through the real workflow, its ledger in the terminal, its phones on a
page.

The virtual clock always starts at the same morning, so it looks the same whenever it is run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from local import progress, sample
from local.stage import Stage
from reminders import receiving
from reminders.model import Channel, Entry, Patient, Reason, Session, Shift, State
from reminders.ports import PatientRef

SHOWN_AT = sample.MORNING + timedelta(minutes=72)  # the page opens in the middle of the busy morning
NOON = sample.MORNING + timedelta(hours=4)
WIDTH_OF_FILES = 110  # characters, where there is no terminal to ask

STEP_WORDS = {
    "booked": "booking",
    "welcome": "first visit explained",
    "prepare": "how to prepare",
    "day_before": "the day before",
    "same_day": "same day",
    "after": "after the session",
    "home_safe": "home safe?",
    "checkin_24h": "check-in, 1 day",
    "checkin_72h": "check-in, 3 days",
    "checkin_7d": "check-in, 7 days",
    "moved": "visit moved",
    "cancelled": "visit cancelled",
    "missed": "missed visit",
    "recall": "time for a visit?",
}

TASK_WORDS = {
    "ride_unknown": "ask who takes them home",
    "no_ride": "find a way home",
    "too_late": "call: no text could come in time",
    "undeliverable": "call: our message did not arrive",
    "reschedule": "call to find another time",
    "call_patient": "call: we cannot text them",
    "not_home_safe": "call: not heard from since the visit",
    "low_mood": "call: low mood",
    "no_answer": "call: check-ins stay unanswered",
    "in_doubt": "look up whether a message went",
    "rems_form": "send the monitoring form",
    "rebook": "find a new time",
    "review_reply": "read their message",
    "crisis": "phone them now",
    "unmarked": "mark the visit: discharged or missed?",
    "malformed": "mend the booking",
    "template": "mend a message template",
    "operator": "tell the operator: sending fails",
}


class Demo:
    """The sample clinic on a stage, and what to show of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.tasks: list[Mapping[str, object]] = []
        self.receipts: list[Mapping[str, object]] = []
        self.lock = threading.Lock()
        self.watch: Callable[[object], None] = lambda _now: None  # is told how late it is

    def hear(self, event: str, facts: Mapping[str, object]) -> None:
        """The journal's listener."""
        self.watch(facts.get("at"))
        if event == "task":
            self.tasks.append(facts)

    def open(self) -> None:
        """Fill the clinic and let the days before the morning pass."""
        store, stage = self.stage.store, self.stage
        store.put_clinic(sample.SAMPLE_CLINIC)
        for patient in sample.patients():
            store.put_patient(patient)
        for at, session in sample.visits():
            stage.at(at, partial(store.put_session, session))
        for at, session_id, changes in sample.happenings():
            stage.at(at, partial(self._overwrite, session_id, changes))
        for number in sample.dead_numbers():
            stage.at(sample.MORNING, partial(stage.sandbox.script, Channel.SMS, number, "30005", 99))
        stage.run(sample.MORNING)

    def wind(self, by: str) -> None:
        """Let time pass: to the next thing that happens, an hour, or a day."""
        now = self.stage.now
        upcoming = self.stage.next_at()
        until = {"hour": now + timedelta(hours=1), "day": now + timedelta(days=1)}.get(by, upcoming or now)
        self.stage.run(max(until, now))

    def act(self, path: str, form: Mapping[str, str]) -> bool:
        """What a button on the page does; False if there is no such button."""
        if path == "/clock":
            self.wind(form.get("by", "next"))
        elif path == "/reply":
            self.stage.reply(sample.SAMPLE_CLINIC, form.get("from", ""), form.get("text", ""))
            self.stage.run(self.stage.now)
        elif path == "/acknowledge":
            by = sample.SAMPLE_CLINIC.on_call[0].name
            receiving.acknowledge_all(self.stage.desk, self.ref(form.get("patient", "")), by, self.stage.now)
        else:
            return False
        return True

    def _overwrite(self, session_id: str, changes: dict[str, object]) -> None:
        ref = self.ref("p" + session_id[1:])
        session = self.stage.store.session(ref, session_id)
        if session is not None:
            self.stage.store.put_session(replace(session, **changes))

    @staticmethod
    def ref(patient_id: str) -> PatientRef:
        return PatientRef(sample.SAMPLE_CLINIC.id, patient_id)

    def lines(self) -> list[tuple[datetime, Patient, Session, Entry]]:
        """Every entry of every ledger, in time order."""
        found = []
        charts = self.stage.store.charts([self.ref(patient.id) for patient in sample.patients()])
        for chart in charts.values():
            for session_id, ledger in chart.ledgers.items():
                for entry in ledger.entries.values():
                    if entry.state is not State.OPENED:
                        found.append((entry.at, chart.patient, chart.sessions[session_id], entry))
        return sorted(found, key=lambda line: (line[0], line[1].id, line[3].key))


def outcome(entry: Entry) -> str:
    """What became of a message, in words."""
    match entry.state:
        case State.SENT:
            return "moved earlier" if entry.shift is Shift.EARLIER else "sent"
        case State.SKIPPED:
            return f"skipped: {(entry.reason or Reason.SUPERSEDED).replace('_', ' ')}"
        case State.FAILED:
            return f"failed: {entry.code or entry.reason or ''}".rstrip(": ")
        case State.RETRY:
            return "will be tried again"
        case _:
            return str(entry.state).replace("_", " ")


def run(*, once: bool, port: int) -> None:
    """What `make demo` runs. Raises ReminderError when the port is taken."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_OF_FILES)
    demo: Demo
    with Stage(sample.OPENED, lambda event, facts: demo.hear(event, facts), f"http://127.0.0.1:{port}") as stage:
        demo = Demo(stage)
        end = NOON if once else SHOWN_AT
        with progress.until(sample.OPENED, end, "the sample clinic's days so far") as demo.watch:
            demo.open()
            stage.run(end)
        print_ledger(console, demo)
        if not once:
            from local.demo_pages import serve  # it shows what this module plays

            serve(console, demo, port)


def print_ledger(console: Console, demo: Demo) -> None:
    """The ledger as a table: what went out, what did not and why."""
    here = ZoneInfo(sample.SAMPLE_CLINIC.time_zone)
    lines = demo.lines()
    until = demo.stage.now.astimezone(here)
    table = Table(
        title=f"{sample.SAMPLE_CLINIC.name}: the ledger until {until:%A, %B %-d, %-I:%M %p}", title_justify="left"
    )
    for column in ("when", "patient", "visit", "message", "by", "outcome"):
        table.add_column(column, no_wrap=column != "outcome")
    for at, patient, session, entry in lines:
        said = outcome(entry)
        colour = "green" if said == "sent" else "cyan" if said == "moved earlier" else "yellow"
        table.add_row(
            f"{at.astimezone(here):%a %H:%M}",
            patient.first_name,
            str(session.kind),
            STEP_WORDS.get(entry.step, entry.step),
            str(entry.channel or "-"),
            f"[{colour}]{said}[/]",
        )
    console.print(table)
    sent = sum(1 for line in lines if line[3].state is State.SENT)
    console.print(
        f"{sent} sent, {len(lines) - sent} not sent (each with its reason), {len(demo.tasks)} tasks for people."
    )
