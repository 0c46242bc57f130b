"""The demo: the sample clinic's busy morning through the real workflow, its ledger in the terminal, its phones on a
page.

The virtual clock always starts at the same morning, so it looks the same whenever it is run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import jinja2
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from local import progress, sample
from local.stage import Stage
from reminders import receiving
from reminders.errors import ReminderError
from reminders.model import Channel, Entry, Patient, Reason, Session, Shift, State, Task
from reminders.paging import wakes
from reminders.ports import PatientRef

PAGES = Path(__file__).parent / "pages"
SHOWN_AT = sample.MORNING + timedelta(minutes=72)  # the page opens in the middle of the busy morning
NOON = sample.MORNING + timedelta(hours=4)
LONGEST_FORM = 10_000  # bytes
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


def serve(console: Console, demo: Demo, port: int) -> None:
    """Phones, messages and a clock one can wind, on 127.0.0.1 until Ctrl-C."""
    pages = jinja2.Environment(loader=jinja2.FileSystemLoader(PAGES), autoescape=True, undefined=jinja2.StrictUndefined)

    class Pages(_Pages):
        def show(self) -> bytes:
            with demo.lock:
                return pages.get_template("demo.html.j2").render(view(demo)).encode()

        def act(self, path: str, form: Mapping[str, str]) -> bool:
            with demo.lock:
                return demo.act(path, form)

        def web(
            self, method: str, path: str, headers: Mapping[str, str], body: bytes
        ) -> tuple[int, dict[str, str], bytes]:
            with demo.lock:
                return demo.stage.web(method, path, headers, body)

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
    except OSError:
        raise ReminderError(f"port {port} on 127.0.0.1 is taken; choose another with --port") from None
    console.print(f"\nPhones and clock: http://127.0.0.1:{server.server_port} (Ctrl-C ends it)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        console.print("Closed.")
    finally:
        server.server_close()


def view(demo: Demo) -> dict[str, Any]:
    """What the page shows."""
    here = ZoneInfo(sample.SAMPLE_CLINIC.time_zone)
    now = demo.stage.now
    upcoming = demo.stage.next_at()
    lines = demo.lines()
    waiting = demo.stage.store.open_tasks(sample.SAMPLE_CLINIC.id)
    today = [line for line in lines if line[0].astimezone(here).date() == now.astimezone(here).date()]
    not_sent = [line for line in today if line[3].state is State.SKIPPED]
    return {
        "clinic": sample.SAMPLE_CLINIC,
        "now_iso": now.isoformat(),
        "now_text": f"{now.astimezone(here):%A, %B %-d · %-I:%M %p}",
        "zone_text": "Los Angeles time",
        "next_text": f"{upcoming.astimezone(here):%a %-I:%M %p}" if upcoming else "",
        "numbers": [
            {"count": sum(1 for line in today if line[3].state is State.SENT), "what": "sent today"},
            {"count": sum(1 for line in today if line[3].shift is Shift.EARLIER), "what": "moved earlier"},
            {"count": len(not_sent), "what": "not sent, each with a reason"},
            {"count": len(waiting), "what": "tasks for people"},
        ],
        "phones": [_phone(demo, patient, lines) for patient in sample.patients()],
        "tasks": [_task(task) for task in waiting],
        "alarms": [_alarm(task) for task in waiting if wakes(task)],
        "ledger": [_row(line, here) for line in reversed(lines)],
    }


def _row(line: tuple[datetime, Patient, Session, Entry], here: ZoneInfo) -> dict[str, str]:
    at, patient, _, entry = line
    tone = "sent-line" if entry.state is State.SENT else "skip-line" if entry.state is State.SKIPPED else "task-line"
    step = STEP_WORDS.get(entry.step, entry.step)
    return {
        "at": f"{at.astimezone(here):%a %H:%M}",
        "who": patient.first_name,
        "step": step,
        "tone": tone,
        "outcome": outcome(entry),
    }


def _name(patient_id: str | None) -> str:
    names = {patient.id: patient.first_name for patient in sample.patients()}
    return names.get(patient_id or "", "A number we do not know")


def _task(task: Task) -> dict[str, str]:
    what = TASK_WORDS.get(task.kind, task.kind.replace("_", " "))
    return {"who": _name(task.patient_id), "what": what, "urgency": str(task.urgency)}


def _alarm(task: Task) -> dict[str, str]:
    by = sample.SAMPLE_CLINIC.on_call[0].name
    return {"who": _name(task.patient_id), "patient": task.patient_id or "", "woken": f"{task.attempt}×", "by": by}


def _phone(demo: Demo, patient: Patient, lines: list[tuple[datetime, Patient, Session, Entry]]) -> dict[str, Any]:
    zone = ZoneInfo(patient.time_zone)
    session = (
        next(line[2] for line in lines if line[1].id == patient.id)
        if any(line[1].id == patient.id for line in lines)
        else None
    )
    messages: list[tuple[datetime, dict[str, Any]]] = [
        (
            known.received_at,
            {
                "side": "out",
                "channel": Channel.SMS,
                "subject": None,
                "body": known.body,
                "at": f"{known.received_at.astimezone(zone):%a %-I:%M %p}",
                "note": f"read as {(known.intent or 'unread').replace('_', ' ')}, {known.level or 'waiting'}",
            },
        )
        for known in demo.stage.store.inbound_since(patient.clinic_id, patient.phone or "", sample.OPENED)
    ]
    messages += [
        (
            accepted.at,
            {
                "side": "in",
                "channel": accepted.channel,
                "subject": accepted.subject,
                "body": accepted.body,
                "at": f"{accepted.at.astimezone(zone):%a %-I:%M %p}",
                "note": "email" if accepted.channel is Channel.EMAIL else "",
            },
        )
        for accepted in demo.stage.sandbox.log
        if accepted.to in (patient.phone, patient.email)
    ]
    city = patient.time_zone.rpartition("/")[2].replace("_", " ")
    return {
        "name": patient.first_name,
        "language": patient.language,
        "what": f"{session.kind.replace('_', ' ')} · {city}" if session else city,
        "time": f"{demo.stage.now.astimezone(zone):%-I:%M %p}",
        "messages": [message for _, message in sorted(messages, key=lambda item: item[0])],
        "id": patient.id,
        "number": patient.phone,
    }


class _Pages(BaseHTTPRequestHandler):
    """GET / shows, POST acts; nothing else exists."""

    show: Callable[[], bytes]
    act: Callable[[str, Mapping[str, str]], bool]
    web: Callable[[str, str, Mapping[str, str], bytes], tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(HTTPStatus.OK, self.show(), "text/html; charset=utf-8")
        elif self.path.startswith("/p/"):
            self._pass_on(b"")
        elif self.path == "/demo.css":
            self._answer(HTTPStatus.OK, (PAGES / "demo.css").read_bytes(), "text/css")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such page.", "text/plain")

    def do_POST(self) -> None:
        size = min(int(self.headers.get("Content-Length") or 0), LONGEST_FORM)
        if self.path.startswith("/p/"):
            self._pass_on(self.rfile.read(size))
            return
        form = dict(parse_qsl(self.rfile.read(size).decode("utf-8", errors="replace")))
        if not self.act(self.path, form):
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such page.", "text/plain")
            return
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _pass_on(self, body: bytes) -> None:
        """A patient's private page is the app's own."""
        status, headers, answer = self.web(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(
            "Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'"
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The terminal belongs to the ledger."""
