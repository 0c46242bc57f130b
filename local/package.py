"""The deployment package: `python -m local.package` writes build/package/{deployment.zip,sam.json}.

chalice gathers wheels and code; what it leaves undone is done here. It ships no bytecode, so on Lambda's read-only
disk every cold start would compile everything; it ships what only its own command line needs; and it goes on when a
wheel is missing. The same input gives the same zip, byte for byte.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from boto3 import Session
from cfnlint.api import lint  # type: ignore[import-untyped]  # it ships no types
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]  # it ships no types
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]  # the same

ROOT = Path(__file__).parent.parent
OUT = ROOT / "build" / "package"

MOST_BYTES = 50_000_000  # AWS Lambda quotas: a zipped deployment package, 50 MB
EXPECTED = ("app.py", "chalice/app.py", "chalicelib/wiring.py", "reminders/workflow.py", "templates/cadences/iv.toml")
ON_LAMBDA = "/var/task"  # where Lambda unpacks it; tracebacks show these paths
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
RETIRING = {"W2531", "E2531", "E2533"}  # cfn-lint's rules about the dates of a Lambda runtime
REGION = "us-east-1"  # only decides how service principals are spelled, and which resource types there are
COMMAND_LINE = "chalice"  # its runtime is two files without dependencies; the rest of its needs are for packaging


class Broken(Exception):
    """The package would not work; one sentence says why."""


def build(out: Path = OUT) -> list[str]:
    """Build into `out`, emptying it first; returns what to tell, a line each. Raises Broken."""
    shutil.rmtree(out, ignore_errors=True)
    # The cache goes by contents only: a renamed template would ship under its old name.
    shutil.rmtree(ROOT / ".chalice" / "deployments", ignore_errors=True)
    package, template = out / "deployment.zip", out / "sam.json"
    _gather(out)
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch)
        with ZipFile(package) as gathered:
            gathered.extractall(tree)
        _drop(tree)
        _compile(tree)
        _zip(tree, package)
    return [_checked(package), _named(template), *linted(template)]


def _gather(out: Path) -> None:
    """What chalice makes of requirements.txt, app.py, chalicelib/ and the links in vendor/."""
    chalice = str(Path(sys.executable).with_name("chalice"))
    settings = {"AWS_DEFAULT_REGION": REGION, **os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    said = _run(
        [chalice, "package", "--stage", "prod", "--merge-template", ".chalice/resources.json", str(out)], settings
    )
    if "Could not install dependencies" in said:  # chalice only warns
        raise Broken(f"Lambda has no wheel for everything in requirements.txt:\n{said}")


def _drop(tree: Path) -> None:
    """Bytecode from this machine, and distributions that only chalice's command line needs."""
    for cache in list(tree.rglob("__pycache__")):
        shutil.rmtree(cache)
    shipped: dict[str, Distribution] = {
        canonicalize_name(found.name): found for found in distributions(path=[str(tree)])
    }
    asked = _requirements((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    needed = _closure(asked - {COMMAND_LINE}, shipped)
    for name in shipped.keys() - needed - {COMMAND_LINE}:
        for file in shipped[name].files or ():
            Path(str(file.locate())).unlink(missing_ok=True)
    for folder in sorted((path for path in tree.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _requirements(lines: Iterable[str]) -> set[str]:
    """Names, of those requirements that hold here and without extras."""
    wanted = (Requirement(bare) for line in lines if (bare := re.sub(r"\s*#.*", "", line).strip()))
    return {canonicalize_name(one.name) for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})}


def _closure(names: set[str], shipped: Mapping[str, Distribution]) -> set[str]:
    """These and all they need in turn."""
    found: set[str] = set()
    while names:
        found |= names
        needs = (_requirements(shipped[name].requires or ()) for name in names if name in shipped)
        names = set[str]().union(*needs) - found
    return found


def _compile(tree: Path) -> None:
    """Bytecode that Lambda takes as it is, without looking at any file's time."""
    as_it_is = ["--invalidation-mode", "unchecked-hash"]
    _run(
        [sys.executable, "-m", "compileall", "-q", "-s", str(tree), "-p", ON_LAMBDA, *as_it_is, str(tree)],
        {**os.environ, "PYTHONHASHSEED": "0"},  # sets in constants keep their order
    )


def _run(command: list[str], settings: dict[str, str]) -> str:
    """Everything it said. Raises Broken when it failed."""
    ran = subprocess.run(  # noqa: S603 commands of this file only
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ran.returncode:
        raise Broken(f"{' '.join(command)} failed:\n{ran.stdout}")
    return ran.stdout


def _zip(tree: Path, package: Path) -> None:
    with ZipFile(package, "w", ZIP_DEFLATED) as packed:
        for path in sorted(tree.rglob("*")):
            if path.is_file():
                entry = ZipInfo(path.relative_to(tree).as_posix(), EPOCH)
                entry.external_attr = (0o755 if path.suffix == ".so" else 0o644) << 16
                entry.compress_type = ZIP_DEFLATED
                packed.writestr(entry, path.read_bytes())


def _checked(package: Path) -> str:
    """Its size, in a line. Raises Broken when Lambda would not take it or something is left out."""
    with ZipFile(package) as packed:
        files = packed.infolist()
    missing = set(EXPECTED) - {file.filename for file in files}
    if missing:
        raise Broken(f"the package lacks {', '.join(sorted(missing))}: are the links in vendor/ in place?")
    size, unpacked = package.stat().st_size, sum(file.file_size for file in files)
    if size > MOST_BYTES:
        raise Broken(f"the package has {size / 1e6:.1f} MB; Lambda takes {MOST_BYTES / 1e6:.0f}")
    return f"{package}: {size / 1e6:.1f} MB, {len(files)} files, {unpacked / 1e6:.0f} MB unpacked"


def _named(template: Path) -> str:
    """Its functions, in a line."""
    resources = json.loads(template.read_text(encoding="utf-8"))["Resources"]
    functions = sorted(name for name, one in resources.items() if one["Type"] == "AWS::Serverless::Function")
    return f"{template}: functions {', '.join(functions)}"


def linted(template: Path) -> list[str]:
    """What cfn-lint says of the template, and of what CloudFormation makes of it. Raises Broken.

    Only the second shows functions and their API waiting for each other. That AWS will retire this Python some day
    is a warning, so that the same code does not break by itself.
    """
    written = template.read_text(encoding="utf-8")
    found = [match for text in (written, _expanded(written)) for match in lint(text, {"regions": [REGION]})]
    wrong = [match for match in found if match.rule.id not in RETIRING]
    if wrong:
        raise Broken("\n".join(f"{template}: {match.rule.id} {match.message}" for match in wrong))
    return [f"warning: {message}" for message in sorted({match.message for match in found})]


def _expanded(template: str) -> str:
    """The template as the transform on AWS's side leaves it."""
    parsed = json.loads(template)
    for resource in parsed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"  # where `aws cloudformation package` puts it
    transform = Translator(None, Parser(), boto_session=Session(region_name=REGION))
    return json.dumps(transform.translate(parsed, parameter_values={}, get_managed_policy_map=dict), indent=1)


if __name__ == "__main__":
    try:
        print(*build(), sep="\n")
    except Broken as broken:
        sys.exit(str(broken))
