"""The things this system talks about. Frozen values; every datetime is aware, stored and compared in UTC.

Shapes are msgspec structs, so that input from outside (scenario, spreadsheet, table item) is checked by
the same declaration that the code reads. Session times are instants; a clinic's and a patient's `time_zone`
are IANA names and say how an instant looks on their wall.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Annotated

import msgspec

Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
E164 = Annotated[str, msgspec.Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]


class Kind(StrEnum):
    """What a session is. Treatments make drowsy; consultation and follow_up are talks."""

    CONSULTATION = "consultation"
    IV = "iv"
    IM = "im"
    LOZENGE_CLINIC = "lozenge_clinic"
    LOZENGE_HOME = "lozenge_home"
    SPRAVATO = "spravato"
    FOLLOW_UP = "follow_up"

    @property
    def treatment(self) -> bool:
        return self not in (Kind.CONSULTATION, Kind.FOLLOW_UP)


class Channel(StrEnum):
    SMS = "sms"
    EMAIL = "email"

    @property
    def other(self) -> Channel:
        return Channel.EMAIL if self is Channel.SMS else Channel.SMS


class Language(StrEnum):
    EN = "en"
    ES = "es"


class Audience(StrEnum):
    PATIENT = "patient"
    DRIVER = "driver"
    STAFF = "staff"


class Priority(StrEnum):
    """Who goes first when the daily cap is short (rules.md 3), highest first."""

    SAFETY = "safety"
    LOGISTICS = "logistics"
    MOOD = "mood"
    COURTESY = "courtesy"

    @property
    def rank(self) -> int:
        return list(Priority).index(self)


class Reason(StrEnum):
    """Why a message did not go out."""

    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    NO_ADDRESS = "no_address"
    TOO_LATE = "too_late"
    SUPERSEDED = "superseded"
    DAILY_CAP = "daily_cap"
    ALREADY_ANSWERED = "already_answered"
    CANCELLED = "cancelled"
    INACTIVE = "inactive"
    NO_ON_CALL = "no_on_call"
    PROVIDER_REFUSED = "provider_refused"


class Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of all values here."""


# --- clinic -----------------------------------------------------------------------------------------


class SendingHours(Frozen, frozen=True):
    """Wall-clock hours in the patient's zone: at or after `from`, before `until`."""

    opens: time = msgspec.field(name="from", default=time(9))
    closes: time = msgspec.field(name="until", default=time(20))


class OnCall(Frozen, frozen=True):
    """Somebody who is woken. `tested_at`: when this contact last acknowledged a test page."""

    name: str
    phone: E164
    email: str | None = None
    tested_at: Aware | None = None


class Treatment(Frozen, frozen=True):
    """A clinic's own rules for one kind of session; the floors for spravato are enforced by `treatment.py`."""

    solids_hours: int = 6
    liquids_hours: float = 2
    observed_minutes: int = 0
    alcohol_hours: int = 24


class Clinic(Frozen, frozen=True):
    id: Id
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    phone: E164
    time_zone: str
    sending_hours: SendingHours = SendingHours()
    daily_cap: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    on_call: tuple[OnCall, ...] = ()
    treatments: dict[Kind, Treatment] = {}
    arrive_minutes_before: int = 15
    address: str | None = None
    sms_from: str | None = None  # a number or a Messaging Service id (MG…)
    email_from: str | None = None
    paused: bool = False
    mood_floor: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2  # a mood at or under it is a task for a person
    mood_drop: Annotated[int, msgspec.Meta(ge=1, le=10)] = 4  # so is a fall by so much from the last answer

    @property
    def can_wake_somebody(self) -> bool:
        """Check-ins run only with a tested on-call contact (rules.md 2)."""
        return any(person.tested_at for person in self.on_call)


# --- patient ----------------------------------------------------------------------------------------


class PatientStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    LEFT = "left"
    DECEASED = "deceased"


class PermissionState(StrEnum):
    NONE = "none"
    GRANTED = "granted"
    REVOKED = "revoked"


