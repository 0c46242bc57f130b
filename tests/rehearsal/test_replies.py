"""What patients write, and what follows: stopping, rides, confirmations, coming home, check-ins, and doubt.

Many patients share a rehearsal, each with a visit and a phone of their own.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import pytest

from tests.rehearsal.conversation import ANA, DANA, heard, replies, says
from tests.rehearsal.course import Course, Lines, course, shown

Said = list[tuple[str, str]]  # when, on the clinic's wall, and what


def opened(lines: Lines, kind: str) -> list[str]:
    """When tasks of a kind were opened, on the clinic's wall."""
    return [shown(line) for line in lines.events("task") if line["kind"] == kind]


def at(lines: Lines, time: str) -> Lines:
    """What happened in one minute of the clinic's wall."""
    return Lines([line for line in lines.all if shown(line) == time], lines.zone)


def phone(name: str) -> str:
    """A number of their own for everybody."""
    return f"+1310{crc32(name.encode()) % 10_000_000:07}"


def village(built: Course, cases: dict[str, Said], start: str, keys: dict[str, dict[str, Any]]) -> Course:
    """Everybody comes at the same time; `keys` say what is special about whom."""
    assert len({phone(name) for name in cases}) == len(cases)
    for name, said in cases.items():
        special = dict(keys.get(name, {}))
        twilio = special.pop("twilio", False)
        built.patient(name, phone=phone(name), **special).visit(f"v.{name}", start, name)
        for when, text in said:
            says(built, when, text, phone(name), **({"opt_out_type": text} if twilio else {}))
    return built


# --- before a visit ------------------------------------------------------------------------------------------

NOON, LATER, LAST_DAY = "2026-03-04 12:00", "2026-03-04 12:10", "2026-03-05 12:00"
STOPS = {
    "stop": "STOP",
    "stop_polite": "Please stop texting me, thank you",
    "stop_law": "I revoke my consent",
    "stop_spanish": "no me manden más mensajes por favor",
    "stop_typo": "Stpo",
}
RIDES = {"ride": "RIDE Jo", "ride_colon": "Ride: my sister Jo", "ride_sentence": "my sister Jo is driving me"}
NO_RIDES = {
    "noride": "NORIDE",
    "noride_words": "I have nobody to drive me",
    "noride_spanish": "no tengo quien me lleve",
}
CONFIRMS = {"c": "  c. ", "c_thumb": "C 👍", "c_spanish": "sí, confirmo"}
BEFORE: dict[str, Said] = {
    **{name: [(NOON, text), (LATER, text)] for name, text in STOPS.items()},
    **{name: [(NOON, text)] for name, text in (RIDES | NO_RIDES | CONFIRMS).items()},
    "silent": [],
    "twilio_stop": [(NOON, "STOP")],
    "twilio_start": [(NOON, "STOP"), (LATER, "START")],
    "start": [(NOON, "STOP"), (LATER, "START")],
    "email": [(NOON, "STOP")],
    "wrong": [(NOON, "wrong number")],
    "ride_late": [(LAST_DAY, "RIDE Jo")],
    "noride_twice": [(NOON, "NORIDE"), (LATER, "NORIDE")],
    "ride_lost": [(NOON, "RIDE Jo"), (LAST_DAY, "NORIDE")],
    "ride_found": [(NOON, "NORIDE"), (LATER, "RIDE Jo")],
    "c_with_ride": [(NOON, "RIDE Jo"), (LATER, "C")],
    "r_twice": [(NOON, "R"), (LATER, "R")],
    "r_moved": [(NOON, "R"), (LAST_DAY, "R")],
    "ride_moved": [("2026-03-03 12:00", "RIDE Jo")],
    "tapback": [(NOON, "Loved “Harbor Clinic: Reply RIDE and a name. Call or text 988. Reply STOP to end texts.”")],
}
BEFORE_KEYS: dict[str, dict[str, Any]] = {
    "stop_spanish": {"language": "es"},
    "twilio_stop": {"twilio": True},
    "twilio_start": {"twilio": True},
    "email": {"consent": {"sms": True, "email": True}},
}


