"""Questions that are answered are not asked again, and leave no work behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from reminders.model import Channel, Chart, Permission, PermissionState, Reason, Ride, RideState, SessionStatus
from tests.builders import a_clinic, a_patient, a_session
from tests.unit.simulation import Change, Course, play, status

LA = ZoneInfo("America/Los_Angeles")
ANA = a_patient(consent={Channel.SMS: Permission(state=PermissionState.GRANTED)}, experienced=True)


def la(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LA).astimezone(UTC)


def learned(at: str, **changes: object) -> tuple[datetime, Change]:
    """What a reply or a member of staff does to the ledger of s1."""

    def change(chart: Chart) -> Chart:
        ledger = replace(chart.ledgers["s1"], **changes)
        return replace(chart, ledgers={**chart.ledgers, "s1": ledger})

    return la(at), change


def moved(at: str, to: str) -> tuple[datetime, Change]:
    return la(at), status("s1", starts_at=la(to))


def discharged(at: str) -> tuple[datetime, Change]:
    return la(at), status("s1", status=SessionStatus.DISCHARGED, status_at=la(at))


def visit(*changes: tuple[datetime, Change]) -> Course:
    """A visit on Thursday 12 March at 13:00, booked ten days before."""
    session = a_session(starts_at=la("2026-03-12T13:00"), booked_at=la("2026-03-02T09:00"))
    return play(
        a_clinic(),
        ANA,
        [session],
        starts=la("2026-03-02T09:00"),
        ends=session.starts_at + timedelta(days=12),
        changes=changes,
    )


CONFIRMED = Ride(state=RideState.CONFIRMED, who="Jo", by="patient")


@pytest.mark.parametrize(
    ("at", "ride", "tasks"),
    [
        ("2026-03-10T18:00", Ride(), 1),
        ("2026-03-10T18:00", Ride(state=RideState.ASKED), 1),  # silence is never a yes
        ("2026-03-10T18:00", CONFIRMED, 0),
        ("2026-03-11T12:59", CONFIRMED, 0),
        ("2026-03-11T12:59", replace(CONFIRMED, by="Dana Reyes"), 0),
        ("2026-03-11T13:01", CONFIRMED, 1),  # a minute late: the task is there already
        ("2026-03-10T18:00", Ride(state=RideState.NONE, by="patient"), 0),  # NORIDE has opened its own
    ],
)
def test_a_ride_unknown_a_day_before_is_a_task_and_one_known_is_not(at: str, ride: Ride, tasks: int) -> None:
    assert visit(learned(at, ride=ride)).task_kinds().count("ride_unknown") == tasks


def test_a_confirmed_ride_belongs_to_its_day_and_a_moved_visit_asks_anew() -> None:
    course = visit(
        learned("2026-03-10T18:00", ride=CONFIRMED),
        moved("2026-03-10T19:00", "2026-03-19T13:00"),
    )
    opened = [task.opened_at for task in course.tasks if task.kind == "ride_unknown"]
    assert opened == [la("2026-03-18T13:00")]


def test_a_visit_that_was_cancelled_asks_for_no_ride() -> None:
    assert (
        "ride_unknown" not in visit((la("2026-03-10T12:00"), status("s1", status=SessionStatus.CANCELLED))).task_kinds()
    )


HOME = la("2026-03-12T15:30")


def test_whoever_said_home_before_being_asked_is_not_asked() -> None:
    course = visit(discharged("2026-03-12T14:30"), learned("2026-03-12T15:30", home_safe_at=HOME))
    assert "home_safe" not in course.steps()
    assert course.why("home_safe") is Reason.ALREADY_ANSWERED
    assert "not_home_safe" not in course.task_kinds()


@pytest.mark.parametrize(("at", "tasks"), [("2026-03-12T19:29", 0), ("2026-03-12T19:31", 1)])
def test_an_answer_within_two_hours_saves_the_call(at: str, tasks: int) -> None:
    course = visit(discharged("2026-03-12T14:30"), learned(at, home_safe_at=la(at)))
    assert course.at("home_safe") == la("2026-03-12T17:30")
    assert course.task_kinds().count("not_home_safe") == tasks