class Permission(Frozen, frozen=True):
    """Consent for one channel: whether, since when, who recorded it, and which wording was read."""

    state: PermissionState = PermissionState.NONE
    at: Aware | None = None
    source: str = ""
    wording: str = ""


class Patient(Frozen, frozen=True):
    id: Id
    clinic_id: Id
    first_name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    time_zone: str
    phone: E164 | None = None
    email: str | None = None
    language: Language = Language.EN
    status: PatientStatus = PatientStatus.ACTIVE
    consent: dict[Channel, Permission] = {}
    prefers: Channel = Channel.SMS
    experienced: bool = False  # has had a treatment session before, here or elsewhere
    unreachable: dict[Channel, str] = {}  # an address that turned out dead; a new address is reachable again
    fewer_checkins: bool = False  # the patient answered LESS

    def address(self, channel: Channel) -> str | None:
        return self.phone if channel is Channel.SMS else self.email

    def permission(self, channel: Channel) -> Permission:
        return self.consent.get(channel, Permission())


# --- session ----------------------------------------------------------------------------------------


class SessionStatus(StrEnum):
    BOOKED = "booked"
    CANCELLED = "cancelled"
    DISCHARGED = "discharged"
    NO_SHOW = "no_show"


class Session(Frozen, frozen=True):
    """One visit, as the booking system knows it. Our own bookkeeping is in its Ledger, never here."""

    id: Id
    clinic_id: Id
    patient_id: Id
    kind: Kind
    starts_at: Aware
    minutes: Annotated[int, msgspec.Meta(ge=5, le=720)] = 60
    status: SessionStatus = SessionStatus.BOOKED
    booked_at: Aware | None = None
    status_at: Aware | None = None  # when it was discharged, missed or cancelled


# --- cadence ----------------------------------------------------------------------------------------


class Anchor(StrEnum):
    BOOKED = "booked"
    START = "start"
    MOVED = "moved"
    CANCELLED = "cancelled"
    DISCHARGED = "discharged"
    HOME_SAFE = "home_safe"  # when the home-safe question went out
    MISSED = "missed"


class Shift(StrEnum):
    """Which way a message moves when its own moment will not do."""

    EARLIER = "earlier"
    LATER = "later"


class Hours(StrEnum):
    """When a message may go out at all."""

    SENDING = "sending"  # the clinic's sending hours, patient's zone
    EVENING = "evening"  # sending hours, prolonged to 22:00
    ANY = "any"


class Condition(StrEnum):
    """When a step belongs to a session at all."""

    FIRST_SESSION = "first_session"
    RIDE_OPEN = "ride_open"
    NO_LATER_SESSION = "no_later_session"
    HOME_SAFE_OPEN = "home_safe_open"
    STILL_BOOKED = "still_booked"


class TaskKind(StrEnum):
    CRISIS = "crisis"
    REVIEW_REPLY = "review_reply"
    RIDE_UNKNOWN = "ride_unknown"
    NO_RIDE = "no_ride"
    TOO_LATE = "too_late"
    UNDELIVERABLE = "undeliverable"
    RESCHEDULE = "reschedule"
    CALL_PATIENT = "call_patient"
    NOT_HOME_SAFE = "not_home_safe"
    LOW_MOOD = "low_mood"
    NO_ANSWER = "no_answer"
    IN_DOUBT = "in_doubt"
    REMS_FORM = "rems_form"
    REBOOK = "rebook"
    MALFORMED = "malformed"
    TEMPLATE = "template"
    OPERATOR = "operator"
    UNMARKED = "unmarked"


class Urgency(StrEnum):
    URGENT = "urgent"
    REVIEW = "review"
    ROUTINE = "routine"


