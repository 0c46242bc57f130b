"""What a private page shows and offers, and what its forms mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reminders import links, pages
from reminders.errors import BadInput
from reminders.lint_words import BANS, Ban
from reminders.model import (
    Channel,
    Chart,
    CheckIn,
    Instrument,
    Kind,
    Language,
    Ledger,
    Patient,
    PatientStatus,
    Permission,
    PermissionState,
    Ride,
    RideState,
    Session,
    SessionStatus,
    Task,
    TaskKind,
    Urgency,
)
from reminders.pages import Action, Stage, VisitPage
from reminders.ports import PatientRef
from tests.builders import NOW, a_clinic, a_patient, a_session

START = a_session().starts_at  # Monday, March 9, 10:00 in Los Angeles
NEXT_MORNING = datetime(2026, 3, 10, 16, tzinfo=UTC)
VISIT = {Action.CONFIRM, Action.RESCHEDULE, Action.RIDE, Action.NO_RIDE}
STOPS = {Action.STOP_TEXTS, Action.STOP_EMAILS}
TEMPLATES = Path(__file__).parents[2] / "templates" / "patient"


def a_chart(session: Session | None = None, patient: Patient | None = None, **standing: Any) -> Chart:
    session = session or a_session()
    ledger = Ledger(session_id=session.id, starts_at=session.starts_at, booked_at=NOW, version=1)
    return Chart(
        clinic=a_clinic(address="12 Pier Street"),
        patient=patient or a_patient(),
        sessions={session.id: session},
        ledgers={session.id: replace(ledger, **standing)},
    )


def page(chart: Chart, now: datetime = NOW) -> VisitPage:
    found = pages.visit(chart, "s1", now)
    assert found is not None
    return found


# --- what is offered --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "now", "stage", "offers"),
    [
        ({}, NOW, Stage.AHEAD, VISIT),
        ({}, START - timedelta(seconds=1), Stage.AHEAD, VISIT),
        ({}, START, Stage.RESTING, set()),
        ({}, NEXT_MORNING - timedelta(seconds=1), Stage.RESTING, set()),
        ({}, NEXT_MORNING, Stage.OVER, set()),
        ({"status": SessionStatus.CANCELLED}, NOW, Stage.CANCELLED, set()),
        ({"status": SessionStatus.NO_SHOW}, START + timedelta(hours=2), Stage.MISSED, set()),
        ({"status": SessionStatus.DISCHARGED}, START + timedelta(hours=2), Stage.RESTING, set()),
        ({"status": SessionStatus.DISCHARGED}, NEXT_MORNING, Stage.OVER, set()),
        ({"kind": Kind.CONSULTATION}, NOW, Stage.AHEAD, {Action.CONFIRM, Action.RESCHEDULE}),
        ({"kind": Kind.CONSULTATION}, START, Stage.OVER, set()),
        ({"kind": Kind.LOZENGE_HOME}, NOW, Stage.AHEAD, VISIT),
    ],
)
def test_a_page_offers_only_what_may_be_done_now(
    session: dict[str, Any], now: datetime, stage: Stage, offers: set[Action]
) -> None:
    shown = page(a_chart(a_session(**session)), now)
    assert (shown.stage, set(shown.offers)) == (stage, offers | STOPS)


@pytest.mark.parametrize(
    ("standing", "missing"),
    [
        ({"confirmed_at": NOW}, {Action.CONFIRM}),
        ({"ride": Ride(state=RideState.NONE)}, {Action.NO_RIDE}),
        ({"ride": Ride(state=RideState.CONFIRMED, who="Jo")}, set()),
        ({"ride": Ride(state=RideState.ASKED)}, set()),
    ],
)
def test_what_has_been_answered_is_not_asked_again(standing: dict[str, Any], missing: set[Action]) -> None:
    assert set(page(a_chart(**standing)).offers) == (VISIT - missing) | STOPS


def test_nothing_is_asked_of_somebody_still_drowsy_from_another_visit() -> None:
    today = a_session(id="s0", starts_at=NOW - timedelta(hours=1))
    chart = a_chart()
    shown = page(replace(chart, sessions={**chart.sessions, "s0": today}))
    assert (shown.stage, set(shown.offers)) == (Stage.AHEAD, STOPS)


def test_only_a_discharged_patient_is_asked_whether_they_are_home() -> None:
    went_home = a_session(status=SessionStatus.DISCHARGED)
    later = START + timedelta(hours=2)
    assert Action.HOME in page(a_chart(went_home, discharged_at=later), later).offers
    assert Action.HOME not in page(a_chart(went_home, discharged_at=later, home_safe_at=later), later).offers
    assert Action.HOME not in page(a_chart(), later).offers


def test_what_was_said_of_the_old_time_does_not_hold_for_the_new_one() -> None:
    chart = a_chart(ride=Ride(state=RideState.CONFIRMED, who="Jo"), confirmed_at=NOW)
    shown = page(replace(chart, sessions={"s1": a_session(starts_at=START + timedelta(days=1))}))
    assert not shown.confirmed
    assert shown.ride == pages.RidePage(state=RideState.UNKNOWN)
    assert shown.offers == STOPS
    assert shown.seen != page(chart).seen


@pytest.mark.parametrize(
    ("consent", "offers"),
    [
        ({}, set()),
        ({Channel.SMS: PermissionState.GRANTED}, {Action.STOP_TEXTS}),
        ({Channel.SMS: PermissionState.REVOKED, Channel.EMAIL: PermissionState.GRANTED}, {Action.STOP_EMAILS}),
    ],
)
def test_only_what_comes_can_be_stopped(consent: dict[Channel, PermissionState], offers: set[Action]) -> None:
    given = {channel: Permission(state=state) for channel, state in consent.items()}
    assert page(a_chart(patient=a_patient(consent=given))).offers & STOPS == offers


@pytest.mark.parametrize("status", [PatientStatus.LEFT, PatientStatus.DECEASED])
def test_there_is_no_page_for_somebody_who_is_no_patient_any_more(status: PatientStatus) -> None:
    patient = a_patient(status=status)
    link = links.to_checkin(PatientRef("harbor", "p1"), Instrument.MOOD, NOW)
    assert pages.visit(a_chart(patient=patient), "s1", NOW) is None
    assert pages.questions(a_clinic(), patient, link) is None


def test_there_is_no_page_for_a_visit_that_is_not_there() -> None:
    assert pages.visit(a_chart(), "s2", NOW) is None


def test_a_visit_whose_ledger_is_not_there_yet_is_shown_without_questions() -> None:
    shown = page(replace(a_chart(), ledgers={}))
    assert (shown.stage, set(shown.offers)) == (Stage.AHEAD, STOPS)


# --- what it says -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "patient", "name", "words"),
    [
        ({}, {}, "the_day", "Monday, March 9"),
        ({}, {}, "the_time", "10:00 AM"),
        ({}, {"time_zone": "Pacific/Honolulu"}, "zone", "Pacific time"),
        ({}, {"language": Language.ES}, "the_time", "las 10:00 AM"),
        ({}, {}, "stop_eating_at", "4:00 AM"),
        ({"kind": Kind.SPRAVATO}, {}, "stop_eating_at", "8:00 AM"),
        ({"kind": Kind.SPRAVATO}, {}, "visit_minutes", 120),
        ({"kind": Kind.CONSULTATION}, {}, "fasts", False),
        ({"kind": Kind.IM}, {}, "by_drip", False),
    ],
)
def test_a_page_speaks_in_the_clinics_wall_time_and_rules(
    session: dict[str, Any], patient: dict[str, Any], name: str, words: object
) -> None:
    assert page(a_chart(a_session(**session), a_patient(**patient))).words[name] == words


# --- answers ----------------------------------------------------------------------------------------


def link_to(instrument: Instrument) -> links.Link:
    return links.to_checkin(PatientRef("harbor", "p1"), instrument, NOW, session_id="s1")


def answers(instrument: Instrument, *given: str) -> CheckIn | None:
    form = {f"q{place}": answer for place, answer in enumerate(given, 1)}
    return pages.answered(link_to(instrument), form, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("instrument", "given", "score"),
    [
        (Instrument.MOOD, ("0",), 0),
        (Instrument.MOOD, ("10",), 10),
        (Instrument.PHQ2, ("3", "2"), 5),
        (Instrument.PHQ2, ("3", ""), None),
        (Instrument.PHQ9, ("1",) * 9, 9),
        (Instrument.PHQ9, ("1",) * 8, None),
        (Instrument.PHQ9, ("", "", "", "", "", "", "", "", "3"), None),
    ],
)
def test_a_total_needs_every_item(instrument: Instrument, given: tuple[str, ...], score: int | None) -> None:
    checkin = answers(instrument, *given)
    assert checkin is not None
    assert checkin.score == score
    assert (checkin.asked_at, checkin.answered_at) == (NOW, NOW + timedelta(hours=1))
    assert checkin.session_id == "s1"


def test_what_was_left_out_is_kept_as_left_out() -> None:
    checkin = answers(Instrument.PHQ9, "2", "", "0")
    assert checkin is not None
    assert checkin.items == (2, None, 0, None, None, None, None, None, None)
    assert checkin.raw == "2 - 0 - - - - - -"


@pytest.mark.parametrize("instrument", list(Instrument))
def test_a_form_without_any_answer_is_none(instrument: Instrument) -> None:
    assert answers(instrument) is None


@pytest.mark.parametrize("wrong", ["4", "-1", "1.0", "01", " 1", "١", "one", "1" * 5000, "<b>"])
def test_an_answer_the_form_cannot_have_sent_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(BadInput) as refused:
        answers(Instrument.PHQ2, "1", wrong)
    assert refused.value.field == "q2"
    assert wrong not in refused.value.problem or wrong in "whole number from 0 to 3"


@pytest.mark.parametrize(
    ("instrument", "given", "told"),
    [
        (Instrument.MOOD, ("2",), Urgency.REVIEW),
        (Instrument.MOOD, ("3",), None),
        (Instrument.PHQ2, ("3", "3"), None),
        (Instrument.PHQ9, ("0",) * 9, None),
        (Instrument.PHQ9, ("0",) * 8, None),
        (Instrument.PHQ9, ("0",) * 8 + ("1",), Urgency.REVIEW),
        (Instrument.PHQ9, ("0",) * 8 + ("2",), Urgency.URGENT),
        (Instrument.PHQ9, ("", "", "", "", "", "", "", "", "3"), Urgency.URGENT),
        (Instrument.PHQ9, ("3",) * 8 + ("0",), Urgency.REVIEW),
    ],
)
def test_any_thought_of_death_or_a_mood_at_the_floor_shows_the_crisis_lines(
    instrument: Instrument, given: tuple[str, ...], told: Urgency | None
) -> None:
    checkin = answers(instrument, *given)
    assert checkin is not None
    assert pages.worrying(checkin, a_clinic(mood_floor=2)) is told


# --- tasks ------------------------------------------------------------------------------------------


def test_a_task_page_tells_nothing_about_the_patient() -> None:
    found = Task(
        id="crisis.p1",
        clinic_id="harbor",
        kind=TaskKind.CRISIS,
        urgency=Urgency.URGENT,
        opened_at=NOW,
        due_at=NOW,
        patient_id="p1",
        taken_by="Dana Reyes",
        taken_at=NOW,
    )
    shown = pages.task(a_clinic(), found)
    assert (shown.names, shown.taken_by, shown.taken_at) == (("Dana Reyes",), "Dana Reyes", "9:00 AM")
    assert "p1" not in repr(shown)


@pytest.mark.parametrize(
    ("patient", "sender", "phone"),
    [
        (a_patient(), None, "+12135550123"),
        (a_patient(phone=None), None, None),
        (None, "+12135550177", "+12135550177"),
        (None, "page", None),
        (None, None, None),
    ],
)
def test_whoever_takes_a_task_learns_whom_to_call(
    patient: Patient | None, sender: str | None, phone: str | None
) -> None:
    assert pages.contact(patient, sender, NOW).phone == phone


# --- typed names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        ("   \r\n\t", ""),
        ("\x00Jo\x07", "Jo"),
        ("J\u200bo", "Jo"),
        ("\u202eoJ", "oJ"),
        ("my  sister\r\nJo", "my sister Jo"),
        ("Jose\u0301", "José"),
        ("x" * 5000, "x" * 400),
    ],
)
def test_a_typed_name_is_one_line_without_invisible_characters(text: str, cleaned: str) -> None:
    assert pages.typed(text) == cleaned


# --- copy -------------------------------------------------------------------------------------------


class Bones(HTMLParser):
    """A page without its words: tags in order, and what forms send."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = [f"{name}={value}" for name, value in attrs if name in ("name", "id", "for", "type", "method", "class")]
        self.found.append(" ".join([tag, *kept]))


