"""Pages as HTML: one folder of templates and its stylesheet, and headers that let a browser do nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import jinja2
from chalice.app import Response
from markupsafe import Markup

PLACE = Path(__file__).parent.parent / "templates"


class Pages:
    """The pages in `templates/<folder>`. Their styles stand in the page itself, allowed by their hash alone."""

    def __init__(self, folder: str, stylesheet: str) -> None:
        self._folder = PLACE / folder
        self._stylesheet = stylesheet

    def page(self, name: str, words: Mapping[str, object], status: int = 200) -> Response:
        """The template `<name>.html.j2` with these words, everything escaped."""
        body = self._templates.get_template(f"{name}.html.j2").render(words, css=self._css)
        return Response(body, status_code=status, headers=self.headers("text/html; charset=utf-8"))

    def headers(self, content_type: str) -> dict[str, str | list[str]]:
        """Nothing is loaded from anywhere, kept by anybody, found by a search, or told to the next site."""
        return {
            "Content-Type": content_type,
            "Cache-Control": "no-store",
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'sha256-{self._style_hash}'; form-action 'self'; "
                "base-uri 'none'; frame-ancestors 'none'"
            ),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "X-Robots-Tag": "noindex, nofollow",
        }

    @cached_property
    def _templates(self) -> jinja2.Environment:
        return jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._folder),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    @cached_property
    def _css(self) -> Markup:
        return Markup((self._folder / self._stylesheet).read_text(encoding="utf-8"))  # noqa: S704 - our own file

    @cached_property
    def _style_hash(self) -> str:
        return base64.b64encode(hashlib.sha256(self._css.encode()).digest()).decode()
