"""Messages are kept once and as they came, answers change ledgers under a lock, check-ins line up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from chalicelib.dynamo import DynamoStore
from reminders.errors import BadInput, Unavailable
from reminders.model import CheckIn, Inbound, Instrument, Ledger, Ride, RideState
from reminders.ports import LedgerWrite, PatientRef, Turn
from tests.builders import NOW, a_session
from tests.contract.builders import HOUR, REF, a_claim, adopted, an_answer, ledger_of, ride_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PHONE = "+12135550123"
CLINIC = PatientRef("harbor", "")
SECOND = timedelta(seconds=1)


def an_inbound(**changes: Any) -> Inbound:
    inbound = Inbound(
        sid="SM1", clinic_id="harbor", sender=PHONE, body="C", received_at=NOW, next_due_at=NOW + 20 * SECOND
    )
    return replace(inbound, **changes)


def stored(dynamodb: DynamoDBClient, table: str, pk: str, sk: str) -> dict[str, Any]:
    return dynamodb.get_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True)["Item"]


# --- messages as they came --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    ["", " ", "\x00", "ok 👍🏽", "‘no’\u200b", "No quiero vivir más", "#" * 3, "x" * 20_000, "\ud7ff\U0010ffff"],
    ids=range(9),
)
def test_a_message_is_kept_as_it_came(store: DynamoStore, body: str) -> None:
    assert store.keep_inbound(an_inbound(body=body, opt_out_type="STOP"))
    assert store.inbound("harbor", "SM1") == an_inbound(body=body, opt_out_type="STOP")


@pytest.mark.parametrize("sender", ["72975", "AMTRAK", "+12135550123", "whatsapp:+12135550123", "a#b"])
def test_whoever_sends_it_can_be_asked_for(store: DynamoStore, sender: str) -> None:
    assert store.keep_inbound(an_inbound(sender=sender))
    assert [kept.sender for kept in store.inbound_since("harbor", sender, NOW)] == [sender]
    assert store.patients_at("harbor", sender) == []


def test_one_that_comes_twice_is_kept_once(store: DynamoStore) -> None:
    assert store.keep_inbound(an_inbound())
    assert not store.keep_inbound(an_inbound(body="another"))
    assert store.keep_inbound(an_inbound(clinic_id="other", body="another"))
    kept = store.inbound("harbor", "SM1")
    assert kept
    assert kept.body == "C"
    assert store.inbound("harbor", "SM2") is None


def test_a_message_is_due_until_it_is_settled(store: DynamoStore) -> None:
    store.keep_inbound(an_inbound())
    assert store.due(NOW + 20 * SECOND) == []
    [due] = store.due(NOW + 21 * SECOND)
    assert (due.turn, due.at) == (Turn(CLINIC, "REPLY#SM1"), NOW + 20 * SECOND)
    settled = an_inbound(done_at=NOW, level="none", intent="confirm", answer="reply_confirm", patient_id="p1", score=0)
    store.settle_inbound(settled)
    assert store.inbound("harbor", "SM1") == replace(settled, next_due_at=None)
    assert store.earliest_due() is None
    assert not store.keep_inbound(an_inbound())


def test_messages_of_one_phone_come_in_their_order(store: DynamoStore) -> None:
    for sid, at in (("SM3", NOW), ("SM1", NOW + HOUR), ("SM2", NOW + SECOND), ("SM0", NOW - SECOND), ("SM4", NOW)):
        store.keep_inbound(an_inbound(sid=sid, received_at=at))
    store.keep_inbound(an_inbound(sid="SM5", sender="+12135550199"))
    store.keep_inbound(an_inbound(sid="SM6", clinic_id="other"))
    store.settle_inbound(an_inbound(sid="SM2", received_at=NOW + SECOND, done_at=NOW, answer="reply_help"))
    since = store.inbound_since("harbor", PHONE, NOW)
    assert [(kept.sid, kept.answer) for kept in since] == [
        ("SM3", None),
        ("SM4", None),
        ("SM2", "reply_help"),
        ("SM1", None),
    ]


def test_a_message_goes_after_two_years(store: DynamoStore, dynamodb: DynamoDBClient, table: str) -> None:
    store.keep_inbound(an_inbound())
    store.settle_inbound(an_inbound(done_at=NOW))
    expires_at = int(stored(dynamodb, table, "CLINIC#harbor#REPLY#SM1", "REPLY")["expires_at"]["N"])
    assert datetime.fromtimestamp(expires_at, UTC) == NOW + timedelta(days=730)


# --- what they change -------------------------------------------------------------------------------


def confirmed(ledger: Ledger) -> Ledger:
    return replace(ledger, confirmed_at=NOW, answered={**ledger.answered, "prepare|20260309T170000Z|sms": NOW})


def test_an_answer_is_in_the_ledger_and_the_chart(store: DynamoStore) -> None:
    adopted(store, a_session())
    changed = store.answer(REF, "s1", confirmed, None)
    assert changed
    assert (changed.confirmed_at, changed.version, changed.next_due_at) == (NOW, 2, NOW)
    assert changed == ledger_of(store) == store.charts([REF])[REF].ledgers["s1"]
    undone = store.answer(REF, "s1", lambda ledger: replace(ledger, confirmed_at=None, answered={}), None)
    assert undone == ledger_of(store)
    assert undone
    assert (undone.confirmed_at, undone.answered) == (None, {})


def test_an_answer_leaves_what_was_sent(store: DynamoStore) -> None:
    claim = a_claim(adopted(store, a_session()))
    store.commit([claim])
    store.record([an_answer(claim)])
    [(key, entry)] = ledger_of(store).entries.items()
    changed = store.answer(REF, "s1", lambda ledger: replace(ledger, home_safe_at=NOW, entries={}), None)
    assert changed
    assert ledger_of(store).entries == {key: entry}
    assert store.body(REF, "s1", key) == "Harbor Clinic: see you soon"


@pytest.mark.parametrize(
    ("due", "wake", "then"),
    [
        (NOW + HOUR, None, NOW + HOUR),
        (NOW + HOUR, NOW, NOW),
        (NOW, NOW + HOUR, NOW),
        (None, NOW + HOUR, NOW + HOUR),
        (None, None, None),
    ],
)
def test_an_answer_wakes_a_ledger_no_later_than_it_would(
    store: DynamoStore, due: datetime | None, wake: datetime | None, then: datetime | None
) -> None:
    chart = adopted(store, a_session())
    assert not store.commit([LedgerWrite(chart=chart, ledger=chart.ledgers["s1"], next_due_at=due)])
    changed = store.answer(REF, "s1", confirmed, wake)
    assert changed
    assert changed.next_due_at == store.earliest_due() == then


def test_what_was_decided_without_the_answer_is_not_sent(store: DynamoStore) -> None:
    chart = adopted(store, a_session())
    ride_of(store, "s1", Ride(state=RideState.CONFIRMED, who="sister", at=NOW, by="patient"))
    assert store.commit([a_claim(chart)]) == {"s1"}


def test_of_two_answers_at_once_both_count(store: DynamoStore) -> None:
    adopted(store, a_session())
    tries: list[int] = []

    def interrupted(ledger: Ledger) -> Ledger:
        if not tries:  # the other one comes between reading and writing
            ride_of(store, "s1", Ride(state=RideState.NONE))
        tries.append(ledger.version)
        return confirmed(ledger)

    assert store.answer(REF, "s1", interrupted, None)
    ledger = ledger_of(store)
    assert (ledger.confirmed_at, ledger.ride.state, tries) == (NOW, RideState.NONE, [1, 2])


def test_a_ledger_others_never_let_go_of_is_unavailable(store: DynamoStore) -> None:
    adopted(store, a_session())

    def overtaken(ledger: Ledger) -> Ledger:
        ride_of(store, "s1", Ride(state=RideState.NONE))
        return ledger

    with pytest.raises(Unavailable):
        store.answer(REF, "s1", overtaken, None)


def test_nobody_answers_for_a_session_that_is_not_known(store: DynamoStore) -> None:
    adopted(store, a_session())
    assert store.answer(REF, "s2", confirmed, NOW) is None
    assert store.charts([REF])[REF].ledgers.keys() == {"s1"}
    assert store.due(NOW + HOUR)[0].turn == Turn(REF)


def test_an_answer_takes_a_read_and_a_write(store: DynamoStore, calls: Callable[[], list[str]]) -> None:
    adopted(store, a_session())
    calls()
    store.answer(REF, "s1", confirmed, NOW)
    assert calls() == ["GetItem", "UpdateItem"]


# --- check-ins --------------------------------------------------------------------------------------


def a_checkin(**changes: Any) -> CheckIn:
    checkin = CheckIn(
        asked_at=NOW,
        answered_at=NOW + HOUR,
        instrument=Instrument.MOOD,
        version="mood-1",
        items=(7,),
        score=7,
        raw="a 7",
        session_id="s1",
    )
    return replace(checkin, **changes)


@pytest.mark.parametrize(
    "checkin",
    [
        a_checkin(),
        a_checkin(session_id=None, raw="", score=0, items=(0,)),
        a_checkin(instrument=Instrument.PHQ2, items=(3, None), score=None),
        a_checkin(instrument=Instrument.PHQ9, items=(None,) * 9, score=None),
        a_checkin(instrument=Instrument.PHQ9, items=(1,) * 9, score=9),
    ],
    ids=["mood", "zero", "one missing", "all missing", "whole"],
)
def test_a_check_in_is_read_as_it_was_answered(store: DynamoStore, checkin: CheckIn) -> None:
    assert store.keep_checkin(REF, checkin)
    assert store.checkins(REF) == [checkin]


def test_check_ins_come_by_when_they_were_asked(store: DynamoStore) -> None:
    later = a_checkin(asked_at=NOW + HOUR, answered_at=NOW + HOUR)
    beside = a_checkin(instrument=Instrument.PHQ2, items=(0, 1), score=1)
    for checkin in (later, beside, a_checkin()):
        assert store.keep_checkin(REF, checkin)
    store.keep_checkin(PatientRef("harbor", "p2"), a_checkin(score=1, items=(1,)))
    assert store.checkins(REF) == [a_checkin(), beside, later]


@pytest.mark.parametrize(("minutes", "kept"), [(-1, 7), (0, 7), (1, 2)])
def test_of_two_answers_to_one_question_the_newer_is_kept(store: DynamoStore, minutes: int, kept: int) -> None:
    assert store.keep_checkin(REF, a_checkin())
    again = a_checkin(answered_at=NOW + HOUR + timedelta(minutes=minutes), items=(2,), score=2)
    assert not store.keep_checkin(REF, again)
    assert [checkin.score for checkin in store.checkins(REF)] == [kept]


def test_check_ins_stay_out_of_the_chart(store: DynamoStore) -> None:
    before = adopted(store, a_session())
    store.keep_checkin(REF, a_checkin())
    assert store.whole_chart(REF).chart == before == store.charts([REF])[REF]


def test_what_is_wrong_with_a_message_is_told_without_its_words(
    store: DynamoStore, dynamodb: DynamoDBClient, table: str
) -> None:
    store.keep_inbound(an_inbound())
    item = stored(dynamodb, table, "CLINIC#harbor#REPLY#SM1", "REPLY")
    dynamodb.put_item(TableName=table, Item={**item, "score": {"S": "Ana"}})
    with pytest.raises(BadInput, match="score") as caught:
        store.inbound("harbor", "SM1")
    assert "Ana" not in str(caught.value)
