"""Builders: what a phone says in a rehearsal and what comes back, held against the rules of replies and pages."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from local.rehearsal import rehearse
from local.scenario import parse
from tests.rehearsal.course import Course, Line, Lines
from tests.rehearsal.rules import held_against_the_rules

ANA = "+12135550123"
DANA = {"name": "Dana Reyes", "phone": "+12135550111", "email": "dana@harbor.example"}
LEE = {"name": "Lee Park", "phone": "+12135550112"}
SAM = {"name": "Sam Ortiz", "phone": "+12135550113"}
DANGER = "I want to kill myself"
MINUTE = timedelta(minutes=1)


def says(built: Course, at: str, text: str, phone: str = ANA, **keys: Any) -> Course:
    """A text from a phone at a wall time."""
    return built.does(at, "reply", **{"from": phone, "text": text, **keys})


def heard(built: Course) -> Lines:
    """Every line, after those of routine were held against the rules of all rehearsals and the others against ours."""
    scenario = built.scenario()
    lines = rehearse(parse(json.dumps(scenario).encode()))
    held_against_the_rules(scenario, [line for line in lines if not spoken(line)])
    _answered_once(lines)
    _short(lines)
    _nobody_is_named(scenario, lines)
    _danger_is_met(scenario, lines)
    return Lines(lines, built.zone)


def spoken(line: Line) -> bool:
    """What came in, a reply, a page, or what became of one."""
    return (
        bool(line.get("reply"))
        or line.get("audience") == "staff"
        or (line["event"] in ("received", "receipt", "acknowledged") and "session" not in line)
    )


def replies(lines: Lines, to: str = ANA) -> list[str]:
    """The keys of the replies to a phone, in order."""
    return [line["step"] for line in lines.sent() if line.get("reply") and line["to"] == to]


def pages(lines: Lines, to: str = DANA["phone"]) -> list[str]:
    """When somebody was paged by text, on the clinic's wall: `02:30`."""
    from tests.rehearsal.course import shown

    return [shown(line, lines.zone)[11:] for line in lines.events("page") if line["to"] == to]


# --- what no conversation may break --------------------------------------------------------------------------


def _answered_once(lines: Iterable[Line]) -> None:
    """At most one reply to one message, and only ever to somebody who wrote."""
    told = [line for line in lines if line["event"] == "received"]
    given = [line for line in lines if line.get("reply")]
    for phone in {line["to"] for line in given}:
        answers = [line["at"] for line in given if line["to"] == phone]
        asked = [line["at"] for line in told if line["from"] == phone]
        assert len(answers) <= len(asked), (phone, answers)
        assert min(answers) >= min(asked), (phone, answers)


def _short(lines: Iterable[Line]) -> None:
    for line in lines:
        if line.get("reply") or (line.get("audience") == "staff" and line["channel"] == "sms"):
            assert line["encoding"] == "GSM-7", line
            assert line["segments"] <= 3, line
            assert "{" not in line["body"], line


def _nobody_is_named(scenario: dict[str, Any], lines: Iterable[Line]) -> None:
    """A page carries urgency and a link, and nothing that says who it is about or what was said."""
    said = {event["text"] for event in scenario["events"] if event["do"] == "reply" and len(event["text"]) > 3}
    phones = {event["from"] for event in scenario["events"] if event["do"] == "reply"}
    named = {person.get(key) for person in scenario["patients"] for key in ("id", "first_name", "phone", "email")}
    for line in lines:
        if line["event"] == "page":
            assert not {"patient", "session"} & line.keys(), line
        if line.get("audience") == "staff":
            assert "patient" not in line, line
            text = f"{line.get('subject', '')} {line['body']}".partition("http")
            for word in said | named | phones - {None}:
                assert word is None or word not in text[0] + text[2].partition(" ")[2], (word, line)


def _danger_is_met(scenario: dict[str, Any], lines: list[Line]) -> None:
    """Whoever is in danger is answered and somebody woken in the same minute, if there is anybody."""
    if not scenario["clinic"].get("on_call", True):
        return
    for line in lines:
        if line["event"] == "received" and line["level"] == "urgent":
            at = datetime.fromisoformat(line["at"])
            soon = [
                other
                for other in lines
                if at <= datetime.fromisoformat(other["at"]) <= at + MINUTE and other["event"] in ("page", "task")
            ]
            assert {other["event"] for other in soon} == {"page", "task"}, line
