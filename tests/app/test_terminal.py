"""The terminal: verbs as people type them, what they print, and how they end."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from msgspec.structs import replace as changed

from chalicelib import wiring
from local.stage import Stage
from reminders.__main__ import cli, main
from reminders.errors import Unavailable
from reminders.model import Channel, PermissionState, Session, SessionStatus
from reminders.ports import PatientRef
from tests.builders import NOW, a_clinic, a_patient, a_session

ROOT = Path(__file__).parents[2]
P1 = PatientRef("harbor", "p1")
TEN = datetime(2026, 3, 9, 17, tzinfo=UTC)
AWS = ("AWS_", "TABLE_NAME", "DELIVER_QUEUE_URL", "PUBLIC_URL", "TWILIO_", "SES_", "EMAIL_FROM", "CLINIC_ID")
VERBS = ("demo", "rehearse", "interpret", "render", "lint", "import", "tick")
HEADER = "patient_id,first_name,phone,email,sms_consent,consent_date,session_id,kind,starts_at,minutes"
ANA = "p1,Ana,(213) 555-0123,ana@example.com,yes,2026-03-01,s1,iv,2026-03-09 10:00,60"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """A verb in this process, through `main`."""

    def verb(*words: object) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["reminders", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return Ended(int(ended.value.code or 0), told.out, told.err)

    return verb


def typed(*words: str, given: bytes = b"") -> Ended:
    """A verb in a process of its own, where nothing of AWS is configured."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(AWS)}
    ended = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-m", "reminders", *words],
        cwd=ROOT,
        env={**bare, "AWS_EC2_METADATA_DISABLED": "true"},
        input=given,
        capture_output=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def one_line(text: str) -> bool:
    return text.endswith("\n") and text.count("\n") == 1 and "Traceback" not in text


# --- every verb -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example_that_can_be_typed(verb: str) -> None:
    text = CliRunner().invoke(cli, [verb, "--help"], prog_name="python -m reminders").output
    example = next(line for line in text.splitlines() if f"python -m reminders {verb} " in f"{line} ")
    assert "Example:" in text
    assert set(options(example)) <= known_options(verb)


def test_the_verbs_are_those_of_the_contract() -> None:
    assert set(VERBS) <= set(cli.commands)


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "import.md"], ids=lambda page: page.name)
def test_pages_name_verbs_and_options_that_exist(page: Path) -> None:
    commands = re.findall(r"python -m reminders (\w+)([^\n`]*)", page.read_text(encoding="utf-8"))
    assert commands
    for verb, rest in commands:
        assert verb in cli.commands
        assert set(options(rest)) <= known_options(verb)


def options(line: str) -> Iterator[str]:
    yield from (word for word in shlex.split(line, comments=True) if word.startswith("--"))


def known_options(verb: str) -> set[str]:
    return {name for parameter in cli.commands[verb].params for name in parameter.opts} | {"--help"}


BAD_INPUT = [
    ("nosuch",),
    ("demo", "--port", "x"),
    ("demo", "--port", "0"),
    ("demo", "--port", "70000"),
    ("rehearse",),
    ("rehearse", "nosuch.json"),
    ("rehearse", "{folder}"),
    ("rehearse", "{binary}"),
    ("rehearse", "{deep}"),
    ("rehearse", "{list}"),
    ("interpret", "--expecting", "nosuch"),
    ("interpret", "--language", "fr"),
    ("render", "day_before"),
    ("render", "day_before", "--channel", "fax"),
    ("render", "day_before", "--channel", "sms", "--language", "fr"),
    ("render", "nosuch", "--channel", "sms"),
    ("render", "../../etc", "--channel", "sms"),
    ("render", "reply_less", "--channel", "email"),
    ("render", "day_before", "--channel", "sms", "--with", "nosuch.json"),
    ("render", "day_before", "--channel", "sms", "--with", "{folder}"),
    ("render", "day_before", "--channel", "sms", "--with", "{binary}"),
    ("render", "day_before", "--channel", "sms", "--with", "{deep}"),
    ("render", "day_before", "--channel", "sms", "--with", "{list}"),
    ("render", "day_before", "--channel", "sms", "--with", "{unknown}"),
    ("render", "day_before", "--channel", "sms", "--with", "{nested}"),
    ("lint", "nosuch"),
    ("import",),
    ("import", "nosuch.csv"),
    ("import", "{folder}"),
    ("import", "{binary}"),
    ("import", "{latin}", "--dry-run"),
    ("import", "{zeros}", "--dry-run"),
    ("import", "{empty}", "--dry-run"),
    ("import", "{list}", "--dry-run"),
    ("import", "{csv}"),
    ("import", "{csv}", "--clinic", "bay", "--dry-run"),
    ("tick", "--nosuch"),
]


