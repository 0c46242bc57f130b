"""What becomes of one attempt: sent, to be tried again and when, in doubt, or failed for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from reminders.delivery import Advice, advise, backoff
from reminders.model import Channel, Entry, Outcome, Reason, Receipt, Result, State

LEASE = timedelta(minutes=5)  # a claim without an answer for so long is in doubt; longer than a function may run
LOOK_AGAIN = timedelta(minutes=1)
LOOK_SELDOM = timedelta(minutes=15)
SECOND_TRY = timedelta(minutes=45)  # rules.md 3: 30003 once more after 30–60 minutes
FAILED_RECEIPTS = (Receipt.UNDELIVERED, Receipt.FAILED, Receipt.BOUNCED, Receipt.COMPLAINED)


@dataclass(frozen=True)
class Mark:
    """Something learned about a patient's address."""

    channel: Channel
    opted_out: bool  # else: unreachable
    address: str


def after_answer(entry: Entry, outcome: Outcome, now: datetime) -> tuple[Entry, list[Mark]]:
    """A claimed entry after the provider's answer to `create`: sent, to be retried, in doubt or failed."""
    if outcome.result is Result.ACCEPTED:
        return replace(entry, state=State.SENT, at=outcome.at or now, ref=outcome.ref, again_at=None), []
    if outcome.result is Result.UNKNOWN:
        return replace(entry, state=State.IN_DOUBT, code=outcome.code, again_at=now + LOOK_AGAIN), []
    after, marks = after_failure(replace(entry, code=outcome.code), now)
    if after.state is not State.FAILED:
        return after, marks
    opted_out = advise(outcome.code) is Advice.OPTED_OUT
    return replace(after, reason=Reason.OPTED_OUT if opted_out else Reason.PROVIDER_REFUSED), marks


def after_check(entry: Entry, found: Outcome | None, now: datetime) -> tuple[Entry, list[Mark]]:
    """An entry in doubt after the provider was asked: adopted if it was sent, else tried again, at first without delay.

    One that was sent and has failed since (`found.code`) is treated as its receipt would be.
    """
    if found is None:
        wait = backoff(entry.attempt) if entry.attempt > 1 else timedelta(0)
        return replace(entry, state=State.RETRY, at=now, again_at=now + wait, task=None), []
    sent = replace(entry, state=State.SENT, at=found.at or now, ref=found.ref, again_at=None, code=found.code)
    return after_failure(sent, now) if found.code else (sent, [])


def unanswered_check(entry: Entry, now: datetime) -> Entry:
    """The provider could not be asked: look again, ever more seldom. It is never resent blindly."""
    wait = min(max(now - entry.at, LOOK_AGAIN), LOOK_SELDOM)
    return replace(entry, state=State.IN_DOUBT, again_at=now + wait)


def after_failure(entry: Entry, now: datetime) -> tuple[Entry, list[Mark]]:
    """What the code table says of a refusal or a failed receipt (`entry.code`): to be retried while of use, or failed.

    An address that is dead or has opted out is marked.
    """
    until = entry.until or now
    advice = advise(entry.code)
    wait = {
        Advice.RETRY: backoff(entry.attempt),
        Advice.RETRY_ONCE: timedelta(minutes=2) if entry.attempt == 1 else None,
        Advice.RETRY_ONCE_LATER: SECOND_TRY if entry.attempt == 1 else None,
    }.get(advice)
    if wait is not None and now + wait < until:
        return replace(entry, state=State.RETRY, at=now, again_at=now + wait), []
    marks = []
    if advice in (Advice.OPTED_OUT, Advice.BAD_ADDRESS) and entry.channel and entry.to:
        marks.append(Mark(entry.channel, advice is Advice.OPTED_OUT, entry.to))
    return replace(entry, state=State.FAILED, at=now, again_at=None), marks
