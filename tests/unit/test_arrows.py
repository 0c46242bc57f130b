"""Who may import whom: app → chalicelib → reminders; local → all of them; adapters not each other."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"app", "chalicelib", "reminders", "local"}
LIBRARIES = {"jinja2", "msgspec", "gsm0338", "phonenumbers", "icalendar"}  # what the domain may lean on
SHARED = {f"chalicelib.{name}" for name in ("batches", "logs", "secrets", "settings", "tags")}  # know no adapter
ALLOWED = {
    "app": {"app", "chalicelib", "reminders"},
    "chalicelib": {"chalicelib", "reminders"},
    "reminders": {"reminders"},
    "local": {"local", "app", "chalicelib", "reminders"},  # it plays Lambda and the gateway, and calls app as they do
}
# The terminal's front door: like app.py it only wires, and may reach outward.
FRONT_DOOR = "reminders.__main__"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in [ROOT / "app.py", *(file for name in OURS for file in (ROOT / name).rglob("*.py"))]
    if path.is_file()
}
DOMAIN = sorted(name for name in MODULES if name.startswith("reminders") and name != FRONT_DOOR)


def imports(module: str) -> set[str]:
    """Modules it imports, at the top or inside a function; `from package import name` counts as what `name` is."""
    return set(_imported(ast.parse(MODULES[module].read_text(encoding="utf-8"))))


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name their module in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def part(module: str) -> str:
    return module.partition(".")[0]


def family(module: str) -> str:
    """Modules of one adapter share the first word of their names: dynamo, dynamo_items."""
    return module.removeprefix("chalicelib.").partition("_")[0]


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {FRONT_DOOR}))
def test_nobody_imports_outward(module: str) -> None:
    assert {part(name) for name in imports(module)} & OURS <= ALLOWED[part(module)]


@pytest.mark.parametrize("module", DOMAIN)
def test_the_domain_leans_on_the_standard_library_and_small_pure_ones(module: str) -> None:
    assert {part(name) for name in imports(module)} <= sys.stdlib_module_names | LIBRARIES | {"reminders"}


@pytest.mark.parametrize("module", DOMAIN)
def test_the_domain_reads_no_clock_and_no_environment(module: str) -> None:
    reached = {
        f"{ast.unparse(node.value)}.{node.attr}"
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.monotonic"}
    assert not reached & {*clocks, *(f"datetime.{clock}" for clock in clocks), "os.environ", "os.getenv"}
    assert not imports(module) & {"os", "time", "socket", "subprocess"}


@pytest.mark.parametrize(
    ("module", "may_know"),
    [("reminders.errors", set()), ("reminders.model", {"errors"}), ("reminders.ports", {"model", "errors"})],
)
def test_values_errors_and_ports_stand_below_everything(module: str, may_know: set[str]) -> None:
    known = {name for name in imports(module) if part(name) == "reminders"}
    assert known <= {f"reminders.{name}" for name in may_know}


def test_nothing_in_the_domain_knows_the_workflow() -> None:
    assert not [module for module in DOMAIN if "reminders.workflow" in imports(module)]


def test_the_domain_has_no_circles() -> None:
    below = {module: imports(module) & set(DOMAIN) - {"reminders"} for module in DOMAIN}
    while leaves := {module for module, known in below.items() if not known & below.keys()}:
        for module in leaves:
            del below[module]
    assert not below


@pytest.mark.parametrize(
    "module",
    sorted(
        name
        for name in MODULES.keys() - SHARED - {"chalicelib.wiring"}
        if name.startswith("chalicelib.") and not name.startswith("chalicelib.routes")
    ),
)
def test_adapters_do_not_know_each_other(module: str) -> None:
    known = {name for name in imports(module) if part(name) == "chalicelib"} - SHARED
    assert {family(name) for name in known} <= {family(module)}


@pytest.mark.parametrize("module", sorted(SHARED & MODULES.keys()))
def test_what_all_adapters_share_knows_none_of_them(module: str) -> None:
    assert {name for name in imports(module) if part(name) == "chalicelib"} <= SHARED
