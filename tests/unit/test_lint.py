"""Every rule of the template lint, with what it must find and what it must leave alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reminders.lint import Finding, lint, lint_template
from reminders.messages import DEFAULTS, Template
from reminders.model import Channel, Language


def check(text: str, step: str = "prepare", language: str = "en", channel: str = "sms") -> list[Finding]:
    return lint_template(
        Template(
            step=step,
            language=Language(language),
            channel=Channel(channel),
            source=text,
            version="test",
            name=f"{step}/{language}.{channel}",
        )
    )


def test_the_shipped_templates_are_clean() -> None:
    assert lint() == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        # names and syntax
        ("Hi {{ first_nam }}", "{{ first_nam }}"),
        ("Hi {{ patient.phone }}", "only insert names"),
        ("{{ ''.__class__ }}", "only insert names"),
        ("{% for i in range(10) %}x{% endfor %}", "only insert names"),
        ("{{ 'a' * 99999999 }}", "only insert names"),
        ("{{ '%99999999d' % 1 }}", "only insert names"),
        ("{{ first_name|center(9999999) }}", "filter"),
        ("Hi {% if at_home %}", "endif"),
        ("{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "cannot be parsed"),
        ("{% if at_home %}" * 60 + "x" + "{% endif %}" * 60, "nested too deeply"),
        ("{{ " + "9" * 5000 + " }}", "cannot be parsed"),
        ("x" * 20_001, "longer than"),
        ("Your page: {{ link }}", "{{ link }} may be missing"),
        ("{{ 1 < clinic_name }}", "cannot be rendered"),
        ("", "is empty"),
        (" \n ", "is empty"),
        ("{% if false %}x{% endif %}", "comes out empty"),
        # cost
        ("x" * 307, "takes 3 segments"),
        ("{{ clinic_name }}" * 16, "takes 3 segments"),
        ("Don’t be late", "“’” makes every text UCS-2"),
        ("Hi 😀", "makes every text UCS-2"),
        # reserved words
        ("Reply YES to confirm", "teaches “YES”"),
        ("Reply C to come or NO to stay", "teaches “NO”"),
        ('Reply "no" to skip', "teaches “NO”"),
        ("Please text us yes", "teaches “YES”"),
        ("Reply with\nYES", "teaches “YES”"),
        ("YES = you come", "teaches “YES”"),
        ("Reply CANCEL", "teaches “CANCEL”"),
        ("Reply END", "teaches “END”"),
        ("Reply QUIT", "teaches “QUIT”"),
        ("Text HELP for help", "teaches “HELP”"),
        ("Reply STOP to cancel your visit", "teaches “STOP”"),
        ("Responda SI para confirmar", "teaches “SI”"),
        ("Conteste SÍ", "teaches “SÍ”"),
        ("Conteste NO si no puede", "teaches “NO”"),
        ("Responda CANCELAR", "teaches “CANCELAR”"),
        ("Envie AYUDA", "teaches “AYUDA”"),
        # what a lock screen must not show
        ("Your ketamine visit", "names a drug"),
        ("{{ 'keta' }}mine", "names a drug"),
        ("Su infusión", "names a drug"),
        ("SPRAVATO at 10", "names a drug"),
        ("for your depression", "names a diagnosis"),
        ("su depresión", "names a diagnosis"),
        ("PTSD visit", "names a diagnosis"),
        ("If you feel suicidal", "names a diagnosis"),
        ("Please bring $450", "speaks of money"),
        ("Cuesta 20 dólares", "speaks of money"),
        ("See https://bit.ly/abc", "link shortener"),
        # what we may not say
        ("This will cure you", "promises an outcome"),
        ("You will feel better", "promises an outcome"),
        ("Results guaranteed", "promises an outcome"),
        ("Se sentirá mejor", "promises an outcome"),
        ("An FDA approved visit", "speaks of an approval"),
        ("Do not drive for 24 hours", "driving advice in hours"),
        ("Wait twenty-four hours before driving", "driving advice in hours"),
        ("No driving for a few\nhours", "driving advice in hours"),
        ("No maneje por veinticuatro horas", "driving advice in hours"),
        ("Espere 6 h antes de conducir", "driving advice in hours"),
        ("Stop taking your medication", "change of medicine"),
        ("Skip your morning dose", "change of medicine"),
        ("Do not take your pills", "change of medicine"),
        ("No tome sus pastillas", "change of medicine"),
        ("Deje de tomar su medicina", "change of medicine"),
        ("See you tomorrow", "wrong if the message moves"),
        ("Nos vemos mañana", "wrong if the message moves"),
    ],
)
def test_it_finds(text: str, finding: str) -> None:
    assert [found for found in check(text) if finding in found.what], check(text)


@pytest.mark.parametrize(
    "text",
    [
        "Reply STOP to end texts",
        "Responda STOP para no recibir mensajes",
        "Reply R if you cannot come. NO problem",
        "Responda R. NO maneje",
        "Responda si puede",
        "Responda con un numero, no dos",
        "Reply no later than noon",
        "Llame al 988 o envie AYUDA al 988",
        "Need help? Reply R",
        "Feel free to call",
        "Keep taking your medicines",
        "Do not stop your medicine",
        "No deje de tomar su medicina",
        "Drive safely. We close in two hours",
        "a las 9:00 de la mañana",
        "{# ketamine, in a note to ourselves #} Hello",
        "{{ clinic_name|upper }}",
        "{% if link is defined %}{{ link }}{% endif %} ok",
    ],
)
def test_it_leaves_alone(text: str) -> None:
    assert check(text) == []


def test_a_finding_names_the_line_and_how_to_mend_it() -> None:
    (found,) = check("Hi {{ first_name }},\nyour visit is\n{{ day_and_tme }}")
    assert (found.line, found.mend) == (3, "did you mean {{ day_and_time }}?")
    assert [f.line for f in check("Hello\nthere\nDon’t, and\nnot the “end”")] == [3, 4, 4]


def test_an_email_may_say_more_than_its_subject() -> None:
    text = "Subject: {{ clinic_name }} appointment\n\nYour infusion is at 10. Do not drive for 24 hours."
    (found,) = check(text, channel="email")
    assert "driving" in found.what
    assert found.line == 3
    (found,) = check("Subject: your infusion\n\nHello.", channel="email")
    assert "names a drug" in found.what
    (found,) = check("Subject: for {{ first_name }}\n\nHello.", channel="email")
    assert "subject" in found.what
    (found,) = check("Hello.", channel="email")
    assert "Subject" in found.what


@pytest.mark.parametrize("step", ["reply_crisis", "reply_help", "page", "driver_day_before"])
def test_a_message_to_anybody_cannot_name_the_patient(step: str) -> None:
    assert "there is no name {{ first_name }}" in check("Hi {{ first_name }}", step=step)[0].what


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEFAULTS, tmp_path / "messages"))


def test_a_missing_language_or_channel_is_found(shipped: Path) -> None:
    (shipped / "missed" / "es.sms.j2").unlink()
    (shipped / "recall" / "en.email.j2").unlink()
    shutil.rmtree(shipped / "after")
    missing = {Path(found.file).relative_to(shipped).as_posix() for found in lint([shipped])}
    after = {f"after/{language}.{channel}.j2" for language in Language for channel in Channel}
    assert missing == {"missed/es.sms.j2", "recall/en.email.j2"} | after


def test_a_fact_lost_in_translation_is_found(shipped: Path) -> None:
    path = shipped / "missed" / "es.sms.j2"
    path.write_text(path.read_text().replace("{{ day_and_time }}", "lunes"))
    (found,) = lint([shipped])
    assert found.file == str(path)
    assert "{{ day_and_time }}" in found.what


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    folder = tmp_path / "prepare"
    folder.mkdir()
    (folder / "en.sms.j2").write_bytes(b"Hello\nMa\xf1ana")
    (folder / "fr.sms.j2").write_text("Bonjour\nReply YES")
    (folder / "es.sms.j2").mkdir()
    paths = [folder / name for name in ("en.sms.j2", "fr.sms.j2", "gone.j2")]
    found = {(Path(f.file).name, f.line, f.what) for f in lint(paths)}
    assert ("en.sms.j2", 2, "is not UTF-8 text") in found
    assert ("fr.sms.j2", 1, "has a name we do not know") in found
    assert any(name == "fr.sms.j2" and line == 2 and "YES" in what for name, line, what in found)
    assert ("gone.j2", 1, "has a name we do not know") in found
    assert any("cannot be read" in f.what for f in lint([tmp_path / "nowhere" / "en.sms.j2"]))
    assert any("holds no templates" in f.what for f in lint([tmp_path / "prepare" / "es.sms.j2"]))
