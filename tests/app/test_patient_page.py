"""The private page through the real routes and the real store: what it shows, what it does, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import boto3
import msgspec
import pytest
from chalice.test import Client, HTTPResponse
from moto import mock_aws

from app import app
from chalicelib import tokens, wiring
from chalicelib.settings import Settings
from local.resources import create_queue, create_table
from reminders import adopting, links, tasks
from reminders.links import Link
from reminders.model import (
    Channel,
    Inbound,
    Instrument,
    Kind,
    Language,
    Ledger,
    PermissionState,
    RideState,
    SessionStatus,
    Task,
    TaskKind,
    Urgency,
)
from reminders.ports import PatientRef
from tests.app.conftest import Clock
from tests.builders import NOW, a_clinic, a_patient, a_session

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TABLE = "patient-pages"
PUBLIC_URL = "https://visits.example.org"
REF = PatientRef("harbor", "p1")
START = a_session().starts_at


@dataclass
class Browser:
    """A phone without JavaScript: opens an address, fills in a form, presses its button."""

    client: Client
    house: wiring.House
    clock: Clock

    def give(self, link: Link) -> str:
        """A new link's path."""
        return wiring.links().issue([link])[0].removeprefix(PUBLIC_URL)

    def get(self, path: str) -> HTTPResponse:
        return self.client.http.get(path)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> HTTPResponse:
        return self.client.http.post(path, headers=FORM | headers, body=urlencode(fields).encode())

    def press(self, path: str, action: str, **fields: str) -> HTTPResponse:
        """Open the page and send its form for this action."""
        return self.post(path, {"action": action, "key": key_of(self.get(path), action), **fields})

    @property
    def ledger(self) -> Ledger:
        chart = self.house.store.whole_chart(REF).chart
        assert chart is not None
        return chart.ledgers["s1"]

    def open_tasks(self) -> dict[TaskKind, Task]:
        return {task.kind: task for task in self.house.store.open_tasks("harbor")}

    def everything(self) -> list[Any]:
        """The whole table but for what merely reads differently each time."""
        found = boto3.client("dynamodb").scan(TableName=TABLE)["Items"]
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def text(response: HTTPResponse) -> str:
    return str(response.body.decode())


def key_of(response: HTTPResponse, action: str) -> str:
    found = re.search(
        rf'name="action" value="{action}">\s*<input type="hidden" name="key" value="([^"]+)"', text(response)
    )
    assert found, f"the page has no form for {action}"
    return found[1]


def offers(response: HTTPResponse) -> set[str]:
    return set(re.findall(r'name="action" value="(\w+)"', text(response)))


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[Client, wiring.House]]:
    """Clients and queue once for all tests here: making them takes longer than most tests."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-west-2")
        chosen = Settings(
            table_name=TABLE,
            deliver_queue_url=create_queue(boto3.client("sqs"), "deliver"),
            public_url=PUBLIC_URL,
            twilio_secret="twilio",
            ses_configuration_set="reminders",
            email_from="clinic@example.org",
        )
        with Client(app) as client:
            yield client, wiring.on_aws(chosen)


@pytest.fixture
def browser(opened: tuple[Client, wiring.House], clock: Clock) -> Iterator[Browser]:
    """On a fresh table, with p1's visit s1."""
    client, house = opened[0], replace(opened[1], clock=clock)
    dynamodb = boto3.client("dynamodb")
    create_table(dynamodb, TABLE)
    wiring.use(house)
    house.store.put_clinic(a_clinic(address="12 Pier Street, Los Angeles"))
    book(house)
    yield Browser(client, house, clock)
    wiring.use(None)
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)


def book(house: wiring.House, patient: dict[str, Any] | None = None, **session: Any) -> None:
    """The patient p1 with the visit s1, as a booking system and adoption leave them."""
    house.store.put_patient(a_patient(**(patient or {})))
    house.store.put_session(a_session(**session))
    adopting.adopt(wiring.desk(), REF, house.now())


@pytest.fixture
def visit(browser: Browser) -> str:
    return browser.give(links.to_visit(a_session()))


