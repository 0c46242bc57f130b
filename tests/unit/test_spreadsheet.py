"""Spreadsheets as people save them: what is read, what is rejected and why, and what it does to whom we know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from reminders import intake, spreadsheet
from reminders.errors import BadInput
from reminders.model import (
    Channel,
    Kind,
    Language,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    Session,
    SessionStatus,
)
from reminders.spreadsheet import Said, Sheet, Visit
from tests.builders import NOW, a_clinic, a_patient, a_session

DOCS = Path(__file__).parents[2] / "docs" / "import.md"
TEN = datetime(2026, 3, 9, 17, tzinfo=UTC)  # 10:00 in Los Angeles, the day after the clocks changed
A_DAY = timedelta(days=1)


def read(text: str) -> Sheet:
    return spreadsheet.read(text, a_clinic())


def one(column: str, cell: str) -> Sheet:
    """A sheet of one good patient with one more cell."""
    quoted = cell.replace('"', '""')
    return read(f'patient_id,{column}\np1,"{quoted}"\n')


def a_visit(starts_at: str, **cells: str) -> Sheet:
    values = {"patient_id": "p1", "session_id": "s1", "kind": "iv", "starts_at": starts_at, **cells}
    return read(",".join(values) + "\n" + ",".join(f'"{cell}"' for cell in values.values()))


# --- cells --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("first_name", "  Ana\n María ", "Ana María"),
        ("first_name", "=1+1", "=1+1"),
        ("first_name", "Jose\u0301", "José"),
        ("phone", "'+12135550123", "+12135550123"),
        ("phone", "\u202a(213) 555‑0123\u202c", "+12135550123"),
        ("phone", "213.555.0123", "+12135550123"),
        ("phone", "2135550123", "+12135550123"),
        ("phone", "1-213-555-0123", "+12135550123"),
        ("phone", "+52 55 1234 5678", "+525512345678"),
        ("email", "ana@example.com", "ana@example.com"),
        ("language", "Español", Language.ES),
        ("language", "EN", Language.EN),
        ("time_zone", "America/Los Angeles", "America/Los_Angeles"),
        ("status", "Paused", PatientStatus.PAUSED),
        ("experienced", "x", True),
        *(("sms_consent", yes, True) for yes in ("yes", "Y", "x", "TRUE", "1", "sí", "Si", "si\u0301")),
        *(("email_consent", no, False) for no in ("no", "N", "false", "0")),
        ("consent_date", "3/2/2026", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("consent_date", "2026-03-02", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("consent_date", "2026-03-02T09:30Z", datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
        ("phone", "   ", None),
    ],
)
def test_a_cell_is_read_as_it_was_meant(column: str, cell: str, value: object) -> None:
    sheet = one(column, cell)
    assert not sheet.problems
    assert getattr(sheet.patients[0], column) == value


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("first_name", "A" * 41),
        ("first_name", "An\x07a"),
        ("phone", "=2135550123"),
        ("phone", "2.13556E+09"),
        ("phone", "213-555-0123 ext 4"),
        ("phone", "555-0123"),
        ("phone", "call 213-555-0123"),
        ("phone", "213-555-0123, 213-555-0124"),
        ("phone", "+999 1234567"),
        ("phone", "٢١٣٥٥٥٠١٢٣"),
        ("email", "ana@example"),
        ("email", "ana@example.com; bo@example.com"),
        ("email", "Ana <ana@example.com>"),
        ("language", "fr"),
        ("time_zone", "Pacific"),
        ("time_zone", "../etc/passwd"),
        ("time_zone", "Europe"),
        ("sms_consent", "maybe"),
        ("sms_consent", "#REF!"),
        ("status", "gone"),
        ("consent_date", "last week"),
        ("consent_date", "13/3/2026"),
        ("consent_date", "2/30/2026"),
    ],
)
def test_a_cell_that_cannot_be_read_rejects_its_row_by_column_without_repeating_it(column: str, cell: str) -> None:
    sheet = one(column, cell)
    assert not sheet.rows
    (problem,) = sheet.problems
    assert (problem.row, problem.column) == (2, column)
    assert cell not in str(problem)


@pytest.mark.parametrize(
    ("cell", "instant"),
    [
        ("2026-03-09 10:00", TEN),
        ("2026-03-09T10:00:00-07:00", TEN),
        ("2026-03-09 17:00:00Z", TEN),
        ("2026-03-09 13:00 -0400", TEN),
        ("3/9/2026 10:00 AM", TEN),
        ("3/9/26, 10:00:00 a.m.", TEN),
        ("03/09/2026 10:00", TEN),
        ("3/9/2026 12:30 PM", TEN + timedelta(hours=2, minutes=30)),
        ("3/9/2026 12:00 am", TEN - timedelta(hours=10)),
        ("2026-03-08 01:30", datetime(2026, 3, 8, 9, 30, tzinfo=UTC)),
        ("2026-11-01 01:30-07:00", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_a_start_is_the_clinics_wall_time_unless_it_has_an_offset(cell: str, instant: datetime) -> None:
    assert a_visit(cell).sessions == (Visit(session_id="s1", patient_id="p1", kind=Kind.IV, starts_at=instant),)


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("2026-03-08 02:30", "skip"),
        ("2026-11-01 01:30", "twice"),
        ("2026-03-09", "no time of day"),
        ("3/9/2026 13:00 PM", "AM or PM"),
        ("3/9/2026 0:00 AM", "AM or PM"),
        ("9.3.2026 10:00", "not a date and time"),
        ("46090.4166", "not a date and time"),
        ("2026-03-09 25:00", "does not exist"),
        ("2026-03-09 10:00+99:00", "does not exist"),
        ("1926-03-09 10:00", "century"),
        ("9999-12-31 23:59", "century"),
        ("0000-01-01 00:00", "century"),
    ],
)
def test_a_start_that_is_no_instant_is_rejected(cell: str, why: str) -> None:
    (problem,) = a_visit(cell).problems
    assert problem.column == "starts_at"
    assert why in problem.sentence


@pytest.mark.parametrize(("cell", "minutes"), [("45", 45), ("60.0", 60), ("", None)])
def test_a_length_is_whole_minutes(cell: str, minutes: int | None) -> None:
    assert a_visit("2026-03-09 10:00", minutes=cell).sessions[0].minutes == minutes


@pytest.mark.parametrize("cell", ["4", "721", "1 h", "45.5", "-60"])
def test_a_length_beyond_a_day_of_work_is_rejected(cell: str) -> None:
    assert [problem.column for problem in a_visit("2026-03-09 10:00", minutes=cell).problems] == ["minutes"]


@pytest.mark.parametrize(("cell", "kind"), [("IV", Kind.IV), ("Follow-up", Kind.FOLLOW_UP), ("Lozenge (home)", None)])
def test_kinds_are_read_however_they_are_capitalised(cell: str, kind: Kind | None) -> None:
    found = a_visit("2026-03-09 10:00", kind=cell).sessions
    assert [visit.kind for visit in found] == [kind or Kind.LOZENGE_HOME]


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "patient_id,first_name\np1,Ana\n",
        "\ufeffpatient_id,first_name\r\np1,Ana\r\n",
        "patient_id,first_name\rp1,Ana\r",
        "Patient ID;First Name\np1;Ana",
        "PATIENT-ID\tfirst name\np1\tAna\n",
        'sep=;\r\n"patient_id";"first_name"\r\n"p1";"Ana"\r\n',
        "\n\npatient_id,first_name\n\n , \np1,Ana\n,,,\n\n",
        "first_name,,patient_id,\nAna,,p1,\n",
        "patient_id,first_name\np1,Ana\np1,Ana\np1\n",
    ],
)
def test_a_file_is_read_whatever_program_wrote_it(text: str) -> None:
    sheet = read(text)
    assert not sheet.problems
    assert sheet.patients == (Said(patient_id="p1", first_name="Ana"),)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "file"),
        ("\n \n", "file"),
        ("first_name,phone\nAna,2135550123\n", "patient_id"),
        ("p1,Ana,2135550123\n", "patient_id"),
        ("patient_id,kind,starts_at\np1,iv,2026-03-09 10:00\n", "session_id"),
        ("patient_id,session_id,kind\np1,s1,iv\n", "starts_at"),
        ("patient_id,phone,Phone\np1,2135550123,\n", "phone"),
    ],
)
def test_a_file_of_no_use_names_the_column(text: str, field: str) -> None:
    with pytest.raises(BadInput) as raised:
        read(text)
    assert raised.value.field == field
    assert "2135550123" not in str(raised.value)


def test_columns_we_do_not_know_are_named_and_not_read() -> None:
    sheet = read("patient_id,Room,notes\np1,4,=cmd|' /C calc'!A0\n")
    assert sheet.unread == ("Room", "notes")
    assert sheet.patients == (Said(patient_id="p1"),)


def test_rows_are_counted_as_the_spreadsheet_shows_them() -> None:
    text = 'patient_id,first_name,phone\n\np1,"Ana\nMaría",x\np2,Luis,y\n'
    assert [(problem.row, problem.column) for problem in read(text).problems] == [(3, "phone"), (4, "phone")]


def test_a_row_with_several_faults_names_each() -> None:
    text = "patient_id,phone,session_id,kind,starts_at\n#1,x,,massage,\n"
    assert [problem.column for problem in read(text).problems] == [
        "patient_id",
        "phone",
        "kind",
        "session_id",
        "starts_at",
    ]


def test_a_shifted_row_is_rejected_rather_than_read_askew() -> None:
    sheet = read("patient_id,first_name\np1,Ana,oops\np2,Luis\n")
    assert [str(problem) for problem in sheet.problems] == ["row 2: row: has more cells than there are columns"]
    assert [said.patient_id for said in sheet.patients] == ["p2"]


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('patient_id,first_name\np1,"Ana" María\np2,Luis\n', ["p2"]),
        ('patient_id,first_name\np1,Ana\np2,"Luis\np3,Mei\n', ["p1"]),
    ],
)
def test_quotes_that_do_not_match_are_told_and_spoil_no_other_row(text: str, good: list[str]) -> None:
    sheet = read(text)
    assert [said.patient_id for said in sheet.patients] == good
    (problem,) = sheet.problems
    assert "quotes" in problem.sentence


@pytest.mark.parametrize(
    ("later", "column"),
    [
        ("p1,Anna,,,,", "first_name"),
        ("p1,,no,,,", "sms_consent"),
        ("p1,,,s1,iv,2026-03-09 11:00", "starts_at"),
        ("p1,,,s1,im,2026-03-09 10:00", "kind"),
        ("p2,Luis,,s1,iv,2026-03-09 10:00", "session_id"),
    ],
)
def test_a_row_that_contradicts_an_earlier_one_is_rejected(later: str, column: str) -> None:
    first = "p1,Ana,yes,s1,iv,2026-03-09 10:00"
    sheet = read(f"patient_id,first_name,sms_consent,session_id,kind,starts_at\n{first}\n{later}\n")
    assert [(problem.row, problem.column) for problem in sheet.problems] == [(3, column)]
    assert "row 2" in sheet.problems[0].sentence
    assert len(sheet.patients) == len(sheet.sessions) == 1


def test_a_rejected_row_is_nothing_to_contradict() -> None:
    sheet = read("patient_id,first_name,phone\np1,Anna,x\np1,Ana,2135550123\n")
    assert [problem.row for problem in sheet.problems] == [2]
    assert sheet.patients[0].first_name == "Ana"


def test_rows_of_one_patient_add_up() -> None:
    sheet = read("patient_id,first_name,phone\np1,,2135550123\np1,Ana,\n")
    assert sheet.patients == (Said(patient_id="p1", first_name="Ana", phone="+12135550123"),)


def test_a_file_is_of_one_clinic() -> None:
    text = "clinic_id,patient_id\n,p1\nharbor,p2\nbay,p3\n"
    for clinic in (a_clinic(), None):
        assert [problem.row for problem in spreadsheet.read(text, clinic).problems] == [4]
    assert spreadsheet.clinic_named(text) == "harbor"
    assert spreadsheet.clinic_named("patient_id\np1\n") is None


def test_without_a_clinic_times_are_looked_at_all_the_same() -> None:
    text = "patient_id,session_id,kind,starts_at\np1,s1,iv,2026-03-08 02:30\np1,s2,iv,soon\n"
    assert [problem.row for problem in spreadsheet.read(text, None).problems] == [3]


@given(st.text(alphabet=st.sampled_from('patient_id,\n\r";\t=s1kv \ufeff'), max_size=80))
def test_no_text_breaks_the_reading(text: str) -> None:
    for file in (text, f"patient_id,session_id,kind,starts_at\n{text}"):
        try:
            sheet = read(file)
        except BadInput:
            continue
        assert sheet.count >= len(sheet.rows) + len({problem.row for problem in sheet.problems})


def test_the_page_about_importing_tells_the_truth() -> None:
    page = DOCS.read_text(encoding="utf-8")
    example = page.partition("```csv\n")[2].partition("```")[0]
    sheet = read(example)
    assert not sheet.problems
    assert not sheet.unread
    assert (len(sheet.patients), len(sheet.sessions)) == (3, 3)
    assert [column for column in spreadsheet.COLUMNS if f"`{column}`" not in page] == []


# --- what it does to whom we know ---------------------------------------------------------------------

GRANTED = Permission(state=PermissionState.GRANTED, at=NOW, source="form", wording="v1")
REVOKED = Permission(state=PermissionState.REVOKED, at=NOW, source="provider")


def taken(said: Said, known: Patient | None = None) -> Patient:
    return intake.patient(said, known, a_clinic(), NOW + 30 * A_DAY)


def says(**what: Any) -> Said:
    return Said(patient_id="p1", **what)


def known(sms: Permission) -> Patient:
    return a_patient(consent={Channel.SMS: sms})


def test_a_new_patient_lives_where_the_clinic_is_and_has_consented_to_nothing() -> None:
    patient = taken(says(first_name="Ana", phone="+12135550123"))
    assert patient == Patient(
        id="p1", clinic_id="harbor", first_name="Ana", time_zone="America/Los_Angeles", phone="+12135550123"
    )


def test_a_new_patient_needs_a_name() -> None:
    with pytest.raises(BadInput, match="first_name"):
        taken(says(phone="+12135550123"))


def test_what_the_file_does_not_say_stays() -> None:
    before = a_patient(fewer_checkins=True, experienced=True, language=Language.ES)
    assert taken(says(), before) == before
    assert taken(says(status=PatientStatus.PAUSED), before) == replace(before, status=PatientStatus.PAUSED)


@pytest.mark.parametrize(
    ("before", "says_yes", "dated", "state"),
    [
        (Permission(), True, None, PermissionState.GRANTED),
        (Permission(), False, None, PermissionState.NONE),
        (REVOKED, True, None, PermissionState.REVOKED),
        (REVOKED, True, NOW - A_DAY, PermissionState.REVOKED),
        (REVOKED, True, NOW, PermissionState.REVOKED),
        (REVOKED, True, NOW + A_DAY, PermissionState.GRANTED),
        (Permission(state=PermissionState.REVOKED), True, NOW + A_DAY, PermissionState.REVOKED),
        (REVOKED, False, NOW + A_DAY, PermissionState.REVOKED),
        (GRANTED, False, None, PermissionState.REVOKED),
        (GRANTED, False, NOW - A_DAY / 2, PermissionState.REVOKED),
        (GRANTED, False, NOW - A_DAY, PermissionState.GRANTED),
        (GRANTED, True, NOW + A_DAY, PermissionState.GRANTED),
    ],
)
def test_consent_in_a_file(before: Permission, says_yes: bool, dated: datetime | None, state: PermissionState) -> None:
    said = says(sms_consent=says_yes, consent_date=dated)
    after = taken(said, known(before))
    assert after.permission(Channel.SMS).state is state
    assert taken(said, after) == after
    if before.state is state:
        assert after.permission(Channel.SMS) == before


def test_a_consent_without_a_date_is_of_the_day_it_was_brought_in() -> None:
    after = taken(says(sms_consent=True), known(Permission()))
    assert after.permission(Channel.SMS) == Permission(
        state=PermissionState.GRANTED, at=NOW + 30 * A_DAY, source="spreadsheet"
    )


def test_nobody_has_consented_in_the_future() -> None:
    with pytest.raises(BadInput, match="consent_date"):
        taken(says(sms_consent=True, consent_date=NOW + 31 * A_DAY), known(REVOKED))


def test_a_new_number_needs_a_consent_of_its_own() -> None:
    with pytest.raises(BadInput, match="sms_consent"):
        taken(says(phone="+12135550199"), known(GRANTED))
    moved = taken(says(phone="+12135550199", sms_consent=True), known(GRANTED))
    assert moved.permission(Channel.SMS).source == "spreadsheet"
    assert taken(says(phone="+12135550199"), known(Permission())).phone == "+12135550199"
    assert taken(says(phone="+12135550199"), replace(known(GRANTED), phone=None)).phone == "+12135550199"


def test_a_file_does_not_raise_the_dead() -> None:
    gone = a_patient(status=PatientStatus.DECEASED)
    with pytest.raises(BadInput, match="status"):
        taken(says(status=PatientStatus.ACTIVE), gone)
    assert taken(says(first_name="Ana"), gone).status is PatientStatus.DECEASED


@pytest.mark.parametrize(
    ("known", "changes", "after"),
    [
        (None, {}, a_session(booked_at=None)),
        (a_session(minutes=90), {}, a_session(minutes=90)),
        (a_session(), {"starts_at": TEN + A_DAY}, a_session(starts_at=TEN + A_DAY)),
        (a_session(), {"minutes": 45}, a_session(minutes=45)),
        (
            a_session(status=SessionStatus.DISCHARGED, status_at=TEN),
            {},
            a_session(status=SessionStatus.DISCHARGED, status_at=TEN),
        ),
    ],
)
def test_a_session_becomes_what_the_file_says(known: Session | None, changes: dict[str, Any], after: Session) -> None:
    visit = replace(Visit(session_id="s1", patient_id="p1", kind=Kind.IV, starts_at=TEN), **changes)
    assert intake.session(visit, known, a_clinic()) == after


@pytest.mark.parametrize("status", [SessionStatus.CANCELLED, SessionStatus.DISCHARGED, SessionStatus.NO_SHOW])
def test_what_is_over_is_not_changed_by_a_file(status: SessionStatus) -> None:
    visit = Visit(session_id="s1", patient_id="p1", kind=Kind.IV, starts_at=TEN + A_DAY)
    with pytest.raises(BadInput, match=status):
        intake.session(visit, a_session(status=status), a_clinic())
