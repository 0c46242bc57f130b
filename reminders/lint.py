"""Finds what is wrong with message templates before a patient does: where, what, and how to mend it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import nodes

from reminders import gsm, sandbox, worst_case
from reminders.errors import BadTemplate
from reminders.lint_words import BANS, RESERVED
from reminders.messages import DEFAULTS, Template, render
from reminders.model import Channel, Language, Rendered
from reminders.names import OPTIONAL, names_for
from reminders.paragraphs import LAYOUT

MOST_SEGMENTS = 2
STEPS = (
    *("booked", "welcome", "prepare", "day_before", "same_day", "after", "home_safe"),
    *("checkin_24h", "checkin_72h", "checkin_7d", "phq9", "moved", "cancelled", "missed", "recall"),
)
TEXT_ONLY = ("reply_", "driver_", "checkin_phq2")  # by how the step's name begins
SUBJECT_NAMES = ("clinic_name", "clinic_phone", "day", "day_and_time", "long_day_and_time", "attempt")


class Finding(NamedTuple):
    """One thing to mend. `line` counts from 1."""

    file: str
    line: int
    what: str
    mend: str


class _Source(NamedTuple):
    path: Path
    template: Template


def lint(paths: Sequence[Path] = (DEFAULTS,)) -> list[Finding]:
    """Check template files, and every template below the folders among `paths`, in order of file and line.

    A folder is also checked for languages and channels that are missing, and one that holds the shared layout for
    messages that are missing altogether.
    """
    findings: list[Finding] = []
    sources: dict[Path, _Source] = {}
    for path in paths:
        if path.is_dir():
            found = _in_folder(path)
            if not found:
                findings.append(
                    Finding(str(path), 1, "holds no templates", "name a folder with <step>/<language>.<channel>.j2")
                )
            findings.extend(_missing(path, found))
        else:
            found = [path]
        for file in found:
            findings.extend(_misnamed(file))
            source = _read(file)
            if isinstance(source, Finding):
                findings.append(source)
            else:
                sources[file] = source
    for source in sources.values():
        findings.extend(_template(source.template, str(source.path)))
    findings.extend(_mismatches(sources.values()))
    return sorted(set(findings))


def lint_template(template: Template, file: str = "") -> list[Finding]:
    """Check one template by itself, such as one that a clinic is about to save."""
    return sorted(set(_template(template, file or template.name)))


# --- files --------------------------------------------------------------------------------------------


def _in_folder(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.j2") if path.stem.rpartition(".")[2] in list(Channel))


def _named(path: Path) -> tuple[str, str]:
    """The language and channel a file's name claims."""
    language, _, channel = path.name.removesuffix(".j2").partition(".")
    return language, channel


def _misnamed(path: Path) -> Iterator[Finding]:
    language, channel = _named(path)
    if path.suffix != ".j2" or language not in list(Language) or channel not in list(Channel):
        mend = "call it <step>/<language>.<channel>.j2, as in en.sms.j2; it was read as an English text"
        yield Finding(str(path), 1, "has a name we do not know", mend)


def _read(path: Path) -> _Source | Finding:
    named = _named(path)
    language = Language(named[0]) if named[0] in list(Language) else Language.EN
    channel = Channel(named[1]) if named[1] in list(Channel) else Channel.SMS
    try:
        content = path.read_bytes()
    except OSError as error:
        return Finding(str(path), 1, f"cannot be read ({error.strerror or type(error).__name__})", "check the path")
    try:
        source = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return Finding(str(path), line, "is not UTF-8 text", "save it as UTF-8")
    step = path.resolve().parent.name
    return _Source(
        path,
        Template(
            step=step,
            language=language,
            channel=channel,
            source=source,
            version="checked",
            name=f"{step}/{language}.{channel}",
        ),
    )


def _missing(folder: Path, found: Iterable[Path]) -> Iterator[Finding]:
    """What a step's folder lacks; of the whole catalogue (it has the layout), also the steps it lacks."""
    there: dict[Path, set[str]] = {}
    for path in found:
        there.setdefault(path.parent, set()).add(path.name)
    for layout in folder.rglob(LAYOUT.name):
        for step in STEPS:
            there.setdefault(layout.parent / step, set())
    for place, names in sorted(there.items()):
        channels = [Channel.SMS] if place.resolve().name.startswith(TEXT_ONLY) else list(Channel)
        for language in Language:
            for channel in channels:
                name = f"{language}.{channel}.j2"
                if name not in names:
                    yield Finding(str(place / name), 1, "is missing", "write this message in this language and channel")


def _mismatches(sources: Iterable[_Source]) -> Iterator[Finding]:
    """Names that one language uses and the other does not: a fact is probably lost in translation."""
    used: dict[tuple[Path, Channel], dict[Language, tuple[Path, set[str]]]] = {}
    for path, template in sources:
        try:
            names = set(sandbox.names(sandbox.parse(template.source)))
        except sandbox.Fault:
            continue
        used.setdefault((path.parent, template.channel), {})[template.language] = (path, names)
    for languages in used.values():
        everything = set().union(*(names for _, names in languages.values()))
        for language, (path, names) in languages.items():
            others = " and ".join(sorted(other for other in languages if other is not language))
            for name in sorted(everything - names):
                yield Finding(
                    str(path), 1, f"does not use {{{{ {name} }}}}, but {others} does", "say the same in both languages"
                )


# --- one template -------------------------------------------------------------------------------------


