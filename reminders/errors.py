"""Everything that can go wrong, as a small tree.

ReminderError                    one clear sentence for a person; never a patient's data
├── BadInput                     what somebody gave us is wrong; `field` names the place
│   └── BadTemplate              a template cannot be parsed or rendered
├── Unavailable                  a system we need did not answer; trying again may help
└── Refused                      the rules forbid it (`code` says which)
"""

from __future__ import annotations


class ReminderError(Exception):
    """Base of every error this project raises on purpose."""


class BadInput(ReminderError):
    """What somebody gave us is wrong. `field` is a path such as `sessions[0].starts_at`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class BadTemplate(BadInput):
    """A template cannot be parsed or rendered; `field` is the template's name."""


class Unavailable(ReminderError):
    """A system we need did not answer; trying again may help."""


class Refused(ReminderError):
    """The rules forbid it; `code` says which rule."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
