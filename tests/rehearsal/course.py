"""Builders: a course of treatment told in wall times, rehearsed, and answered in sentences.

Times are written as Los Angeles wall time, `2026-03-06 10:00`, unless a zone is given. Every rehearsal is held
against the rules of `rules.py` before a test sees it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from local.rehearsal import rehearse
from local.scenario import parse

Line = dict[str, Any]
LOS_ANGELES = "America/Los_Angeles"
CHECK_INS = ("checkin_24h", "checkin_72h", "checkin_7d")


def wall(time: str, zone: str = LOS_ANGELES) -> str:
    """`2026-03-06 10:00` in a zone, as a scenario wants it: with its offset."""
    return datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)).isoformat()


def shown(line: Line, zone: str = LOS_ANGELES) -> str:
    """When a line happened, on the wall of a zone: `2026-03-06 10:00`."""
    return datetime.fromisoformat(line["at"]).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


@dataclass
class Course:
    """A scenario in the making. `p1` is there from the start; other patients are as new as their first visit."""

    starts: str = "2026-03-02 08:00"
    ends: str = "2026-03-07 12:00"
    clinic: dict[str, Any] = field(default_factory=dict)
    zone: str = LOS_ANGELES
    patients: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)

    def patient(self, name: str, **keys: Any) -> Course:
        """Somebody with a phone, an address and consent to texts, unless `keys` say otherwise; None takes away."""
        number = len(self.patients) + 23
        person = {
            "id": name,
            "first_name": "Ana",
            "phone": f"+1213555{100 + number:04}",
            "email": f"{name}@example.com",
            "consent": {"sms": True},
            **keys,
        }
        self.patients[name] = {key: value for key, value in person.items() if value is not None}
        return self

    def visit(self, session: str, start: str, patient: str = "p1", kind: str = "iv", **keys: Any) -> Course:
        """A session; `booked` is when, and of the scenario's start if it is left out."""
        if patient not in self.patients:
            self.patient(patient)
        asked = {"id": session, "patient_id": patient, "kind": kind, "starts_at": wall(start, self.zone)}
        booked = keys.pop("booked", None)
        if booked:
            asked["booked_at"] = wall(booked, self.zone)
        self.sessions.append({**asked, **keys})
        return self

    def does(self, at: str, what: str, session: str | None = None, **keys: Any) -> Course:
        """An event at a wall time. `to` of a move is its new start."""
        event = {"at": wall(at, self.zone), "do": what, **keys}
        if session:
            event["session"] = session
        if what == "move":
            event["starts_at"] = wall(event.pop("to"), self.zone)
        self.events.append(event)
        return self

    def meets(self, at: str, patient: str, outcome: str, times: int = 1, channel: str = "sms") -> Course:
        """What the patient's next messages meet at the provider."""
        person = self.patients[patient]
        to = person["phone"] if channel == "sms" else person["email"]
        return self.does(at, "provider", channel=channel, to=to, outcome=outcome, times=times)

    def scenario(self) -> dict[str, Any]:
        return {
            "starts": wall(self.starts, self.zone),
            "ends": wall(self.ends, self.zone),
            "clinic": {"time_zone": self.zone, **self.clinic},
            "patients": list(self.patients.values()),
            "sessions": self.sessions,
            "events": self.events,
        }

    def rehearsed(self) -> Lines:
        """Every line, after it was held against the rules that no rehearsal may break."""
        from tests.rehearsal.rules import held_against_the_rules

        scenario = self.scenario()
        lines = rehearse(parse(json.dumps(scenario).encode()))
        held_against_the_rules(scenario, lines)
        return Lines(lines, self.zone)


def course(**keys: Any) -> Course:
    return Course(**keys)


@dataclass
class Lines:
    """What a rehearsal said, or the part of it about one patient or session."""

    all: list[Line]
    zone: str = LOS_ANGELES

    def of(self, name: str) -> Lines:
        """About one patient or one session."""
        return Lines([line for line in self.all if name in (line.get("patient"), line.get("session"))], self.zone)

    def after(self, time: str) -> Lines:
        """From a wall time on."""
        return Lines([line for line in self.all if shown(line, self.zone) >= time], self.zone)

    def events(self, event: str, step: str | None = None) -> list[Line]:
        return [line for line in self.all if line["event"] == event and step in (None, line.get("step"))]

    def sent(self, step: str | None = None) -> list[Line]:
        return self.events("sent", step)

    def the(self, step: str) -> Line:
        """The one message of this step that was sent."""
        (line,) = self.sent(step)
        return line

    def times(self, step: str | None = None) -> list[str]:
        """When messages of a step went out, on the clinic's wall."""
        return [shown(line, self.zone) for line in self.sent(step)]

    def steps(self) -> list[str]:
        """What went out, in order."""
        return [line["step"] for line in self.sent()]

    def reasons(self, step: str) -> list[str]:
        """Why messages of a step did not go out."""
        return [line["reason"] for line in self.events("skipped", step)]

    def tasks(self, kind: str | None = None) -> list[str]:
        """The steps for which a task of a kind was opened; without a kind: the kinds, in order."""
        opened = self.events("task")
        if kind is None:
            return [line["kind"] for line in opened]
        return [line.get("step", "") for line in opened if line["kind"] == kind]

    def receipts(self, step: str) -> list[tuple[str, str | None]]:
        return [(line["status"], line.get("code")) for line in self.events("receipt", step)]

    def sorted_by_day(self, steps: Iterable[str]) -> dict[str, list[str]]:
        """The messages of these steps by day on the clinic's wall."""
        days: dict[str, list[str]] = {}
        for line in self.sent():
            if line["step"] in steps:
                days.setdefault(shown(line, self.zone)[:10], []).append(line["step"])
        return days