def _template(template: Template, file: str) -> Iterator[Finding]:
    if not template.source.strip():
        yield Finding(file, 1, "is empty", "write the message or remove the file")
        return
    try:
        tree = sandbox.parse(template.source)
    except sandbox.Fault as fault:
        yield Finding(file, fault.line, fault.problem, "use only {{ name }}, {% if name %}, {% else %} and {% endif %}")
        return
    names = sandbox.names(tree)
    known = names_for(template.step)
    for name, line in names.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            mend = f"did you mean {{{{ {near[0]} }}}}?" if near else f"use one of {', '.join(sorted(known))}"
            yield Finding(file, line, f"there is no name {{{{ {name} }}}} in this message", mend)
    outcomes = [_outcome(template, words, names) for words in worst_case.contexts(template.step, template.language)]
    rendered = list({outcome.body: outcome for outcome in outcomes if isinstance(outcome, Rendered)}.values())
    for problem in sorted({outcome for outcome in outcomes if isinstance(outcome, str)}):
        yield _unrendered(problem, names, file)
    yield from _wording(template, tree, rendered, file)
    if template.channel is Channel.SMS:
        yield from _cost(template, tree, rendered, file)
    else:
        yield from _subject(template, file)


def _outcome(template: Template, words: Mapping[str, object], names: Iterable[str]) -> Rendered | str:
    """What comes out; a name nobody knows has been found already, so something stands in for it."""
    stand_in = dict.fromkeys(set(names) - set(names_for(template.step)), "something")
    try:
        return render([template], {**stand_in, **words})[0]
    except BadTemplate as error:
        return error.problem


def _unrendered(problem: str, names: Mapping[str, int], file: str) -> Finding:
    """What keeps a template from being rendered; of a name that may be missing, where it is used unasked."""
    missing = next((name for name in OPTIONAL if f"'{name}'" in problem), None)
    if missing is None:
        return Finding(file, 1, problem, "see that it can be rendered for every kind of visit")
    what = f"{{{{ {missing} }}}} may be missing"
    return Finding(file, names[missing], what, f"ask first: {{% if {missing} is defined %}}")


def _cost(template: Template, tree: nodes.Template, rendered: Sequence[Rendered], file: str) -> Iterator[Finding]:
    for line, text in _texts(template.source, tree):
        for character in gsm.forcing(text):
            at = line + text.count("\n", 0, text.index(character))
            plain = gsm.normalise(character)
            instead = f"write “{plain}”" if plain and plain != character else "leave it out"
            yield Finding(file, at, f"“{character}” makes every text UCS-2, at more than twice the cost", instead)
    longest = max(rendered, key=lambda one: (one.segments, gsm.length(one.body)), default=None)
    if longest is not None and longest.segments > MOST_SEGMENTS:
        size = gsm.length(longest.body)
        what = f"takes {longest.segments} segments at worst ({size} characters in {longest.encoding})"
        yield Finding(
            file, 1, what, f"make it shorter: {MOST_SEGMENTS} segments are 306 characters, names and dates included"
        )


def _subject(template: Template, file: str) -> Iterator[Finding]:
    first = template.source.lstrip().partition("\n")[0]
    try:
        used = sandbox.names(sandbox.parse(first))
    except sandbox.Fault:
        return  # an "if" that goes on below: rendering tells
    for name in used:
        if name not in SUBJECT_NAMES:
            yield Finding(file, 1, f"the subject shows {{{{ {name} }}}}", "keep to the clinic's name and “appointment”")


# --- wording ------------------------------------------------------------------------------------------

_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SENTENCE = re.compile(r".+?(?:[.!?](?=\s|$)|\n[ \t]*\n|\n(?=[ \t]*- )|$)", re.DOTALL)


def _wording(template: Template, tree: nodes.Template, rendered: Sequence[Rendered], file: str) -> Iterator[Finding]:
    found: set[str] = set()
    for line, text in _texts(template.source, tree):
        for at, what, mend in _refused(template, text, subject_first=line == 1):
            found.add(gsm.normalise(what))
            yield Finding(file, line + at, what, mend)
    # What only shows once names are filled in, or a word was put together from parts.
    for one in rendered:
        whole = one.body if one.subject is None else f"Subject: {one.subject}\n\n{one.body}"
        for _, what, mend in _refused(template, whole, subject_first=True):
            if gsm.normalise(what) not in found:
                found.add(gsm.normalise(what))
                yield Finding(file, 1, what, mend)


def _texts(source: str, tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """A template's words: its text with tags blanked out, and the strings inside tags; with the first line's number."""
    yield 1, _TAG.sub(lambda tag: re.sub(r"[^\n]", " ", tag.group()), source)
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str):
            yield constant.lineno, constant.value


def _refused(template: Template, text: str, *, subject_first: bool) -> Iterator[tuple[int, str, str]]:
    """Lines down from the text's first, what is wrong there, and how to mend it."""
    public_until = len(text)
    if template.channel is Channel.EMAIL:
        public_until = text.find("\n") + 1 if subject_first else 0
    for sentence in _SENTENCE.finditer(text):
        words = sentence.group().replace("\n", " ")
        for pattern in RESERVED:
            for match in pattern.finditer(words):
                word = next(group for group in match.groups() if group)
                down = text.count("\n", 0, sentence.start() + match.start())
                what = f"teaches “{word.upper()}” as a reply, which carriers take as an order of their own"
                yield down, what, "ask for C, R, RIDE and a name, NORIDE, HOME, LESS or a number"
        for ban in BANS:
            if (ban.steps and template.step not in ban.steps) or template.step in ban.spared:
                continue
            if ban.public and sentence.start() >= public_until:
                continue
            for pattern in ban.patterns:
                for match in pattern.finditer(words):
                    down = text.count("\n", 0, sentence.start() + match.start())
                    yield down, f"{ban.what}: “{_quoted(match.group())}”", ban.mend


def _quoted(words: str) -> str:
    return " ".join(words.split())
