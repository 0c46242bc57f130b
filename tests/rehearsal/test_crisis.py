"""Somebody in danger writes: they are answered, and somebody is woken until a named person has taken it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace as with_

from chalicelib import wiring
from local.crashes import Killed
from local.rehearsal import rehearse
from local.sample import SAMPLE_CLINIC
from local.scenario import parse
from local.stage import Stage
from reminders.model import OnCall
from reminders.ports import Store
from tests.builders import a_patient
from tests.rehearsal.conversation import ANA, DANA, DANGER, LEE, SAM, heard, pages, replies, says
from tests.rehearsal.course import LOS_ANGELES, Course, Lines, course, shown

NIGHT = "2026-03-04 02:30"


def night(on_call: list[dict[str, str]] | None = None, ends: str = "2026-03-04 04:15", **patient: Any) -> Course:
    """A quiet night three days after Ana's visit was booked, and who is on call."""
    built = course(ends=ends, clinic={"on_call": [DANA] if on_call is None else on_call})
    return built.patient("p1", **patient).visit("s1", "2026-03-20 10:00")


def acknowledged(built: Course, at: str, patient: str = "p1", by: str = "Dana Reyes") -> Course:
    return built.does(at, "acknowledge", patient=patient, by=by)


# --- at 02:30 ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone() -> Lines:
    """Nobody takes it until 04:10."""
    return heard(acknowledged(says(night([DANA, LEE, SAM]), NIGHT, DANGER), "2026-03-04 04:10"))


def test_at_half_past_two_at_night_danger_is_answered_in_the_same_minute(alone: Lines) -> None:
    reply = alone.the("reply_crisis")
    assert shown(reply) == NIGHT
    assert reply["reply"] is True
    assert reply["to"] == ANA
    assert all(words in reply["body"] for words in ("988", "911", "(213) 555-0100", "not watched around the clock"))


def test_the_message_is_told_with_its_level(alone: Lines) -> None:
    (received,) = alone.events("received")
    assert (received["from"], received["body"], received["level"]) == (ANA, DANGER, "urgent")
    assert (received["patient"], shown(received)) == ("p1", NIGHT)


def test_one_crisis_task_is_open_at_once(alone: Lines) -> None:
    (task,) = [task for task in alone.events("task") if task["kind"] == "crisis"]
    assert (task["patient"], task["urgency"], shown(task)) == ("p1", "urgent", NIGHT)


def test_somebody_is_woken_at_once_and_after_5_15_and_30_minutes_and_then_every_30(alone: Lines) -> None:
    wakes = ["02:30", "02:35", "02:45", "03:00", "03:30", "04:00"]
    assert pages(alone) == wakes
    assert pages(alone, LEE["phone"]) == wakes[1:]
    assert pages(alone, SAM["phone"]) == wakes[2:]


def test_whoever_has_an_email_address_is_written_to_as_well(alone: Lines) -> None:
    assert pages(alone, DANA["email"]) == pages(alone)
    (first, *_) = [line for line in alone.sent("page") if line["channel"] == "email"]
    assert first["subject"] == "Harbor Clinic: urgent, page 1"


def test_pages_are_numbered_by_attempt(alone: Lines) -> None:
    attempts = [line["attempt"] for line in alone.events("page") if line["to"] == DANA["phone"]]
    assert attempts == [1, 2, 3, 4, 5, 6]
    assert [line["body"].split("page ")[1][0] for line in alone.sent("page") if line["to"] == DANA["phone"]] == list(
        "123456"
    )


def test_pages_carry_a_link_that_names_nobody(alone: Lines) -> None:
    for line in alone.sent("page"):
        link = next(word for word in line["body"].split() if word.startswith("http"))
        assert "p1" not in link.rpartition("/")[0]
        assert "crisis" not in link


def test_once_a_named_person_has_taken_it_nobody_else_is_woken(alone: Lines) -> None:
    (taken,) = alone.events("acknowledged")
    assert (taken["patient"], taken["by"], shown(taken)) == ("p1", "Dana Reyes", "2026-03-04 04:10")
    assert alone.after("2026-03-04 04:11").events("page") == []


TAKEN = {
    "02:31": ["02:30"],
    "02:35": ["02:30"],
    "02:41": ["02:30", "02:35"],
    "02:59": ["02:30", "02:35", "02:45"],
}