@pytest.fixture(scope="module")
def before() -> Lines:
    """Visits on Friday at ten, booked on Monday, asked about from Tuesday on."""
    built = course(ends="2026-03-05 16:30", clinic={"on_call": [DANA]})
    village(built, BEFORE, "2026-03-06 10:00", BEFORE_KEYS)
    built.does("2026-03-04 17:00", "move", "v.r_moved", to="2026-03-09 10:00")
    built.does("2026-03-04 09:00", "move", "v.ride_moved", to="2026-03-06 15:00")
    return heard(built)


@pytest.mark.parametrize("name", [*STOPS, "twilio_stop"])
def test_after_a_stop_no_routine_text_goes_out(before: Lines, name: str) -> None:
    assert [line["step"] for line in before.of(name).sent() if not line.get("reply")] == [
        "booked",
        "prepare",
        "welcome",
    ]
    assert before.of(name).after(NOON).reasons("day_before") == ["opted_out"]


@pytest.mark.parametrize("name", STOPS)
def test_a_stop_is_confirmed_once(before: Lines, name: str) -> None:
    assert replies(before, phone(name)) == ["reply_opt_out"]
    (confirmation,) = before.of(name).sent("reply_opt_out")
    assert shown(confirmation) == NOON
    assert confirmation["language"] == ("es" if "spanish" in name else "en")


def test_a_stop_that_twilio_has_confirmed_is_not_confirmed_again(before: Lines) -> None:
    assert replies(before, phone("twilio_stop")) == []


@pytest.mark.parametrize("name", [*STOPS, "twilio_stop"])
def test_after_a_stop_a_safety_step_is_one_call(before: Lines, name: str) -> None:
    assert before.of(name).tasks("call_patient") == ["day_before"]
    assert before.of(name).tasks("review_reply") == []


@pytest.mark.parametrize(("name", "answered"), [("start", ["reply_opt_out", "reply_opt_in"]), ("twilio_start", [])])
def test_start_resumes_what_is_still_to_come(before: Lines, name: str, answered: list[str]) -> None:
    assert replies(before, phone(name)) == answered
    assert before.of(name).times("day_before") == ["2026-03-05 16:00"]
    assert before.of(name).tasks("call_patient") == []


def test_a_stop_by_text_leaves_email_alone(before: Lines) -> None:
    later = before.of("email").after(LATER).sent()
    assert [line["step"] for line in later if line["channel"] == "email"] == ["day_before"]
    assert len(later) == 1


def test_a_wrong_number_is_left_alone_and_a_person_finds_the_right_one(before: Lines) -> None:
    lines = before.of("wrong")
    assert replies(lines, phone("wrong")) == ["reply_wrong_number"]
    assert opened(lines, "review_reply") == [NOON]
    assert lines.after(LATER).sent() == []
    assert lines.tasks("call_patient") == ["day_before"]


@pytest.mark.parametrize("name", RIDES)
def test_a_confirmed_ride_ends_the_nagging(before: Lines, name: str) -> None:
    lines = before.of(name)
    assert replies(lines, phone(name)) == ["reply_ride"]
    assert "Jo will take you home" in lines.the("reply_ride")["body"]
    assert lines.tasks() == []
    assert "RIDE" not in lines.the("day_before")["body"]


def test_without_an_answer_the_nagging_goes_on(before: Lines) -> None:
    assert opened(before.of("silent"), "ride_unknown") == ["2026-03-05 10:00"]
    assert "RIDE" in before.of("silent").the("day_before")["body"]


def test_a_ride_on_the_last_day_ends_it_too(before: Lines) -> None:
    lines = before.of("ride_late")
    assert opened(lines, "ride_unknown") == ["2026-03-05 10:00"]
    assert "RIDE" not in lines.the("day_before")["body"]


@pytest.mark.parametrize("name", NO_RIDES)
def test_no_ride_is_a_task_at_once(before: Lines, name: str) -> None:
    lines = before.of(name)
    assert replies(lines, phone(name)) == ["reply_no_ride"]
    assert opened(lines, "no_ride") == [NOON]
    assert lines.tasks("ride_unknown") == []


