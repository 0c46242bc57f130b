"""The demo's one page: phones one can answer on, tasks, the ledger, and a clock one can wind. On 127.0.0.1 only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import jinja2
from rich.console import Console

from local import sample
from local.demo import STEP_WORDS, TASK_WORDS, Demo, outcome
from reminders.errors import ReminderError
from reminders.model import Channel, Entry, Patient, Session, Shift, State, Task
from reminders.paging import wakes

PAGES = Path(__file__).parent / "pages"
LONGEST_FORM = 10_000  # bytes


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
