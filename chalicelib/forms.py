"""What a browser posts: read only if it comes from a page of ours and is no bigger than our forms are."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from chalice.app import Request

CONTENT_TYPE: Final = "application/x-www-form-urlencoded"
MOST_BYTES: Final = 8_000  # our longest form has a few hundred
MOST_FIELDS: Final = 30

# A page that sends no referrer also sends `Origin: null` with its forms (Fetch, "append a request Origin header").
NO_ORIGIN: Final = ("", "null")
OWN_SITE: Final = ("", "same-origin", "none")  # none: the browser itself repeats the request


class Refused(Exception):
    """A post that no page of ours can have sent; `status` is the answer's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


def posted(request: Request, public_url: str) -> dict[str, str]:
    """The fields; of one given twice, the last. Raises Refused: 403 from elsewhere, 413 too big, 400 no form."""
    headers, own = request.headers, urlsplit(public_url)
    if headers.get("sec-fetch-site", "") not in OWN_SITE:
        raise Refused(403)
    if headers.get("origin", "") not in (*NO_ORIGIN, f"{own.scheme}://{own.netloc}"):
        raise Refused(403)
    body = request.raw_body
    if len(body) > MOST_BYTES:
        raise Refused(413)
    try:
        text = body if isinstance(body, str) else body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))
    except ValueError:
        raise Refused(400) from None
