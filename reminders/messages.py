"""What a message says: the catalogue of templates, the names they may use, and rendering for a phone or a mailbox."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from reminders import gsm, sandbox, wording
from reminders.errors import BadTemplate
from reminders.model import Channel, Chart, Clinic, Frozen, Kind, Language, Rendered, Ride, RideState, Session, Step
from reminders.paragraphs import html, paragraphs, plain
from reminders.treatment import NOSE_SPRAY_BEFORE, treatment_for

DEFAULTS: Final = Path(__file__).resolve().parent.parent / "templates" / "messages"

LONGEST: Final = {Channel.SMS: 1600, Channel.EMAIL: 20_000}  # characters; Twilio refuses a text over 1,600 (21617)
LONGEST_RIDE: Final = 20  # characters of a driver's name that a text repeats


class Template(Frozen, frozen=True):
    """One version of one message for one language and channel."""

    step: str
    language: Language
    channel: Channel
    source: str
    version: str  # of a shipped file: the beginning of its SHA-256
    name: str  # such as prepare/en.sms

    @property
    def label(self) -> str:
        """Name and version, for whoever has to mend it."""
        return f"{self.name}@{self.version}"


class Catalogue:
    """All templates: for each message its versions, newest first, with the shipped one last."""

    def __init__(self, shipped: Iterable[Template], newer: Iterable[Template] = ()) -> None:
        self._versions: dict[tuple[str, Language, Channel], list[Template]] = {}
        for template in (*newer, *shipped):
            self._versions.setdefault((template.step, template.language, template.channel), []).append(template)

    def versions(self, step: str, language: Language, channel: Channel) -> list[Template]:
        """Newest first, the shipped default last; empty for a message that does not exist."""
        return list(self._versions.get((step, language, channel), ()))

    def find(self, step: str, language: Language, channel: Channel) -> Template | None:
        """The version to use, if the message exists."""
        return next(iter(self.versions(step, language, channel)), None)

    def steps(self) -> list[str]:
        """Every message there is, by name."""
        return sorted({step for step, _, _ in self._versions})


def load_defaults(folder: Path = DEFAULTS, *, newer: Iterable[Template] = ()) -> Catalogue:
    """The shipped templates `<step>/<language>.<channel>.j2`; `newer` are a clinic's own, newest first.

    Raises BadTemplate, naming the file, for one that is no text or has a language or channel we do not know.
    """
    return Catalogue((_read(path) for path in sorted(folder.glob("*/*.j2"))), newer)


def _read(path: Path) -> Template:
    name = f"{path.parent.name}/{path.name.removesuffix('.j2')}"
    language, _, channel = path.name.removesuffix(".j2").partition(".")
    try:
        source = path.read_bytes().decode()
        return Template(
            step=path.parent.name,
            language=Language(language),
            channel=Channel(channel),
            source=source,
            version=hashlib.sha256(source.encode()).hexdigest()[:10],
            name=name,
        )
    except UnicodeDecodeError:
        raise BadTemplate(name, "is not UTF-8 text") from None
    except ValueError:
        raise BadTemplate(name, "should be named <language>.<channel>.j2, as in en.sms.j2") from None


# --- what a template may say ------------------------------------------------------------------------


def context(
    chart: Chart,
    session: Session | None,
    step: Step | str,
    now: datetime,
    *,
    ride: Ride = Ride(),  # noqa: B008 - frozen
    sessions: tuple[str, ...] = (),
) -> dict[str, object]:
    """The names of NAMES for one message; those about a visit are missing when there is no session.

    All times are the clinic's wall time, `now` is any aware time. What EXTRAS lists for `step` is the caller's to add.
    """
    words = clinic_words(chart.clinic)
    words["step"] = step if isinstance(step, str) else step.key
    words["first_name"] = wording.one_line(chart.patient.first_name)
    if session is not None:
        words.update(_visit_words(chart, session, now))
        words.update(_ride_words(session, ride))
        words["visit_count"] = max(1, len(sessions))
    return words


def clinic_words(clinic: Clinic) -> dict[str, object]:
    """The names that are known even when the patient is not: for a reply to a number nobody has, and for pages."""
    return {
        "clinic_name": wording.one_line(clinic.name),
        "clinic_phone": wording.phone(clinic.phone),
        "clinic_address": wording.one_line(clinic.address or ""),
    }


def _visit_words(chart: Chart, session: Session, now: datetime) -> dict[str, object]:
    language, kind = chart.patient.language, session.kind
    here = ZoneInfo(chart.clinic.time_zone)
    start = session.starts_at.astimezone(here)
    visit = start.date()
    rules = treatment_for(chart.clinic, kind)
    stop_eating = session.starts_at - timedelta(hours=rules.solids_hours)
    arrive = session.starts_at - timedelta(minutes=chart.clinic.arrive_minutes_before)
    zone = _foreign_zone(start, chart.patient.time_zone, language)
    suffix = f" ({zone})" if zone else ""

    def stop(hours: float) -> str:
        return wording.cut_off((session.starts_at - timedelta(hours=hours)).astimezone(here), visit, language)

    spray = NOSE_SPRAY_BEFORE.total_seconds() / 3600
    return {
        "kind": kind.value,
        "is_treatment": kind.treatment,
        "at_home": kind is Kind.LOZENGE_HOME,
        "day": wording.day(visit, language),
        "day_and_time": wording.at(wording.day(visit, language), start, language) + suffix,
        "long_day_and_time": wording.at(wording.long_day(visit, language), start, language) + suffix,
        "zone": zone,
        "arrive_at": wording.time_near(arrive.astimezone(here), visit, language),
        "stop_eating_at": stop(rules.solids_hours),
        "stop_drinking_at": stop(rules.liquids_hours),
        "stop_nose_spray_at": stop(spray) if kind is Kind.SPRAVATO else "",
        "fast_ahead": kind.treatment and now < stop_eating,
        "alcohol_hours": rules.alcohol_hours,
        "visit_minutes": max(session.minutes, rules.observed_minutes),
    }


def _ride_words(session: Session, ride: Ride) -> dict[str, object]:
    needed = session.kind.treatment
    confirmed = ride.state is RideState.CONFIRMED
    return {
        "ride_open": needed and ride.state in (RideState.UNKNOWN, RideState.ASKED),
        "ride_missing": needed and ride.state is RideState.NONE,
        "ride_who": _shortened(ride.who) if needed and confirmed else "",
    }


def _foreign_zone(start: datetime, patient_zone: str, language: Language) -> str:
    theirs = start.astimezone(ZoneInfo(patient_zone))
    same = theirs.utcoffset() == start.utcoffset() and theirs.tzname() == start.tzname()
    return "" if same else wording.zone_name(start, language)


def _shortened(name: str) -> str:
    """A driver's name, cut at a word, so that a rambling answer does not fill our text."""
    name = wording.one_line(name)
    if len(name) <= LONGEST_RIDE:
        return name
    return name[: LONGEST_RIDE + 1].rpartition(" ")[0] or name[:LONGEST_RIDE]


