"""Brings a spreadsheet's patients and sessions into the configured table, for the terminal's `import`.

A patient's rows are decided together and written one after the other, the patient first, so that no session is ever
without one. Whatever stops it half way, the same file brings in the rest.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from chalicelib import wiring
from local import jsonl
from local.aws import answering
from local.progress import bar, spinner
from reminders import intake, spreadsheet
from reminders.errors import BadInput, Unavailable
from reminders.model import Channel, Clinic, Patient, PermissionState, Session
from reminders.ports import PatientRef, Store
from reminders.spreadsheet import Problem, Row, Said, Sheet


@dataclass
class Tally:
    """How many were new, changed, or as the file has them already."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    def count(self, before: object, after: object) -> None:
        if before is None:
            self.new += 1
        elif before != after:
            self.changed += 1
        else:
            self.unchanged += 1

    def __str__(self) -> str:
        total = self.new + self.changed + self.unchanged
        return f"{total} ({self.new} new, {self.changed} changed, {self.unchanged} as they were)"


@dataclass
class Done:
    """What became of a sheet."""

    problems: list[Problem] = field(default_factory=list)
    patients: Tally = field(default_factory=Tally)
    sessions: Tally = field(default_factory=Tally)
    opted_out: list[int] = field(default_factory=list)  # rows that say yes to a patient who said stop since
    stopped: str = ""  # why it ended before the sheet did


def bring_in(path: Path, clinic_id: str | None, *, dry_run: bool, as_json: bool) -> bool:
    """Import a file and say what became of it; False if some rows were rejected.

    A dry run reads the file and nothing else. Raises BadInput when the file as a whole is unusable, Unavailable when
    the table stops answering.
    """
    text = _text(path)
    named = spreadsheet.clinic_named(text)
    if clinic_id and named and clinic_id != named:
        raise BadInput(spreadsheet.CLINIC, "the file names another clinic than --clinic does")
    if dry_run:
        return _try_out(_read(text, None), clinic_id or named, as_json=as_json)
    if not (clinic_id or named):
        raise BadInput(spreadsheet.CLINIC, "add this column to the file, or name the clinic with --clinic")
    with answering():
        house = wiring.current()
        clinic = house.store.clinic(clinic_id or named or "")
        if clinic is None:
            raise BadInput(spreadsheet.CLINIC, "there is no such clinic here")
        sheet = _read(text, clinic)
        done = write(sheet, clinic, house.store, house.now())
    _say(sheet, done, as_json=as_json)
    if done.stopped:
        raise Unavailable(f"{done.stopped}; the rest of the file was not imported, so import it again")
    return not done.problems


def write(sheet: Sheet, clinic: Clinic, store: Store, now: datetime) -> Done:
    """Write every good row; what only the table knows may still reject one."""
    done = Done(list(sheet.problems))
    try:
        with answering():
            for rows in bar(sheet.by_patient(), "patients"):
                _patient(rows, clinic, store, now, done)
    except Unavailable as error:
        done.stopped = str(error)
    done.problems.sort(key=lambda problem: problem.row)
    return done


# --- one patient --------------------------------------------------------------------------------------


def _patient(rows: Sequence[Row], clinic: Clinic, store: Store, now: datetime, done: Done) -> None:
    ref = PatientRef(clinic.id, rows[0].said.patient_id)
    try:
        known = store.patient(ref)
    except BadInput as error:
        sentence = f"what is stored of this patient cannot be read ({error.field})"
        done.problems += [Problem(row.number, "patient_id", sentence) for row in rows]
        return
    sessions, rows = _sessions(rows, clinic, store, ref, done)
    rows = _agreed(rows, known, clinic, now, done)
    if not rows:
        return
    said = spreadsheet.together(row.said for row in rows)
    try:
        kept = _keep(said, known, clinic, store, ref, now)
    except BadInput as error:  # somebody else changed the patient meanwhile
        done.problems += [Problem(row.number, error.field, error.problem) for row in rows]
        return
    done.patients.count(known, kept)
    done.opted_out += [row.number for row in rows if _unheard(row.said, kept)]
    for session_id in dict.fromkeys(row.visit.session_id for row in rows if row.visit):
        before, after = sessions[session_id]
        if after != before:
            store.put_session(after)
        done.sessions.count(before, after)


def _sessions(
    rows: Sequence[Row], clinic: Clinic, store: Store, ref: PatientRef, done: Done
) -> tuple[dict[str, tuple[Session | None, Session]], list[Row]]:
    """Each session as it is and as it will be, and the rows that may stay."""
    found: dict[str, tuple[Session | None, Session]] = {}
    good = []
    for row in rows:
        if row.visit is not None:
            session_id = row.visit.session_id
            try:
                before = found[session_id][0] if session_id in found else store.session(ref, session_id)
                found[session_id] = before, intake.session(row.visit, before, clinic)
            except BadInput as error:
                ours = error.field == "session_id"
                sentence = error.problem if ours else f"what is stored of this session cannot be read ({error.field})"
                done.problems.append(Problem(row.number, "session_id", sentence))
                continue
        good.append(row)
    return found, good


