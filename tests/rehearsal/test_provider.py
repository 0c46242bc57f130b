"""Everything a provider can answer to a day-before text at four in the afternoon, with and without another channel."""

from dataclasses import dataclass

import pytest

from tests.rehearsal.course import Lines, course

BOTH = {"sms": True, "email": True}


@dataclass(frozen=True)
class Fate:
    """What becomes of a text: when the provider takes it, why it is given up, and what a person must do about it.

    `alone` when there is only the phone, `also` when email may be tried; `by` is how the next text goes.
    """

    times: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    by: str | None = "sms"
    alarm: bool = False


REFUSED, ONCE = ("provider_refused",), ("16:00",)
CALL, FIX = ("call_patient",), ("undeliverable",)
FATES = {
    "delivered": Fate(ONCE),
    "20003": Fate((), REFUSED, FIX, alarm=True),
    "20429": Fate(("16:01",)),
    "throttled": Fate(("16:01",)),
    "21211": Fate((), REFUSED, FIX, FIX, by="email"),
    "21408": Fate((), REFUSED, FIX, alarm=True),
    "21610": Fate((), ("opted_out",), CALL, by="email"),
    "21611": Fate(("16:01",)),
    "21614": Fate((), REFUSED, FIX, FIX, by="email"),
    "14107": Fate((), REFUSED, FIX),
    "timeout_accepted": Fate(ONCE),
    "timeout_lost": Fate(("16:02",)),
    "30001": Fate(("16:00", "16:02")),
    "30002": Fate(ONCE, (), FIX, alarm=True),
    "30003": Fate(("16:00", "16:46")),
    "30004": Fate(ONCE, (), CALL, by="email"),
    "30005": Fate(ONCE, (), FIX, FIX, by="email"),
    "30006": Fate(ONCE, (), FIX, FIX, by="email"),
    "30007": Fate(ONCE, (), FIX, alarm=True),
    "30008": Fate(("16:00", "16:03")),
    "30022": Fate(("16:00", "16:02")),
    "30034": Fate(ONCE, (), FIX, alarm=True),
    "30941": Fate(ONCE, (), FIX, alarm=True),
}
AT_CREATE = ("20003", "20429", "21211", "21408", "21610", "21611", "21614", "14107")


def afternoon(outcomes: list[str], consent: dict[str, bool]) -> Lines:
    """One patient for each outcome; the visit is at noon on the day after, so that the same-day text comes at nine."""
    built = course(starts="2026-03-04 15:30", ends="2026-03-05 11:00")
    for outcome in outcomes:
        built.patient(outcome, consent=consent).visit(f"v.{outcome}", "2026-03-05 12:00", outcome)
        built.meets("2026-03-04 15:59", outcome, outcome)
    return built.rehearsed()


@pytest.fixture(scope="module")
def alone() -> dict[str, Lines]:
    return met({"sms": True})


@pytest.fixture(scope="module")
def also() -> dict[str, Lines]:
    return met(BOTH)


def met(consent: dict[str, bool]) -> dict[str, Lines]:
    """Eight patients at a time: what a rehearsal costs grows faster than they do.

    Each fault of the sender alarms the operator, once.
    """
    outcomes = list(FATES)
    found: dict[str, Lines] = {}
    for first in range(0, len(outcomes), 8):
        some = outcomes[first : first + 8]
        lines = afternoon(some, consent)
        found.update({outcome: lines.of(outcome) for outcome in some})
        alarms = [task for task in lines.tasks() if task == "operator"]  # they name no patient
        assert len(alarms) == sum(FATES[outcome].alarm for outcome in some)
    return found


def first_text(lines: Lines) -> Lines:
    """What was said of the text that met the outcome."""
    return Lines([line for line in lines.all if line.get("step") == "day_before"])


@pytest.mark.parametrize("outcome", FATES)
def test_a_text_with_no_other_channel(alone: dict[str, Lines], outcome: str) -> None:
    fate, lines = FATES[outcome], first_text(alone[outcome])
    assert tuple(time[11:] for time in lines.times()) == fate.times
    assert tuple(lines.reasons("day_before")) == fate.reason
    assert tuple(lines.tasks()) == fate.alone


@pytest.mark.parametrize("outcome", FATES)
def test_a_text_that_may_go_by_email_too(also: dict[str, Lines], outcome: str) -> None:
    fate, lines = FATES[outcome], first_text(also[outcome])
    by_text = [line for line in lines.sent() if line["channel"] == "sms"]
    by_email = [line for line in lines.sent() if line["channel"] == "email"]
    assert len(by_text) == len(fate.times)
    assert len(by_email) == (1 if fate.alone else 0)
    assert tuple(lines.reasons("day_before")) == fate.reason
    assert tuple(lines.tasks()) == fate.also