class Step(Frozen, frozen=True):
    """One line of a cadence: a message (or, with `task`, work for staff), when, and for how long it is of use.

    `days` + `at` is a local date and wall time; `minutes` is elapsed time from the anchor; not both.
    `useful_minutes`: before-session steps, how long before the start it stops being of use; others, how long after
    its own moment. `pull_minutes`: a follow-up that would fall after hours may come as early as this after its anchor.
    `task_days`: the task is due so many days after it opens.
    """

    key: Id
    anchor: Anchor
    days: int | None = None
    at: time | None = None
    minutes: int = 0
    shift: Shift = Shift.LATER
    hours: Hours = Hours.SENDING
    pull_minutes: int | None = None
    useful_minutes: int = 60
    priority: Priority = Priority.LOGISTICS
    capped: bool = True
    asks: bool = False  # wants an answer or a decision; never put to a drowsy patient
    fasting: bool = False  # must arrive before the fasting cut-off
    needs_on_call: bool = False  # refused unless somebody can be woken
    collapses: bool = False  # several of these on one day become one
    when: Condition | None = None
    task: TaskKind | None = None
    urgency: Urgency = Urgency.ROUTINE
    task_days: int = 0

    @property
    def before_start(self) -> bool:
        """A reminder of the visit, as opposed to a notice or a follow-up."""
        return self.task is None and self.anchor in (Anchor.BOOKED, Anchor.START)


class Cadence(Frozen, frozen=True):
    kind: Kind
    version: int
    steps: tuple[Step, ...]


# --- what happened ----------------------------------------------------------------------------------


class State(StrEnum):
    """Of one entry in a session's ledger. `claimed` → `sent` | `retry` | `failed` | `in_doubt`; the rest are final."""

    CLAIMED = "claimed"
    RETRY = "retry"
    IN_DOUBT = "in_doubt"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    OPENED = "opened"  # a task was opened


class Receipt(StrEnum):
    """What became of a sent message, in the order in which they outrank each other."""

    QUEUED = "queued"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    BOUNCED = "bounced"
    DELIVERED = "delivered"
    COMPLAINED = "complained"

    @property
    def rank(self) -> int:
        return list(Receipt).index(self)


class Entry(Frozen, frozen=True):
    """What became of one step of one session, for one start time, on one channel (or none)."""

    step: str
    start: Aware
    state: State
    at: Aware
    claimed_at: Aware | None = None  # of the first attempt: the day whose cap it counts against
    channel: Channel | None = None
    to: str | None = None
    due: Aware | None = None  # when it was to go
    until: Aware | None = None  # after this it is of no use
    shift: Shift | None = None  # it was moved from its own moment
    again_at: Aware | None = None  # claimed, retry, in_doubt: when to look again
    attempt: int = 1
    ref: str | None = None  # the provider's id
    template: str | None = None
    version: str | None = None
    language: Language | None = None
    encoding: str | None = None
    segments: int = 0
    capped: bool = False
    reason: Reason | None = None
    receipt: Receipt | None = None
    code: str | None = None
    sessions: tuple[str, ...] = ()  # all sessions a combined text speaks for
    task: str | None = None

    @property
    def key(self) -> str:
        return entry_key(self.step, self.start, self.channel)


def entry_key(step: str, start: datetime, channel: Channel | None) -> str:
    """The one identity of a message: step, start time, channel (the session is the ledger's)."""
    return f"{step}|{start.astimezone(UTC):%Y%m%dT%H%M%SZ}|{channel or '-'}"


class RideState(StrEnum):
    UNKNOWN = "unknown"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    NONE = "none"


class Ride(Frozen, frozen=True):
    """Who takes the patient home; it belongs to one start time and is asked anew after a move."""

    state: RideState = RideState.UNKNOWN
    who: str = ""
    at: Aware | None = None
    by: str = ""  # "patient" or the name of the staff member who attests it


