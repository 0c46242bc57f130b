"""What to do for one patient now: send, skip with a reason, open a task, look a message up, or wait until when.

`decide` is the only place where that is decided; it is called before every claim with what is true at that moment,
so a STOP, a move or a cancellation since the last look always wins. The same chart and `now` give the same decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import msgspec

from reminders import silence, tasks
from reminders.delivery import Advice, advise, backoff
from reminders.hours import door, local_day, wall
from reminders.model import (
    Cadence,
    Channel,
    Chart,
    Entry,
    Hours,
    Kind,
    Ledger,
    Outcome,
    PatientStatus,
    PermissionState,
    Priority,
    Reason,
    Receipt,
    Result,
    Session,
    SessionStatus,
    Shift,
    State,
    Step,
    Task,
    TaskKind,
)
from reminders.planning import Planned, timeline

LEASE = timedelta(minutes=5)  # a claim without an answer for so long is in doubt; longer than a function may run
LOOK_AGAIN = timedelta(minutes=1)
LOOK_SELDOM = timedelta(minutes=15)
DOUBTFUL = timedelta(minutes=30)  # in doubt for so long, a person is told while a call still helps
DAYS_BETWEEN = 3  # after LESS, between two check-ins
SECOND_TRY = timedelta(minutes=45)  # rules.md 3: 30003 once more after 30–60 minutes
FAILED_RECEIPTS = (Receipt.UNDELIVERED, Receipt.FAILED, Receipt.BOUNCED, Receipt.COMPLAINED)


@dataclass(frozen=True)
class Send:
    """One message to render, claim and send. `entry` is the claim."""

    session: Session
    ledger: Ledger
    step: Step
    entry: Entry


@dataclass(frozen=True)
class Check:
    """One entry of which nobody knows whether it was sent: ask the provider."""

    session: Session
    entry: Entry


@dataclass(frozen=True)
class Mark:
    """Something learned about a patient's address."""

    channel: Channel
    opted_out: bool  # else: unreachable
    address: str


@dataclass
class Decision:
    """All that follows for one patient. `entries` (by session) include the claims of `sends`; `next_due` is what comes
    after them, assuming they are sent."""

    sends: list[Send] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    tasks: dict[str, list[Task]] = field(default_factory=dict)
    next_due: dict[str, datetime | None] = field(default_factory=dict)


def stale(chart: Chart) -> bool:
    """Whether a session has changed since its ledger was last brought up to date (the stream has not come by yet)."""
    return any(
        session_id not in chart.ledgers
        or chart.ledgers[session_id].starts_at != session.starts_at
        or chart.ledgers[session_id].status != session.status
        for session_id, session in chart.sessions.items()
    )