@pytest.mark.parametrize("outcome", [outcome for outcome in FATES if FATES[outcome].alone])
def test_the_other_channel_follows_within_minutes(also: dict[str, Lines], outcome: str) -> None:
    (email,) = [line for line in also[outcome].sent("day_before") if line["channel"] == "email"]
    assert Lines([email]).times()[0] <= "2026-03-04 16:02"


@pytest.mark.parametrize("outcome", FATES)
def test_how_the_next_text_goes(alone: dict[str, Lines], also: dict[str, Lines], outcome: str) -> None:
    by = FATES[outcome].by
    assert also[outcome].the("same_day")["channel"] == by
    if by == "sms":
        assert alone[outcome].the("same_day")["channel"] == "sms"
    else:
        lost = "opted_out" if FATES[outcome].alone == CALL else "no_address"
        assert alone[outcome].reasons("same_day") == [lost]


@pytest.mark.parametrize("outcome", [code for code in FATES if code.isdecimal()])
def test_a_code_comes_at_create_or_in_the_receipt(alone: dict[str, Lines], outcome: str) -> None:
    receipts = alone[outcome].receipts("day_before")
    failed = [code for status, code in receipts if status in ("failed", "undelivered")]
    assert failed == ([] if outcome in AT_CREATE else [outcome])


@pytest.fixture(scope="module")
def stubborn() -> Lines:
    """Trouble that does not pass, and trouble with email."""
    built = course(starts="2026-03-04 15:30", ends="2026-03-05 11:00")
    for patient in ("dead_twice", "dead_twice_both", "all_dead", "unwanted", "busy", "swallowed", "lost", "full"):
        only = {"email": True} if patient in ("unwanted", "busy", "swallowed", "lost") else {"sms": True}
        built.patient(patient, consent=BOTH if patient in ("dead_twice_both", "all_dead") else only)
        built.visit(f"v.{patient}", "2026-03-05 12:00", patient)
    built.meets("2026-03-04 15:59", "dead_twice", "30003", 2)
    built.meets("2026-03-04 15:59", "dead_twice_both", "30003", 2)
    built.meets("2026-03-04 15:59", "all_dead", "21211")
    built.meets("2026-03-04 15:59", "all_dead", "bounced", channel="email")
    built.meets("2026-03-04 15:59", "unwanted", "complained", channel="email")
    built.meets("2026-03-04 15:59", "busy", "throttled", channel="email")
    built.meets("2026-03-04 15:59", "swallowed", "timeout_accepted", channel="email")
    built.meets("2026-03-04 15:59", "lost", "timeout_lost", channel="email")
    built.meets("2026-03-04 15:59", "full", "20429", 8)
    return built.rehearsed()


def test_a_handset_twice_unreachable_is_a_task(stubborn: Lines) -> None:
    lines = first_text(stubborn.of("dead_twice"))
    assert [time[11:] for time in lines.times()] == ["16:00", "16:46"]
    assert lines.tasks() == ["undeliverable"]


def test_a_handset_twice_unreachable_goes_by_email_and_nobody_need_call(stubborn: Lines) -> None:
    lines = first_text(stubborn.of("dead_twice_both"))
    assert [line["channel"] for line in lines.sent()] == ["sms", "sms", "email"]
    assert lines.tasks() == []


def test_when_neither_channel_reaches_anybody_there_is_one_task(stubborn: Lines) -> None:
    lines = first_text(stubborn.of("all_dead"))
    assert [line["channel"] for line in lines.sent()] == ["email"]
    assert lines.tasks() == ["undeliverable"]
    assert stubborn.of("all_dead").reasons("same_day") == ["no_address"]


def test_a_complaint_is_an_opt_out_and_what_mattered_was_read(stubborn: Lines) -> None:
    lines = stubborn.of("unwanted")
    assert ("complained", "complained") in lines.receipts("day_before")
    assert len(lines.sent("day_before")) == 1
    assert lines.reasons("same_day") == ["opted_out"]


def test_a_busy_mail_provider_is_tried_again(stubborn: Lines) -> None:
    assert stubborn.of("busy").times("day_before") == ["2026-03-04 16:01"]


def test_an_email_taken_without_an_answer_is_not_sent_twice(stubborn: Lines) -> None:
    lines = stubborn.of("swallowed")
    assert len(lines.sent("day_before")) == 1
    assert lines.tasks("in_doubt") == []


def test_an_email_in_doubt_is_a_task_while_a_call_still_helps(stubborn: Lines) -> None:
    (opened,) = [line for line in stubborn.of("lost").events("task") if line["kind"] == "in_doubt"]
    assert Lines([opened]).after("2026-03-04 20:00").all == []


def test_a_full_queue_is_tried_with_longer_and_longer_waits_while_of_use(stubborn: Lines) -> None:
    lines = stubborn.of("full")
    (at,) = lines.times("day_before")
    assert "2026-03-04 17:00" < at < "2026-03-04 18:00"
    assert lines.reasons("day_before") == []
