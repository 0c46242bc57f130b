"""The language message templates are written in: a small part of Jinja2 whose work is bounded by the template's size.

A coordinator may insert documented names and choose between words; nothing else compiles. There are no loops, calls,
attributes, arithmetic or imports, so a hostile template can neither reach anything nor run long.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reminders.errors import BadTemplate

LONGEST_SOURCE = 20_000
DEEPEST_NESTING = 30
FILTERS = ("upper", "lower", "capitalize", "trim")
TESTS = ("defined", "undefined")

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Filter,
    nodes.Test,
)
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # these are texts; the HTML of an email is made of them apart, by a layout that escapes
    cache_size=0,
)
_ENVIRONMENT.globals.clear()

# A line of nothing but tags leaves no empty line behind; Jinja's own trim_blocks would also glue "{% endif %}" at a
# line's end to the next line.
_TAG_LINE = re.compile(r"^[ \t]*((?:\{([%#])(?:(?!\2\}).)*\2\}[ \t]*)+)\n", re.MULTILINE)

# What the compiler and a compiled template raise when the source is wrong or absurd.
_FAULTS = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)


class Fault(Exception):
    """What is wrong with a source, and on which line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.problem = problem


def parse(source: str) -> nodes.Template:
    """The source's tree, checked to hold nothing but what is allowed. Raises Fault."""
    if len(source) > LONGEST_SOURCE:
        raise Fault(1, f"is longer than {LONGEST_SOURCE} characters")
    try:
        tree = _ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise Fault(error.lineno, error.message or "cannot be parsed") from None
    except _FAULTS:
        raise Fault(1, "cannot be parsed") from None
    _check(tree)
    return tree


def names(tree: nodes.Template) -> dict[str, int]:
    """Every name a template uses, with the line of its first use."""
    found: dict[str, int] = {}
    for name in tree.find_all(nodes.Name):
        found.setdefault(name.name, name.lineno)
    return found


def render(name: str, source: str, values: Mapping[str, object]) -> str:
    """The source with its names filled in. Raises BadTemplate (`name` is its field), never naming a value."""
    try:
        template = _compiled(source)
    except Fault as fault:
        raise BadTemplate(name, f"line {fault.line}: {fault.problem}") from None
    try:
        return template.render(values)
    except jinja2.UndefinedError as error:
        raise BadTemplate(name, str(error)) from None  # names the name, not a value
    except _FAULTS as error:
        raise BadTemplate(name, f"cannot be rendered ({type(error).__name__})") from None


@lru_cache(maxsize=1024)
def _compiled(source: str) -> jinja2.Template:
    parse(source)
    try:
        return _ENVIRONMENT.from_string(_TAG_LINE.sub(r"\1", source))
    except _FAULTS:
        raise Fault(1, "cannot be compiled") from None


def _check(tree: nodes.Node) -> None:
    level: list[nodes.Node] = [tree]
    depth = 0
    while level:
        below: list[nodes.Node] = []
        for node in level:
            _check_one(node)
            below.extend(node.iter_child_nodes())
        depth += 1
        if depth > DEEPEST_NESTING:
            raise Fault(level[0].lineno or 1, "is nested too deeply")
        level = below


def _check_one(node: nodes.Node) -> None:
    line = node.lineno or 1
    if not isinstance(node, _ALLOWED):
        what = type(node).__name__.lower()
        raise Fault(line, f"a message may only insert names and use if, not “{what}”")
    if isinstance(node, nodes.Filter) and (node.name not in FILTERS or node.args or node.kwargs):
        raise Fault(line, f"the filter “{node.name}” is not one of {', '.join(FILTERS)}")
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        raise Fault(line, f"the test “{node.name}” is not one of {', '.join(TESTS)}")
