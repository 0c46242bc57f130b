"""Waking somebody: when, whom, by every way there is, and until a named person has taken it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from reminders import messages, paging
from reminders.desk import Desk
from reminders.errors import Unavailable
from reminders.links import Link
from reminders.model import Channel, Clinic, OnCall, Outcome, Outgoing, Result, Task, TaskKind, Urgency
from reminders.ports import PatientRef, Queue, Store
from tests.builders import NOW, a_clinic

REF = PatientRef("harbor", "p1")
MINUTE = timedelta(minutes=1)
DANA = OnCall(name="Dana Reyes", phone="+12135550111", email="dana@harbor.example", tested_at=NOW)
LEE = OnCall(name="Lee Park", phone="+12135550112")
SAM = OnCall(name="Sam Ortiz", phone="+12135550113")
CATALOGUE = messages.load_defaults(Path(__file__).parents[2] / "templates" / "messages")


def a_crisis(**changes: Any) -> Task:
    task = Task(
        id="crisis.p1.SM1",
        clinic_id="harbor",
        kind=TaskKind.CRISIS,
        urgency=Urgency.URGENT,
        opened_at=NOW,
        due_at=NOW,
        patient_id="p1",
        next_due_at=NOW,
    )
    return replace(task, **changes)


@dataclass
class Ward:
    """A clinic, one urgent task, and what went out for it: store, links, senders and topic in one."""

    task_now: Task = field(default_factory=a_crisis)
    on_call: tuple[OnCall, ...] = (DANA, LEE, SAM)
    outcomes: dict[str, Outcome | BaseException] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)
    links_answer: bool = True
    topic_answers: bool = True
    channel: Channel = Channel.SMS

    # --- reminders.ports.Store, as far as paging needs it
    def clinic(self, _clinic_id: str) -> Clinic | None:
        return a_clinic(on_call=self.on_call, sms_from="+12135550199", email_from="visits@harbor.example")

    def task(self, _ref: PatientRef, task_id: str) -> Task | None:
        return self.task_now if task_id == self.task_now.id else None

    def change_task(self, _ref: PatientRef, _task_id: str, change: Callable[[Task], Task]) -> Task:
        self.task_now = change(self.task_now)
        return self.task_now

    # --- the ways out
    def issue(self, links: Sequence[Link]) -> list[str]:
        if not self.links_answer:
            raise Unavailable("the table does not answer")
        return [f"https://r.example/p/token{len(links)}"]

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        outcome = self.outcomes.get(outgoing.to, Outcome(result=Result.ACCEPTED, at=now, ref="SM2"))
        if isinstance(outcome, BaseException):
            raise outcome
        self.sent.append(outgoing)
        return outcome

    def alarm(self, sentence: str) -> None:
        if not self.topic_answers:
            raise RuntimeError("the topic does not answer")
        self.alarms.append(sentence)

    def journal(self, event: str, /, **_facts: object) -> None:
        self.told.append(event)

    # --- what a test asks
    def page(self, now: datetime = NOW, task_id: str | None = None) -> list[str]:
        """Whom one turn wakes, by address."""
        before = len(self.sent)
        desk = Desk(
            store=cast(Store, self),
            queue=cast(Queue, None),
            senders={Channel.SMS: cast(Any, self), Channel.EMAIL: cast(Any, self)},
            cadences={},
            catalogue=CATALOGUE,
            journal=self.journal,
            links=cast(Any, self),
            alarm=self.alarm,
        )
        paging.page(desk, REF, task_id or self.task_now.id, now)
        return [outgoing.to for outgoing in self.sent[before:]]


def refused(code: str = "21610") -> Outcome:
    return Outcome(result=Result.REFUSED, code=code)


# --- when ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(0, 0), (1, 5), (2, 15), (3, 30), (4, 60), (5, 90), (10, 240), (100, 2940)]
)
def test_the_next_page_is_due_by_the_clock_of_the_task(attempt: int, minutes: int) -> None:
    assert paging.next_page_at(a_crisis(attempt=attempt)) == NOW + minutes * MINUTE


@pytest.mark.parametrize(
    ("changes", "wakes"),
    [
        ({}, True),
        ({"undeliverable": True}, True),
        ({"urgency": Urgency.REVIEW}, False),
        ({"taken_by": "Dana Reyes"}, False),
        ({"closed_at": NOW}, False),
    ],
)
def test_only_what_is_urgent_and_nobodys_wakes(changes: dict[str, Any], wakes: bool) -> None:
    assert paging.wakes(a_crisis(**changes)) is wakes
    assert bool(Ward(a_crisis(**changes)).page()) is wakes


@pytest.mark.parametrize("early", [MINUTE, timedelta(seconds=1)])
def test_a_turn_that_comes_too_early_or_twice_wakes_nobody(early: timedelta) -> None:
    assert Ward(a_crisis(next_due_at=NOW + early)).page() == []
    ward = Ward()
    assert ward.page()
    assert ward.page() == []


def test_after_a_page_the_task_is_due_again_when_the_next_is() -> None:
    ward = Ward()
    for attempt, minutes in enumerate((0, 5, 15, 30, 60, 90)):
        assert ward.task_now.next_due_at == NOW + minutes * MINUTE
        assert ward.page(NOW + minutes * MINUTE)
        assert ward.task_now.attempt == attempt + 1


def test_a_task_nobody_paged_for_an_hour_catches_up_turn_by_turn() -> None:
    ward = Ward()
    late = NOW + 60 * MINUTE
    turns = 0
    while ward.page(late):
        turns += 1
    assert turns == 5
    assert ward.task_now.next_due_at == NOW + 90 * MINUTE


def test_an_unknown_task_wakes_nobody() -> None:
    assert Ward().page(task_id="crisis.p1.SM9") == []


# --- whom ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "woken"), [(1, (DANA,)), (2, (DANA, LEE)), (3, (DANA, LEE, SAM)), (9, (DANA, LEE, SAM))]
)
def test_each_time_one_more_of_the_list_is_woken(attempt: int, woken: tuple[OnCall, ...]) -> None:
    assert paging.woken(a_clinic(on_call=(DANA, LEE, SAM)), attempt) == woken


def test_each_is_woken_by_every_way_there_is() -> None:
    ward = Ward()
    assert ward.page() == [DANA.phone, DANA.email]
    assert ward.page(NOW + 5 * MINUTE) == [DANA.phone, DANA.email, LEE.phone]
    assert ward.alarms == [
        "urgent, page 1: https://r.example/p/token1",
        "urgent, page 2: https://r.example/p/token1",
    ]


def test_with_nobody_on_call_the_topic_is_told_on_time() -> None:
    ward = Ward(on_call=())
    for minutes in (0, 5, 15, 30):
        assert ward.page(NOW + minutes * MINUTE) == []
    assert len(ward.alarms) == 4
    assert ward.task_now.next_due_at == NOW + 60 * MINUTE


# --- what it says --------------------------------------------------------------------------------------------


def test_a_page_says_that_it_is_urgent_where_to_take_it_and_how_to_answer() -> None:
    ward = Ward(on_call=(DANA,))
    ward.page()
    text, email = ward.sent
    assert text.message.body == (
        "URGENT from Harbor Clinic, page 1: a patient needs a person now."
        f" Open and take it: https://r.example/p/token1 Or reply ACK {paging.code(a_crisis())}."
    )
    assert (text.sender, email.sender) == ("+12135550199", "visits@harbor.example")
    assert email.message.subject == "Harbor Clinic: urgent, page 1"
    for page in ward.sent:
        assert "p1" not in page.message.body
        assert not page.tags


def test_a_page_says_to_phone_whoever_our_answer_cannot_reach() -> None:
    ward = Ward(a_crisis(undeliverable=True))
    ward.page()
    assert all("phone them" in outgoing.message.body for outgoing in ward.sent)


def test_codes_are_four_digits_and_stay_the_same() -> None:
    codes = [paging.code(a_crisis(id=f"crisis.p1.SM{number}")) for number in range(200)]
    assert all(len(code) == 4 and code.isdecimal() for code in codes)
    assert len(set(codes)) > 190
    assert paging.code(a_crisis(attempt=3, taken_by="x")) == paging.code(a_crisis())


# --- trouble -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", [refused(), refused("20429"), Outcome(result=Result.UNKNOWN, code="timeout"), RuntimeError("a bug")]
)
def test_while_somebody_cannot_be_reached_the_next_is_woken_at_once(trouble: Outcome | Exception) -> None:
    ward = Ward(outcomes={DANA.phone: trouble, str(DANA.email): trouble})
    assert LEE.phone in ward.page()
    assert SAM.phone not in [outgoing.to for outgoing in ward.sent]
    assert ward.task_now.next_due_at == NOW + 5 * MINUTE


def test_one_way_in_trouble_leaves_the_others() -> None:
    ward = Ward(outcomes={DANA.phone: RuntimeError("a bug")})
    assert ward.page() == [DANA.email]
    assert ward.told == ["page_refused", "page"]


def test_when_nobody_can_be_reached_it_is_tried_again_a_minute_later() -> None:
    ward = Ward(outcomes=dict.fromkeys([DANA.phone, str(DANA.email), LEE.phone, SAM.phone], refused()))
    ward.page()
    assert ward.alarms
    assert (ward.task_now.next_due_at, ward.task_now.attempt) == (NOW + MINUTE, 0)
    ward.outcomes.clear()
    assert ward.page(NOW + MINUTE) == [DANA.phone, DANA.email]
    assert ward.task_now.next_due_at == NOW + 5 * MINUTE


def test_when_nobody_can_be_reached_for_half_an_hour_it_is_tried_every_half_hour() -> None:
    ward = Ward(outcomes=dict.fromkeys([DANA.phone, str(DANA.email), LEE.phone, SAM.phone], refused()))
    for minutes in range(31):
        ward.page(NOW + minutes * MINUTE)
    late = NOW + 30 * MINUTE
    while ward.task_now.next_due_at and ward.task_now.next_due_at <= late:
        ward.page(late)
    assert ward.task_now.next_due_at
    assert ward.task_now.next_due_at <= NOW + 60 * MINUTE


def test_without_a_link_the_page_goes_all_the_same() -> None:
    ward = Ward(on_call=(LEE,), links_answer=False)
    assert ward.page() == [LEE.phone]
    assert "reply ACK" in ward.sent[0].message.body


def test_a_topic_that_does_not_answer_keeps_no_page_back() -> None:
    ward = Ward(on_call=(LEE,), topic_answers=False)
    assert ward.page() == [LEE.phone]
    assert ward.task_now.attempt == 1


def test_a_page_cut_short_by_a_crash_goes_again_within_a_minute() -> None:
    class Gone(BaseException):
        """The process ends here."""

    ward = Ward(on_call=(LEE,), outcomes={LEE.phone: Gone()})
    with pytest.raises(Gone):
        ward.page()
    assert (ward.task_now.next_due_at, ward.task_now.attempt) == (NOW + MINUTE, 0)


def test_somebody_who_takes_it_while_the_pages_go_out_ends_it() -> None:
    class Prompt(Ward):
        def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
            outcome = super().send(outgoing, now)
            self.task_now = replace(self.task_now, taken_by="Lee Park", taken_at=now, next_due_at=None)
            return outcome

    ward = Prompt(on_call=(LEE,))
    assert ward.page() == [LEE.phone]
    assert ward.task_now.next_due_at is None
    assert ward.page(NOW + 5 * MINUTE) == []
