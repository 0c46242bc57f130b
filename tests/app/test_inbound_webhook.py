"""What comes from phones, as Twilio brings it: forged, twice, late, broken, and what fails while it is worked on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode
from xml.etree import ElementTree

import boto3
import pytest
from botocore.config import Config
from chalice.test import Client, HTTPResponse
from moto import mock_aws
from twilio.request_validator import RequestValidator

from app import app
from chalicelib import logs, wiring
from chalicelib.dynamo import DynamoStore
from chalicelib.routes.inbound import PATH, UNCLAIMED
from chalicelib.secrets import TwilioSecret
from chalicelib.settings import Settings
from local.crashes import Killed
from local.provider import AUTH_TOKEN, Accepted, Sandbox
from local.queue import LocalQueue
from local.resources import create_table
from reminders.errors import Unavailable
from reminders.model import (
    Channel,
    Inbound,
    Language,
    OnCall,
    Patient,
    Permission,
    PermissionState,
    RideState,
    Task,
    TaskKind,
)
from reminders.ports import PatientRef, Store
from reminders.workflow import deliver, dispatch
from tests.app.builders import PHONE, PUBLIC_URL, SERVICE, twilio
from tests.app.conftest import Clock
from tests.builders import NOW, a_clinic, a_patient, a_session
from tests.contract.builders import HOUR, REF, a_claim, adopted, an_answer, ledger_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLINIC_NUMBER = "+12135550199"
DANA = "+12135550111"
STRANGER = "+13105550142"
DANGER = "I am going to kill myself tonight"
ROOT = Path(__file__).parents[2]


class Failing:
    """A Store or Queue of which one method fails so many times; everything else passes to the real one."""

    def __init__(self, real: object, method: str, error: BaseException, times: int = 1) -> None:
        self._real, self._method, self._error, self._left = real, method, error, times

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._left:
            self._left -= 1
            return self._fail
        return getattr(self._real, name)

    def _fail(self, *_given: object, **_named: object) -> None:
        raise self._error


@dataclass
class Line:
    """One phone line of the clinic: what comes in on it, what follows, and what goes out."""

    client: Client
    store: DynamoStore
    sandbox: Sandbox
    clock: Clock
    queue: LocalQueue = field(default_factory=LocalQueue)
    sids: Iterator[int] = field(default_factory=lambda: count(1))

    def form(self, body: str = "C", **changes: str | None) -> dict[str, str]:
        """As Twilio fills it, blanks included; None leaves a field out."""
        form: dict[str, str | None] = {
            "ToCountry": "US",
            "ToState": "CA",
            "SmsMessageSid": "",
            "NumMedia": "0",
            "ToCity": "",
            "FromZip": "",
            "FromCountry": "US",
            "SmsStatus": "received",
            "MessageSid": f"SM{next(self.sids):032x}",
            "AccountSid": "AC" + "0" * 32,
            "ApiVersion": "2010-04-01",
            "From": PHONE,
            "To": CLINIC_NUMBER,
            "Body": body,
        }
        return {name: value for name, value in (form | changes).items() if value is not None}

    def post(self, form: dict[str, str], **headers: str | None) -> HTTPResponse:
        """Signed as Twilio signs, over the public address; `headers` replace, None leaves one out."""
        signature = RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + PATH, form)
        given = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature} | headers
        sent = {name: value for name, value in given.items() if value is not None}
        return self.client.http.post(PATH, headers=sent, body=urlencode(form).encode())

    def says(self, body: str, **changes: str | None) -> str | None:
        """The words of the answer to one text; None where there are none."""
        answer = self.post(self.form(body, **changes))
        assert answer.status_code == 200
        return words(answer)

    def minute(self) -> list[Accepted]:
        """A minute passes: one tick, and everything it finds. The replies and pages that went out meanwhile."""
        before = len(self.sandbox.log)
        now = self.clock.wind(minutes=1)
        dispatch(self.store, self.queue, now)
        self.work()
        return [sent for sent in self.sandbox.log[before:] if "session" not in sent.tags]

    def work(self) -> None:
        while batch := self.queue.take(self.clock.now):
            failed = deliver(wiring.desk(), [record.turn for record in batch], self.clock.now)
            self.queue.done(record for record in batch if record.turn not in failed)

    def kept(self, sid: str, clinic: str = "harbor") -> Inbound:
        found = self.store.inbound(clinic, sid)
        assert found
        return found

    def tasks(self, clinic: str = "harbor") -> list[Task]:
        return self.store.open_tasks(clinic)

    def kinds(self, clinic: str = "harbor") -> list[str]:
        return [str(task.kind) for task in self.tasks(clinic)]

    def permission(self, patient: str = "p1") -> PermissionState:
        found = self.store.patient(PatientRef("harbor", patient))
        assert found
        return found.permission(Channel.SMS).state

    def fails(self, method: str, error: BaseException | None = None, times: int = 1) -> None:
        """The next calls of one method of the store do not come back."""
        failing = Failing(self.store, method, error or Unavailable("the table does not answer"), times)
        wiring.use(replace(wiring.current(), store=cast(Store, failing)))


def ana(**changes: Any) -> Patient:
    """With a phone and no email, so that there is one way to write to her."""
    consent = {Channel.SMS: a_patient().permission(Channel.SMS)}
    return a_patient(**{"email": None, "consent": consent} | changes)


def words(answer: HTTPResponse) -> str | None:
    """What the TwiML says; None when it is an empty answer. It never has more than one message."""
    assert answer.headers["Content-Type"] == "application/xml"
    messages = [message.text for message in ElementTree.fromstring(answer.body).iter("Message")]  # noqa: S314  # ours
    assert len(messages) <= 1
    return messages[0] if messages else None


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[DynamoDBClient]:
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-west-2")
        with mock_aws():
            yield boto3.client("dynamodb", region_name="us-west-2")


@pytest.fixture
def line(dynamodb: DynamoDBClient, sandbox: Sandbox, clock: Clock) -> Iterator[Line]:
    """Ana, p1, has been asked by `prepare` about s1 a week from now; Dana is on call."""
    logs.start()  # another test may have sent the lines elsewhere
    create_table(dynamodb, "reminders")
    store = DynamoStore(dynamodb, "reminders", 3)
    claim = a_claim(adopted(store, a_session()))
    assert not store.commit([claim])
    store.record([an_answer(claim, ref="SM" + "a" * 32)])
    store.put_clinic(a_clinic(sms_from=CLINIC_NUMBER))
    store.put_patient(ana())
    with Client(app) as client:
        opened = Line(client, store, sandbox, clock)
        wiring.use(
            wiring.House(
                store=store,
                queue=opened.queue,
                senders={Channel.SMS: twilio(sandbox)},
                clock=clock,
                settings=Settings("reminders", "https://queue", PUBLIC_URL, "twilio", "reminders", "c@example.org"),
                secrets=TwilioSecret(lambda: sandbox.secret),
            )
        )
        yield opened
    wiring.use(None)
    dynamodb.delete_table(TableName="reminders")


# --- whom to believe -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Twilio-Signature": None},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "bm90IHNpZ25lZA=="},
        {"X-Twilio-Signature": "ñ"},
    ],
)
def test_an_unsigned_message_is_turned_away_and_leaves_nothing(line: Line, headers: dict[str, str | None]) -> None:
    form = line.form("STOP")
    assert line.post(form, **headers).status_code == 403
    assert line.store.inbound("harbor", form["MessageSid"]) is None
    assert line.permission() is PermissionState.GRANTED


@pytest.mark.parametrize("forged", [{"From": STRANGER}, {"Body": DANGER}, {"To": "+12135550198"}, {"Extra": ""}])
def test_a_message_changed_on_the_way_is_turned_away(line: Line, forged: dict[str, str]) -> None:
    form = line.form("STOP")
    signature = RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + PATH, form)
    assert line.post(form | forged, **{"X-Twilio-Signature": signature}).status_code == 403
    assert line.kinds() == []


@pytest.mark.parametrize(
    ("url", "token"),
    [
        (PUBLIC_URL + PATH, "another account's token"),
        ("https://elsewhere.example" + PATH, AUTH_TOKEN),
        (PUBLIC_URL + "/webhooks/twilio/status", AUTH_TOKEN),
        (PUBLIC_URL + PATH + "?tag=1", AUTH_TOKEN),
    ],
)
def test_a_signature_for_something_else_is_turned_away(line: Line, url: str, token: str) -> None:
    form = line.form("STOP")
    signature = RequestValidator(token).compute_signature(url, form)
    assert line.post(form, **{"X-Twilio-Signature": signature}).status_code == 403


def test_the_address_the_request_claims_decides_nothing(line: Line) -> None:
    form = line.form("STOP")
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
    assert line.post(form, **headers).status_code == 200


def test_a_message_in_another_form_than_twilios_is_turned_away(line: Line) -> None:
    assert line.post(line.form("STOP"), **{"Content-Type": "application/json"}).status_code == 415


def test_without_the_credentials_to_check_it_twilio_is_asked_to_come_again(line: Line) -> None:
    def gone() -> str:
        raise Unavailable("the secret does not answer")

    wiring.use(replace(wiring.current(), secrets=TwilioSecret(gone)))
    assert line.post(line.form("STOP")).status_code == 503


# --- what is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "  C  \n",
        "I'm 👍🏽 & <b>fine</b>; 100% + ñ “quoted” \u200b\u202e",
        "&Body=STOP&From=+1",
        "=",
        "\x00\x07",
        "x" * 20_480,
        "señor 🙂 " * 2_500,
    ],
    ids=["empty", "space", "spaces", "odd", "fields", "equals", "control", "20 KB", "20 KB of words"],
)
def test_the_words_are_kept_as_they_came(line: Line, body: str) -> None:
    form = line.form(body)
    assert line.post(form).status_code == 200
    kept = line.kept(form["MessageSid"])
    assert (kept.body, kept.sender, kept.received_at) == (body, PHONE, NOW)
    assert kept.done_at == NOW
    assert kept.level in ("none", "review")


def test_20_kb_with_danger_at_the_end_wakes_somebody(line: Line) -> None:
    answer = line.says("the weather was fine. " * 930 + DANGER)
    assert answer
    assert "988" in answer
    assert line.kinds() == ["crisis"]


def test_the_words_are_kept_before_any_of_them_is_read(line: Line) -> None:
    line.fails("clinic", Killed("reading"))
    form = line.form(DANGER)
    with pytest.raises(Killed):
        line.post(form)
    kept = line.kept(form["MessageSid"])
    assert (kept.body, kept.level, kept.done_at) == (DANGER, None, None)
    assert kept.next_due_at
    assert kept.next_due_at <= NOW + timedelta(minutes=1)


@pytest.mark.parametrize("missing", ["MessageSid", "From"])
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_no_message_is_answered_with_nothing(line: Line, missing: str, value: str | None) -> None:
    assert line.says("STOP", **{missing: value}) is None
    assert line.permission() is PermissionState.GRANTED


def test_blank_fields_are_part_of_what_is_signed(line: Line) -> None:
    assert line.says("C", ToCity="", FromCity="", MediaUrl0="", OptOutType="")


def test_a_message_finds_its_clinic_by_its_messaging_service(line: Line) -> None:
    line.store.put_clinic(a_clinic(sms_from=SERVICE))
    assert line.says("C", To="+12135550777", MessagingServiceSid=SERVICE)
    assert line.says("C", To=None, MessagingServiceSid=SERVICE)
    assert ledger_of(line.store).confirmed_at == NOW


@pytest.mark.parametrize("to", [None, "", "+12135550777"])
def test_a_message_to_a_number_of_no_clinic_is_kept_and_reaches_a_person(line: Line, to: str | None) -> None:
    form = line.form(DANGER, To=to)
    assert words(line.post(form)) is None
    assert line.kept(form["MessageSid"], UNCLAIMED).body == DANGER
    line.minute()
    assert line.kinds(UNCLAIMED) == ["operator"]
    assert line.kept(form["MessageSid"], UNCLAIMED).done_at
    assert line.store.earliest_due() != NOW + timedelta(seconds=20)


def test_a_short_code_or_a_name_may_write_and_gets_no_patient(line: Line) -> None:
    assert line.says("Your code is 123456", From="72345") is not None
    assert line.kinds() == ["review_reply"]
    assert line.tasks()[0].patient_id is None


# --- once only -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["C", "NORIDE", "R", "STOP", DANGER, "hello there", "LESS"])
def test_the_same_message_twice_has_one_effect_and_one_answer(line: Line, body: str) -> None:
    form = line.form(body)
    assert words(line.post(form))
    tasks, due = line.tasks(), len(line.queue._records)
    for _ in range(3):
        line.clock.wind(seconds=5)
        assert words(line.post(form)) is None
    assert line.tasks() == tasks
    assert len(line.queue._records) == due


def test_a_message_replayed_a_day_later_changes_nothing(line: Line) -> None:
    stop = line.form("STOP")
    line.post(stop)
    line.clock.wind(hours=1)
    line.says("START")
    line.clock.wind(days=1)
    assert words(line.post(stop)) is None
    assert line.permission() is PermissionState.GRANTED


def test_the_same_words_again_in_a_message_of_their_own_count_again(line: Line) -> None:
    assert line.says("C")
    assert line.says("C")


def test_noride_twice_is_one_task(line: Line) -> None:
    line.says("NORIDE")
    line.clock.wind(minutes=5)
    assert line.says("NORIDE")
    assert line.kinds() == ["no_ride"]


# --- what Twilio has answered --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "after"),
    [
        ("STOP", "STOP", PermissionState.REVOKED),
        ("Unsubscribe", "STOP", PermissionState.REVOKED),
        ("BASTA YA", "STOP", PermissionState.REVOKED),
        ("HELP", "HELP", PermissionState.GRANTED),
        ("START", "START", PermissionState.GRANTED),
    ],
)
def test_what_twilio_has_answered_is_not_answered_again(
    line: Line, body: str, kind: str, after: PermissionState
) -> None:
    assert line.says(body, OptOutType=kind) is None
    assert line.permission() is after
    assert line.minute() == []


@pytest.mark.parametrize("body", ["START", "UNSTOP", "YES", "quiero volver"])
def test_start_that_twilio_has_answered_resumes_whatever_its_words(line: Line, body: str) -> None:
    line.says("STOP", OptOutType="STOP")
    line.clock.wind(minutes=1)
    assert line.says(body, OptOutType="START") is None
    assert line.permission() is PermissionState.GRANTED


def test_yes_to_our_question_confirms_although_twilio_took_it_for_start(line: Line) -> None:
    assert line.says("YES", OptOutType="START") is None
    assert ledger_of(line.store).confirmed_at == NOW


def test_cancel_before_a_visit_stops_the_texts_and_a_person_asks_what_was_meant(line: Line) -> None:
    assert line.says("CANCEL", OptOutType="STOP") is None
    assert line.permission() is PermissionState.REVOKED
    assert line.kinds() == ["review_reply"]


def test_an_unknown_kind_of_opt_out_is_read_like_any_message(line: Line) -> None:
    assert line.says("C", OptOutType="LATER") is None
    assert ledger_of(line.store).confirmed_at == NOW


# --- trouble -------------------------------------------------------------------------------------------------


def test_while_the_table_is_down_twilio_is_asked_to_come_again_and_nothing_is_lost(line: Line) -> None:
    nobody = boto3.client(
        "dynamodb",
        endpoint_url="http://127.0.0.1:9",  # the discard port: nobody listens
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    house = wiring.current()
    wiring.use(replace(house, store=DynamoStore(nobody, "reminders", 3)))
    form = line.form("NORIDE")
    assert line.post(form).status_code == 503
    wiring.use(house)
    assert words(line.post(form))
    assert line.kinds() == ["no_ride"]


STEPS = ["clinic", "patients_at", "charts", "open_task", "answer", "inbound_since", "settle_inbound"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("error", [RuntimeError("a bug"), Killed("power cut")], ids=type)
def test_whatever_is_cut_short_is_worked_on_within_a_minute(line: Line, step: str, error: BaseException) -> None:
    """The reply then goes out as a text of its own; nothing happens twice."""
    line.fails(step, error)
    form = line.form("NORIDE")
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            line.post(form)
    else:
        assert words(line.post(form)) is None
    (reply,) = line.minute()
    assert (reply.to, reply.sender) == (PHONE, CLINIC_NUMBER)
    assert "find a way home" in reply.body
    assert line.kinds() == ["no_ride"]
    assert line.kept(form["MessageSid"]).done_at
    assert line.minute() == []


@pytest.mark.parametrize("step", [*STEPS[:4], *STEPS[5:]])
@pytest.mark.parametrize("error", [Unavailable("busy"), Killed("power cut")], ids=type)
def test_danger_is_answered_and_somebody_woken_within_a_minute_whatever_is_cut_short(
    line: Line, step: str, error: BaseException
) -> None:
    line.fails(step, error)
    form = line.form(DANGER)
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            line.post(form)
        answered = []
    else:
        answered = [words(line.post(form))]
    sent = line.minute()
    answered += [text.body for text in sent if text.to == PHONE]
    assert [answer for answer in answered if answer and "988" in answer]
    assert [text.to for text in sent if "URGENT" in text.body] == [DANA]
    assert line.kinds() == ["crisis"]


def test_danger_is_answered_at_once_although_the_queue_is_down(line: Line) -> None:
    failing = Failing(line.queue, "put", Unavailable("the queue does not answer"))
    wiring.use(replace(wiring.current(), queue=cast(LocalQueue, failing)))
    answer = line.says(DANGER)
    assert answer
    assert "988" in answer
    assert [text.to for text in line.minute()] == [DANA]


def test_danger_is_answered_at_once_although_the_patients_own_items_cannot_be_read(
    line: Line, dynamodb: DynamoDBClient
) -> None:
    key = {"pk": {"S": "CLINIC#harbor#PATIENT#p1"}, "sk": {"S": "PATIENT"}}
    dynamodb.update_item(
        TableName="reminders",
        Key=key,
        UpdateExpression="SET #language = :odd",
        ExpressionAttributeNames={"#language": "language"},
        ExpressionAttributeValues={":odd": {"S": "klingon"}},
    )
    answer = line.says(DANGER)
    assert answer
    assert "988" in answer
    assert [text.to for text in line.minute()] == [DANA]


def test_a_message_that_can_never_be_worked_on_reaches_a_person_and_is_not_tried_for_ever(
    line: Line,
) -> None:
    line.fails("patients_at", RuntimeError("a bug"), times=99)
    form = line.form("C")
    assert words(line.post(form)) is None
    line.minute()
    assert line.kinds() == ["review_reply"]
    assert line.tasks()[0].detail == form["MessageSid"]
    assert line.kept(form["MessageSid"]).done_at


@pytest.mark.parametrize("code", ["21610", "20429", "20003", "timeout_lost"])
def test_a_crisis_reply_that_the_provider_refuses_makes_the_page_say_phone_them(line: Line, code: str) -> None:
    line.fails("patients_at")
    line.fails("clinic", times=2)
    assert line.says(DANGER) is None
    line.sandbox.script(Channel.SMS, PHONE, code)
    sent = line.minute() + line.minute()
    assert [text.to for text in sent][-1] == DANA
    assert "phone them" in sent[-1].body


def test_a_newer_answer_is_not_undone_by_an_older_one_that_got_stuck(line: Line) -> None:
    line.fails("settle_inbound")
    line.says("START")
    line.clock.wind(seconds=10)
    assert line.says("STOP")
    line.minute()
    assert line.permission() is PermissionState.REVOKED


def test_a_ride_that_fell_through_stays_so_although_the_older_message_comes_last(line: Line) -> None:
    line.fails("patients_at")
    assert line.says("RIDE my sister Jo") is None
    line.clock.wind(seconds=10)
    assert line.says("NORIDE")
    line.minute()
    assert ledger_of(line.store).ride.state is RideState.NONE
    assert line.kinds() == ["no_ride"]


def test_the_confirmation_of_a_stop_is_not_lost_when_the_work_is_cut_short(line: Line) -> None:
    line.fails("settle_inbound", Killed("power cut"))
    with pytest.raises(Killed):
        line.post(line.form("STOP"))
    assert [text.body for text in line.minute() if "no more texts" in text.body]
    assert line.says("STOP") is None


# --- privacy and speed ---------------------------------------------------------------------------------------


def test_no_log_line_names_anybody_or_quotes_a_word(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    own_words = "zebra-umbrella"
    line.store.put_patient(ana(first_name="Quetzalcoatl", language=Language.ES))
    for body in (own_words, DANGER, "STOP", "C", "NORIDE", "RIDE Quetzalcoatl", f"7 {own_words}", "START"):
        line.says(body)
        line.says(body, From=STRANGER)
        line.minute()
    line.fails("patients_at", RuntimeError(f"{own_words} {PHONE}"))
    line.says(own_words)
    line.fails("clinic_of", RuntimeError(f"{own_words} {PHONE}"))
    assert line.post(line.form(own_words)).status_code == 500
    told = capsys.readouterr()
    assert '"event": "received"' in told.out
    for word in (own_words, "Quetzalcoatl", PHONE, STRANGER, DANA, PHONE[2:], "kill myself", "Dana"):
        assert word not in told.out + told.err


def test_every_line_about_a_message_can_be_followed_by_its_id(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    form = line.form("C")
    line.post(form)
    lines = [json.loads(told) for told in capsys.readouterr().out.splitlines()]
    (received,) = [told for told in lines if told["event"] == "received"]
    assert received["patient"] == "p1"


def test_the_webhook_never_loads_the_providers_rest_client() -> None:
    """It takes most of a second to import; the answer must come well before that."""
    script = """