def decide(chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> Decision:
    """What to do for this patient at `now` (aware). Pure; every instant in the answer is UTC."""
    return _Deciding(chart, cadences, now).decision()


def usable(chart: Chart, channel: Channel) -> bool:
    """Whether this patient may and can be written to on this channel."""
    patient = chart.patient
    address = patient.address(channel)
    return (
        patient.permission(channel).state is PermissionState.GRANTED
        and address is not None
        and patient.unreachable.get(channel) != address
    )


def channel_for(chart: Chart) -> tuple[Channel | None, Reason | None]:
    """The channel to write on, the patient's preferred one first; or None and why there is none."""
    first = chart.patient.prefers
    for channel in (first, first.other):
        if usable(chart, channel):
            return channel, None
    states = {chart.patient.permission(channel).state for channel in Channel}
    if PermissionState.REVOKED in states:
        return None, Reason.OPTED_OUT
    return None, Reason.NO_ADDRESS if PermissionState.GRANTED in states else Reason.NO_CONSENT


def after_answer(entry: Entry, outcome: Outcome, now: datetime) -> tuple[Entry, list[Mark]]:
    """A claimed entry after the provider's answer to `create`: sent, to be retried, in doubt or failed."""
    if outcome.result is Result.ACCEPTED:
        return _with(entry, state=State.SENT, at=outcome.at or now, ref=outcome.ref, again_at=None), []
    if outcome.result is Result.UNKNOWN:
        return _with(entry, state=State.IN_DOUBT, code=outcome.code, again_at=now + LOOK_AGAIN), []
    after, marks = _after_failure(_with(entry, code=outcome.code), now)
    if after.state is not State.FAILED:
        return after, marks
    opted_out = advise(outcome.code) is Advice.OPTED_OUT
    return _with(after, reason=Reason.OPTED_OUT if opted_out else Reason.PROVIDER_REFUSED), marks


def after_check(entry: Entry, found: Outcome | None, now: datetime) -> tuple[Entry, list[Mark]]:
    """An entry in doubt after the provider was asked: adopted if it was sent, else tried again, at first without delay.

    One that was sent and has failed since (`found.code`) is treated as its receipt would be.
    """
    if found is None:
        wait = backoff(entry.attempt) if entry.attempt > 1 else timedelta(0)
        return _with(entry, state=State.RETRY, at=now, again_at=now + wait, task=None), []
    sent = _with(entry, state=State.SENT, at=found.at or now, ref=found.ref, again_at=None, code=found.code)
    return _after_failure(sent, now) if found.code else (sent, [])


def unanswered_check(entry: Entry, now: datetime) -> Entry:
    """The provider could not be asked: look again, ever more seldom. It is never resent blindly."""
    wait = min(max(now - entry.at, LOOK_AGAIN), LOOK_SELDOM)
    return _with(entry, state=State.IN_DOUBT, again_at=now + wait)


def _after_failure(entry: Entry, now: datetime) -> tuple[Entry, list[Mark]]:
    """What the code table says of a refusal or a failed receipt (`entry.code`)."""
    until = entry.until or now
    advice = advise(entry.code)
    wait = {
        Advice.RETRY: backoff(entry.attempt),
        Advice.RETRY_ONCE: timedelta(minutes=2) if entry.attempt == 1 else None,
        Advice.RETRY_ONCE_LATER: SECOND_TRY if entry.attempt == 1 else None,
    }.get(advice)
    if wait is not None and now + wait < until:
        return _with(entry, state=State.RETRY, at=now, again_at=now + wait), []
    marks = []
    if advice in (Advice.OPTED_OUT, Advice.BAD_ADDRESS) and entry.channel and entry.to:
        marks.append(Mark(entry.channel, advice is Advice.OPTED_OUT, entry.to))
    return _with(entry, state=State.FAILED, at=now, again_at=None), marks


def next_due(chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> dict[str, datetime | None]:
    """When each session next wants a decision; `now` for one that wants it at once."""
    decision = decide(chart, cadences, now)
    checked = {check.session.id for check in decision.checks}
    return {
        session_id: now if session_id in decision.entries or session_id in checked else at
        for session_id, at in decision.next_due.items()
    }


def _with(entry: Entry, **changes: object) -> Entry:
    return msgspec.structs.replace(entry, **changes)


@dataclass(frozen=True)
class _Candidate:
    """A step that could go out now. `entry`: an earlier attempt, when this is a second one."""

    planned: Planned
    channel: Channel
    entry: Entry | None = None

    @property
    def order(self) -> tuple[int, datetime, int, str]:
        planned = self.planned
        return (planned.priority.rank, planned.at or planned.ideal, planned.rank, planned.session.id)


class _Deciding:
    """One run of `decide`; holds what is being collected."""

    def __init__(self, chart: Chart, cadences: Mapping[Kind, Cadence], now: datetime) -> None:
        self.chart = chart
        self.cadences = cadences
        self.now = now
        self.result = Decision()
        self.wakes: dict[str, list[datetime]] = {session_id: [] for session_id in chart.ledgers}
        self.planned: dict[str, list[Planned]] = {}
        for session_id, session in chart.sessions.items():
            ledger = chart.ledgers.get(session_id)
            if ledger is not None:
                self.planned[session_id] = timeline(chart, session, ledger, cadences[session.kind])
        self.today = local_day(now, chart)

    def decision(self) -> Decision:
        if self.chart.clinic.paused:
            for session_id in self.planned:
                self._wake(session_id, self.now + timedelta(minutes=5))
            return self._done()
        candidates: list[_Candidate] = []
        upcoming: list[Planned] = []
        for session_id in self.planned:
            candidates += self._unfinished(session_id)
            new, later = self._fresh(session_id)
            candidates += new
            upcoming += later
        candidates = self._collapse(candidates, upcoming)
        for candidate in self._within_cap(candidates, upcoming):
            self._send(candidate)
        self._silence()
        return self._done()

    def _done(self) -> Decision:
        for session_id, times in self.wakes.items():
            self.result.next_due[session_id] = min(times) if times else None
        return self.result

    # --- what was begun and is not finished ----------------------------------------------------------------

    def _unfinished(self, session_id: str) -> list[_Candidate]:
        """Entries in flight, in doubt, to retry or fallen through: look up, try again, change channel, give up."""
        again: list[_Candidate] = []
        ledger = self.chart.ledgers[session_id]
        session = self.chart.sessions[session_id]
        for entry in sorted(ledger.entries.values(), key=lambda entry: entry.key):
            if entry.state in (State.CLAIMED, State.IN_DOUBT):
                if entry.receipt is not None:  # its receipt came before anybody recorded it: it was sent
                    entry = _with(entry, state=State.SENT, again_at=None)
                    self._set(session_id, entry)
                elif entry.again_at and entry.again_at > self.now:
                    self._wake(session_id, entry.again_at)
                    continue
                else:
                    self._check(session, entry)
                    continue
            if entry.state is State.SENT and entry.receipt in FAILED_RECEIPTS:
                entry, marks = _after_failure(entry, self.now)
                self.result.marks += marks
                self._set(session_id, entry)
            if entry.state is State.RETRY:
                again += self._try_again(session_id, entry)
            elif entry.state is State.FAILED and entry.task is None:
                again += self._other_channel(session_id, entry)
        return again

    def _check(self, session: Session, entry: Entry) -> None:
        """Ask the provider while the message is of use and a while after; in doubt for long, a person must look."""
        over = entry.until is not None and self.now > entry.until + timedelta(hours=1)
        if entry.task is None and (over or self._long_in_doubt(entry)):
            entry = _with(entry, task=self._open(TaskKind.IN_DOUBT, session.id, entry.step, entry.start).id)
            self._set(session.id, entry)
        if over:
            self._set(session.id, _with(entry, state=State.FAILED, at=self.now, again_at=None))
            return
        self.result.checks.append(Check(session, entry))

    def _long_in_doubt(self, entry: Entry) -> bool:
        return entry.state is State.IN_DOUBT and self.now >= entry.at + DOUBTFUL

    def _try_again(self, session_id: str, entry: Entry) -> list[_Candidate]:
        planned = self._still_planned(session_id, entry)
        if planned is None:
            self._drop(session_id, entry)
            return []
        if entry.again_at and entry.again_at > self.now:
            self._wake(session_id, entry.again_at)
            return []
        channel = entry.channel
        if channel is None or not usable(self.chart, channel):
            self._set(session_id, failed := _with(entry, state=State.FAILED, at=self.now, again_at=None))
            return self._other_channel(session_id, failed)
        opens = self._opening(planned)
        if opens is None:
            self._set(session_id, failed := _with(entry, state=State.FAILED, at=self.now, again_at=None))
            return self._other_channel(session_id, failed)
        if opens > self.now:
            self._wake(session_id, opens)
            return []
        return [_Candidate(planned, channel, entry)]

    def _other_channel(self, session_id: str, entry: Entry) -> list[_Candidate]:
        """A message that failed for good goes by the other channel if it may and is still of use; else to a person."""
        ledger = self.chart.ledgers[session_id]
        planned = self._still_planned(session_id, entry)
        same = [other for other in ledger.entries.values() if _same(other, entry)]
        second = [other for other in same if other.channel not in (None, entry.channel)]
        if second:
            self._after_second(session_id, entry, second[0])
            return []
        if planned is None:
            self._drop(session_id, entry)
            return []
        other = entry.channel.other if entry.channel else Channel.EMAIL
        opens = self._opening(planned)
        if opens is None or not usable(self.chart, other):
            self._give_up(session_id, entry)
            return []
        if opens > self.now:
            self._wake(session_id, opens)
            return []
        return [_Candidate(planned, other)]

    def _after_second(self, session_id: str, entry: Entry, second: Entry) -> None:
        """The other channel has been used. If that reached the patient, only a bad address is still work."""
        advice = advise(entry.code)
        if second.state is State.FAILED or second.receipt in FAILED_RECEIPTS:
            if second.task in (None, "-"):
                self._give_up(session_id, entry)
            else:
                self._set(session_id, _with(entry, task=second.task))
        elif second.state is State.SENT and advice is Advice.BAD_ADDRESS:
            self._give_up(session_id, entry)
        elif second.state is State.SENT:
            self._alarm(session_id, entry)
            self._set(session_id, _with(entry, task="-"))

    def _alarm(self, session_id: str, entry: Entry) -> None:
        """For a fault of the sender, once a day and code."""
        if advise(entry.code) is Advice.OPERATOR:
            cause = f"{entry.code}.{self.now:%Y%m%d}"
            alarm = tasks.task(
                TaskKind.OPERATOR, self.chart.clinic.id, self.now, cause=cause, detail=f"code {entry.code}"
            )
            self.result.tasks.setdefault(session_id, []).append(alarm)

    def _give_up(self, session_id: str, entry: Entry) -> None:
        """A person takes over: the operator for faults of the sender, else whoever looks after the patient."""
        advice = advise(entry.code)
        self._alarm(session_id, entry)
        kind = TaskKind.CALL_PATIENT if advice is Advice.OPTED_OUT else TaskKind.UNDELIVERABLE
        if advice is Advice.OPTED_OUT and not self._matters(session_id, entry):
            self._set(session_id, _with(entry, task="-"))
            return
        opened = self._open(kind, session_id, entry.step, entry.start)
        self._set(session_id, _with(entry, task=opened.id))

    def _matters(self, session_id: str, entry: Entry) -> bool:
        return any(
            planned.step.key == entry.step and planned.step.priority is Priority.SAFETY
            for planned in self.planned[session_id]
        )

    def _drop(self, session_id: str, entry: Entry) -> None:
        """What was to be tried again has become wrong: the visit moved or was cancelled."""
        cancelled = self.chart.ledgers[session_id].status is SessionStatus.CANCELLED
        reason = Reason.CANCELLED if cancelled else Reason.SUPERSEDED
        self._set(session_id, _with(entry, state=State.SKIPPED, at=self.now, again_at=None, reason=reason))

    def _still_planned(self, session_id: str, entry: Entry) -> Planned | None:
        if self.chart.patient.status is not PatientStatus.ACTIVE:
            return None
        ledger = self.chart.ledgers[session_id]
        for planned in self.planned[session_id]:
            if planned.step.key == entry.step and planned.start == entry.start:
                return None if ledger.status is SessionStatus.CANCELLED and planned.step.before_start else planned
        return None

    # --- what has not been begun ---------------------------------------------------------------------------

    def _fresh(self, session_id: str) -> tuple[list[_Candidate], list[Planned]]:
        """Steps without an entry: those that could go now, and those still to come. Others are skipped here."""
        ledger = self.chart.ledgers[session_id]
        waiting = [planned for planned in self.planned[session_id] if not _begun(ledger, planned)]
        due: list[Planned] = []
        upcoming: list[Planned] = []
        for planned in waiting:
            if ledger.status is not SessionStatus.BOOKED and planned.step.before_start:
                cancelled = ledger.status is SessionStatus.CANCELLED
                self._skip(planned, Reason.CANCELLED if cancelled else Reason.SUPERSEDED)
            elif planned.at is not None and planned.at > self.now and not self._overtaken(planned):
                self._wake(session_id, planned.at)
                upcoming.append(planned)
            elif planned.step.task is not None:
                self._open_step(planned)
            else:
                due.append(planned)
        return self._newest_still_true(session_id, due), upcoming

    def _overtaken(self, planned: Planned) -> bool:
        """The correction that is on its way says what this text, overdue when the visit moved, would have said."""
        return planned.overdue_when_known and planned.ledger.moved_from is not None and not planned.step.fasting

    def _newest_still_true(self, session_id: str, due: list[Planned]) -> list[_Candidate]:
        """Booked late, several reminders are due at once: the last that is still true goes, the rest are superseded."""
        going: list[tuple[Planned, datetime]] = []
        for planned in due:
            opens = None if self._overtaken(planned) else self._opening(planned)
            if opens is not None:
                going.append((planned, opens))
            elif planned.step.before_start and (self._overtaken(planned) or self._spoken_for(planned)):
                self._skip(planned, Reason.SUPERSEDED)
            else:
                self._skip(planned, Reason.TOO_LATE)
        at_once = [planned for planned, opens in going if opens <= self.now]
        reminders = [planned for planned in at_once if planned.step.before_start]
        fasting = [planned for planned in reminders if planned.step.fasting]  # no other says when to stop eating
        newest = max((planned.rank for planned in fasting or reminders), default=None)
        candidates: list[_Candidate] = []
        for planned, opens in going:
            if opens > self.now:
                self._wake(session_id, opens)
            elif planned.step.before_start and planned.rank != newest:
                self._skip(planned, Reason.SUPERSEDED)
            else:
                candidates += self._permitted(planned)
        return candidates

    def _spoken_for(self, planned: Planned) -> bool:
        """A later reminder of the cadence (sent, going or skipped with its own line) speaks for this one."""
        if planned.step.fasting:
            return False
        return any(other.step.before_start and other.rank > planned.rank for other in self.planned[planned.session.id])

    def _permitted(self, planned: Planned) -> list[_Candidate]:
        """Consent, status, on-call contact and answers already given; skipped with the reason, or one candidate."""
        if self.chart.patient.status is not PatientStatus.ACTIVE:
            self._skip(planned, Reason.INACTIVE)
        elif planned.step.needs_on_call and not self.chart.clinic.can_wake_somebody:
            self._skip(planned, Reason.NO_ON_CALL)
        elif planned.step.key == "home_safe" and planned.ledger.home_safe_at is not None:
            self._skip(planned, Reason.ALREADY_ANSWERED)
        elif self.chart.patient.fewer_checkins and self._one_too_many(planned):
            self._skip(planned, Reason.SUPERSEDED)
        else:
            channel, reason = channel_for(self.chart)
            if channel is not None:
                return [_Candidate(planned, channel)]
            self._skip(planned, reason or Reason.NO_CONSENT)
        return []

    def _opening(self, planned: Planned) -> datetime | None:
        """The first instant from now on at which the step may go and is still of use."""
        if planned.at is None:
            return None
        if planned.step.hours is Hours.ANY:
            opens: datetime | None = self.now
        else:
            opens = door(self.chart, planned.step.hours, asks=planned.step.asks).next_open(self.now)
        return opens if opens is not None and opens < planned.until else None

    # --- one a day, and not too many -----------------------------------------------------------------------

    def _collapse(self, candidates: list[_Candidate], upcoming: list[Planned]) -> list[_Candidate]:
        """Check-ins of several sessions on one day become one: the last of that day, for the nearest session."""
        fresh = [c for c in candidates if c.planned.step.collapses and c.entry is None]
        if not fresh:
            return candidates
        others = [c for c in candidates if c not in fresh]
        if self._last_asked() == self.today:
            for candidate in fresh:
                self._skip(candidate.planned, Reason.SUPERSEDED)
            return others
        later = [p.at for p in upcoming if p.step.collapses and p.at and local_day(p.at, self.chart) == self.today]
        if later and all(min(later) < candidate.planned.until for candidate in fresh):
            for candidate in fresh:
                self._wake(candidate.planned.session.id, min(later))
            return others
        return [*others, max(fresh, key=lambda c: (c.planned.session.starts_at, -c.planned.rank))]

    def _last_asked(self) -> date | None:
        """The patient's day on which the last check-in went out."""
        keys = {planned.step.key for plans in self.planned.values() for planned in plans if planned.step.collapses}
        asked = [
            entry.claimed_at
            for ledger in self.chart.ledgers.values()
            for entry in ledger.entries.values()
            if entry.step in keys
            and entry.channel is not None
            and entry.state is not State.SKIPPED
            and entry.claimed_at is not None
        ]
        return local_day(max(asked), self.chart) if asked else None

    def _one_too_many(self, planned: Planned) -> bool:
        """After LESS: no check-in at 72 hours, and none within three days of the last."""
        if not planned.step.collapses:
            return False
        last = self._last_asked()
        return planned.step.key == "checkin_72h" or (last is not None and (self.today - last).days < DAYS_BETWEEN)

    def _within_cap(self, candidates: list[_Candidate], upcoming: list[Planned]) -> list[_Candidate]:
        """Routine texts over the day's cap wait for tomorrow while of use, else are skipped; priority decides which,
        and of equals the one that cannot wait goes."""
        going = [c for c in candidates if not self._counts(c)]
        rivals = sorted(
            (c for c in candidates if self._counts(c)),
            key=lambda c: (c.planned.priority.rank, self._tomorrow(c.planned) is not None, c.order),
        )
        to_come = self._to_come(upcoming)
        left = self.chart.clinic.daily_cap - self._used_today()
        for candidate in rivals:
            rank = candidate.planned.priority.rank
            can_wait = self._tomorrow(candidate.planned) is not None
            kept_free = sum(
                1
                for planned in to_come
                if planned.priority.rank < rank
                or (planned.priority.rank == rank and can_wait and self._tomorrow(planned) is None)
            )
            if left - kept_free > 0:
                left -= 1
                going.append(candidate)
            else:
                self._over_cap(candidate.planned)
        return going

    def _counts(self, candidate: _Candidate) -> bool:
        return candidate.planned.step.capped and candidate.channel is Channel.SMS and candidate.entry is None

    def _to_come(self, upcoming: list[Planned]) -> list[Planned]:
        """Texts still to come today that count against the cap; of check-ins, one."""
        if channel_for(self.chart)[0] is not Channel.SMS:
            return []
        to_come, checkin = [], False
        for planned in upcoming:
            if planned.at is None or local_day(planned.at, self.chart) != self.today:
                continue
            if planned.step.task is not None or not planned.step.capped or (planned.step.collapses and checkin):
                continue
            checkin = checkin or planned.step.collapses
            to_come.append(planned)
        return to_come

    def _used_today(self) -> int:
        return sum(
            1
            for ledger in self.chart.ledgers.values()
            for entry in ledger.entries.values()
            if entry.capped
            and entry.reason is None  # what the provider refused reached nobody
            and entry.channel is Channel.SMS
            and entry.claimed_at is not None
            and local_day(entry.claimed_at, self.chart) == self.today
        )

    def _over_cap(self, planned: Planned) -> None:
        tomorrow = self._tomorrow(planned)
        if tomorrow is not None:
            self._wake(planned.session.id, tomorrow)
        else:
            self._skip(planned, Reason.DAILY_CAP)

    def _tomorrow(self, planned: Planned) -> datetime | None:
        """When a message that waits for tomorrow could go; None if it is of no use by then."""
        usable_door = door(self.chart, planned.step.hours, asks=planned.step.asks)
        midnight = wall(self.today + timedelta(days=1), self.chart.clinic.sending_hours.opens.min, usable_door.zone)
        opens = usable_door.next_open(midnight)
        return opens if opens is not None and opens < planned.until else None

    # --- writing it down -----------------------------------------------------------------------------------

    def _send(self, candidate: _Candidate) -> None:
        planned = candidate.planned
        earlier = candidate.entry
        folded = self._folded(candidate)
        entry = Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.CLAIMED,
            at=self.now,
            claimed_at=earlier.claimed_at if earlier else self.now,
            channel=candidate.channel,
            to=self.chart.patient.address(candidate.channel),
            due=planned.ideal,
            until=planned.until,
            shift=self._shifted(planned),
            again_at=self.now + LEASE,
            attempt=earlier.attempt + 1 if earlier else 1,
            language=self.chart.patient.language,
            capped=planned.step.capped,
            sessions=earlier.sessions if earlier else folded,
        )
        self._set(planned.session.id, entry)
        self.result.sends.append(Send(planned.session, planned.ledger, planned.step, entry))

    def _shifted(self, planned: Planned) -> Shift | None:
        """Which way it has moved from its own moment; pulled earlier but held up by the cap, it is later after all."""
        return Shift.LATER if planned.shift is Shift.EARLIER and self.now > planned.ideal else planned.shift

    def _folded(self, candidate: _Candidate) -> tuple[str, ...]:
        """The sessions a check-in speaks for; the check-ins it takes the place of are skipped as superseded."""
        if not candidate.planned.step.collapses or candidate.entry is not None:
            return ()
        spoken = [candidate.planned.session.id]
        for session_id, plans in self.planned.items():
            for planned in plans:
                if planned is candidate.planned or not planned.step.collapses or planned.at is None:
                    continue
                if planned.at <= self.now and not _begun(planned.ledger, planned) and not self._noted(planned):
                    self._skip(planned, Reason.SUPERSEDED)
                    if session_id not in spoken:
                        spoken.append(session_id)
        return tuple(sorted(spoken)) if len(spoken) > 1 else ()

    def _noted(self, planned: Planned) -> bool:
        return any(
            entry.step == planned.step.key and entry.start == planned.start
            for entry in self.result.entries.get(planned.session.id, {}).values()
        )

    def _skip(self, planned: Planned, reason: Reason) -> None:
        entry = Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.SKIPPED,
            at=self.now,
            due=planned.ideal,
            reason=reason,
        )
        safety = planned.step.priority is Priority.SAFETY
        kind = tasks.for_skipped(planned.step.key, reason, safety=safety)
        if kind is not None:
            opened = self._open(kind, planned.session.id, planned.step.key, planned.start)
            entry = _with(entry, task=opened.id)
        self._set(planned.session.id, entry)

    def _open_step(self, planned: Planned) -> None:
        """A step that is work for staff."""
        if planned.step.task is None:
            return
        if self.chart.patient.status is not PatientStatus.ACTIVE:
            self._skip(planned, Reason.INACTIVE)
            return
        if self.now >= planned.until:
            self._skip(planned, Reason.TOO_LATE)
            return
        due_at = self.now + timedelta(days=planned.step.task_days) if planned.step.task_days else None
        opened = self._open(planned.step.task, planned.session.id, planned.step.key, planned.start, due_at)
        entry = Entry(
            step=planned.step.key,
            start=planned.start,
            state=State.OPENED,
            at=self.now,
            due=planned.ideal,
            task=opened.id,
        )
        self._set(planned.session.id, entry)

    def _silence(self) -> None:
        """Two check-ins in a row without an answer. A later silence of one session takes an earlier one's line; each
        has a task of its own, named after its check-in."""
        found = silence.silent(self.chart, self.cadences, self.now)
        if found.wake is not None:
            self._wake(*found.wake)
        if found.opens_now is None:
            return
        session_id, asked = found.opens_now
        opened = self._open(TaskKind.NO_ANSWER, session_id, asked.step, asked.start)
        entry = Entry(
            step=silence.STEP,
            start=asked.start,
            state=State.OPENED,
            at=self.now,
            due=asked.at + silence.PATIENCE,
            task=opened.id,
        )
        self._set(session_id, entry)

    def _open(
        self, kind: TaskKind, session_id: str, step: str, start: datetime, due_at: datetime | None = None
    ) -> Task:
        opened = tasks.task(
            kind,
            self.chart.clinic.id,
            self.now,
            patient_id=self.chart.patient.id,
            session_id=session_id,
            step=step,
            start=start,
            due_at=due_at,
        )
        waiting = self.result.tasks.setdefault(session_id, [])
        if all(other.id != opened.id for other in waiting):
            waiting.append(opened)
        return opened

    def _set(self, session_id: str, entry: Entry) -> None:
        self.result.entries.setdefault(session_id, {})[entry.key] = entry

    def _wake(self, session_id: str, at: datetime) -> None:
        self.wakes[session_id].append(at)


def _begun(ledger: Ledger, planned: Planned) -> bool:
    """Whether this step has an entry for this start that still counts."""
    return any(
        entry.step == planned.step.key and entry.start == planned.start and not _void(ledger, entry)
        for entry in ledger.entries.values()
    )


def _void(ledger: Ledger, entry: Entry) -> bool:
    """Skipped because the visit was cancelled or moved away, and it has since come back."""
    if entry.at >= max(ledger.booked_at, ledger.moved_at or ledger.booked_at):
        return False
    was_to_come = entry.due is not None and entry.due > entry.at
    return entry.reason is Reason.CANCELLED or (entry.reason is Reason.SUPERSEDED and was_to_come)


def _same(one: Entry, other: Entry) -> bool:
    return one.step == other.step and one.start == other.start