def tags_of_jinja(source: str) -> list[str]:
    control = re.findall(r"\{%-?\s*((?:if|elif|else|endif|for|endfor|block|endblock)\b.*?)\s*-?%\}", source, re.DOTALL)
    return [re.sub(r"\"(en|es)/", '"', tag) for tag in control]


@pytest.mark.parametrize("name", sorted(path.name for path in (TEMPLATES / "es").glob("*.j2")))
def test_both_languages_have_the_same_bones(name: str) -> None:
    english, spanish = ((TEMPLATES / language / name).read_text(encoding="utf-8") for language in Language)
    assert tags_of_jinja(english) == tags_of_jinja(spanish)
    bones = [Bones(), Bones()]
    for bone, source in zip(bones, (english, spanish), strict=True):
        bone.feed(source)
    assert bones[0].found == bones[1].found


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.j2")), ids=lambda path: f"{path.parent.name}/{path.name}")
@pytest.mark.parametrize("ban", [ban for ban in BANS if not ban.steps], ids=lambda ban: ban.what)
def test_no_page_says_what_our_messages_must_not_say(path: Path, ban: Ban) -> None:
    if ban.spared and path.stem.startswith("checkin"):
        return  # the PHQ's own wording
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not [line for line in text.splitlines() for pattern in ban.patterns if pattern.search(line)]


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "paper", "least"),
    [
        *((ink, paper, 4.5) for ink in ("ink", "soft", "sea") for paper in ("paper", "card", "sky")),
        ("sea-ink", "sea", 4.5),
        ("ink", "sea-soft", 4.5),
        ("leaf", "leaf-soft", 4.5),
        ("leaf", "card", 4.5),
        ("rose", "rose-soft", 4.5),
        ("ink", "rose-soft", 4.5),
        ("card", "rose", 4.5),
        ("edge", "card", 3.0),
        ("focus", "paper", 3.0),
    ],
)
def test_every_colour_can_be_read(scheme: int, ink: str, paper: str, least: float) -> None:
    css = (TEMPLATES / "patient.css").read_text(encoding="utf-8")
    found = re.findall(r"--([a-z-]+): (#[0-9a-f]{6}|#fff)\b", css)
    half = len(found) // 2
    colours = dict(found[half * scheme : half * (scheme + 1)])
    light, dark = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