def test_no_ride_said_twice_is_one_task(before: Lines) -> None:
    assert opened(before.of("noride_twice"), "no_ride") == [NOON]
    assert replies(before, phone("noride_twice")) == ["reply_no_ride"] * 2


def test_a_ride_lost_again_is_a_task(before: Lines) -> None:
    assert opened(before.of("ride_lost"), "no_ride") == [LAST_DAY]
    assert before.of("ride_lost").tasks("ride_unknown") == []


def test_a_ride_found_after_all_ends_the_nagging(before: Lines) -> None:
    lines = before.of("ride_found")
    assert lines.tasks() == ["no_ride"]
    assert "RIDE" not in lines.the("day_before")["body"]


def test_a_move_asks_for_the_ride_anew(before: Lines) -> None:
    lines = before.of("ride_moved")
    assert "RIDE" in lines.the("day_before")["body"]
    assert opened(lines, "ride_unknown") == ["2026-03-05 15:00"]


@pytest.mark.parametrize("name", CONFIRMS)
def test_c_confirms(before: Lines, name: str) -> None:
    lines = before.of(name)
    assert replies(lines, phone(name)) == ["reply_confirm"]
    assert "Fri Mar 6 at 10:00 AM" in lines.the("reply_confirm")["body"]
    assert "still need your ride" in lines.the("reply_confirm")["body"]
    assert lines.tasks("review_reply") == []


def test_c_with_a_ride_named_asks_for_nothing_more(before: Lines) -> None:
    assert "RIDE" not in before.of("c_with_ride").the("reply_confirm")["body"]


def test_r_is_one_task_and_the_visit_stays(before: Lines) -> None:
    lines = before.of("r_twice")
    assert opened(lines, "reschedule") == [NOON]
    assert replies(lines, phone("r_twice")) == ["reply_reschedule"] * 2
    assert lines.times("day_before") == ["2026-03-05 16:00"]


def test_r_after_a_move_is_a_task_again(before: Lines) -> None:
    assert opened(before.of("r_moved"), "reschedule") == [NOON, LAST_DAY]


def test_a_tapback_is_read_by_a_person_and_is_not_an_answer_whatever_it_quotes(before: Lines) -> None:
    lines = before.of("tapback")
    assert opened(lines, "review_reply") == [NOON]
    assert lines.tasks("crisis") == []
    assert lines.times("day_before") == ["2026-03-05 16:00"]


# --- nobody's, and nothing in particular ---------------------------------------------------------------------

UNASKED = ("C", "R", "RIDE Jo", "NORIDE", "HOME", "LESS", "7", "YES", "START", "👍", "", "Kann ich später kommen?")
MACHINE = "I am driving and will see your message later"


@pytest.fixture(scope="module")
def strangers() -> Lines:
    """Twelve texts from numbers that nobody has, one from each; then a machine, and a lively patient."""
    built = course(starts="2026-03-04 08:00", ends="2026-03-04 14:00", clinic={"on_call": [DANA]})
    for number, text in enumerate(UNASKED):
        says(built, f"2026-03-04 12:{number:02}", text, f"+1310555{number:04}")
    says(built, "2026-03-04 12:20", "too long, " * 2_048, "+13105550020")
    built.patient("machine", phone="+13105550030").patient("lively", phone="+13105550040")
    for minute in range(12):
        says(built, f"2026-03-04 12:{30 + minute}", MACHINE, "+13105550030")
        says(built, f"2026-03-04 12:{30 + minute}", f"can I bring {minute} of my dogs?", "+13105550040")
    says(built, "2026-03-04 13:45", "HELP", "+13105550040")
    for minute in (50, 51):
        says(built, f"2026-03-04 13:{minute}", "NORIDE", "+13105550050", sid="SM-twice")
    return heard(built)


