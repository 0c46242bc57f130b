"""What no rehearsal may break, by the contract: lines, sending hours, cap, once only, a reason for every silence."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from reminders.model import Reason, TaskKind

Line = dict[str, Any]

KEYS = {
    "sent": ("channel", "to", "audience", "body", "template", "version", "language", "patient", "session", "step"),
    "receipt": ("status", "patient", "session", "step"),
    "skipped": ("reason", "patient", "session", "step"),
    "received": ("from", "body", "level", "intent", "score"),
    "task": ("kind", "urgency"),
    "page": ("to", "channel", "attempt"),
    "acknowledged": ("patient",),
    **dict.fromkeys(("booked", "moved", "cancelled", "discharged", "no_show"), ("patient", "session")),
}
WORDS: dict[str, set[str]] = {
    "reason": {*Reason},
    "kind": {*TaskKind},
    "urgency": {"urgent", "review", "routine"},
    "status": {"delivered", "undelivered", "failed", "bounced", "complained"},
    "channel": {"sms", "email"},
    "audience": {"patient", "driver", "staff"},
    "encoding": {"GSM-7", "UCS-2"},
    "language": {"en", "es"},
}
UNCAPPED = ("after", "home_safe", "moved", "cancelled", "missed")
FAILED = ("undelivered", "failed", "bounced")
TALKS = ("consultation", "follow_up")


def held_against_the_rules(scenario: dict[str, Any], lines: list[Line]) -> None:
    """Raises AssertionError naming the line."""
    _well_formed(lines)
    _in_order(lines)
    _in_hours(scenario, lines)
    _once_only(lines)
    _under_the_cap(scenario, lines)
    _accounted_for(scenario, lines)
    _tasks_once(lines)


def _well_formed(lines: list[Line]) -> None:
    for line in lines:
        assert line["event"] in KEYS, line
        missing = [key for key in KEYS[line["event"]] if key not in line]
        assert not missing, (missing, line)
        for key, words in WORDS.items():
            assert key not in line or line[key] in words, (key, line)
        if line["event"] == "sent":
            assert line["template"].startswith(line["step"]), line
            assert line["channel"] != "sms" or (line["encoding"] == "GSM-7" and 1 <= line["segments"] <= 2), line
            assert line["channel"] != "email" or line["subject"], line
            assert "{" not in line["body"], line
            assert "&amp;" not in line["body"], line


def _in_order(lines: list[Line]) -> None:
    assert all(line["at"].endswith("Z") for line in lines)
    times = [datetime.fromisoformat(line["at"]) for line in lines]
    assert times == sorted(times)


def _zones(scenario: dict[str, Any]) -> dict[str, ZoneInfo]:
    clinic = scenario["clinic"]["time_zone"]
    return {patient["id"]: ZoneInfo(patient.get("time_zone", clinic)) for patient in scenario["patients"]}


def _in_hours(scenario: dict[str, Any], lines: list[Line]) -> None:
    hours = scenario["clinic"].get("sending_hours", {})
    opens = time.fromisoformat(hours.get("from", "09:00"))
    closes = time.fromisoformat(hours.get("until", "20:00"))
    zones = _zones(scenario)
    for line in lines:
        if line["event"] == "sent" and line["step"] != "after":
            local = datetime.fromisoformat(line["at"]).astimezone(zones[line["patient"]]).time()
            until = max(closes, time(22)) if line["step"] == "home_safe" else closes
            assert opens <= local < until, (local, line)


def _once_only(lines: list[Line]) -> None:
    """The same text, of one session and step, goes to a channel once, unless the attempt before failed."""
    told: Counter[tuple[str, str, str, str]] = Counter()
    for line in lines:
        if line["event"] == "sent":
            key = (line["session"], line["step"], line["channel"], line["body"])
            assert not told[key], line
            told[key] += 1
        elif line["event"] == "receipt" and line["status"] in FAILED:
            for key in told:
                if key[:2] == (line["session"], line["step"]):
                    told[key] = 0


def _under_the_cap(scenario: dict[str, Any], lines: list[Line]) -> None:
    cap = scenario["clinic"].get("daily_cap", 2)
    zones = _zones(scenario)
    first_attempts: dict[tuple[str, str, str], Line] = {}
    for line in lines:
        if line["event"] == "sent" and line["channel"] == "sms" and line["step"] not in UNCAPPED:
            first_attempts.setdefault((line["session"], line["step"], line["body"]), line)
    days = Counter(
        (line["patient"], datetime.fromisoformat(line["at"]).astimezone(zones[line["patient"]]).date())
        for line in first_attempts.values()
    )
    assert all(count <= cap for count in days.values()), days.most_common(3)


def _accounted_for(scenario: dict[str, Any], lines: list[Line]) -> None:
    """Every step that should have come is sent, skipped with a reason or given to a person; no skip is said twice."""
    spoken = {
        (session, line["step"])
        for line in lines
        if line["event"] in ("sent", "skipped") or line.get("kind") == "in_doubt"
        for session in [line["session"]]
    }
    for session, step in _planned(scenario):
        assert (session, step) in spoken, f"nothing is said of {step} of {session}"
    moved = {line["session"] for line in lines if line["event"] == "moved"}
    skips = Counter(
        (line["at"], line["session"], line["step"], line["reason"])
        for line in lines
        if line["event"] == "skipped" and line["session"] not in moved  # a step of two starts may be moot at once
    )
    assert all(count == 1 for count in skips.values()), skips.most_common(3)


def _planned(scenario: dict[str, Any]) -> list[tuple[str, str]]:
    ends = datetime.fromisoformat(scenario["ends"])
    booked = [*scenario["sessions"], *(e["session"] for e in scenario["events"] if e["do"] == "book")]
    planned = []
    for session in booked:
        events = [event for event in scenario["events"] if event.get("session") == session["id"]]
        starts = [session["starts_at"], *(event["starts_at"] for event in events if event["do"] == "move")]
        if all(datetime.fromisoformat(start) < ends for start in starts):
            planned += [(session["id"], step) for step in ("booked", "prepare", "day_before", "same_day")]
        for event in events:
            passed = ends - datetime.fromisoformat(event["at"])
            if event["do"] == "no_show" and passed > timedelta(days=1):
                planned.append((session["id"], "missed"))
            if event["do"] == "discharge" and session["kind"] not in TALKS:
                planned += [(session["id"], step) for step in _follow_ups(session["kind"], passed)]
    return planned


def _follow_ups(kind: str, passed: timedelta) -> list[str]:
    """By the end of its usefulness each must have been sent or given up."""
    latest = {"after": 0, "home_safe": 10, "checkin_24h": 61, "checkin_72h": 121, "checkin_7d": 241}
    if kind == "lozenge_home":
        del latest["home_safe"]
    return [step for step, hours in latest.items() if passed > timedelta(hours=hours)]


def _tasks_once(lines: list[Line]) -> None:
    """One cause, one task: only a move may ask for the same work again."""
    moved = {line["session"] for line in lines if line["event"] == "moved"}
    opened = Counter(
        (line["kind"], line["session"], line.get("step"))
        for line in lines
        if line["event"] == "task" and line.get("session") and line["session"] not in moved
    )
    assert all(count == 1 for count in opened.values()), opened.most_common(3)