@pytest.fixture(scope="module")
def nights() -> Lines:
    """A bad night after another, each taken a little later."""
    built = night(ends="2026-03-08 04:00")
    for day, taken in enumerate(TAKEN, 4):
        acknowledged(says(built, f"2026-03-{day:02} 02:30", DANGER), f"2026-03-{day:02} {taken}")
    return heard(built)


@pytest.mark.parametrize("taken", TAKEN)
def test_pages_end_with_the_acknowledgement(nights: Lines, taken: str) -> None:
    day = f"2026-03-{4 + list(TAKEN).index(taken):02}"
    assert pages(Lines([line for line in nights.all if shown(line)[:10] == day])) == TAKEN[taken]


def test_an_acknowledgement_for_somebody_else_takes_nothing() -> None:
    built = night(ends="2026-03-04 02:40").patient("p2")
    assert pages(heard(acknowledged(says(built, NIGHT, DANGER), "2026-03-04 02:31", "p2"))) == ["02:30", "02:35"]


# --- who writes, and how -------------------------------------------------------------------------------------


def test_somebody_who_has_opted_out_is_answered_and_the_page_says_phone_them() -> None:
    built = says(night(ends="2026-03-04 02:40"), "2026-03-03 12:00", "STOP", opt_out_type="STOP")
    lines = heard(says(built, NIGHT, DANGER))
    assert replies(lines) == ["reply_crisis"]
    assert all("phone them" in line["body"] for line in lines.sent("page"))
    assert pages(lines) == ["02:30", "02:35"]


# whose phone, what they write, and the language of the answer
PEOPLE: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "paused": ({"status": "paused"}, DANGER, "en"),
    "left": ({"status": "left"}, DANGER, "en"),
    "deceased": ({"status": "deceased"}, DANGER, "en"),
    "no_consent": ({"consent": {}}, DANGER, "en"),
    "spanish": ({"language": "es"}, "me quiero morir", "es"),
    "spanish_in_english": ({"language": "es"}, DANGER, "es"),
    "english_in_spanish": ({"language": "en"}, "me quiero morir", "es"),
    "nobody_in_english": (None, "I want to die", "en"),
    "nobody_in_spanish": (None, "ya no quiero vivir", "es"),
    "nobody_with_accents": (None, "ME QUIERO MATÁR", "es"),
}
WHEN = {name: f"{2 + at // 30:02}:{2 * (at % 30):02}" for at, name in enumerate(PEOPLE)}


@pytest.fixture(scope="module")
def everybody() -> Lines:
    """One after another, every two minutes from 02:00, each taken by ACK a minute later."""
    built = course(ends="2026-03-04 02:40", clinic={"on_call": [DANA]})
    for at, (name, (keys, text, _)) in enumerate(PEOPLE.items()):
        phone = f"+1310555{4000 + at}"
        if keys is not None:
            built.patient(name, phone=phone, **keys)
        says(built, f"2026-03-04 {WHEN[name]}", text, phone)
        says(built, f"2026-03-04 02:{2 * at + 1:02}", "ACK", DANA["phone"])
    return heard(built)


@pytest.mark.parametrize("name", PEOPLE)
def test_everybody_is_answered_and_somebody_woken_whoever_they_are(everybody: Lines, name: str) -> None:
    keys, text, language = PEOPLE[name]
    (reply,) = [
        line for line in everybody.sent("reply_crisis") if line["to"] == f"+1310555{4000 + list(PEOPLE).index(name)}"
    ]
    assert (shown(reply)[11:], reply["language"]) == (WHEN[name], language)
    assert ("oprima 2" in reply["body"]) == (language == "es")
    received = next(line for line in everybody.events("received") if shown(line)[11:] == WHEN[name])
    assert (received["body"], received.get("patient")) == (text, name if keys is not None else None)
    (task,) = [task for task in everybody.events("task") if shown(task)[11:] == WHEN[name]]
    assert (task["kind"], task.get("patient")) == ("crisis", name if keys is not None else None)


def test_each_of_them_wakes_once_since_each_is_taken(everybody: Lines) -> None:
    assert pages(everybody) == list(WHEN.values())
    assert len(everybody.events("acknowledged")) == len(PEOPLE)


