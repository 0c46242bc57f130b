"""An email's two bodies, plain text and HTML, made from the same paragraphs."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

import jinja2

from reminders.model import Frozen, Language
from reminders.wording import one_line

LAYOUT: Final = Path(__file__).resolve().parent.parent / "templates" / "messages" / "layout.html.j2"


class Paragraph(Frozen, frozen=True):
    """One paragraph of an email: a line of text and the points under it (either may be empty), or a link alone."""

    text: str = ""
    points: tuple[str, ...] = ()
    link: str = ""


def paragraphs(text: str) -> list[Paragraph]:
    """Blank lines part paragraphs; a line that begins with "- " is a point; other lines run on."""
    found = []
    for block in re.split(r"\n[ \t]*\n", text):
        lines: list[str] = [""]
        for line in block.splitlines():
            if line.lstrip().startswith("- "):
                lines.append(line.strip()[2:])
            else:
                lines[-1] = f"{lines[-1]} {line}"
        opening, *points = (one_line(line) for line in lines)
        if opening.startswith("https://") and " " not in opening:
            found.append(Paragraph(link=opening, points=tuple(points)))
        elif opening or points:
            found.append(Paragraph(text=opening, points=tuple(points)))
    return found


def plain(paragraphs: list[Paragraph]) -> str:
    """The text part."""
    return "\n\n".join(_plain(paragraph) for paragraph in paragraphs) + "\n"


def html(paragraphs: list[Paragraph], *, subject: str, language: Language) -> str:
    """The HTML part: the same words, escaped. Nothing in it is fetched from anywhere."""
    return _layout().render(language=language.value, subject=subject, paragraphs=paragraphs)


def _plain(paragraph: Paragraph) -> str:
    opening = paragraph.link or paragraph.text
    return "\n".join([*([opening] if opening else []), *(f"- {point}" for point in paragraph.points)])


@lru_cache(maxsize=1)
def _layout() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(LAYOUT.read_text(encoding="utf-8"))
