"""Every request of our Twilio sender, as it went over the wire, held against Twilio's own OpenAPI description; and the
sandbox's answers against its response schemas. Skipped where the description is not at hand (README.md, data).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jsonschema  # type: ignore[import-untyped]  # its types are a package of their own, for one test too much
import pytest
import urllib3

from local.provider import ACCOUNT_SID, AUTH_TOKEN, Sandbox
from reminders.model import Channel
from tests.app.builders import PHONE, SERVICE, a_text, tags, twilio
from tests.app.conftest import Clock
from tests.builders import NOW

DESCRIPTION = Path(__file__).parents[3] / "shared" / "data" / "twilio_api_v2010.json"
FORM = "application/x-www-form-urlencoded"

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason="Twilio's description is not at hand")

# jsonschema knows none of Twilio's formats.
FORMATS: dict[str, Callable[[Any], object]] = {
    "phone-number": re.compile(r"\+[1-9][0-9]{1,14}").fullmatch,
    "uri": lambda text: urlsplit(text).path,
    "date-time": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*").fullmatch,
    "date-time-rfc-2822": parsedate_to_datetime,
    "uri-map": lambda links: all(urlsplit(link).path for link in links.values()),
}
formats = jsonschema.FormatChecker(formats=())
for _name, _rule in FORMATS.items():
    formats.checks(_name, raises=ValueError)(lambda value, rule=_rule: value is None or bool(rule(value)))


@cache
def description() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DESCRIPTION.read_text(encoding="utf-8"))
    return read


def plain(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: references resolved, `nullable` spelled as a type."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return plain(description()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    shape = {
        name: plain(value) for name, value in schema.items() if name not in ("nullable", "description", "x-twilio")
    }
    if schema.get("nullable"):
        shape["type"] = [shape["type"], "null"]
    return shape


def check(value: object, schema: Any) -> None:
    jsonschema.validate(value, plain(schema), format_checker=formats)


def operation(method: str, target: str) -> dict[str, Any]:
    """What is described for that request; the path's own parameters are checked on the way."""
    path = urlsplit(target).path
    for template, described in description()["paths"].items():
        found = re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template)), path)
        if found:
            called: dict[str, Any] = described[method.lower()]
            for parameter in called["parameters"]:
                if parameter["in"] == "path":
                    check(found[parameter["name"]], parameter["schema"])
            return called
    raise AssertionError(f"{method} {path} is not described")


def typed(values: list[tuple[str, str]], schemas: dict[str, Any]) -> dict[str, object]:
    """What a form or query says, with whole numbers as such; every name must be described."""
    unknown = {name for name, _ in values} - set(schemas)
    assert not unknown
    return {name: int(value) if plain(schemas[name]).get("type") == "integer" else value for name, value in values}


def held(sandbox: Sandbox) -> int:
    """Check all the sandbox has heard; how many requests that were."""
    for method, target, body in sandbox.heard:
        called = operation(method, target)
        if method == "POST":
            schema = called["requestBody"]["content"][FORM]["schema"]
            form = typed(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True), schema["properties"])
            check(form, schema)
        else:
            schemas = {p["name"]: p["schema"] for p in called["parameters"] if p["in"] == "query"}
            for name, value in typed(parse_qsl(urlsplit(target).query), schemas).items():
                check(value, schemas[name])
    return len(sandbox.heard)


def test_what_we_send_is_what_twilio_describes(sandbox: Sandbox) -> None:
    sender = twilio(sandbox)
    sender.send(a_text(), NOW)
    sender.send(a_text(sender=SERVICE, send_by=NOW), NOW)
    sender.send(a_text(tags={}), NOW)
    sender.find(PHONE, tags(), NOW, "x")
    assert held(sandbox) == 4


def test_a_request_that_is_not_described_is_noticed(sandbox: Sandbox) -> None:
    sandbox.heard.append(("POST", f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", b"To=%2B12135550123&Text=x"))
    with pytest.raises(AssertionError):
        held(sandbox)


@pytest.mark.parametrize("outcome", ["delivered", "30003", "30001"])
def test_the_sandbox_answers_as_twilio_describes(sandbox: Sandbox, clock: Clock, outcome: str) -> None:
    sandbox.script(Channel.SMS, PHONE, outcome)
    twilio(sandbox).send(a_text(), NOW)
    sandbox.receipts_due(clock.wind(minutes=1))
    messages = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages"
    for method, target, form, status in (
        ("POST", f"{messages}.json", {"To": PHONE, "MessagingServiceSid": SERVICE, "Body": "Hello"}, 201),
        ("GET", f"{messages}.json", None, 200),
        ("GET", f"{messages}.json?To=%2B12135550123&PageSize=1&Page=1", None, 200),
        ("GET", f"{messages}/{sandbox.log[0].ref}.json", None, 200),
    ):
        headers = {**urllib3.make_headers(basic_auth=f"{ACCOUNT_SID}:{AUTH_TOKEN}"), "Content-Type": FORM}
        answer = urllib3.request(method, sandbox.url + target, body=form and urlencode(form), headers=headers)
        assert answer.status == status
        described = operation(method, target)["responses"][str(status)]["content"]["application/json"]["schema"]
        check(answer.json(), described)
        assert set(answer.json()) == set(plain(described)["properties"])
