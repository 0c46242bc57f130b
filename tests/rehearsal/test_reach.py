"""Who may be written to, and how: consent, addresses, languages, shared phones, and clinics nobody is woken for."""

from typing import Any

import pytest

from tests.rehearsal.course import CHECK_INS, Lines, course

SAFETY = ["prepare", "day_before", "after", "home_safe"]
SILENT: dict[str, dict[str, Any]] = {
    "no_consent": {"consent": {}},
    "only_email_consent_but_no_address": {"consent": {"email": True}, "email": None},
    "no_phone": {"phone": None},
    "left": {"status": "left"},
}
REASON = {
    "no_consent": "no_consent",
    "only_email_consent_but_no_address": "no_address",
    "no_phone": "no_address",
    "left": "inactive",
    "stopped": "opted_out",
}


@pytest.fixture(scope="module")
def unreached() -> Lines:
    built = course()
    for patient, keys in SILENT.items():
        built.patient(patient, **keys)
    built.patient("stopped").meets("2026-03-02 08:30", "stopped", "21610")
    for patient in REASON:
        built.visit(f"v.{patient}", "2026-03-06 10:00", patient).does("2026-03-06 11:15", "discharge", f"v.{patient}")
    return built.rehearsed()


@pytest.mark.parametrize("patient", REASON)
def test_whoever_may_not_be_written_to_hears_nothing_and_each_line_says_why(unreached: Lines, patient: str) -> None:
    lines = unreached.of(patient)
    assert lines.sent() == []
    assert {line["reason"] for line in lines.events("skipped")} == {REASON[patient]}


@pytest.mark.parametrize("patient", ["only_email_consent_but_no_address", "no_phone", "stopped"])
def test_each_safety_step_that_cannot_be_texted_is_one_call(unreached: Lines, patient: str) -> None:
    assert unreached.of(patient).tasks("call_patient") == SAFETY


def test_nobody_is_asked_to_call_a_patient_who_has_left(unreached: Lines) -> None:
    assert unreached.of("left").tasks() == []


@pytest.fixture(scope="module")
def reached() -> Lines:
    """Several households of one clinic in one week."""
    phone = "+12135550777"
    built = course(ends="2026-03-15 12:00")
    built.patient("both", consent={"sms": True, "email": True})
    built.patient("mail", consent={"email": True})
    built.patient("mother", first_name="Rosa", phone=phone).patient("son", first_name="Luis", phone=phone)
    built.patient("spanish", language="es", consent={"sms": True, "email": True})
    built.patient("caller").patient("at_home")
    for patient in ("both", "mail", "mother", "son", "spanish"):
        built.visit(f"v.{patient}", "2026-03-06 10:00", patient).does("2026-03-06 11:15", "discharge", f"v.{patient}")
    built.visit("v.caller", "2026-03-06 10:00", "caller", "consultation")
    built.does("2026-03-06 10:45", "discharge", "v.caller")
    built.visit("v.at_home", "2026-03-06 10:00", "at_home", "lozenge_home")
    built.does("2026-03-06 13:00", "discharge", "v.at_home")
    return built.rehearsed()


def test_of_two_channels_one_is_used(reached: Lines) -> None:
    lines = reached.of("both")
    assert {line["channel"] for line in lines.sent()} == {"sms"}
    assert len(lines.sent("day_before")) == 1


def test_email_has_a_subject_that_says_nothing_private(reached: Lines) -> None:
    for line in reached.of("mail").sent():
        assert line["channel"] == "email"
        assert not any(word in line["subject"].lower() for word in ("ketamine", "infusion", "mood", "depress"))


def test_two_patients_at_one_phone_are_each_called_by_name(reached: Lines) -> None:
    for patient, name in {"mother": "Rosa", "son": "Luis"}.items():
        assert name in reached.of(patient).the("day_before")["body"]
        assert reached.of(patient).the("day_before")["to"] == "+12135550777"


def test_two_patients_at_one_phone_never_get_the_same_words(reached: Lines) -> None:
    mothers = {line["body"] for line in reached.of("mother").sent()}
    assert not mothers & {line["body"] for line in reached.of("son").sent()}


def test_spanish_is_spanish_from_the_first_text_to_the_last(reached: Lines) -> None:
    lines = reached.of("spanish").sent()
    assert {line["language"] for line in lines} == {"es"}
    assert "vie 6 mar a las 10:00 AM" in reached.of("spanish").the("day_before")["body"]
    assert not any(" your " in line["body"] for line in lines)


def test_a_talk_has_no_fast_no_ride_and_no_aftercare(reached: Lines) -> None:
    lines = reached.of("caller")
    assert lines.steps() == ["booked", "prepare", "day_before", "same_day"]
    assert not any(word in line["body"] for line in lines.sent() for word in ("RIDE", "No food", "drive"))
    assert lines.tasks() == []


def test_nobody_at_home_is_asked_to_arrive_or_whether_they_are_home(reached: Lines) -> None:
    lines = reached.of("at_home")
    assert lines.sent("home_safe") == []
    assert not any("arrive" in line["body"] for line in lines.sent())


@pytest.fixture(scope="module")
def unwatched() -> Lines:
    """A clinic with nobody on call."""
    return (
        course(starts="2026-03-04 08:00", ends="2026-03-16 12:00", clinic={"on_call": []})
        .visit("s1", "2026-03-06 10:00")
        .does("2026-03-06 11:15", "discharge", "s1")
        .rehearsed()
    )


@pytest.mark.parametrize("step", CHECK_INS)
def test_no_check_in_without_somebody_to_wake(unwatched: Lines, step: str) -> None:
    assert unwatched.sent(step) == []
    assert unwatched.reasons(step) == ["no_on_call"]


def test_everything_else_goes_on_without_somebody_to_wake(unwatched: Lines) -> None:
    assert [step for step in unwatched.steps() if step in ("day_before", "after", "home_safe")] == [
        "day_before",
        "after",
        "home_safe",
    ]
