"""One package for all tests here, built as `make package` builds it and unpacked as Lambda would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from local import package


@dataclass(frozen=True)
class Built:
    zip: Path
    tree: Path  # unpacked
    template: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Resources of one type, by logical id."""
        return {name: one for name, one in self.template["Resources"].items() if one["Type"] == kind}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("package")
    package.build(out)
    tree = tmp_path_factory.mktemp("var-task")
    with ZipFile(out / "deployment.zip") as packed:
        packed.extractall(tree)
    return Built(out / "deployment.zip", tree, json.loads((out / "sam.json").read_text(encoding="utf-8")))