def test_a_shared_phone_is_answered_once_and_one_task_is_open() -> None:
    built = night(ends="2026-03-04 02:32").patient("p2", first_name="Luis", phone=ANA)
    lines = heard(says(built, NIGHT, DANGER))
    assert replies(lines) == ["reply_crisis"]
    assert lines.tasks() == ["crisis"]
    assert pages(lines) == ["02:30"]


def test_danger_beside_an_answer_to_a_check_in_is_danger_and_an_answer() -> None:
    built = course(ends="2026-03-07 12:05", clinic={"on_call": [DANA]})
    built.visit("s1", "2026-03-06 10:00").does("2026-03-06 11:15", "discharge", "s1")
    lines = heard(says(built, "2026-03-07 12:00", "1, I have pills here and I will take them all"))
    assert replies(lines) == ["reply_crisis"]
    assert [kind for kind in lines.tasks() if kind in ("crisis", "low_mood")] == ["crisis", "low_mood"]
    assert lines.events("received")[0]["score"] == 1


def test_danger_with_a_stop_is_answered_and_ends_the_texts() -> None:
    built = says(night(ends="2026-03-05 12:00"), "2026-03-03 12:00", "STOP texting me, I am going to end my life")
    lines = heard(acknowledged(built, "2026-03-03 12:01"))
    assert replies(lines) == ["reply_crisis"]
    assert lines.after("2026-03-03 12:01").sent("booked") == []


# --- twice ---------------------------------------------------------------------------------------------------


def test_two_crises_of_one_patient_are_both_answered_and_taken_together() -> None:
    built = says(night(ends="2026-03-04 03:10"), NIGHT, DANGER)
    says(built, "2026-03-04 02:32", "please, I took all the pills")
    lines = heard(acknowledged(built, "2026-03-04 02:34"))
    assert replies(lines) == ["reply_crisis", "reply_crisis"]
    assert pages(lines) == ["02:30", "02:32"]


def test_after_one_was_taken_another_wakes_again() -> None:
    built = acknowledged(says(night(ends="2026-03-04 03:06"), NIGHT, DANGER), "2026-03-04 02:34")
    lines = heard(says(built, "2026-03-04 03:00", "I can't do this, goodbye, I will kill myself"))
    assert pages(lines) == ["02:30", "03:00", "03:05"]


def test_two_patients_in_danger_are_two_tasks() -> None:
    built = night(ends="2026-03-04 02:36").patient("p2")
    says(built, NIGHT, DANGER)
    says(built, NIGHT, DANGER, built.patients["p2"]["phone"])
    lines = heard(acknowledged(built, "2026-03-04 02:31", "p2"))
    assert pages(lines) == ["02:30", "02:30", "02:35"]
    assert len({line["body"].rpartition("ACK ")[2] for line in lines.sent("page") if line["channel"] == "sms"}) == 2


def test_the_same_message_delivered_again_wakes_nobody_again() -> None:
    built = says(night(ends="2026-03-04 02:34"), NIGHT, DANGER, sid="SM1")
    lines = heard(says(built, "2026-03-04 02:31", DANGER, sid="SM1"))
    assert replies(lines) == ["reply_crisis"]
    assert lines.tasks() == ["crisis"]
    assert pages(lines) == ["02:30"]


def test_a_phone_that_never_stops_is_answered_often_but_not_for_ever_and_wakes_each_time() -> None:
    built = night(ends="2026-03-04 02:31")
    for second in range(14):
        built.events.append(
            {"at": f"2026-03-04T02:30:{second:02}-08:00", "do": "reply", "from": ANA, "text": f"{DANGER} {second}"}
        )
    lines = heard(built)
    assert len(replies(lines)) == 12
    assert len([task for task in lines.tasks() if task == "crisis"]) == 14


# --- trouble -------------------------------------------------------------------------------------------------


def test_with_nobody_on_call_the_task_is_there_and_the_patient_is_answered() -> None:
    lines = heard(says(night([], ends="2026-03-04 03:31"), NIGHT, DANGER))
    assert replies(lines) == ["reply_crisis"]
    assert lines.tasks() == ["crisis"]
    assert lines.events("page") == []


