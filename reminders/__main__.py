"""The terminal's front door. Like app.py it only wires; the one file of the domain that may reach outward."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import click

from reminders.errors import BadInput, ReminderError

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"


class Failed(click.exceptions.Exit):
    """The work failed and has said so: exit 1."""

    def __init__(self) -> None:
        super().__init__(1)


@click.group(no_args_is_help=True)
def cli() -> None:
    """Reminders, replies and check-ins for a clinic's sessions."""


@cli.command()
@click.option("--once", is_flag=True, help="Print the ledger and stop, without serving pages.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Where the pages are, on 127.0.0.1."
)
def demo(once: bool, port: int) -> None:
    """Run the sample clinic's busy morning on an embedded AWS.

    \b
    Example:
      python -m reminders demo --once
    """
    from local import demo as sample

    sample.run(once=once, port=port)


@cli.command()
@click.argument("scenario", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of a table.")
def rehearse(scenario: Path, as_json: bool) -> None:
    """Play a course of treatment on a virtual clock, through the real workflow.

    \b
    Example:
      python -m reminders rehearse scenario.json --json
    """
    from local import rehearsal
    from local import scenario as scenarios

    rehearsal.show(scenarios.read(scenario), as_json=as_json)


@cli.command()
@click.option(
    "--expecting", type=click.Choice(["mood", "phq2", "ride", "confirm", "home_safe"]), help="What was asked."
)
@click.option("--language", type=click.Choice(["en", "es"]), help="The patient's language.")
@click.option("--json", "as_json", is_flag=True, help="Accepted; the output is always JSON.")
def interpret(expecting: str | None, language: str | None, as_json: bool) -> None:
    """Read one reply a line on stdin; say how each is understood.

    \b
    Example:
      echo "a 7" | python -m reminders interpret --expecting mood
    """
    del as_json  # contract 4: it changes nothing
    from local import jsonl
    from reminders.model import Language
    from reminders.replies import Expecting, as_line, understand

    asked = Expecting(expecting) if expecting else None
    spoken = Language(language) if language else None
    for line in sys.stdin.buffer:  # only a line feed ends a line; a reply may hold other characters that end lines
        text = line.decode("utf-8", errors="replace").removesuffix("\n").removesuffix("\r")
        click.echo(jsonl.line(as_line(understand(text, expecting=asked, language=spoken))))


@cli.command()
@click.argument("kind")
@click.option("--channel", type=click.Choice(["sms", "email"]), required=True)
@click.option("--language", type=click.Choice(["en", "es"]), default="en", show_default=True)
@click.option("--with", "values", type=click.Path(path_type=Path), help="A JSON object of names and values to use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def render(kind: str, channel: str, language: str, values: Path | None, as_json: bool) -> None:
    """Show one message as a patient would get it.

    \b
    Example:
      python -m reminders render day_before --channel sms --language es
    """
    from local import preview

    preview.show(TEMPLATES, kind, channel, language, values, as_json=as_json)


@cli.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def lint(paths: tuple[Path, ...], as_json: bool) -> None:
    """Check templates; one line a finding: file, line, what, how to mend.

    \b
    Example:
      python -m reminders lint templates/messages
    """
    from local import jsonl
    from reminders.lint import lint as check

    for path in paths:
        if not path.exists():
            raise BadInput(str(path), "there is no such file or folder")
    findings = check(list(paths) or [TEMPLATES / "messages"])
    for found in findings:
        as_object = {"file": str(found.file), "line": found.line, "what": found.what, "mend": found.mend}
        plain = f"{found.file}:{found.line}: {found.what} ({found.mend})"
        click.echo(jsonl.line(as_object) if as_json else plain)
    if findings:
        raise Failed


@cli.command("import", short_help="Patients and sessions from a spreadsheet saved as CSV.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only check the file.")
@click.option("--clinic", "clinic_id", envvar="CLINIC_ID", show_envvar=True, help="For a file without clinic_id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a problem, and one at the end that counts.")
def import_(file: Path, dry_run: bool, clinic_id: str | None, as_json: bool) -> None:
    """Patients and sessions from a spreadsheet saved as CSV; every rejected row is named with its reason.

    docs/import.md has the columns. A dry run needs no AWS and writes nothing.

    \b
    Example:
      python -m reminders import visits.csv --dry-run
    """
    from local import importing

    if not importing.bring_in(file, clinic_id, dry_run=dry_run, as_json=as_json):
        raise Failed


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def tick(as_json: bool) -> None:
    """One dispatch and delivery round against the configured AWS.

    \b
    Example:
      TABLE_NAME=reminders … python -m reminders tick --json
    """
    from local import round as one_round

    one_round.run(as_json=as_json)


def main() -> None:
    """Errors are one clear line on stderr: exit 2 for bad input, 1 when the work failed. Never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # whatever the terminal calls itself: JSON is UTF-8
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except BadInput as error:
        _fail(str(error), 2)
    except ReminderError as error:
        _fail(str(error), 1)
    except RecursionError:  # only a file's nesting goes so deep
        _fail("what was given is nested too deeply", 2)
    except (KeyboardInterrupt, click.Abort):
        _fail("stopped", 1)
    except Exception as error:  # contract 2: never a traceback; the kind of error is all a stranger can use
        _fail(f"something went wrong that we did not foresee ({type(error).__name__})", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(sentence: str, code: int) -> None:
    click.echo(" ".join(sentence.split()), err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
