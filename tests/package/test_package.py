"""The package as AWS gets it: does it start alone, and does the template say what the code relies on?"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from local import package
from tests.package.conftest import Built

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("Tick", "Deliver", "Adopt", "EmailEvents", "APIHandler")
# Imports the app from the unpacked zip alone, as Lambda does, and tells what became of it. Any connection is an error.
START = """
import json, socket, sys

def refuse(*_):
    raise AssertionError("the network was used while importing")

socket.socket.connect = socket.getaddrinfo = refuse
sys.path[:0] = sys.argv[1:2]
import app
print(json.dumps({
    "handlers": {name: callable(getattr(app, name, None)) for name in sys.argv[2:]},
    "modules": sorted(sys.modules),
    "origins": {name: sys.modules[name].__file__ for name in ("app", "reminders.workflow", "msgspec", "chalice.app")},
    "bytecode": {name: sys.modules[name].__cached__ for name in ("app", "reminders.workflow")},
}))
"""


@pytest.fixture(scope="session")
def started(built: Built) -> dict[str, Any]:
    functions = built.of_type("AWS::Serverless::Function").values()
    names = [one["Properties"]["Handler"].removeprefix("app.") for one in functions]
    variables = built.template["Globals"]["Function"]["Environment"]["Variables"]
    ran = subprocess.run(  # noqa: S603 our own interpreter
        # -I -S: neither the variables of this shell nor this environment's site-packages
        [sys.executable, "-I", "-S", "-B", "-c", START, str(built.tree), *names],
        env={"AWS_DEFAULT_REGION": "us-east-1", **dict.fromkeys(variables, "named-by-the-template")},
        cwd=built.tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_app_imports_from_the_package_alone(built: Built, started: dict[str, Any]) -> None:
    assert all(Path(origin).is_relative_to(built.tree) for origin in started["origins"].values())


def test_every_function_of_the_template_is_in_app(built: Built, started: dict[str, Any]) -> None:
    handlers = {name: one["Properties"]["Handler"] for name, one in built.of_type("AWS::Serverless::Function").items()}
    assert handlers == {
        "Tick": "app.tick",
        "Deliver": "app.deliver",
        "Adopt": "app.adopt",
        "EmailEvents": "app.email_events",
        "APIHandler": "app.app",
    }
    assert all(started["handlers"].values())


@pytest.mark.parametrize("slow", ["twilio.rest", "icalendar", "moto", "local"])
def test_starting_does_not_wait_for(slow: str, started: dict[str, Any]) -> None:
    assert slow not in started["modules"]


@pytest.mark.parametrize("folder", ["reminders", "templates"])
def test_linked_folders_are_shipped_whole(folder: str, built: Built) -> None:
    here = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here
    assert here <= set(ZipFile(built.zip).namelist())


def test_every_module_has_bytecode_that_lambda_takes_without_a_look_at_the_source(built: Built) -> None:
    for source in built.tree.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        assert compiled.is_file(), source
        # PEP 552: bit 0 says the file is checked by hash, bit 1 that the source is looked at
        assert struct.unpack("<I", compiled.read_bytes()[4:8]) == (0b01,), compiled


def test_tracebacks_name_files_as_they_lie_on_lambda(built: Built) -> None:
    compiled = Path(importlib.util.cache_from_source(str(built.tree / "app.py"))).read_bytes()
    assert b"/var/task/app.py" in compiled
    assert str(ROOT).encode() not in compiled


@pytest.mark.parametrize("tool", ["pip", "setuptools", "wheel", "moto", "pytest", "inquirer"])
def test_no_tool_is_shipped(tool: str, built: Built) -> None:
    assert not (built.tree / tool).exists()


def test_nothing_but_code_and_copy_is_shipped(built: Built) -> None:
    ours = {name.partition("/")[0] for name in ZipFile(built.zip).namelist()}
    assert not ours & {"local", "tests", "docs", ".chalice", ".git", "requirements.txt", "requirements-dev.txt"}


# --- what the code relies on --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "source", "origin"),
    [
        ("Deliver", "SQS", ("Queue", {"Fn::Sub": "${DeliverQueue.Arn}"})),
        ("Adopt", "DynamoDB", ("Stream", {"Fn::GetAtt": ["Table", "StreamArn"]})),
    ],
)
def test_a_batch_counts_as_done_record_by_record(
    function: str, source: str, origin: tuple[str, dict[str, Any]], built: Built
) -> None:
    [event] = built.template["Resources"][function]["Properties"]["Events"].values()
    assert event["Type"] == source
    assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert event["Properties"][origin[0]] == origin[1]


def test_a_turn_stays_hidden_for_six_timeouts(built: Built) -> None:
    """AWS Lambda, "Using Lambda with Amazon SQS": visibility at least six times the function's timeout."""
    resources = built.template["Resources"]
    visible_after_s = resources["DeliverQueue"]["Properties"]["VisibilityTimeout"]
    assert visible_after_s >= 6 * resources["Deliver"]["Properties"]["Timeout"]


def test_one_tick_runs_at_a_time_and_a_late_one_is_dropped(built: Built) -> None:
    tick = built.template["Resources"]["Tick"]["Properties"]
    assert tick["ReservedConcurrentExecutions"] == 1
    assert tick["Timeout"] < 60
    assert tick["EventInvokeConfig"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}