@pytest.mark.parametrize("text", UNASKED)
def test_whatever_fits_nothing_is_kept_and_read_by_the_person_it_was_promised_to(strangers: Lines, text: str) -> None:
    lines = at(strangers, f"2026-03-04 12:{UNASKED.index(text):02}")
    (received,) = lines.events("received")
    assert (received["body"], received.get("patient")) == (text, None)
    assert lines.steps() == ["reply_unclear"]
    (task,) = lines.events("task")
    assert (task["kind"], task.get("patient")) == ("review_reply", None)


def test_20_kb_are_kept_and_read_by_a_person(strangers: Lines) -> None:
    lines = at(strangers, "2026-03-04 12:20")
    assert len(lines.events("received")[0]["body"]) == 20_480
    assert lines.tasks() == ["review_reply"]


def test_two_machines_that_talk_to_each_other_come_to_an_end_and_every_word_is_kept(strangers: Lines) -> None:
    assert len(replies(strangers, "+13105550030")) == 6
    assert len(strangers.of("machine").events("received")) == 12
    assert len(opened(strangers.of("machine"), "review_reply")) == 12


def test_after_an_hour_a_phone_is_answered_again(strangers: Lines) -> None:
    assert replies(strangers, "+13105550040") == ["reply_unclear"] * 6 + ["reply_help"]


def test_a_message_delivered_twice_has_one_effect(strangers: Lines) -> None:
    assert at(strangers, "2026-03-04 13:50").tasks() == ["review_reply"]
    assert at(strangers, "2026-03-04 13:51").all == []


# --- on the way home, and the day after ----------------------------------------------------------------------

AWAKE = "2026-03-07 12:00"
SCORES: dict[str, tuple[str, int, list[str]]] = {
    "zero": ("0", 0, ["low_mood"]),
    "floor": ("2", 2, ["low_mood"]),
    "above": ("3", 3, []),
    "article": ("a 7", 7, []),
    "spelled": ("siete", 7, []),
    "more": ("7 but I cannot sleep", 7, ["review_reply"]),
    "low_and_more": ("1 everything is pointless", 1, ["low_mood", "review_reply"]),
}
NOT_HOME = {"nothome": "not home yet", "clinic": "still at the clinic", "sick": "I feel sick"}
UNCLEAR = {"eleven": "11", "either": "7 or 8", "soso": "so so", "half": "3.5"}
AFTER: dict[str, Said] = {
    **{name: [(AWAKE, text)] for name, (text, _, _) in SCORES.items()},
    **{name: [("2026-03-06 14:30", text)] for name, text in NOT_HOME.items()},
    **{name: [(AWAKE, text), ("2026-03-07 12:05", text)] for name, text in UNCLEAR.items()},
    "home": [("2026-03-06 15:00", "HOME")],
    "home_early": [("2026-03-06 12:30", "Home")],
    "home_late": [("2026-03-06 17:00", "home safe, thanks")],
    "unasked": [("2026-03-06 18:00", "7")],
    "corrected": [(AWAKE, "7"), ("2026-03-07 12:01", "8")],
    "second_try": [(AWAKE, "eleventy"), ("2026-03-07 12:05", "6")],
    "stop_low": [(AWAKE, "1"), ("2026-03-07 13:00", "STOP")],
    "help_low": [(AWAKE, "1"), ("2026-03-07 13:00", "HELP")],
    "stop_well": [(AWAKE, "8"), ("2026-03-07 13:00", "STOP")],
    "help_well": [(AWAKE, "8"), ("2026-03-07 13:00", "HELP")],
    "castellano": [("2026-03-06 15:00", "ya llegué a casa"), (AWAKE, "siete"), ("2026-03-07 13:00", "¿puedo manejar?")],
}