def _agreed(rows: Sequence[Row], known: Patient | None, clinic: Clinic, now: datetime, done: Done) -> list[Row]:
    """The rows whose patient can be as they say, taken together; if not all, as many as go together, from the top."""
    if not rows or _objection(rows, known, clinic, now) is None:
        return list(rows)
    good: list[Row] = []
    for row in rows:
        objection = _objection([*good, row], known, clinic, now)
        if objection is None:
            good.append(row)
        else:
            done.problems.append(Problem(row.number, objection.field, objection.problem))
    return good


def _objection(rows: Sequence[Row], known: Patient | None, clinic: Clinic, now: datetime) -> BadInput | None:
    try:
        intake.patient(spreadsheet.together(row.said for row in rows), known, clinic, now)
    except BadInput as error:
        return error
    return None


def _keep(
    said: Said, known: Patient | None, clinic: Clinic, store: Store, ref: PatientRef, now: datetime
) -> Patient | None:
    wanted = intake.patient(said, known, clinic, now)
    if known is None:
        store.put_patient(wanted)
    elif wanted != known:
        return store.change_patient(ref, partial(_as_said, said, clinic, now))
    return wanted


def _as_said(said: Said, clinic: Clinic, now: datetime, current: Patient) -> Patient:
    return intake.patient(said, current, clinic, now)


def _unheard(said: Said, kept: Patient | None) -> bool:
    """Whether the row's yes was not taken, because the patient has opted out since."""
    yes = {Channel.SMS: said.sms_consent, Channel.EMAIL: said.email_consent}
    return kept is not None and any(
        yes[channel] and kept.permission(channel).state is PermissionState.REVOKED for channel in Channel
    )


# --- reading and telling ------------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from None
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(str(path), "is not UTF-8 text; save it as “CSV UTF-8”") from None
    if "\0" in text:
        raise BadInput(str(path), "is not text; save the spreadsheet as “CSV UTF-8”")
    return text


def _read(text: str, clinic: Clinic | None) -> Sheet:
    with spinner("reading"):
        return spreadsheet.read(text, clinic)


def _try_out(sheet: Sheet, clinic_id: str | None, *, as_json: bool) -> bool:
    patients, sessions = sheet.patients, sheet.sessions
    _tell_problems(sheet.problems, as_json=as_json)
    rejected = len({problem.row for problem in sheet.problems})
    if as_json:
        click.echo(
            jsonl.line(
                {"rows": sheet.count, "rejected": rejected, "patients": len(patients), "sessions": len(sessions)}
            )
        )
    else:
        click.echo(
            f"{len(patients)} patients and {len(sessions)} sessions in {sheet.count} rows, {rejected} rejected."
            " Nothing was written."
        )
    _note_unread(sheet)
    nameless = sum(1 for said in patients if said.first_name is None)
    if nameless:
        click.echo(f"Without a first_name, so they must be known already: {nameless} patients.", err=True)
    if clinic_id is None:
        click.echo("To import it, add a clinic_id column or name the clinic with --clinic.", err=True)
    return not sheet.problems


def _say(sheet: Sheet, done: Done, *, as_json: bool) -> None:
    _tell_problems(done.problems, as_json=as_json)
    rejected = len({problem.row for problem in done.problems})
    if as_json:
        counts = {"patients": asdict(done.patients), "sessions": asdict(done.sessions), "opted_out": done.opted_out}
        click.echo(jsonl.line({"rows": sheet.count, "rejected": rejected, **counts}))
    else:
        click.echo(f"patients: {done.patients}")
        click.echo(f"sessions: {done.sessions}")
        click.echo(f"rows: {sheet.count}, rejected: {rejected}")
        if done.opted_out:
            numbers = ", ".join(map(str, done.opted_out))
            click.echo(f"opted out, and left so because the file's yes is not of a later consent_date: rows {numbers}")
    _note_unread(sheet)


def _tell_problems(problems: Iterable[Problem], *, as_json: bool) -> None:
    for problem in problems:
        if as_json:
            click.echo(jsonl.line({"row": problem.row, "column": problem.column, "problem": problem.sentence}))
        else:
            click.echo(str(problem))


def _note_unread(sheet: Sheet) -> None:
    if sheet.unread:
        click.echo(f"Columns that are not read: {', '.join(sheet.unread)}", err=True)
