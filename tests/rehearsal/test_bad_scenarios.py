"""A scenario with a mistake: exit 2 and one line that names the key; nothing runs."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.scenario import parse
from reminders.errors import BadInput

GOOD: dict[str, Any] = {
    "starts": "2026-03-02T08:00:00-08:00",
    "ends": "2026-03-10T08:00:00-07:00",
    "clinic": {"id": "harbor", "sending_hours": {"from": "09:00", "until": "20:00"}, "on_call": []},
    "patients": [{"id": "p1", "first_name": "Ana", "phone": "+12135550123", "consent": {"sms": True}}],
    "sessions": [{"id": "s1", "patient_id": "p1", "kind": "iv", "starts_at": "2026-03-09T10:00:00-07:00"}],
    "events": [{"at": "2026-03-06T18:00:00-08:00", "do": "cancel", "session": "s1"}],
}
AT = "2026-03-06T18:00:00-08:00"
NOTHING = object()

# where, what stands there instead (NOTHING: left out), and the key that must be named
WRONG: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("startz",), "x", "startz"),
    (("starts",), NOTHING, "starts"),
    (("ends",), NOTHING, "ends"),
    (("starts",), "2026-03-02T08:00:00", "starts"),
    (("starts",), 20260302, "starts"),
    (("starts",), None, "starts"),
    (("starts",), "soon", "starts"),
    (("ends",), "2026-03-01T08:00:00-08:00", "ends"),
    (("ends",), "2026-03-02T08:00:00-08:00", "ends"),
    (("clinic", "colour"), "blue", "colour"),
    (("clinic", "id"), 7, "id"),
    (("clinic", "name"), "", "name"),
    (("clinic", "phone"), "555-0100", "phone"),
    (("clinic", "time_zone"), "Pacific Time", "time_zone"),
    (("clinic", "time_zone"), "../../etc/passwd", "time_zone"),
    (("clinic", "daily_cap"), 0, "daily_cap"),
    (("clinic", "daily_cap"), "2", "daily_cap"),
    (("clinic", "daily_cap"), True, "daily_cap"),
    (("clinic", "sending_hours", "from"), "9", "from"),
    (("clinic", "sending_hours", "from"), "25:00", "from"),
    (("clinic", "sending_hours", "until"), "08:00", "until"),
    (("clinic", "sending_hours", "till"), "20:00", "till"),
    (("clinic", "on_call"), [{"name": "Dana"}], "phone"),
    (("clinic", "on_call"), {"name": "Dana"}, "on_call"),
    (("patients",), {}, "patients"),
    (("patients", 0, "id"), NOTHING, "id"),
    (("patients", 0, "id"), "p 1", "id"),
    (("patients", 0, "id"), "p2", "patient_id"),
    (("patients", 0, "first_name"), NOTHING, "first_name"),
    (("patients", 0, "nickname"), "A", "nickname"),
    (("patients", 0, "phone"), "2135550123", "phone"),
    (("patients", 0, "email"), "ana", "email"),
    (("patients", 0, "language"), "fr", "language"),
    (("patients", 0, "time_zone"), "Mars/Olympus", "time_zone"),
    (("patients", 0, "consent"), True, "consent"),
    (("patients", 0, "consent", "sms"), "yes", "sms"),
    (("patients", 0, "consent", "fax"), True, "fax"),
    (("patients", 1), {"id": "p1", "first_name": "Bo"}, "id"),
    (("sessions", 0, "kind"), "ivy", "kind"),
    (("sessions", 0, "kind"), NOTHING, "kind"),
    (("sessions", 0, "patient_id"), "p9", "patient_id"),
    (("sessions", 0, "starts_at"), "2026-03-09T10:00:00", "starts_at"),
    (("sessions", 0, "starts_at"), NOTHING, "starts_at"),
    (("sessions", 0, "minutes"), -60, "minutes"),
    (("sessions", 0, "minutes"), 60.5, "minutes"),
    (("sessions", 0, "booked_at"), "2026-03-10T10:00:00-07:00", "booked_at"),
    (("sessions", 0, "booked_at"), "2026-03-02T10:00:00", "booked_at"),
    (("sessions", 0, "room"), "3", "room"),
    (("sessions", 1), {**GOOD["sessions"][0]}, "id"),
    (("events", 0, "do"), "dance", "do"),
    (("events", 0, "do"), NOTHING, "do"),
    (("events", 0, "at"), NOTHING, "at"),
    (("events", 0, "at"), "2026-03-06T18:00:00", "at"),
    (("events", 0, "at"), "2026-03-01T18:00:00-08:00", "at"),
    (("events", 0, "session"), "s9", "session"),
    (("events", 0, "session"), NOTHING, "session"),
    (("events", 0, "why"), "ill", "why"),
    (("events", 0), {"at": AT, "do": "move", "session": "s1"}, "starts_at"),
    (("events", 0), {"at": AT, "do": "move", "session": "s9", "starts_at": AT}, "session"),
    (("events", 0), {"at": AT, "do": "move", "session": "s1", "starts_at": "2026-03-09T10:00:00"}, "starts_at"),
    (("events", 0), {"at": AT, "do": "discharge", "session": "s9"}, "session"),
    (("events", 0), {"at": AT, "do": "no_show"}, "session"),
    (("events", 0), {"at": AT, "do": "book"}, "session"),
    (("events", 0), {"at": AT, "do": "book", "session": GOOD["sessions"][0]}, "id"),
    (("events", 0), {"at": AT, "do": "book", "session": {**GOOD["sessions"][0], "id": "s2", "kind": "x"}}, "kind"),
    (
        ("events", 0),
        {"at": AT, "do": "book", "session": {**GOOD["sessions"][0], "id": "s2", "patient_id": "p9"}},
        "patient_id",
    ),
    (("events", 0), {"at": AT, "do": "crash", "after": "lunch"}, "after"),
    (("events", 0), {"at": AT, "do": "crash"}, "after"),
    (("events", 0), {"at": AT, "do": "acknowledge", "patient": "p9", "by": "Dana"}, "patient"),
    (("events", 0), {"at": AT, "do": "acknowledge", "patient": "p1"}, "by"),
    (("events", 0), {"at": AT, "do": "reply", "from": "p1", "text": "C"}, "from"),
    (("events", 0), {"at": AT, "do": "reply", "from": "+12135550123"}, "text"),
    (
        ("events", 0),
        {"at": AT, "do": "reply", "from": "+12135550123", "text": "x", "opt_out_type": "GO"},
        "opt_out_type",
    ),
    (("events", 0), {"at": AT, "do": "provider", "to": "+12135550123", "outcome": "40001"}, "outcome"),
    (("events", 0), {"at": AT, "do": "provider", "to": "+12135550123", "outcome": 30003}, "outcome"),
    (("events", 0), {"at": AT, "do": "provider", "to": "+12135550123", "outcome": "bounced"}, "outcome"),
    (("events", 0), {"at": AT, "do": "provider", "to": "+12135550123"}, "outcome"),
    (("events", 0), {"at": AT, "do": "provider", "outcome": "30003"}, "to"),
    (("events", 0), {"at": AT, "do": "provider", "to": "+12135550123", "outcome": "30003", "times": 0}, "times"),
    (
        ("events", 0),
        {"at": AT, "do": "provider", "to": "+12135550123", "outcome": "30003", "channel": "pigeon"},
        "channel",
    ),
    (
        ("events", 0),
        {"at": AT, "do": "provider", "to": "a@example.com", "outcome": "30003", "channel": "email"},
        "outcome",
    ),
]


def spoiled(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    scenario = copy.deepcopy(GOOD)
    inner: Any = scenario
    for key in place[:-1]:
        inner = inner[key]
    if value is NOTHING:
        del inner[place[-1]]
    elif isinstance(inner, list) and place[-1] == len(inner):
        inner.append(value)
    else:
        inner[place[-1]] = value
    return scenario


@pytest.mark.parametrize(
    ("place", "value", "key"),
    WRONG,
    ids=[f"{'.'.join(map(str, place))}={str(value)[:30]}" for place, value, _ in WRONG],
)
def test_a_mistake_is_one_sentence_that_names_the_key(place: tuple[str | int, ...], value: Any, key: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse(json.dumps(spoiled(place, value)).encode())
    sentence = str(raised.value)
    assert key in sentence
    assert "\n" not in sentence


def test_the_scenario_all_mistakes_are_made_in_is_good() -> None:
    parse(json.dumps(GOOD).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff\xfe", b'{"starts": NaN}', b"[" * 5000])
def test_what_is_not_a_scenario_at_all_is_said_in_one_line(content: bytes) -> None:
    with pytest.raises(BadInput) as raised:
        parse(content)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("place", "value", "key"),
    [(("sessions", 0, "kind"), "ivy", "kind"), (("startz",), "x", "startz"), (("ends",), AT[:19], "ends")],
)
def test_the_terminal_exits_with_two_and_one_line(
    tmp_path: Path, place: tuple[str | int, ...], value: Any, key: str
) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(spoiled(place, value)), encoding="utf-8")
    done = rehearsal_of(path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert key in done.stderr


def test_a_scenario_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = rehearsal_of(tmp_path / "none.json")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_the_terminal_prints_one_object_a_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(GOOD), encoding="utf-8")
    done = rehearsal_of(path)
    assert done.returncode == 0
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert events[0] == "booked"
    assert "cancelled" in events


def rehearsal_of(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own program, with a path we made
        [sys.executable, "-m", "reminders", "rehearse", str(path), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
