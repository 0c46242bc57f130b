"""Log lines: one JSON object each, ids only. What a message said, to whom, or what an error quotes is never written."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from traceback import extract_tb
from typing import Any

from reminders.errors import ReminderError

# Facts of the journal that are written; all others are left out, so that a new one has to be thought about first.
FACTS = frozenset(
    {"at", "attempt", "channel", "clinic", "code", "due", "error", "kind", "patient", "reason", "session", "status"}
    | {"step", "task", "urgency"}
)
# What libraries and errors say may quote a patient, so of them the place is written and not the words.
OWN = "chalicelib"

_log = logging.getLogger("chalicelib.logs")


class Unforeseen(Exception):
    """An error that nobody planned for, without its words: Lambda itself writes those of any it meets."""


def start() -> None:
    """Send everything from INFO up to stdout in our form, in place of Lambda's own way. Safe to repeat."""
    root = logging.getLogger()
    to_stdout = _ToStdout()
    to_stdout.setFormatter(_Line())
    root.handlers = [to_stdout]
    root.setLevel(logging.WARNING)
    logging.getLogger(OWN).setLevel(logging.INFO)


def journal(event: str, /, **facts: object) -> None:
    """`reminders.ports.Journal`: a line of what happened."""
    _log.info(event, extra={"facts": {name: facts[name] for name in sorted(FACTS & facts.keys())}})


def discreet(event: Any, respond: Callable[[Any], Any]) -> Any:
    """Middleware: an error of a kind that we do not raise ourselves goes on without its words. Raises Unforeseen."""
    try:
        return respond(event)
    except ReminderError:
        raise
    except Exception as error:
        _log.exception("unforeseen")
        raise Unforeseen(type(error).__name__) from None


class _ToStdout(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage() if record.name.startswith(OWN) else str(record.msg)
        line: dict[str, object] = {"event": said, "level": record.levelname, "logger": record.name}
        line["logged_at"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        line |= {name: _plain(fact) for name, fact in getattr(record, "facts", {}).items() if fact is not None}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = [f"{place.filename}:{place.lineno}" for place in extract_tb(record.exc_info[2])]
        return json.dumps(line, ensure_ascii=False)


def _plain(fact: object) -> object:
    if isinstance(fact, datetime):
        return fact.astimezone(UTC).isoformat()
    return fact if isinstance(fact, int | float) else str(fact)