# --- rendering --------------------------------------------------------------------------------------


def render(templates: Sequence[Template], words: Mapping[str, object]) -> tuple[Rendered, tuple[str, ...]]:
    """The first of these versions that renders, and the labels of those that failed before it.

    Raises BadTemplate when none renders; its `field` is the label of the newest.
    """
    failures: list[BadTemplate] = []
    for template in templates:
        try:
            rendered = _sms(template, words) if template.channel is Channel.SMS else _email(template, words)
        except BadTemplate as error:
            failures.append(error)
        else:
            return rendered, tuple(failure.field for failure in failures)
    raise failures[0] if failures else BadTemplate("messages", "there is no such message in this language and channel")


def _filled(template: Template, words: Mapping[str, object]) -> str:
    text = sandbox.render(template.label, template.source, words)
    if len(text) > LONGEST[template.channel]:
        raise BadTemplate(template.label, f"comes out longer than {LONGEST[template.channel]} characters")
    return text


def _sms(template: Template, words: Mapping[str, object]) -> Rendered:
    body = wording.one_line(gsm.normalise(_filled(template, words)))
    if not body:
        raise BadTemplate(template.label, "comes out empty")
    return Rendered(
        body=body,
        template=template.name,
        version=template.version,
        language=template.language,
        channel=template.channel,
        encoding=gsm.encoding(body),
        segments=gsm.segments(body),
    )


def _email(template: Template, words: Mapping[str, object]) -> Rendered:
    first, _, rest = _filled(template, words).lstrip().partition("\n")
    label, _, subject = first.partition(":")
    parts = paragraphs(rest)
    if label != "Subject" or not subject.strip() or not parts:
        raise BadTemplate(template.label, "must begin with a line “Subject: …”, then an empty line, then text")
    subject = wording.one_line(subject)
    return Rendered(
        body=plain(parts),
        template=template.name,
        version=template.version,
        language=template.language,
        channel=template.channel,
        subject=subject,
        html=html(parts, subject=subject, language=template.language),
    )
