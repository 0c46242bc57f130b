"""The code table of rules.md 3, line by line."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reminders.delivery import Advice, advise, backoff


@pytest.mark.parametrize(
    ("codes", "advice"),
    [
        (("", "0", "5", "50", "999", "21212", "30009", "30036", "5xx?", "delivered"), Advice.OTHER),
        (("500", "502", "503", "504", "timeout"), Advice.LOOK_UP),
        (("20429", "429", "30001", "30022", "21611", "throttled", "unreachable"), Advice.RETRY),
        (("30003",), Advice.RETRY_ONCE_LATER),
        (("30008",), Advice.RETRY_ONCE),
        (("21610", "30004", "complained"), Advice.OPTED_OUT),
        (("21211", "21614", "30005", "30006", "bounced"), Advice.BAD_ADDRESS),
        (("30002", "30007", "30034", "30941", "20003", "21408"), Advice.OPERATOR),
        (("no_sender", "bad_credentials", "AccountSuspendedException", "SendingPausedException"), Advice.OPERATOR),
        (("14107",), Advice.STOP_REPLIES),
    ],
)
def test_every_code_has_the_advice_of_the_table(codes: tuple[str, ...], advice: Advice) -> None:
    assert {code: advise(code) for code in codes} == dict.fromkeys(codes, advice)


def test_a_failure_without_a_code_goes_another_way() -> None:
    assert advise(None) is Advice.OTHER


@pytest.mark.parametrize(("attempt", "minutes"), [(-1, 1), (0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (40, 15)])
def test_the_wait_grows_up_to_a_quarter_of_an_hour(attempt: int, minutes: int) -> None:
    assert backoff(attempt) == timedelta(minutes=minutes)