class Ledger(Frozen, frozen=True):
    """Our bookkeeping beside one session: what was said, what was not and why. Its `version` is the lock."""

    session_id: Id
    starts_at: Aware  # the start we last planned for
    booked_at: Aware  # when we first saw it, or the booking's own time
    status: SessionStatus = SessionStatus.BOOKED
    version: int = 0
    entries: dict[str, Entry] = {}
    moved_at: Aware | None = None
    moved_from: Aware | None = None  # the start the patient was last told of
    cancelled_at: Aware | None = None
    discharged_at: Aware | None = None
    missed_at: Aware | None = None
    ride: Ride = Ride()
    confirmed_at: Aware | None = None
    home_safe_at: Aware | None = None
    answered: dict[str, Aware] = {}  # entry key → when the patient answered what it asked
    next_due_at: Aware | None = None


class Chart(Frozen, frozen=True):
    """All that is needed to decide about one patient now: the patient, the clinic, live sessions and their ledgers."""

    clinic: Clinic
    patient: Patient
    patient_version: int = 0
    sessions: dict[str, Session] = {}
    ledgers: dict[str, Ledger] = {}
    starts_as_stored: dict[str, str] = {}  # a booking system's own spelling of each start; what the store guards by


class Task(Frozen, frozen=True):
    """Something a person must do. Its id is made from what caused it, so it is opened once."""

    id: str
    clinic_id: Id
    kind: TaskKind
    urgency: Urgency
    opened_at: Aware
    due_at: Aware
    patient_id: str | None = None
    session_id: str | None = None
    step: str | None = None
    detail: str = ""  # never a patient's words, name or address
    taken_by: str | None = None
    taken_at: Aware | None = None
    closed_at: Aware | None = None
    note: str = ""
    next_due_at: Aware | None = None  # an urgent task that nobody has taken: when somebody is woken next
    attempt: int = 0  # how often somebody has been woken
    undeliverable: bool = False  # the patient could not be answered: whoever is woken must phone


# --- what came in ------------------------------------------------------------------------------------


class Inbound(Frozen, frozen=True):
    """A message from a phone, kept as it came before a word of it is read. `sid` is the provider's id: one is one."""

    sid: Id
    clinic_id: Id
    sender: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # a number, or a short code or name
    body: str
    received_at: Aware
    opt_out_type: str | None = None  # STOP, START or HELP: Twilio has answered already
    done_at: Aware | None = None  # worked on; until then `next_due_at` brings it back
    next_due_at: Aware | None = None
    patient_id: str | None = None
    level: str | None = None
    intent: str | None = None
    score: int | None = None
    answer: str | None = None  # the key of the reply we gave, such as reply_confirm
    answer_language: Language | None = None


class Instrument(StrEnum):
    """What a mood check-in asked. `mood`: 0–10, one question."""

    MOOD = "mood"
    PHQ2 = "phq2"
    PHQ9 = "phq9"


class CheckIn(Frozen, frozen=True):
    """One answered check-in. `items` are the single answers, None where one was left out; then there is no `score`."""

    asked_at: Aware
    answered_at: Aware
    instrument: Instrument
    version: str
    items: tuple[int | None, ...]
    score: int | None
    raw: str = ""
    session_id: str | None = None


# --- on the way out ---------------------------------------------------------------------------------


class Rendered(Frozen, frozen=True):
    """A message as the recipient gets it. Email has subject and html; SMS has encoding and segments."""

    body: str
    template: str
    version: str
    language: Language
    channel: Channel
    subject: str | None = None
    html: str | None = None
    calendar: str | None = None
    encoding: str | None = None
    segments: int = 0


class Outgoing(Frozen, frozen=True):
    """A rendered message with its address. `tags` (ids only) come back in receipts."""

    to: str
    sender: str | None
    message: Rendered
    send_by: Aware
    tags: dict[str, str] = {}
    unsubscribe: str | None = None  # email: a page or mailto: address that ends it


class Result(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"  # the provider said no; `code` says why; nothing was sent
    UNKNOWN = "unknown"  # no usable answer; it may have been sent


class Outcome(Frozen, frozen=True):
    result: Result
    at: Aware | None = None
    ref: str | None = None
    code: str | None = None