def questions(browser: Browser, instrument: Instrument) -> str:
    return browser.give(links.to_checkin(REF, instrument, browser.clock.now, session_id="s1", entry="phq9|x|sms"))


def crisis(browser: Browser, **changes: Any) -> str:
    """The path of a link that takes an urgent task of p1."""
    given = {"patient_id": "p1", "cause": "SM1", "detail": "SM1"} | changes
    task = tasks.task(TaskKind.CRISIS, "harbor", NOW, **given)
    browser.house.store.open_task(task)
    return browser.give(links.to_task(PatientRef("harbor", task.patient_id or ""), task.id, NOW))


# --- showing ----------------------------------------------------------------------------------------


def test_the_page_says_when_where_and_how_to_prepare(browser: Browser, visit: str) -> None:
    answer = browser.get(visit)
    assert answer.status_code == 200
    for words in (
        "Monday, March 9",
        "10:00 AM",
        "9:45 AM",
        "12 Pier Street",
        "No food after 4:00 AM",
        "911",
        "Nobody yet",
    ):
        assert words in text(answer)
    assert offers(answer) == {"confirm", "reschedule", "ride", "no_ride", "stop_texts", "stop_emails"}


@pytest.mark.parametrize(
    ("patient", "session", "words"),
    [
        ({"language": Language.ES}, {}, ("Lunes 9 de marzo".lower(), "a las 10:00 AM", 'lang="es"', "No maneje")),
        ({"time_zone": "Pacific/Honolulu"}, {}, ("Pacific time",)),
        ({}, {"kind": Kind.SPRAVATO}, ("about 120 minutes", "No nose spray")),
        ({}, {"kind": Kind.LOZENGE_HOME}, ("Who stays with you", "at home")),
        ({"experienced": True}, {}, ("<details><summary><h2>What to expect",)),
        ({"first_name": "<b>Ana</b>"}, {}, ("&lt;b&gt;Ana&lt;/b&gt;",)),
    ],
)
def test_the_page_fits_the_patient_and_the_visit(
    browser: Browser, visit: str, patient: dict[str, Any], session: dict[str, Any], words: tuple[str, ...]
) -> None:
    book(browser.house, patient, **session)
    shown = text(browser.get(visit))
    assert [word for word in words if word not in shown] == []


def test_a_consultation_needs_no_ride_and_no_fasting(browser: Browser, visit: str) -> None:
    book(browser.house, kind=Kind.CONSULTATION)
    shown = text(browser.get(visit))
    assert "No food" not in shown
    assert "Your ride" not in shown


@pytest.mark.parametrize(
    ("now", "session", "words"),
    [
        (START + timedelta(hours=1), {}, "Take it gently today"),
        (START + timedelta(hours=2), {"status": SessionStatus.DISCHARGED, "status_at": START}, "Rest now"),
        (START + timedelta(days=1), {"status": SessionStatus.DISCHARGED, "status_at": START}, "is behind you"),
        (NOW, {"status": SessionStatus.CANCELLED, "status_at": NOW}, "is cancelled"),
        (START + timedelta(hours=2), {"status": SessionStatus.NO_SHOW, "status_at": START}, "We missed you"),
    ],
)
def test_the_page_follows_the_visit(
    browser: Browser, visit: str, now: datetime, session: dict[str, Any], words: str
) -> None:
    browser.clock.now = now
    book(browser.house, **session)
    answer = browser.get(visit)
    assert words in text(answer)
    assert "confirm" not in offers(answer)


@pytest.mark.parametrize(("instrument", "items", "values"), [("mood", 1, 11), ("phq2", 2, 4), ("phq9", 9, 4)])
@pytest.mark.parametrize("language", list(Language))
def test_a_check_in_asks_its_items_with_their_options_and_names_the_crisis_line(
    browser: Browser, instrument: str, items: int, values: int, language: Language
) -> None:
    book(browser.house, {"language": language})
    shown = text(browser.get(questions(browser, Instrument(instrument))))
    asked = re.findall(r'<input type="radio" name="q(\d)" value="(\d+)"', shown)
    assert sorted((int(item), int(value)) for item, value in asked) == [
        (item, value) for item in range(1, items + 1) for value in range(values)
    ]
    assert not re.search(r"<input[^>]*\b(checked|required)\b", shown)
    assert shown.count("<fieldset>") == shown.count("<legend>") == items
    assert all(word in shown for word in ("988", "911", "(213) 555-0100"))
    assert ("AYUDA" in shown) is (language is Language.ES)


