"""The Makefile is how people meet this project: what it offers, it says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROMISED = ("demo", "test", "lint", "package", "bench")
OFFERED = sorted(set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, flags=re.MULTILINE)))


@pytest.fixture(scope="module")
def listing() -> str:
    make = shutil.which("make")
    assert make, "make is one of the three things a machine must have"
    return subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603 fixed words


@pytest.mark.parametrize("target", PROMISED)
def test_every_promised_target_is_there(target: str) -> None:
    assert target in OFFERED


@pytest.mark.parametrize("target", OFFERED)
def test_every_target_is_in_make_help_with_a_word_on_what_it_does(target: str, listing: str) -> None:
    assert re.search(rf"^{target} +\S+", listing, flags=re.MULTILINE)


@pytest.mark.parametrize("target", sorted({*OFFERED} - {"help"}))
def test_the_readme_names_every_target(target: str) -> None:
    assert re.search(rf"\bmake {target}\b", (ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", OFFERED)
def test_no_target_can_be_shadowed_by_a_file_of_its_name(target: str) -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)
    assert phony
    assert target in phony[1].split()


def test_what_ci_runs_are_targets() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert set(re.findall(r"^make (\S+)", script, flags=re.MULTILINE)) <= set(OFFERED)
