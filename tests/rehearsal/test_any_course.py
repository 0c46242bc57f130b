"""Whatever happens to a small course, no rule is broken: moves, endings, crashes and a bad line at any hour."""

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rehearsal.course import Course, course

ZONES = ("America/Los_Angeles", "Pacific/Honolulu", "America/Phoenix", "America/New_York")
OUTCOMES = ("30003", "30008", "30005", "20429", "21610", "timeout_accepted", "timeout_lost", "20003")
STARTS = datetime.fromisoformat("2026-03-05 08:00")  # the clocks change on the third night


def within(start: datetime, days: int) -> st.SearchStrategy[datetime]:
    """A quarter of an hour after `start`, within so many days."""
    return st.integers(1, days * 96).map(lambda quarters: start + timedelta(minutes=15 * quarters))


def shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


@st.composite
def courses(draw: st.DrawFn) -> Course:
    built = course(starts=shown(STARTS), ends=shown(STARTS + timedelta(days=8)))
    built.clinic["daily_cap"] = draw(st.sampled_from((1, 2, 3)))
    consent = draw(st.sampled_from(({"sms": True}, {"sms": True, "email": True}, {"email": True})))
    built.patient("p1", time_zone=draw(st.sampled_from(ZONES)), consent=consent)
    for number in range(1, draw(st.integers(1, 3)) + 1):
        _visit(draw, built, f"s{number}")
    for _ in range(draw(st.integers(0, 2))):
        built.meets(shown(draw(within(STARTS, 4))), "p1", draw(st.sampled_from(OUTCOMES)))
    for _ in range(draw(st.integers(0, 2))):
        built.does(shown(draw(within(STARTS, 4))), "crash", after=draw(st.sampled_from(("claim", "send", "record"))))
    built.events.sort(key=lambda event: event["at"])
    return built


def _visit(draw: st.DrawFn, built: Course, session: str) -> None:
    kind = draw(st.sampled_from(("iv", "spravato", "lozenge_home", "follow_up")))
    known = draw(within(STARTS, 2))
    start = draw(within(known, 3))
    built.visit(session, shown(start), kind=kind, booked=shown(known))
    for _ in range(draw(st.integers(0, 2))):
        moved = draw(within(known, 1))
        if moved < start:
            known, start = moved, draw(within(moved, 2))
            built.does(shown(moved), "move", session, to=shown(start))
    ending = draw(st.sampled_from(("discharge", "no_show", "cancel", None)))
    if ending == "cancel":
        built.does(shown(draw(within(known, 2))), "cancel", session)
    elif ending:
        built.does(shown(start + timedelta(minutes=75)), ending, session)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(courses())
def test_no_course_breaks_a_rule(built: Course) -> None:
    built.rehearsed()