def test_delivery_is_held_back_by_its_queue_and_never_by_reserved_concurrency(built: Built) -> None:
    deliver = built.template["Resources"]["Deliver"]["Properties"]
    assert "ReservedConcurrentExecutions" not in deliver
    assert deliver["Events"]["DeliverSqsEventSource"]["Properties"]["ScalingConfig"]["MaximumConcurrency"] >= 2


def test_the_stream_brings_only_what_a_booking_system_may_write(built: Built) -> None:
    [event] = built.template["Resources"]["Adopt"]["Properties"]["Events"].values()
    [chosen] = event["Properties"]["FilterCriteria"]["Filters"]
    assert json.loads(chosen["Pattern"]) == {"dynamodb": {"Keys": {"sk": {"S": ["PATIENT", {"prefix": "SESSION#"}]}}}}


def test_the_api_is_regional(built: Built) -> None:
    assert built.template["Resources"]["RestAPI"]["Properties"]["EndpointConfiguration"] == "REGIONAL"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_take_their_settings_from_one_place(function: str, built: Built) -> None:
    """A value in config.json would win over the template's, and hide it."""
    assert "Environment" not in built.template["Resources"][function]["Properties"]


def test_every_setting_names_something_of_this_stack_and_never_its_api(built: Built) -> None:
    """A function that names its own API cannot be deployed: each would wait for the other."""
    known = built.template["Resources"].keys() | built.template["Parameters"].keys()
    for value in built.template["Globals"]["Function"]["Environment"]["Variables"].values():
        assert isinstance(value, str) or (value.keys() == {"Ref"} and value["Ref"] in known - {"RestAPI"})


@pytest.mark.parametrize("table_or_secret", ["Table", "TwilioSecret"])
def test_what_cannot_be_made_again_outlives_the_stack(table_or_secret: str, built: Built) -> None:
    kept = built.template["Resources"][table_or_secret]
    assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_email_is_sent_over_tls_or_not_at_all_and_nobody_is_tracked(built: Built) -> None:
    resources = built.template["Resources"]
    assert resources["EmailSettings"]["Properties"]["DeliveryOptions"] == {"TlsPolicy": "REQUIRE"}
    events = resources["EmailReceiptsSource"]["Properties"]["EventDestination"]["MatchingEventTypes"]
    assert not {"open", "click"} & set(events)


# --- who may do what ----------------------------------------------------------------------------------


def statements(built: Built, function: str) -> Iterator[dict[str, Any]]:
    # SAM's own name for the API's function is not the name of its role.
    role = "ApiHandlerRole" if function == "APIHandler" else f"{function}Role"
    for policy in built.template["Resources"][role]["Properties"]["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_its_own_role(function: str, built: Built) -> None:
    roles = [one["Properties"]["Role"] for one in built.of_type("AWS::Serverless::Function").values()]
    assert roles.count(built.template["Resources"][function]["Properties"]["Role"]) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_do_everything_or_touch_everything(function: str, built: Built) -> None:
    # The senders' identities are each clinic's own; a stream's name ends in the time it was made.
    open_ended = re.compile(r":identity/\*|/stream/\*")
    for statement in statements(built, function):
        assert not [action for action in statement["Action"] if "*" in action]
        assert not [one for one in statement["Resource"] if "*" in open_ended.sub("", json.dumps(one))], statement[
            "Sid"
        ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_scan_or_delete(function: str, built: Built) -> None:
    actions = {action for statement in statements(built, function) for action in statement["Action"]}
    assert not actions & {"dynamodb:Scan", "dynamodb:DeleteItem", "dynamodb:DeleteTable"}


def test_the_stream_brings_keys_and_nothing_a_patient_said(built: Built) -> None:
    table = built.template["Resources"]["Table"]["Properties"]
    assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}


@pytest.mark.parametrize("function", ["Tick", "Adopt", "EmailEvents"])
def test_who_sends_nothing_reads_no_secret(function: str, built: Built) -> None:
    assert not [s for s in statements(built, function) if "secretsmanager:GetSecretValue" in s["Action"]]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_writes_to_the_log_that_is_kept_for_a_set_time(function: str, built: Built) -> None:
    assert built.template["Globals"]["Function"]["LoggingConfig"] == {"LogGroup": {"Ref": "Logs"}}
    assert built.template["Resources"]["Logs"]["Properties"]["RetentionInDays"] > 0
    assert [s for s in statements(built, function) if "logs:PutLogEvents" in s["Action"]]


def test_a_function_and_an_api_that_wait_for_each_other_are_found_before_aws_finds_them(
    built: Built, tmp_path: Path
) -> None:
    knotted = json.loads(json.dumps(built.template))
    variables = knotted["Globals"]["Function"]["Environment"]["Variables"]
    variables["PUBLIC_URL"] = {"Fn::Sub": "https://${RestAPI}.example.org/${PublicUrl}"}
    template = tmp_path / "sam.json"
    template.write_text(json.dumps(knotted), encoding="utf-8")
    with pytest.raises(package.Broken, match="Circular"):
        package.linted(template)