import sys
from datetime import UTC, datetime
from local.sample import SAMPLE_CLINIC
from local.stage import Stage
from tests.builders import a_patient
import logging
with Stage(datetime(2026, 3, 2, 10, tzinfo=UTC), lambda event, facts: None) as stage:
    stage.store.put_clinic(SAMPLE_CLINIC)
    stage.store.put_patient(a_patient())
    for body in ("C", "STOP", "START", "7", "I want to die", "RIDE Jo", "HELP", "hello"):
        stage.reply(SAMPLE_CLINIC, "+12135550123", body)
    answered = len(stage.sandbox.log)
    assert answered == 6, answered  # the cap: six an hour, and more only in danger
    print(sorted(name for name in sys.modules if name.startswith(("twilio.rest", "twilio.http"))))
"""
    ran = subprocess.run(  # noqa: S603  # our own script
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


# --- whoever is on call --------------------------------------------------------------------------------------


def test_whoever_was_woken_takes_it_by_answering_with_the_code(line: Line) -> None:
    line.says(DANGER)
    line.work()
    (page,) = [text for text in line.sandbox.log if text.to == DANA]
    code = page.body.rpartition("ACK ")[2].strip(".")
    assert line.says(f"ACK {(int(code) + 1) % 10_000:04}", From=DANA)
    assert line.tasks()[0].taken_by is None
    line.says(f"ACK {code}", From=STRANGER)
    assert [task.taken_by for task in line.tasks() if task.kind is TaskKind.CRISIS] == [None]
    assert line.says(f"Ack {code}.", From=DANA) is None
    (taken,) = [task for task in line.tasks() if task.kind is TaskKind.CRISIS]
    assert (taken.taken_by, taken.next_due_at) == ("Dana Reyes", None)
    assert line.says(f"ACK {code}", From=DANA) is None
    assert not [text for _ in range(40) for text in line.minute() if "URGENT" in text.body]


@pytest.mark.parametrize("spelling", ["ACK {}", "ack{}", "Ack  {} ", "ACK: {}", "ack #{}.", "ACK\n{}", "{}"])
def test_a_code_is_understood_as_sleepy_people_write_it(line: Line, spelling: str) -> None:
    line.says(DANGER)
    line.work()
    code = line.sandbox.log[-1].body.rpartition("ACK ")[2].strip(".")
    assert line.says(spelling.format(code), From=DANA) is None
    assert line.tasks()[0].taken_by == "Dana Reyes"


def test_an_acknowledgement_cut_short_is_finished_without_another_task(line: Line) -> None:
    line.says(DANGER)
    line.work()
    line.fails("settle_inbound", Killed("power cut"))
    with pytest.raises(Killed):
        line.post(line.form("ACK", From=DANA))
    line.minute()
    assert line.kinds() == ["crisis"]
    assert line.tasks()[0].taken_by == "Dana Reyes"


def test_the_second_on_call_person_who_acknowledges_changes_nothing(line: Line) -> None:
    lee = OnCall(name="Lee Park", phone="+12135550112", tested_at=NOW)
    line.store.put_clinic(a_clinic(sms_from=CLINIC_NUMBER, on_call=(*a_clinic().on_call, lee)))
    line.says(DANGER)
    line.work()
    code = line.sandbox.log[-1].body.rpartition("ACK ")[2].strip(".")
    line.says(f"ACK {code}", From=DANA)
    line.says(f"ACK {code}", From=lee.phone)
    assert line.kinds() == ["crisis"]
    assert line.tasks()[0].taken_by == "Dana Reyes"


@pytest.mark.parametrize("keys", [{}, {"OptOutType": "STOP"}])
def test_when_somebody_on_call_stops_texts_the_clinic_learns_that_no_page_reaches_them(
    line: Line, keys: dict[str, str | None]
) -> None:
    line.says("STOP", From=DANA, **keys)
    assert line.kinds() == ["operator"]


# --- who is who ----------------------------------------------------------------------------------------------


def test_start_gives_no_consent_that_a_second_person_at_the_phone_never_gave(line: Line) -> None:
    line.store.put_patient(ana(id="p2", consent={}))
    line.store.put_patient(ana(consent={Channel.SMS: Permission(state=PermissionState.REVOKED, at=NOW)}))
    line.says("START")
    assert line.permission("p1") is PermissionState.GRANTED
    assert line.permission("p2") is PermissionState.NONE


def test_after_wrong_number_nothing_goes_there_until_somebody_texts_start(line: Line) -> None:
    def patient() -> Patient:
        found = line.store.patient(REF)
        assert found
        return found

    line.says("wrong number")
    assert patient().unreachable == {Channel.SMS: PHONE}
    assert "review_reply" in line.kinds()
    line.says("START")
    assert patient().unreachable == {}


def test_hours_are_no_reason_not_to_answer(line: Line) -> None:
    line.clock.wind(hours=17, minutes=30)  # 02:30 at night
    assert line.says("C")
    assert line.clock.now - NOW > 17 * HOUR