@pytest.mark.parametrize("words", BAD_INPUT, ids=" ".join)
def test_bad_input_is_one_clear_line_and_exit_2(words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    files = {
        "binary": bytes(range(256)),
        "deep": b"[" * 200_000,
        "list": b"[1]",
        "unknown": b'{"nosuch": 1}',
        "nested": b'{"first_name": {"a": 1}}',
        "latin": "patient_id,first_name\np1,José\n".encode("latin-1"),
        "zeros": b"patient_id\n\0\n",
        "empty": b"\xef\xbb\xbf\n",
        "csv": b"patient_id,clinic_id\np1,\np2,harbor\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    places = {name: str(tmp_path / name) for name in files} | {"folder": str(tmp_path)}
    ended = run(*(word.format_map(places) for word in words))
    assert (ended.code, ended.out) == (2, "")
    assert one_line(ended.err)


def test_an_error_nobody_foresaw_is_one_line_too_and_quotes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("+12135550123")

    monkeypatch.setitem(cli.commands, "lint", broken)
    ended = run("lint")
    assert ended.code == 1
    assert one_line(ended.err)
    assert "+1213" not in ended.err


@pytest.mark.parametrize("words", [("tick",), ("import", "docs/import.md", "--clinic", "harbor")], ids=lambda w: w[0])
def test_without_a_deployment_the_missing_setting_is_named(words: tuple[str, ...]) -> None:
    ended = typed(*words)
    assert ended.code == 2
    assert one_line(ended.err)
    assert ended.out == ""


# --- interpret, render, lint --------------------------------------------------------------------------------


def test_interpret_answers_every_line_and_only_lines() -> None:
    ended = typed(
        "interpret",
        "--expecting",
        "mood",
        "--json",
        given="7\n\nma\u2028ñana\r\n \xff".encode("latin-1", "xmlcharrefreplace"),
    )
    assert ended.code == 0
    lines = ended.lines()
    assert len(lines) == 4
    assert all(set(line) == {"text", "level", "intent", "score"} for line in lines)
    assert (lines[0]["intent"], lines[0]["score"]) == ("score", 7)
    assert (lines[1]["level"], lines[1]["intent"]) == ("review", "unknown")


def test_a_line_separator_within_a_reply_does_not_end_it() -> None:
    assert [line["text"] for line in typed("interpret", given="a\u2028b\x0bc\n".encode()).lines()] == ["a\u2028b\x0bc"]


def test_nothing_said_is_nothing_answered() -> None:
    assert typed("interpret") == Ended(0, "", "")


@pytest.mark.parametrize("language", ["en", "es"])
def test_render_shows_a_text_with_what_it_costs(run: Run, language: str) -> None:
    ended = run("render", "day_before", "--channel", "sms", "--language", language)
    assert ended.code == 0
    assert re.search(r"GSM-7, \d+ characters, segments: [12]\n$", ended.out)


def test_render_takes_names_from_a_file(run: Run, tmp_path: Path) -> None:
    words = tmp_path / "words.json"
    words.write_text('{"clinic_name": "Bay Clinic", "kind": "follow_up"}')
    ended = run("render", "day_before", "--channel", "sms", "--with", words, "--json")
    (message,) = ended.lines()
    assert str(message["body"]).startswith("Bay Clinic")
    assert "food" not in str(message["body"])


def test_lint_is_silent_about_what_we_ship(run: Run) -> None:
    assert run("lint") == Ended(0, "", "")


def test_lint_names_file_line_what_and_how_to_mend(run: Run, tmp_path: Path) -> None:
    template = tmp_path / "booked" / "en.sms.j2"
    template.parent.mkdir()
    template.write_text("{{ clinic_name }}: see you.\nReply YES to {{ nosuch }}.\n")
    ended = run("lint", template)
    assert ended.code == 1
    assert ended.err == ""
    assert all(re.match(rf"{re.escape(str(template))}:\d+: .+ \(.+\)$", line) for line in ended.out.splitlines())
    findings = run("lint", template, "--json")
    assert findings.code == 1
    assert all(set(found) == {"file", "line", "what", "mend"} for found in findings.lines())


# --- import -------------------------------------------------------------------------------------------------


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage(NOW, lambda _event, _facts: None) as built:
        built.store.put_clinic(a_clinic(sms_from="+12135550199"))
        yield built


@pytest.fixture
def sheet(tmp_path: Path) -> Callable[..., Path]:
    def write(*rows: str, header: str = HEADER) -> Path:
        path = tmp_path / "visits.csv"
        path.write_text("\n".join([header, *rows]), encoding="utf-8")
        return path

    return write


Sheets = Callable[..., Path]


def test_an_import_writes_patients_and_sessions(run: Run, stage: Stage, sheet: Sheets) -> None:
    ended = run("import", sheet(ANA, "p1,,,,,,s2,iv,3/11/2026 10:00 AM,"), "--clinic", "harbor")
    assert (ended.code, ended.err) == (0, "")
    patient = stage.store.patient(P1)
    assert patient
    assert (patient.first_name, patient.phone) == ("Ana", "+12135550123")
    permission = patient.permission(Channel.SMS)
    assert (permission.state, permission.at) == (PermissionState.GRANTED, datetime(2026, 3, 1, 8, tzinfo=UTC))
    assert stage.store.session(P1, "s1") == a_session(booked_at=None)
    assert stage.store.session(P1, "s2") == a_session(id="s2", starts_at=TEN + timedelta(days=2), booked_at=None)
    assert "2 new" in ended.out


def test_the_clinic_may_be_a_column_or_in_the_environment(
    run: Run, stage: Stage, sheet: Sheets, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("import", sheet("p1,Ana,harbor", header="patient_id,first_name,clinic_id")).code == 0
    monkeypatch.setenv("CLINIC_ID", "harbor")
    assert run("import", sheet("p2,Luis", header="patient_id,first_name")).code == 0
    assert stage.store.patient(P1)
    assert stage.store.patient(PatientRef("harbor", "p2"))


@pytest.mark.parametrize("words", [("--clinic", "bay"), ()], ids=["unknown", "unnamed"])
def test_without_a_known_clinic_nothing_is_written(
    run: Run, stage: Stage, sheet: Sheets, words: tuple[str, ...]
) -> None:
    ended = run("import", sheet(ANA), *words)
    assert ended.code == 2
    assert "clinic_id" in ended.err
    assert stage.store.patient(P1) is None


def test_the_same_file_twice_changes_nothing(run: Run, stage: Stage, sheet: Sheets) -> None:
    rows = (ANA, "p2,Luis,,luis@example.com,no,,s2,spravato,2026-03-10 09:00,120")
    run("import", sheet(*rows), "--clinic", "harbor")
    before = everything(stage)
    stage.now += timedelta(days=1)
    (counts,) = run("import", sheet(*rows), "--clinic", "harbor", "--json").lines()
    assert everything(stage) == before
    assert counts["patients"] == counts["sessions"] == {"new": 0, "changed": 0, "unchanged": 2}


def everything(stage: Stage) -> list[object]:
    found: list[object] = []
    for patient, session in (("p1", "s1"), ("p2", "s2")):
        ref = PatientRef("harbor", patient)
        raw = stage.store.whole_chart(ref)
        assert raw.chart
        found.append((raw.chart.patient, raw.chart.patient_version, raw.chart.sessions, session))
    return found


def test_a_rejected_row_is_named_and_writes_nothing_while_the_others_go_on(
    run: Run, stage: Stage, sheet: Sheets
) -> None:
    rows = (
        ANA,
        "p2,Luis,555,,yes,,s2,iv,2026-03-09 10:00,60",
        "p3,Mei,,,,,s3,massage,2026-03-09 10:00,60",
        "p4,,,,,,s4,iv,2026-03-09 10:00,60",
        "p5,Grace,,,,,,,,",
    )
    ended = run("import", sheet(*rows), "--clinic", "harbor")
    assert ended.code == 1
    named = [line for line in ended.out.splitlines() if line.startswith("row ")]
    assert [line.split(":")[:2] for line in named] == [
        ["row 3", " phone"],
        ["row 4", " kind"],
        ["row 5", " first_name"],
    ]
    for private in ("Luis", "555", "massage", "Mei"):
        assert private not in ended.out + ended.err
    for number in (2, 3, 4):
        ref = PatientRef("harbor", f"p{number}")
        assert stage.store.patient(ref) is None
        assert stage.store.session(ref, f"s{number}") is None
    assert stage.store.patient(P1)
    assert stage.store.patient(PatientRef("harbor", "p5"))
    problem, *_ = run("import", sheet(*rows), "--clinic", "harbor", "--json").lines()
    assert problem == {"row": 3, "column": "phone", "problem": problem["problem"]}


def test_a_stop_is_not_undone_by_the_same_file(run: Run, stage: Stage, sheet: Sheets) -> None:
    file = sheet(ANA)
    run("import", file, "--clinic", "harbor")
    stopped = changed(a_patient().permission(Channel.SMS), state=PermissionState.REVOKED, at=NOW)
    stage.store.change_patient(P1, lambda patient: changed(patient, consent={Channel.SMS: stopped}))
    ended = run("import", file, "--clinic", "harbor")
    assert ended.code == 0
    assert "opted out" in ended.out
    patient = stage.store.patient(P1)
    assert patient
    assert patient.permission(Channel.SMS) == stopped


def test_a_session_that_is_over_rejects_the_row_that_would_change_it(run: Run, stage: Stage, sheet: Sheets) -> None:
    over = a_session(status=SessionStatus.CANCELLED, status_at=NOW)
    stage.store.put_patient(a_patient(first_name="Anna"))
    stage.store.put_session(over)
    ended = run("import", sheet(ANA.replace("10:00", "11:00")), "--clinic", "harbor")
    assert ended.code == 1
    assert ended.out.startswith("row 2: session_id: ")
    assert stage.store.session(P1, "s1") == over
    assert stage.store.patient(P1) == a_patient(first_name="Anna")
    assert run("import", sheet(ANA), "--clinic", "harbor").code == 0
    assert stage.store.session(P1, "s1") == over


def test_a_row_that_goes_against_what_is_stored_leaves_the_patients_other_rows(
    run: Run, stage: Stage, sheet: Sheets
) -> None:
    stage.store.put_patient(a_patient())
    rows = ("p1,,213-555-0199,,,,s1,iv,2026-03-09 10:00,", "p1,,,,,,s2,iv,2026-03-11 10:00,")
    ended = run("import", sheet(*rows), "--clinic", "harbor")
    assert ended.out.startswith("row 2: sms_consent: ")
    assert stage.store.session(P1, "s1") is None
    assert stage.store.session(P1, "s2")
    assert stage.store.patient(P1) == a_patient()


class Stops:
    """A store that stops answering at the second patient."""

    def __init__(self, stage: Stage) -> None:
        self._store = stage.store

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put_session(self, session: Session) -> None:
        if session.patient_id == "p2":
            raise Unavailable("the table does not answer")
        self._store.put_session(session)


def test_an_import_that_was_stopped_says_so_and_can_be_finished(run: Run, stage: Stage, sheet: Sheets) -> None:
    rows = (ANA, "p2,Luis,,,,,s2,iv,2026-03-10 10:00,", "p3,Mei,,,,,,,,")
    house = wiring.current()
    wiring.use(replace(house, store=Stops(stage)))  # type: ignore[arg-type]  # by delegation it has the rest
    ended = run("import", sheet(*rows), "--clinic", "harbor")
    assert ended.code == 1
    assert one_line(ended.err)
    assert "1 new" in ended.out
    assert stage.store.patient(PatientRef("harbor", "p3")) is None
    wiring.use(house)
    assert run("import", sheet(*rows), "--clinic", "harbor").code == 0
    assert stage.store.session(PatientRef("harbor", "p2"), "s2")
    assert stage.store.patient(PatientRef("harbor", "p3"))


def test_a_dry_run_needs_no_aws(sheet: Sheets) -> None:
    ended = typed("import", str(sheet(ANA, "p2,Luis,x,,,,,,,")), "--dry-run")
    assert ended.code == 1
    assert ended.out.splitlines()[0].startswith("row 3: phone: ")
    assert "Nothing was written." in ended.out
    good = typed("import", str(sheet(ANA)), "--dry-run", "--clinic", "harbor", "--json")
    assert (good.code, good.err) == (0, "")
    assert good.lines() == [{"rows": 1, "rejected": 0, "patients": 1, "sessions": 1}]


def test_a_dry_run_writes_nothing(run: Run, stage: Stage, sheet: Sheets) -> None:
    assert run("import", sheet(ANA), "--clinic", "harbor", "--dry-run").code == 0
    assert stage.store.patient(P1) is None


def test_an_import_reads_what_excel_calls_unicode_text(run: Run, stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "visits.txt"
    file.write_text("patient_id\tfirst_name\r\np1\tJosé\r\n", encoding="utf-16")
    assert run("import", file, "--clinic", "harbor").code == 0
    patient = stage.store.patient(P1)
    assert patient
    assert patient.first_name == "José"


# --- tick ---------------------------------------------------------------------------------------------------


def test_a_tick_sends_what_is_due_once(run: Run, stage: Stage) -> None:
    stage.store.put_patient(a_patient())
    stage.at(NOW, lambda: stage.store.put_session(a_session()))
    stage.run(NOW + timedelta(hours=1))
    handed_over = len(stage.sandbox.log)
    sent = 0
    while not sent:  # the first things due may be decisions to send nothing yet
        stage.now = stage.store.earliest_due() or pytest.fail("nothing was ever sent")
        (first,) = run("tick", "--json").lines()
        assert first["due"] == 1
        sent = int(str(first["sent"]))
    assert len(stage.sandbox.log) == handed_over + sent
    (second,) = run("tick", "--json").lines()
    assert (second["due"], second["sent"]) == (0, 0)
    assert run("tick").out.startswith("due: 0, later: 0, sent: 0, skipped: 0")


def test_a_tick_leaves_what_is_due_in_a_moment_to_its_second(run: Run, stage: Stage) -> None:
    stage.store.put_patient(a_patient())
    stage.at(NOW, lambda: stage.store.put_session(a_session()))
    stage.run(NOW + timedelta(hours=1))
    due = stage.store.earliest_due()
    assert due
    stage.now = due - timedelta(seconds=30)
    (counts,) = run("tick", "--json").lines()
    assert (counts["due"], counts["later"], counts["sent"]) == (0, 1, 0)
