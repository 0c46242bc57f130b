"""Prints, after every run, how well the labelled replies were understood."""

from __future__ import annotations

import pytest

Tally = list[tuple[str, str]]
TALLY: pytest.StashKey[Tally] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = []


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Pairs of (level it should be, level it was), one for each labelled reply."""
    return pytestconfig.stash[TALLY]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    pairs = config.stash[TALLY]
    if not pairs:
        return
    terminalreporter.section(f"understanding of {len(pairs)} labelled replies")
    for level in ("urgent", "none"):
        right = sum(wanted == got == level for wanted, got in pairs)
        meant = sum(wanted == level for wanted, _ in pairs)
        said = sum(got == level for _, got in pairs)
        precision, recall = right / max(said, 1), right / max(meant, 1)
        terminalreporter.write_line(
            f"{level:7} precision {precision:.3f} ({right} of {said})   recall {recall:.3f} ({right} of {meant})"
        )
    harmless = [got for wanted, got in pairs if wanted != "urgent"]
    woken = harmless.count("urgent")
    terminalreporter.write_line(
        f"false urgent {woken / max(len(harmless), 1):.1%} ({woken} of {len(harmless)} harmless)"
    )