class Accessible(HTMLParser):
    """What a page lacks for somebody who cannot see it, and whatever it would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.wanted: set[str] = set()
        self.faults: list[str] = []
        self.seen: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.seen.append(tag)
        self._inside.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("for", "aria-labelledby", "aria-describedby"):
            if given.get(name):
                self.wanted.add(str(given[name]))
        if tag == "input" and given.get("type") == "radio" and "label" not in self._inside:
            self.faults.append("a radio button without a label")
        if tag in ("script", "img", "link", "iframe", "object", "svg") or "src" in given or "style" in given:
            self.faults.append(f"{tag} loads or scripts something")
        if any(name.startswith("on") for name in given):
            self.faults.append(f"{tag} has a script")
        if tag == "html" and not given.get("lang"):
            self.faults.append("no language")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass


def test_every_page_can_be_read_aloud_and_loads_nothing(browser: Browser, visit: str) -> None:
    paths = [visit, *(questions(browser, instrument) for instrument in Instrument), crisis(browser), "/p/nobody"]
    for path in paths:
        reader = Accessible()
        reader.feed(text(browser.get(path)))
        assert reader.faults == []
        assert len(reader.ids) == len(set(reader.ids))
        assert reader.wanted <= set(reader.ids)
        assert reader.seen.count("h1") == reader.seen.count("main") == reader.seen.count("title") == 1


def test_every_answer_is_kept_to_itself(browser: Browser, visit: str) -> None:
    for answer in (browser.get(visit), browser.get("/p/nobody"), browser.get(f"{visit}/appointment.ics")):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"].startswith("noindex")
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


def test_the_style_is_the_one_the_policy_allows(browser: Browser, visit: str) -> None:
    answer = browser.get(visit)
    style = re.search(r"<style>(.*?)</style>", text(answer), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def test_the_calendar_file_is_the_visit_without_saying_what_for(browser: Browser, visit: str) -> None:
    answer = browser.get(f"{visit}/appointment.ics")
    assert answer.headers["Content-Type"].startswith("text/calendar")
    assert "DTSTART:20260309T170000Z" in text(answer)
    assert "SUMMARY:Harbor Clinic appointment" in text(answer)
    assert "Ana" not in text(answer)
    book(browser.house, status=SessionStatus.CANCELLED, status_at=NOW)
    assert "METHOD:CANCEL" in text(browser.get(f"{visit}/appointment.ics"))


# --- acting -----------------------------------------------------------------------------------------


def test_confirming_is_kept_and_not_asked_again(browser: Browser, visit: str) -> None:
    answer = browser.press(visit, "confirm")
    assert "Thank you, Ana" in text(answer)
    assert browser.ledger.confirmed_at == NOW
    assert "confirm" not in offers(browser.get(visit))


def test_pressing_twice_does_it_once(browser: Browser, visit: str) -> None:
    key = key_of(browser.get(visit), "confirm")
    for minute in range(2):
        browser.clock.now = NOW + timedelta(minutes=minute)
        assert browser.post(visit, {"action": "confirm", "key": key}).status_code == 200
    assert browser.ledger.confirmed_at == NOW


def test_another_time_is_work_for_a_person(browser: Browser, visit: str) -> None:
    assert "We will call you" in text(browser.press(visit, "reschedule"))
    assert TaskKind.RESCHEDULE in browser.open_tasks()


def test_naming_somebody_confirms_the_ride(browser: Browser, visit: str) -> None:
    answer = browser.press(visit, "ride", who="  my sister\nJo ")
    assert "my sister Jo" in text(answer)
    assert (browser.ledger.ride.state, browser.ledger.ride.who) == (RideState.CONFIRMED, "my sister Jo")
    assert browser.ledger.ride.by == "patient"


def test_having_nobody_is_work_for_a_person(browser: Browser, visit: str) -> None:
    browser.press(visit, "no_ride")
    assert browser.ledger.ride.state is RideState.NONE
    assert TaskKind.NO_RIDE in browser.open_tasks()


@pytest.mark.parametrize(
    "who", ["uber", "?", "x" * 41, "<script>alert(1)</script>", "call me", "DROP TABLE;--", "J" * 4000]
)
def test_what_is_no_name_is_read_by_a_person_and_confirms_nothing(browser: Browser, visit: str, who: str) -> None:
    answer = browser.press(visit, "ride", who=who)
    assert answer.status_code == 200
    assert "<script" not in text(answer)
    assert browser.ledger.ride.state is not RideState.CONFIRMED
    task = browser.open_tasks()[TaskKind.REVIEW_REPLY]
    kept = browser.house.store.inbound("harbor", task.detail)
    assert kept is not None
    assert kept.body == f"RIDE {who[:400]}"
    assert kept.done_at == NOW
    assert who not in task.id


@pytest.mark.parametrize("who", ["", " ", "\u200b", "\x00"])
def test_an_empty_name_is_asked_again(browser: Browser, visit: str, who: str) -> None:
    assert "try once more" in text(browser.press(visit, "ride", who=who))
    assert browser.open_tasks() == {}


@pytest.mark.parametrize("who", ["I want to die", "quiero morirme", "kill myself tonight"])
def test_danger_typed_into_the_name_wakes_somebody_and_shows_the_crisis_line(
    browser: Browser, visit: str, who: str
) -> None:
    answer = browser.press(visit, "ride", who=who)
    assert "988" in text(answer)
    assert "being told now" in text(answer)
    task = browser.open_tasks()[TaskKind.CRISIS]
    assert (task.urgency, task.patient_id) == (Urgency.URGENT, "p1")
    assert browser.ledger.ride.state is not RideState.CONFIRMED


@pytest.mark.parametrize(
    ("action", "channel"), [("stop_texts", Channel.SMS), ("stop_emails", Channel.EMAIL)], ids=["texts", "emails"]
)
def test_stopping_ends_one_channel_and_leaves_the_other(
    browser: Browser, visit: str, action: str, channel: Channel
) -> None:
    answer = browser.press(visit, action)
    patient = browser.house.store.patient(REF)
    assert patient is not None
    assert patient.permission(channel).state is PermissionState.REVOKED
    assert patient.permission(channel.other).state is PermissionState.GRANTED
    assert action not in offers(answer)


def test_stopping_is_possible_even_while_drowsy(browser: Browser, visit: str) -> None:
    browser.clock.now = START + timedelta(hours=1)
    assert offers(browser.get(visit)) == {"stop_texts", "stop_emails"}
    assert browser.press(visit, "stop_texts").status_code == 200


def test_home_is_told_once_discharged(browser: Browser, visit: str) -> None:
    browser.clock.now = START + timedelta(hours=2)
    book(browser.house, status=SessionStatus.DISCHARGED, status_at=browser.clock.now)
    answer = browser.press(visit, "home")
    assert "Rest well" in text(answer)
    assert browser.ledger.home_safe_at == browser.clock.now


@pytest.mark.parametrize(("answer", "words"), [("7", "You answered 7 out of 10"), ("1", "Thank you for telling us")])
def test_a_mood_is_kept_and_echoed(browser: Browser, answer: str, words: str) -> None:
    shown = browser.press(questions(browser, Instrument.MOOD), "answer", q1=answer)
    assert words in text(shown)
    (kept,) = browser.house.store.checkins(REF)
    assert (kept.instrument, kept.score, kept.answered_at) == (Instrument.MOOD, int(answer), NOW)
    assert (TaskKind.LOW_MOOD in browser.open_tasks()) is (answer == "1")


def test_a_phq9_with_an_item_left_out_is_kept_without_a_total(browser: Browser) -> None:
    given = {f"q{item}": "1" for item in range(1, 9)}
    shown = browser.press(questions(browser, Instrument.PHQ9), "answer", **given)
    assert "We have your answers" in text(shown)
    (kept,) = browser.house.store.checkins(REF)
    assert (kept.score, kept.items) == (None, (1,) * 8 + (None,))


@pytest.mark.parametrize(
    ("item_9", "kind", "words"),
    [
        ("1", TaskKind.LOW_MOOD, "will read this"),
        ("2", TaskKind.CRISIS, "being told now"),
        ("3", TaskKind.CRISIS, "988 now"),
    ],
)
def test_any_thought_of_death_brings_the_crisis_line_at_once_and_a_person(
    browser: Browser, item_9: str, kind: TaskKind, words: str
) -> None:
    shown = text(browser.press(questions(browser, Instrument.PHQ9), "answer", q9=item_9))
    assert words in shown
    assert shown.index("988") < shown.index("We have your answers")
    assert kind in browser.open_tasks()


def test_a_form_without_any_answer_is_shown_again_and_nothing_is_kept(browser: Browser) -> None:
    assert "choose your answer" in text(browser.press(questions(browser, Instrument.PHQ2), "answer"))
    assert browser.house.store.checkins(REF) == []


def test_answering_twice_keeps_the_newer_answer(browser: Browser) -> None:
    path = questions(browser, Instrument.MOOD)
    for answer in ("4", "8"):
        browser.clock.wind(minutes=1)
        browser.press(path, "answer", q1=answer)
    assert [kept.score for kept in browser.house.store.checkins(REF)] == [8]


# --- staff ------------------------------------------------------------------------------------------


def test_a_task_shows_no_identity_until_somebody_has_taken_it(browser: Browser) -> None:
    path = crisis(browser)
    before = text(browser.get(path))
    assert "Dana Reyes" in before
    assert "Ana<" not in before
    assert "555-0123" not in before
    after = text(browser.press(path, "take", by="0"))
    assert "You have taken this, Dana Reyes" in after
    assert "(213) 555-0123" in after
    assert browser.house.store.task(REF, "crisis.p1.SM1").taken_by == "Dana Reyes"  # type: ignore[union-attr]
    assert "555-0123" not in text(browser.get(path))


def test_the_first_to_take_it_has_it_and_the_second_learns_who(browser: Browser) -> None:
    path = crisis(browser)
    browser.house.store.put_clinic(
        a_clinic(on_call=(*a_clinic().on_call, msgspec.structs.replace(a_clinic().on_call[0], name="Sam Ortiz"))),
    )
    browser.press(path, "take", by="0")
    browser.clock.wind(minutes=3)
    assert "Taken by Dana Reyes" in text(browser.press(path, "take", by="1"))


def test_a_message_from_a_number_nobody_has_still_leads_to_that_number(browser: Browser) -> None:
    browser.house.store.keep_inbound(
        Inbound(sid="SM9", clinic_id="harbor", sender="+12135550177", body="…", received_at=NOW)
    )
    path = crisis(browser, patient_id=None, cause="SM9", detail="SM9")
    assert "(213) 555-0177" in text(browser.press(path, "take", by="0"))


def test_a_closed_task_gives_nothing_away(browser: Browser) -> None:
    path = crisis(browser)
    key = key_of(browser.get(path), "take")
    browser.house.store.change_task(REF, "crisis.p1.SM1", lambda task: msgspec.structs.replace(task, closed_at=NOW))
    assert "This is done" in text(browser.get(path))
    assert "555-0123" not in text(browser.post(path, {"action": "take", "by": "0", "key": key}))


# --- what is refused --------------------------------------------------------------------------------


def test_looking_changes_nothing_however_often(browser: Browser, visit: str) -> None:
    paths = [visit, f"{visit}/appointment.ics", questions(browser, Instrument.PHQ9), crisis(browser)]
    before = browser.everything()
    for path in paths:
        for query in ("", "?action=confirm", "?action=no_ride&key=x"):
            assert browser.get(path + query).status_code == 200
            assert browser.client.http.head(path + query).status_code == 200
    assert browser.everything() == before


def ended(browser: Browser, path: str) -> None:
    """The one calm page, for looking and for acting."""
    before = browser.everything()
    for answer in (browser.get(path), browser.post(path, {"action": "confirm", "key": "x"})):
        assert answer.status_code == 404
        assert "This link has ended" in text(answer)
        assert "Ana" not in text(answer)
    assert browser.everything() == before


@pytest.mark.parametrize(
    "token", ["nobody", "A" * 22, "A" * 5000, "..%2f..%2fetc", "%00", "é", "LINK", "a1B2c3D4e5F6g7H8i9J0k'"]
)
def test_a_token_we_never_gave_opens_nothing(browser: Browser, token: str) -> None:
    ended(browser, f"/p/{token}")


def test_a_token_changed_in_one_letter_opens_nothing(browser: Browser, visit: str) -> None:
    other = "b" if visit.endswith("a") else "a"
    ended(browser, visit[:-1] + other)
    ended(browser, visit.swapcase().replace("/P/", "/p/"))


def test_a_link_that_has_ended_says_whom_to_call_and_nothing_else(browser: Browser, visit: str) -> None:
    browser.clock.now = START + links.AFTER_VISIT
    ended(browser, visit)
    assert "(213) 555-0100" in text(browser.get(visit))
    assert browser.get(f"{visit}/appointment.ics").status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"clinic_id": "elsewhere"},
        {"patient_id": "p2"},
        {"session_id": "s2"},
        {"session_id": None},
        {"instrument": Instrument.MOOD, "session_id": None},
    ],
)
def test_a_link_to_what_is_not_there_has_ended(browser: Browser, change: dict[str, Any]) -> None:
    ended(browser, browser.give(msgspec.structs.replace(links.to_visit(a_session()), **change)))


def test_a_link_opens_what_it_is_for_and_nothing_else(browser: Browser, visit: str) -> None:
    asked, task = questions(browser, Instrument.MOOD), crisis(browser)
    before = browser.everything()
    for path, action in (
        (visit, "answer"),
        (visit, "take"),
        (asked, "confirm"),
        (asked, "stop_texts"),
        (task, "answer"),
    ):
        token = path.removeprefix("/p/")
        for seen in ("", START.isoformat()):
            fields = {"action": action, "key": tokens.form_key(token, action + seen), "q1": "1", "by": "0"}
            assert browser.post(path, fields).status_code in (200, 403)
    assert browser.everything() == before
    for path in (asked, task):
        assert browser.get(f"{path}/appointment.ics").status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"action": "confirm"},
        {"action": "confirm", "key": ""},
        {"action": "confirm", "key": "x" * 22},
        {"action": "nonsense", "key": "x"},
        {"action": "take", "key": "x"},
        {"key": "x"},
    ],
)
def test_a_post_without_the_forms_key_does_nothing(browser: Browser, visit: str, fields: dict[str, str]) -> None:
    before = browser.everything()
    answer = browser.post(visit, fields)
    assert answer.status_code == 403
    assert "try once more" in text(answer)
    assert browser.everything() == before


def test_a_key_of_one_form_does_not_send_another(browser: Browser, visit: str) -> None:
    key = key_of(browser.get(visit), "confirm")
    assert browser.post(visit, {"action": "stop_texts", "key": key}).status_code == 403


def test_a_key_of_somebody_elses_page_does_nothing(browser: Browser, visit: str) -> None:
    other = browser.give(links.to_visit(a_session()))
    assert browser.post(visit, {"action": "confirm", "key": key_of(browser.get(other), "confirm")}).status_code == 403


def test_an_answer_to_a_page_that_showed_another_time_does_not_count(browser: Browser, visit: str) -> None:
    key = key_of(browser.get(visit), "confirm")
    book(browser.house, starts_at=START + timedelta(hours=3))
    answer = browser.post(visit, {"action": "confirm", "key": key})
    assert answer.status_code == 403
    assert "1:00 PM" in text(answer)
    assert browser.ledger.confirmed_at is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://visits.example.org.evil.example"}, 403),
        ({"Origin": "http://visits.example.org"}, 403),
        ({"Origin": PUBLIC_URL}, 200),
        # what Chromium sends from a page that has `Referrer-Policy: no-referrer`
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_only_our_own_page_may_post(browser: Browser, visit: str, headers: dict[str, str], status: int) -> None:
    fields = {"action": "confirm", "key": key_of(browser.get(visit), "confirm")}
    assert browser.post(visit, fields, **headers).status_code == status
    assert (browser.ledger.confirmed_at is not None) is (status == 200)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"who=" + b"x" * 20_000, 413),
        (b"\xff\xfe", 400),
        (b"action=%ff", 400),
        (b"&".join(b"a%d=1" % number for number in range(100)), 400),
        (b"", 403),
        (b'{"action": "confirm"}', 403),
    ],
)
def test_a_body_no_form_of_ours_sends_is_refused_calmly(browser: Browser, visit: str, body: bytes, status: int) -> None:
    before = browser.everything()
    answer = browser.client.http.post(visit, headers=FORM, body=body)
    assert answer.status_code == status
    assert "try once more" in text(answer)
    assert browser.everything() == before


def test_json_is_not_a_form(browser: Browser, visit: str) -> None:
    answer = browser.client.http.post(visit, headers={"Content-Type": "application/json"}, body=b"{}")
    assert answer.status_code == 415


def test_an_answer_off_the_scale_is_refused(browser: Browser) -> None:
    path = questions(browser, Instrument.PHQ9)
    assert browser.press(path, "answer", q9="4").status_code == 400
    assert browser.house.store.checkins(REF) == []


@pytest.mark.parametrize("by", ["", "1", "-1", "Dana Reyes", "0 "])
def test_only_somebody_on_the_list_can_take_a_task(browser: Browser, by: str) -> None:
    path = crisis(browser)
    assert browser.press(path, "take", by=by).status_code == 403
    assert TaskKind.CRISIS in browser.open_tasks()


def test_a_table_that_does_not_answer_is_told_calmly(browser: Browser, visit: str) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)
    for answer in (browser.get(visit), browser.post(visit, {}), browser.get(f"{visit}/appointment.ics")):
        assert answer.status_code == 503
        assert "try again in a minute" in text(answer)


def test_a_clinic_that_cannot_be_read_hides_its_pages_and_breaks_none(browser: Browser, visit: str) -> None:
    boto3.client("dynamodb").update_item(
        TableName=TABLE,
        Key={"pk": {"S": "CLINIC#harbor"}, "sk": {"S": "CLINIC"}},
        UpdateExpression="SET time_zone = :odd",
        ExpressionAttributeValues={":odd": {"S": "Mars/Olympus"}},
    )
    ended(browser, visit)
    ended(browser, questions(browser, Instrument.MOOD))


def test_the_table_keeps_no_token(browser: Browser, visit: str) -> None:
    token = visit.removeprefix("/p/")
    (kept,) = [item for item in browser.everything() if item["pk"]["S"].startswith("LINK#")]
    assert token not in repr(kept)
    assert int(kept["expires_at"]["N"]) == int((START + links.AFTER_VISIT + tokens.REMEMBERED).timestamp())


def test_many_links_are_kept_in_few_calls(browser: Browser) -> None:
    made: list[str] = []
    client = boto3.client("dynamodb")
    client.meta.events.register("before-call.dynamodb", lambda model, **_: made.append(model.name))
    addresses = tokens.DynamoLinks(client, TABLE, PUBLIC_URL).issue([links.to_visit(a_session())] * 60)
    assert made == ["BatchWriteItem"] * 3
    assert len(set(addresses)) == 60
    assert all(browser.get(address.removeprefix(PUBLIC_URL)).status_code == 200 for address in addresses[::20])


def test_nothing_of_a_patient_is_logged(browser: Browser, visit: str, capsys: pytest.CaptureFixture[str]) -> None:
    browser.press(visit, "ride", who="my brother Bartholomew")
    browser.press(questions(browser, Instrument.MOOD), "answer", q1="1")
    browser.press(crisis(browser), "take", by="0")
    said = capsys.readouterr()
    for secret in ("Ana", "Bartholomew", "555", visit.removeprefix("/p/"), "Dana"):
        assert secret not in said.out + said.err