OUTCOMES = {
    "20429": ["02:31", "02:35"],
    "21610": ["02:31", "02:35"],
    "20003": ["02:31", "02:35"],
    "throttled": ["02:31", "02:35"],
    "timeout_lost": ["02:31", "02:35"],
    "30007": ["02:30", "02:35"],  # accepted, and failed later: the next page is due soon anyway
}


@pytest.fixture(scope="module")
def troubled() -> Lines:
    """Night after night the first page meets some trouble; nobody takes it for six minutes."""
    built = night([{"name": "Dana Reyes", "phone": DANA["phone"]}], ends="2026-03-16 04:00")
    for day, outcome in enumerate(OUTCOMES, 9):
        built.does(f"2026-03-{day:02} 02:29", "provider", to=DANA["phone"], outcome=outcome)
        acknowledged(says(built, f"2026-03-{day:02} 02:30", DANGER), f"2026-03-{day:02} 02:36")
    return heard(built)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_page_that_the_provider_does_not_take_goes_again_within_a_minute(troubled: Lines, outcome: str) -> None:
    day = f"2026-03-{9 + list(OUTCOMES).index(outcome):02}"
    assert [shown(page)[11:] for page in troubled.sent("page") if shown(page)[:10] == day] == OUTCOMES[outcome]


def test_while_nobody_can_be_paged_the_next_on_the_list_is_woken_at_once() -> None:
    built = night([{"name": "Dana Reyes", "phone": DANA["phone"]}, LEE, SAM], ends="2026-03-04 02:36")
    built.does("2026-03-04 02:29", "provider", to=DANA["phone"], outcome="21610", times=99)
    lines = heard(says(built, NIGHT, DANGER))
    assert pages(lines) == []
    assert pages(lines, LEE["phone"]) == ["02:30", "02:35"]
    assert pages(lines, SAM["phone"]) == []


def test_while_the_provider_takes_no_page_at_all_it_is_tried_every_minute() -> None:
    built = night([{"name": "Dana Reyes", "phone": DANA["phone"]}], ends="2026-03-04 02:50")
    built.does("2026-03-04 02:29", "provider", to=DANA["phone"], outcome="20003", times=8)
    lines = Lines(rehearse(parse(json.dumps(says(built, NIGHT, DANGER).scenario()).encode())))
    assert pages(lines) == ["02:38", "02:39", "02:45"]


def test_a_function_that_dies_after_a_page_pages_again_within_a_minute() -> None:
    built = says(night(ends="2026-03-04 02:36"), NIGHT, DANGER).does("2026-03-04 02:29", "crash", after="send")
    assert [shown(line)[11:] for line in heard(built).sent("page") if line["channel"] == "sms"] == [
        "02:30",
        "02:31",
        "02:35",
    ]


# --- killed in the middle ------------------------------------------------------------------------------------


class Dying:
    """A Store that dies at one method the first time; everything else passes to the real one."""

    def __init__(self, store: Any, method: str) -> None:
        self._store, self._method = store, method

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._store, name)
        self._method = ""

        def die(*_given: object, **_named: object) -> None:
            raise Killed(name)

        return die


@pytest.mark.parametrize("method", ["clinic", "open_task", "settle_inbound"])
def test_killed_after_the_words_were_kept_somebody_is_still_woken_within_a_minute(method: str) -> None:
    start = datetime.fromisoformat("2026-03-04T02:29:30").replace(tzinfo=ZoneInfo(LOS_ANGELES))
    told: list[str] = []
    clinic = with_(SAMPLE_CLINIC, on_call=(OnCall(name="Dana Reyes", phone=DANA["phone"]),))
    with Stage(start, lambda event, _facts: told.append(event)) as stage:
        stage.store.put_clinic(clinic)
        stage.store.put_patient(a_patient())
        house = wiring.current()
        wiring.use(replace(house, store=cast(Store, Dying(house.store, method))))
        with pytest.raises(Killed):
            stage.reply(clinic, ANA, DANGER)
        assert stage.sandbox.log == []
        stage.run(start.replace(minute=31, second=0))
        texts = {text.to: text.body for text in stage.sandbox.log}
        (task,) = stage.store.open_tasks("harbor")
    assert "988" in texts[ANA]
    assert "URGENT" in texts[DANA["phone"]]
    assert task.patient_id == "p1"
    assert told.count("page") == 1
