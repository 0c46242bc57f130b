"""What a template may say, what it may not do, and what happens when it is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reminders import wording
from reminders.errors import BadTemplate
from reminders.messages import Catalogue, Template, clinic_words, context, load_defaults, render
from reminders.model import Channel, Chart, Kind, Language, Ride, RideState, Session, Treatment
from tests.builders import NOW, a_clinic, a_patient, a_session

EN, ES = Language.EN, Language.ES


def a_template(source: str, version: str = "v1", channel: Channel = Channel.SMS) -> Template:
    return Template(
        step="prepare", language=EN, channel=channel, source=source, version=version, name=f"prepare/en.{channel}"
    )


def words_for(
    session: Session | None = None, *, clinic: Any = None, patient: Any = None, now: datetime = NOW, ride: Any = None
) -> dict[str, object]:
    chart = Chart(clinic=clinic or a_clinic(), patient=patient or a_patient())
    return context(chart, session or a_session(), "prepare", now, ride=ride or Ride())


# --- times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clinic_zone", "patient_zone", "start", "language", "shown"),
    [
        # Same wall time and name: nothing to add, whatever the zone is called.
        ("America/Los_Angeles", "America/Vancouver", "2026-03-09T17:00", EN, "Mon Mar 9 at 10:00 AM"),
        # Same offset in summer, another name: Arizona keeps its own time.
        ("America/Los_Angeles", "America/Phoenix", "2026-07-06T17:00", EN, "Mon Jul 6 at 10:00 AM (Pacific time)"),
        ("America/Phoenix", "America/Denver", "2026-07-06T17:00", EN, "Mon Jul 6 at 10:00 AM (Arizona time)"),
        # In winter Phoenix and Denver agree in everything.
        ("America/Denver", "America/Phoenix", "2026-12-07T17:00", EN, "Mon Dec 7 at 10:00 AM"),
        (
            "America/Los_Angeles",
            "Pacific/Honolulu",
            "2026-03-09T17:00",
            ES,
            "lun 9 mar a las 10:00 AM (hora del Pacífico)",
        ),
        # The day is the clinic's, though it is still Sunday in Honolulu.
        ("America/New_York", "Pacific/Honolulu", "2026-03-09T04:30", EN, "Mon Mar 9 at 12:30 AM (Eastern time)"),
        # An hour before and after the clocks change.
        ("America/Los_Angeles", "America/Los_Angeles", "2026-03-08T09:30", EN, "Sun Mar 8 at 1:30 AM"),
        ("America/Los_Angeles", "America/Los_Angeles", "2026-03-08T10:30", EN, "Sun Mar 8 at 3:30 AM"),
        ("America/Los_Angeles", "America/Los_Angeles", "2026-11-01T09:30", ES, "dom 1 nov a la 1:30 AM"),
        ("America/Havana", "America/New_York", "2026-03-09T17:00", EN, "Mon Mar 9 at 1:00 PM (Havana time)"),
        ("Asia/Kolkata", "America/New_York", "2026-03-11T06:30", ES, "mié 11 mar a las 12:00 PM (hora de Kolkata)"),
    ],
)
def test_a_visit_is_told_in_the_clinics_wall_time(
    clinic_zone: str, patient_zone: str, start: str, language: Language, shown: str
) -> None:
    words = words_for(
        a_session(starts_at=datetime.fromisoformat(start).replace(tzinfo=UTC)),
        clinic=a_clinic(time_zone=clinic_zone),
        patient=a_patient(time_zone=patient_zone, language=language),
    )
    assert words["day_and_time"] == shown


@pytest.mark.parametrize(
    ("hour", "solids", "language", "shown"),
    [
        (6, 6, EN, "11:59 PM on Sun Mar 8"),  # midnight: nobody knows which day 12:00 AM is
        (7, 8, EN, "11:00 PM on Sun Mar 8"),
        (7, 8, ES, "las 11:00 PM del dom 8 mar"),
        (7, 6, EN, "1:00 AM"),
        (7, 6, ES, "la 1:00 AM"),
        (10, 6, EN, "4:00 AM"),
    ],
)
def test_a_cut_off_names_its_day_when_that_is_another(hour: int, solids: int, language: Language, shown: str) -> None:
    words = words_for(
        a_session(starts_at=datetime(2026, 3, 9, hour + 7, tzinfo=UTC)),
        clinic=a_clinic(treatments={Kind.IV: Treatment(solids_hours=solids)}),
        patient=a_patient(language=language),
    )
    assert words["stop_eating_at"] == shown


def test_fasting_counts_elapsed_hours_over_a_clock_change() -> None:
    words = words_for(a_session(starts_at=datetime(2026, 3, 8, 15, tzinfo=UTC)))  # 8:00 AM, the clocks changed at 2
    assert (words["stop_eating_at"], words["arrive_at"]) == ("1:00 AM", "7:45 AM")


def test_spravato_cannot_be_told_later_cut_offs_than_its_floors() -> None:
    loose = a_clinic(treatments={Kind.SPRAVATO: Treatment(solids_hours=1, liquids_hours=0)})
    words = words_for(a_session(kind=Kind.SPRAVATO), clinic=loose)
    assert (words["stop_eating_at"], words["stop_drinking_at"]) == ("8:00 AM", "9:30 AM")
    assert (words["stop_nose_spray_at"], words["visit_minutes"]) == ("9:00 AM", 120)


def test_a_cut_off_that_has_passed_is_not_ahead() -> None:
    start = a_session().starts_at
    assert words_for(now=start - timedelta(hours=7))["fast_ahead"] is True
    assert words_for(now=start - timedelta(hours=6))["fast_ahead"] is False


def test_long_days_are_written_out() -> None:
    assert words_for()["long_day_and_time"] == "Monday, March 9 at 10:00 AM"
    assert words_for(patient=a_patient(language=ES))["long_day_and_time"] == "lunes 9 de marzo a las 10:00 AM"


# --- people -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ride", "is_open", "missing", "who"),
    [
        (Kind.IV, Ride(), True, False, ""),
        (Kind.IV, Ride(state=RideState.ASKED), True, False, ""),
        (Kind.IV, Ride(state=RideState.NONE), False, True, ""),
        (Kind.IV, Ride(state=RideState.CONFIRMED, who="Jo"), False, False, "Jo"),
        (Kind.IV, Ride(state=RideState.CONFIRMED), False, False, ""),
        (Kind.IV, Ride(state=RideState.ASKED, who="Jo"), True, False, ""),  # not confirmed: not told as if
        (Kind.CONSULTATION, Ride(), False, False, ""),
        (
            Kind.IV,
            Ride(state=RideState.CONFIRMED, who="my sister\nJo  from Long Beach"),
            False,
            False,
            "my sister Jo from",
        ),
    ],
)
def test_the_ride_is_open_only_while_nobody_answered(
    kind: Kind, ride: Ride, is_open: bool, missing: bool, who: str
) -> None:
    words = words_for(a_session(kind=kind), ride=ride)
    assert (words["ride_open"], words["ride_missing"], words["ride_who"]) == (is_open, missing, who)


@pytest.mark.parametrize(
    ("e164", "shown"),
    [
        ("+12135550100", "(213) 555-0100"),
        ("+34912345678", "+34 912 34 56 78"),
        ("+9990000000", "+9990000000"),  # a country nobody has
    ],
)
def test_phones_look_as_people_write_them(e164: str, shown: str) -> None:
    assert wording.phone(e164) == shown


def test_a_line_break_in_a_name_breaks_nothing() -> None:
    clinic = a_clinic(name="Harbor\nSubject: x", address="1 Main St\r\nLA")
    rendered, _ = render(
        [a_template("Subject: {{ clinic_name }}\n\nAt {{ clinic_address }}.", channel=Channel.EMAIL)],
        words_for(clinic=clinic, patient=a_patient(first_name="A\nna")),
    )
    assert (rendered.subject, rendered.body) == ("Harbor Subject: x", "At 1 Main St LA.\n")


@pytest.mark.parametrize(
    ("name", "body", "encoding"),
    [
        ("José", "Hi José", "GSM-7"),
        ("Martínez", "Hi Martinez", "GSM-7"),
        ("D’Angelo", "Hi D'Angelo", "GSM-7"),
        ("李", "Hi 李", "UCS-2"),
        ("{{ clinic_phone }}", "Hi {{ clinic_phone }}", "GSM-7"),  # never rendered twice
        ("<b>&amp;", "Hi <b>&amp;", "GSM-7"),
    ],
)
def test_names_reach_a_text_as_they_are_or_without_accents(name: str, body: str, encoding: str) -> None:
    rendered, _ = render([a_template("Hi {{ first_name }}")], words_for(patient=a_patient(first_name=name)))
    assert (rendered.body, rendered.encoding) == (body, encoding)


def test_without_a_session_only_what_needs_none_can_be_said() -> None:
    chart = Chart(clinic=a_clinic(), patient=a_patient())
    words = context(chart, None, "reply_help", NOW)
    assert render([a_template("{{ first_name }}: {{ clinic_phone }}")], words)[0].body == "Ana: (213) 555-0100"
    with pytest.raises(BadTemplate, match="day_and_time"):
        render([a_template("{{ day_and_time }}")], words)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    "step", ["reply_crisis", "reply_help", "reply_opt_out", "reply_opt_in", "reply_unclear", "reply_wrong_number"]
)
def test_replies_to_numbers_nobody_has_need_only_the_clinic(step: str, language: Language) -> None:
    rendered, _ = render(load_defaults().versions(step, language, Channel.SMS), clinic_words(a_clinic()))
    assert rendered.body.startswith("Harbor Clinic: ")


# --- rendering ----------------------------------------------------------------------------------------


def test_a_text_is_one_line_and_an_email_keeps_its_paragraphs() -> None:
    text, _ = render([a_template("Hi,\n{% if at_home %}\nhome\n{% else %}\nthere\n{% endif %}\n  bye ")], words_for())
    assert text.body == "Hi, there bye"
    source = "Subject: Hello\n\nOne\nline\n{% if false %}\nno\n{% endif %}\n\n\n- a\n- b\n  more\n\nhttps://a.example/x"
    email, _ = render([a_template(source, channel=Channel.EMAIL)], words_for())
    assert email.body == "One line\n\n- a\n- b more\n\nhttps://a.example/x\n"


def test_html_escapes_whatever_a_name_holds_and_fetches_nothing() -> None:
    source = 'Subject: {{ clinic_name }}\n\nHi {{ first_name }}\n\nhttps://a.example/?x=1&y="2'
    words = words_for(clinic=a_clinic(name="A & <B>"), patient=a_patient(first_name="<script>alert(1)</script>"))
    html = render([a_template(source, channel=Channel.EMAIL)], words)[0].html or ""
    assert "<script" not in html
    assert "<title>A &amp; &lt;B&gt;</title>" in html
    assert 'href="https://a.example/?x=1&amp;y=&#34;2"' in html
    assert "src=" not in html
    assert '<html lang="en">' in html


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ first_name.format(1) }}",
        "{{ first_name['x'] }}",
        "{{ lipsum(100000) }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ first_name|center(100000000) }}",
        "{{ first_name ~ first_name }}",
        "{% set x = 'a' %}{{ x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ [1] * 9 }}",
        "{{ {} }}",
        "{{ " + "-" * 4000 + "1 }}",
        "{{ " + "(" * 4000 + ")" * 4000 + " }}",
        "{{ nobody_knows }}",
        "x" * 1601,
        "",
        "{{ first_name",
    ],
)
def test_a_hostile_or_broken_template_is_refused_at_once(source: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        render([a_template(source)], words_for())
    assert refused.value.field == "prepare/en.sms@v1"
    assert "Ana" not in str(refused.value)


def test_a_broken_version_gives_way_to_the_one_before_and_is_named() -> None:
    shipped = load_defaults().versions("prepare", EN, Channel.SMS)
    newer = [a_template("{{ oops }}", "v3"), a_template("{% if %}", "v2")]
    catalogue = load_defaults(newer=newer)
    versions = catalogue.versions("prepare", EN, Channel.SMS)
    assert versions == [*newer, *shipped]
    rendered, failed = render(versions, words_for())
    assert rendered.version == shipped[0].version
    assert failed == ("prepare/en.sms@v3", "prepare/en.sms@v2")


def test_the_newest_good_version_is_used() -> None:
    catalogue = Catalogue([a_template("old", "v1")], newer=[a_template("new", "v2")])
    found = catalogue.find("prepare", EN, Channel.SMS)
    assert found is not None
    assert found.version == "v2"
    assert catalogue.find("prepare", ES, Channel.SMS) is None
    assert render(catalogue.versions("prepare", EN, Channel.SMS), words_for())[0].body == "new"


def test_a_message_that_does_not_exist_is_an_error_of_its_own() -> None:
    with pytest.raises(BadTemplate, match="no such message"):
        render([], words_for())


def test_the_version_of_a_shipped_file_changes_with_its_words(tmp_path: Path) -> None:
    path = tmp_path / "booked" / "en.sms.j2"
    path.parent.mkdir()
    versions = []
    for words in ("one", "two", "one"):
        path.write_text(words)
        versions.append(load_defaults(tmp_path).versions("booked", EN, Channel.SMS)[0].version)
    assert versions[0] == versions[2] != versions[1]


@pytest.mark.parametrize(
    ("name", "content"), [("en.sms.j2", b"\xff"), ("fr.sms.j2", b"x"), ("en.fax.j2", b"x"), ("x.j2", b"x")]
)
def test_a_folder_with_a_wrong_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / "booked").mkdir()
    (tmp_path / "booked" / name).write_bytes(content)
    with pytest.raises(BadTemplate, match="booked/"):
        load_defaults(tmp_path)