@pytest.fixture(scope="module")
def after() -> Lines:
    """Everybody came at ten and goes home at a quarter past eleven; asked at 14:15, and about their mood next day."""
    built = course(starts="2026-03-06 11:00", ends="2026-03-07 14:00", clinic={"on_call": [DANA]})
    village(built, AFTER, "2026-03-06 10:00", {"castellano": {"language": "es"}})
    for name in AFTER:
        built.does("2026-03-06 11:15", "discharge", f"v.{name}")
    return heard(built)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_echoed_and_what_worries_is_a_task(after: Lines, name: str) -> None:
    _, score, tasks = SCORES[name]
    lines = at(after.of(name), AWAKE)
    (reply,) = lines.sent()
    assert (reply["step"], reply["to"]) == ("reply_score", phone(name))
    assert f"We wrote down {score}." in reply["body"]
    assert lines.events("received")[0]["score"] == score
    assert sorted(lines.tasks()) == tasks


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_unclear_answer_is_asked_for_once_more_and_then_a_person_reads(after: Lines, name: str) -> None:
    assert replies(after, phone(name)) == ["reply_score_again", "reply_unclear"]
    assert opened(after.of(name), "review_reply")[-1] == "2026-03-07 12:05"


def test_a_clear_answer_to_the_second_asking_counts(after: Lines) -> None:
    assert replies(after, phone("second_try")) == ["reply_score_again", "reply_score"]


def test_a_wrong_score_is_put_right_with_the_right_one(after: Lines) -> None:
    bodies = [line["body"] for line in after.of("corrected").sent("reply_score")]
    assert [body.partition("down ")[2][0] for body in bodies] == ["7", "8"]
    assert after.of("corrected").after(AWAKE).tasks() == []


def test_a_number_when_nothing_was_asked_is_read_by_a_person(after: Lines) -> None:
    assert replies(after, phone("unasked")) == ["reply_unclear"]
    assert opened(after.of("unasked"), "review_reply") == ["2026-03-06 18:00"]


@pytest.mark.parametrize(("name", "read"), [("stop_low", 1), ("help_low", 1), ("stop_well", 0), ("help_well", 0)])
def test_stop_or_help_after_a_low_mood_is_also_read_by_a_person(after: Lines, name: str, read: int) -> None:
    assert replies(after, phone(name)) == ["reply_score", "reply_opt_out" if "stop" in name else "reply_help"]
    assert opened(after.of(name), "review_reply") == ["2026-03-07 13:00"] * read


def test_home_closes_the_question(after: Lines) -> None:
    lines = after.of("home")
    assert lines.times("home_safe") == ["2026-03-06 14:15"]
    assert replies(lines, phone("home")) == ["reply_home_safe"]
    assert opened(lines, "not_home_safe") == []


def test_home_before_the_question_means_it_is_never_asked(after: Lines) -> None:
    lines = after.of("home_early")
    assert replies(lines, phone("home_early")) == ["reply_home_safe"]
    assert lines.sent("home_safe") == []
    assert lines.reasons("home_safe") == ["already_answered"]
    assert opened(lines, "not_home_safe") == []


def test_home_after_the_task_was_opened_is_understood_too(after: Lines) -> None:
    assert opened(after.of("home_late"), "not_home_safe") == ["2026-03-06 16:15"]
    assert replies(after, phone("home_late")) == ["reply_home_safe"]


@pytest.mark.parametrize("name", NOT_HOME)
def test_anything_else_than_home_is_read_by_a_person_and_ends_nothing(after: Lines, name: str) -> None:
    assert opened(after.of(name), "review_reply") == ["2026-03-06 14:30"]
    assert opened(after.of(name), "not_home_safe") == ["2026-03-06 16:15"]


def test_a_spanish_patient_is_answered_in_spanish(after: Lines) -> None:
    assert {line["language"] for line in after.of("castellano").sent()} == {"es"}
    assert replies(after, phone("castellano")) == ["reply_home_safe", "reply_score", "reply_unclear"]


# --- the week after ------------------------------------------------------------------------------------------

ANSWERS = {"a_score": "7", "a_word": "so so", "less": "LESS", "a_question": "why do you ask?"}
WEEK: dict[str, Said] = {
    **{name: [(AWAKE, text)] for name, text in ANSWERS.items()},
    "quiet": [],
    "fallen": [(AWAKE, "9"), ("2026-03-09 13:00", "5")],
}


