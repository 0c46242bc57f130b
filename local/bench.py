"""`python -m local.bench [--only NAME]`: speed and size, one JSON object a line. docs/benchmarks.md explains them.

The emulated AWS and the sandbox provider run in processes of their own, and so does the worker that is measured.
DYNAMODB_ENDPOINT puts another emulator in moto's place, for the table alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import click

from local.bench_clinic import Pattern, Population, populate
from local.bench_clock import RATE, percentile
from local.embedded import REGION
from local.provider_messages import ACCOUNT_SID, AUTH_TOKEN
from local.resources import create_queue, create_table
from reminders import cadences
from reminders.model import Kind, Language

CADENCES = cadences.load(Path(__file__).parent.parent / "templates" / "cadences")
SHARDS = 8  # as deployed
ZONES = ("America/Los_Angeles", "America/Denver", "America/Chicago", "America/New_York")
BOUNDS = {
    "cpu_per_message_ratio": 3.0,
    "dynamodb_calls_per_message": 2.5,
    "dispatch_flatness": 1.05,
    "burst_10k": 1.1,
    "lateness_p95_s": 5,
    "rehearsal_s": 5,
    "worker_rss_mb": 160,
}

Line = dict[str, Any]


# --- the ground -------------------------------------------------------------------------------------


@contextmanager
def _process(module: str) -> Iterator[str]:
    """A server of ours; gives the address that it prints first."""
    with subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # our own modules
        try:
            if server.stdout is None or not (address := server.stdout.readline().strip()):
                raise RuntimeError(f"{module} did not start")
            yield address
        finally:
            server.terminate()


@dataclass
class Ground:
    """One table with its queue and secret on an emulated AWS, and a provider."""

    aws: str
    provider: str
    table: str = "bench"
    shards: int = SHARDS

    @cached_property
    def dynamodb(self) -> Any:
        return self._client("dynamodb")

    def _client(self, service: str) -> Any:
        endpoint = os.environ.get("DYNAMODB_ENDPOINT") if service == "dynamodb" else None
        return boto3.client(
            service,  # type: ignore[call-overload]  # any of them
            endpoint_url=endpoint or self.aws,
            region_name=REGION,
            aws_access_key_id="none",
            aws_secret_access_key="none",  # noqa: S106  # the emulator takes anything
        )

    @cached_property
    def _queue_url(self) -> str:
        return create_queue(self._client("sqs"), self.table)

    def build(self) -> None:
        self.table = f"bench-{uuid.uuid4().hex[:8]}"
        create_table(self.dynamodb, self.table)
        secret = json.dumps({"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN})
        self._client("secretsmanager").create_secret(Name=f"{self.table}-twilio", SecretString=secret)

    def work(self, what: str, now: datetime, until: datetime | None = None, **more: Any) -> Any:
        """Run one order in a worker of its own; what it answers."""
        order = {"what": what, "now": now.isoformat(), "until": (until or now).isoformat(), **more}
        done = subprocess.run(  # our own module
            [sys.executable, "-m", "local.bench_worker"],
            input=json.dumps(order),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=os.environ | self._environment(),
        )
        return json.loads(done.stdout)

    def _environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.aws,
            "AWS_ENDPOINT_URL_DYNAMODB": os.environ.get("DYNAMODB_ENDPOINT") or self.aws,
            "TABLE_NAME": self.table,
            "DELIVER_QUEUE_URL": self._queue_url,
            "PUBLIC_URL": "https://reminders.example/api",
            "TWILIO_SECRET": f"{self.table}-twilio",
            "TWILIO_API": self.provider,
            "SES_CONFIGURATION_SET": "none",
            "EMAIL_FROM": "visits@harbor.example",
            "DUE_SHARDS": str(self.shards),
        }

    def accepted(self) -> list[tuple[str, str]]:
        """Number and text of every message that the provider took."""
        from twilio.rest import Client

        from chalicelib.twilio_http import LeanHttp

        client = Client(ACCOUNT_SID, AUTH_TOKEN, http_client=LeanHttp(self.provider, 60))
        return [(str(message.to), str(message.body)) for message in client.messages.list(page_size=1000)]


@contextmanager
def ground() -> Iterator[Ground]:
    with ExitStack() as stack:
        made = Ground(
            stack.enter_context(_process("local.aws_server")), stack.enter_context(_process("local.provider"))
        )
        made.build()
        yield made


# --- who is due -------------------------------------------------------------------------------------


def _wall(day: int, hour: int, minute: int = 0, zone: str = ZONES[0]) -> datetime:
    """A wall time of June 2026, as an instant: no clock changes near it."""
    return datetime(2026, 6, day, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)


NINE = _wall(10, 9)  # a Wednesday


def _same_day(count: int, nine: datetime = NINE) -> list[Pattern]:
    """Visits at noon, of which the text goes at nine."""
    kinds = (Kind.IV, Kind.IM, Kind.SPRAVATO, Kind.LOZENGE_CLINIC)
    noon, booked_at = nine + timedelta(hours=3), nine - timedelta(days=8)
    return [
        Pattern(number, kinds[number % 4], noon, booked_at, language=tuple(Language)[number // 4 % 2])
        for number in range(count)
    ]


def _day_before(count: int) -> list[Pattern]:
    """Visits of tomorrow at ten, of which the text about fasting and the ride goes at four this afternoon."""
    return [replace(pattern, starts_at=_wall(11, 10)) for pattern in _same_day(count)]


def _ordinary_day() -> list[Pattern]:
    """Every stage of a course that sends something on the 10th, in four zones, at eight times of day."""
    kinds = (Kind.IV, Kind.IM, Kind.SPRAVATO, Kind.LOZENGE_CLINIC, Kind.LOZENGE_HOME)
    stages = (13, 12, 11, 10, 9, 7, 3)  # the session's day: to come, today, or a day, three days, a week ago
    patterns: list[Pattern] = []
    for zone in ZONES:
        for position, hour in enumerate((8, 9, 10, 11, 13, 14, 15, 16)):
            for stage in stages:
                number = len(patterns)
                starts_at = _wall(stage, hour, (0, 30)[position % 2], zone)
                over = starts_at + timedelta(minutes=95 + number % 37) if stage < 10 else None
                patterns.append(
                    Pattern(
                        number,
                        kinds[number % 5],
                        starts_at,
                        starts_at - timedelta(days=12),
                        zone,
                        tuple(Language)[number % 2],
                        over,
                    )
                )
    return patterns


# --- the benchmarks ---------------------------------------------------------------------------------


def price() -> list[Line]:
    """CPU of a message, calls of a message, memory."""
    with ground() as here:
        at = _wall(10, 16)
        rounds, size, warm = 7, 10, 10
        wanted = 10 * (rounds * size + warm)
        people = _people(here, _day_before(8), at, at + timedelta(minutes=1), wanted)
        refs = [(ref.clinic_id, ref.patient_id) for ref in people.refs]
        found = here.work("price", at, refs=_shuffled(refs), warm=warm, rounds=rounds)
    message_ms: list[float] = found["message_ms"]

    def over(others: list[float]) -> float:
        """Round by round: what else the machine does slows neighbours down alike."""
        return round(median(mine / other for mine, other in zip(message_ms, others, strict=True)), 2)

    return [
        _line(
            "cpu_per_message_ratio",
            over(found["bare_ms"]),
            "times a bare create",
            wanted=2.0,
            message_ms=message_ms,
            bare_ms=found["bare_ms"],
            messages=found["messages"],
            over_lean_client=over(found["lean_ms"]),
        ),
        _line("worker_rss_mb", found["peak_rss_mb"], "MB"),
    ]


def road() -> list[Line]:
    """DynamoDB calls from due to recorded."""
    with ground() as here:
        _people(here, _same_day(8), NINE, NINE + timedelta(minutes=1), 100)
        found = here.work("road", NINE)
    calls = found.pop("calls")
    return [_line("dynamodb_calls_per_message", round(calls / found["messages"], 3), "calls", calls=calls, **found)]


def flatness() -> list[Line]:
    """Items that a dispatch reads, with much and with little in the table."""
    read = {}
    for stored in (1_000, 100_000):
        with ground() as here:
            _people(here, _same_day(4), NINE, NINE + timedelta(minutes=1), 100)
            tomorrow = NINE + timedelta(days=1)
            _people(here, _same_day(4, tomorrow), tomorrow, tomorrow + timedelta(minutes=1), stored - 100, first=100)
            read[stored] = here.work("reading", NINE)["read"]
    value = read[100_000] / read[1_000]
    return [_line("dispatch_flatness", round(value, 3), "times", read={str(k): v for k, v in read.items()})]


def burst() -> list[Line]:
    """10,000 messages due at nine."""
    with ground() as here:
        people = _people(here, _same_day(8), NINE, NINE + timedelta(minutes=1), 10_000)
        found = here.work("day", NINE, NINE + timedelta(minutes=1))
        accepted = here.accepted()
    ideal = people.messages / RATE
    found.pop("late_s")
    return [
        _line(
            "burst_10k",
            round(found["last_s"] / ideal, 3),
            "times the ideal drain",
            drain_s=found.pop("last_s"),
            ideal_s=ideal,
            **_twice_or_lost(people, accepted),
            **found,
        )
    ]


def ordinary() -> list[Line]:
    """A day of 5,000 messages."""
    with ground() as here:
        opens, closes = _wall(10, 0), _wall(11, 0)
        patterns = _ordinary_day()
        people = _people(here, patterns, opens, closes, 5_000)
        found = here.work("day", opens, closes)
        accepted = here.accepted()
    late = found.pop("late_s")
    del found["last_s"]
    return [
        _line(
            "lateness_p95_s",
            round(percentile(late, 0.95), 2),
            "s",
            median_s=round(percentile(late, 0.5), 2),
            worst_s=round(max(late), 2),
            **_twice_or_lost(people, accepted),
            **found,
        )
    ]


def rehearsal() -> list[Line]:
    """A course of nine sessions in six weeks, as a person would run it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "course.json"
        path.write_text(json.dumps(_course()), encoding="utf-8")
        took, lines = [], 0
        for _ in range(3):
            started = time.perf_counter()
            done = subprocess.run(  # noqa: S603  # our own module
                [sys.executable, "-m", "reminders", "rehearse", str(path), "--json"],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            took.append(round(time.perf_counter() - started, 2))
            lines = sum('"event": "sent"' in line for line in done.stdout.splitlines())
    return [_line("rehearsal_s", median(took), "s", runs_s=took, messages=lines)]


BENCHES = {
    "cpu_per_message_ratio": price,
    "worker_rss_mb": price,
    "dynamodb_calls_per_message": road,
    "rehearsal_s": rehearsal,
    "lateness_p95_s": ordinary,  # the longest first: two go side by side
    "burst_10k": burst,
    "dispatch_flatness": flatness,
}
ALONE = (price, road, rehearsal)  # these measure time; the others count, and may share the machine


# --- the parts --------------------------------------------------------------------------------------


def _people(
    here: Ground, patterns: Sequence[Pattern], opens: datetime, closes: datetime, messages: int, first: int = 0
) -> Population:
    """So many messages (or a few more) due from `opens` until before `closes`."""
    return populate(here.dynamodb, here.table, here.shards, CADENCES, patterns, opens, closes, messages, first)


def _shuffled(refs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every batch of ten from several clinics, always the same."""
    step = max(len(refs) // 10, 1)
    return [refs[start + step * turn] for start in range(step) for turn in range(10) if start + step * turn < len(refs)]


def _twice_or_lost(people: Population, accepted: list[tuple[str, str]]) -> Mapping[str, int]:
    distinct = len(set(accepted))
    return {"due": people.messages, "duplicates": len(accepted) - distinct, "lost": people.messages - distinct}


def _course() -> dict[str, Any]:
    """Two sessions a week for three weeks, then one a week."""
    first = datetime(2026, 5, 4, 10, tzinfo=ZoneInfo(ZONES[0]))
    days = (0, 3, 7, 10, 14, 17, 24, 31, 38)
    starts = [first + timedelta(days=day) for day in days]
    sessions = [
        {"id": f"s{number}", "patient_id": "p1", "kind": "iv", "starts_at": at.isoformat(), "minutes": 60}
        for number, at in enumerate(starts, 1)
    ]
    over = [
        {"at": (at + timedelta(minutes=100)).isoformat(), "do": "discharge", "session": f"s{number}"}
        for number, at in enumerate(starts, 1)
    ]
    patient = {"id": "p1", "first_name": "Ana", "phone": "+12135550123", "consent": {"sms": True}}
    return {
        "starts": (first - timedelta(days=4)).isoformat(),
        "ends": (first + timedelta(days=42)).isoformat(),
        "patients": [patient],
        "sessions": sessions,
        "events": over,
    }


def _line(name: str, value: float, unit: str, **details: Any) -> Line:
    wanted = {"wanted": details.pop("wanted")} if "wanted" in details else {}
    return {"name": name, "value": value, "unit": unit, "bound": BOUNDS[name], **wanted, "details": details}


def main() -> None:
    """All of them, or the one that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m local.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=sorted(BENCHES), metavar="NAME", help=", ".join(sorted(BENCHES)))
    only = parser.parse_args().only
    chosen = dict.fromkeys([BENCHES[only]] if only else BENCHES.values())
    for bench in chosen:
        if bench in ALONE:
            _print(bench(), only)
    with ThreadPoolExecutor(2) as pool:
        for lines in pool.map(lambda bench: bench(), [bench for bench in chosen if bench not in ALONE]):
            _print(lines, only)


def _print(lines: Sequence[Line], only: str | None) -> None:
    for line in lines:
        if only in (None, line["name"]):
            click.echo(json.dumps(line))


if __name__ == "__main__":
    main()