@pytest.fixture(scope="module")
def week() -> Lines:
    """Asked on Saturday at 11:15, on Monday and on Friday at 12:15 (the clocks change on Sunday)."""
    built = course(starts="2026-03-06 11:00", ends="2026-03-13 13:00", clinic={"on_call": [DANA]})
    village(built, WEEK, "2026-03-06 10:00", {})
    for name in WEEK:
        built.does("2026-03-06 11:15", "discharge", f"v.{name}")
    return heard(built)


def test_a_sharp_drop_is_low_mood(week: Lines) -> None:
    assert week.of("fallen").times("checkin_72h") == ["2026-03-09 12:15"]
    assert opened(week.of("fallen"), "low_mood") == ["2026-03-09 13:00"]


def test_less_halves_what_is_to_come(week: Lines) -> None:
    assert replies(week, phone("less")) == ["reply_less"]
    assert week.of("less").reasons("checkin_72h") == ["superseded"]
    assert week.of("less").times("checkin_7d") == ["2026-03-13 12:15"]


def test_two_check_ins_without_an_answer_are_a_call(week: Lines) -> None:
    assert opened(week.of("quiet"), "no_answer") == ["2026-03-10 12:15"]


@pytest.mark.parametrize("name", ANSWERS)
def test_any_answer_to_a_check_in_breaks_the_silence(week: Lines, name: str) -> None:
    assert "2026-03-10 12:15" not in opened(week.of(name), "no_answer")


# --- two patients at one phone -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared() -> Lines:
    """Ana and Luis share a phone and come on the same day."""
    built = course(starts="2026-03-04 08:00", ends="2026-03-07 17:00", clinic={"on_call": [DANA]})
    for name, start in {"ana": "10:00", "luis": "13:00"}.items():
        built.patient(name, first_name=name.title(), phone=ANA).visit(f"v.{name}", f"2026-03-06 {start}", name)
        built.does(f"2026-03-06 {int(start[:2]) + 1}:15", "discharge", f"v.{name}")
    for hour, text in enumerate(("C", "RIDE Jo", "NORIDE", "R"), 11):
        says(built, f"2026-03-04 {hour}:30", text)
    says(built, "2026-03-06 17:30", "HOME")
    says(built, "2026-03-07 14:30", "1")
    return heard(says(built, "2026-03-07 16:00", "STOP"))


@pytest.mark.parametrize("hour", [11, 12, 13, 14])
def test_at_a_shared_phone_a_person_finds_out_whose_visit_is_meant(shared: Lines, hour: int) -> None:
    lines = at(shared, f"2026-03-04 {hour}:30")
    assert lines.steps() == ["reply_unclear"]
    assert lines.tasks() == ["review_reply"]


def test_at_a_shared_phone_one_home_is_not_taken_for_both(shared: Lines) -> None:
    assert at(shared, "2026-03-06 17:30").tasks() == ["review_reply"]
    assert len(shared.tasks("not_home_safe")) == 2


def test_at_a_shared_phone_a_score_is_not_guessed_to_be_anybodys(shared: Lines) -> None:
    assert len(shared.times("checkin_24h")) == 2
    assert at(shared, "2026-03-07 14:30").tasks() == ["review_reply"]
    assert shared.tasks("low_mood") == []


def test_a_stop_at_a_shared_phone_is_confirmed_once(shared: Lines) -> None:
    assert at(shared, "2026-03-07 16:00").steps() == ["reply_opt_out"]


def test_a_shared_phone_with_one_visit_to_come_is_understood() -> None:
    built = course(starts="2026-03-05 08:00", ends="2026-03-05 13:00", clinic={"on_call": [DANA]})
    built.patient("ana", phone=ANA).patient("luis", first_name="Luis", phone=ANA)
    built.visit("v.luis", "2026-03-06 13:00", "luis")
    lines = heard(says(built, "2026-03-05 12:00", "RIDE Jo"))
    assert replies(lines) == ["reply_ride"]
    assert lines.events("received")[0]["patient"] == "luis"
