"""A kind of part costs three places in existing files; what else it needs is found in files of its own."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

from remgcl.core.authoring.scaffold import TEMPLATES
from remgcl.core.registry import hookspecs
from remgcl.core.registry.registry import KINDS

ROOT = Path(__file__).parents[1]

CONTRACT = """\
\"\"\"The contract of gauges.\"\"\"

from abc import abstractmethod
from typing import ClassVar

from attrs import frozen

from remgcl.core.parts.part import Part


@frozen(kw_only=True)
class Gauge(Part):
    \"\"\"Measure something.\"\"\"

    command: ClassVar[str] = "remgcl measure --gauge {name}"
    setting: ClassVar[str] = "--set"

    @abstractmethod
    def measure(self, value: float) -> float:
        \"\"\"Measure a value.

        Args:
            value: The value.
        \"\"\"
"""

PLUGIN = """\
\"\"\"Gauges.\"\"\"

from attrs import frozen

from remgcl import Gauge, hookimpl


@frozen(kw_only=True)
class Ruler(Gauge):
    \"\"\"Measure lengths.

    Attributes:
        unit: Millimetres of a unit.
    \"\"\"

    unit: float = 1.0

    def measure(self, value: float) -> float:
        \"\"\"Divide by the unit.\"\"\"
        return value / self.unit


@hookimpl
def remgcl_register_gauges():
    \"\"\"Name the gauges.\"\"\"
    return {"ruler": Ruler}
"""

CHECKS = """\
\"\"\"What every gauge promises.\"\"\"

from remgcl.testing.checks import PartChecks, broken


class Checks(PartChecks):
    \"\"\"What every gauge promises.\"\"\"

    def test_nothing_measures_nothing(self, part):
        \"\"\"The measure of 0 is 0.\"\"\"
        if part.measure(0.0) != 0.0:
            raise broken(part, "measure: of 0 is not 0")
"""

HOOK = """

@hookspec
def remgcl_register_gauges() -> Mapping[str, type[Gauge]]:
    \"\"\"Name gauges: how a length is measured.\"\"\"
"""

SCAFFOLD = (
    PLUGIN.replace("Ruler", "{{ cls }}")
    .replace('"ruler"', '"{{ name }}"')
    .replace("from attrs", "REMGCL_API = 1\n\nfrom attrs", 1)
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A copy of the package with a made-up kind; how many files were changed, and in how many places."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "remgcl", folder / "remgcl", ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "remgcl"
    edits = {
        package / "core/registry/hookspecs.py": (
            HOOK,
            "from remgcl.core.parts.gauge import Gauge\n",
        ),
        package / "__init__.py": ("", "from remgcl.core.parts.gauge import Gauge\n"),
    }
    for path, (end, start) in edits.items():
        text = path.read_text(encoding="utf-8")
        first = re.search(r"^from remgcl", text, re.MULTILINE)
        assert first
        path.write_text(text[: first.start()] + start + text[first.start() :] + end, encoding="utf-8")
    info = folder / "remgcl-0.1.0.dist-info"
    info.mkdir()
    points = [f"{point.name} = {point.value}" for point in entry_points(group="remgcl") if point.dist]
    own = [line for line in points if " = remgcl." in line]
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: remgcl\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(
        "[remgcl]\n" + "\n".join([*own, "remgcl.gauges = remgcl.plugins.gauges"]) + "\n"
    )
    new = {
        "core/parts/gauge.py": CONTRACT,
        "plugins/gauges/__init__.py": PLUGIN,
        "testing/gauges.py": CHECKS,
        "scaffold/gauges.py.jinja": SCAFFOLD,
    }
    for name, text in new.items():
        (package / name).parent.mkdir(exist_ok=True)
        assert not (package / name).exists()
        (package / name).write_text(text, encoding="utf-8")
    return folder, len(edits) + 1, 3


def _run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "COLUMNS": "200"}
    program = [sys.executable, *command]
    ended = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_kind_costs_three_places_and_files_of_its_own(tree: tuple[Path, int, int]) -> None:
    folder, files, places = tree
    assert (files, places) == (3, 3)
    listed = _run(folder, "-m", "remgcl", "parts", "gauges")
    assert "ruler  (remgcl.gauges, remgcl 0.1.0)" in listed
    assert "unit: float = 1.0" in listed
    assert "remgcl measure --gauge ruler --set unit=1.0" in _run(folder, "-m", "remgcl", "parts", "gauges.ruler")
    page = _run(folder, "-m", "remgcl", "parts", "--markdown")
    assert "## gauges\n\nHow a length is measured." in page
    assert '"whole.gauges.ruler"' in _run(folder, "-m", "remgcl", "schema")


def test_a_made_up_kind_has_a_scaffold_and_a_kit(tree: tuple[Path, int, int]) -> None:
    folder, _, _ = tree
    _run(folder, "-m", "remgcl", "new-plugin", "inches", "--kind", "gauge")
    assert "# remgcl measure --gauge inches" in (folder / "remgcl-inches" / "recipe.toml").read_text()
    program = "import sys; sys.path.insert(0, 'remgcl-inches'); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    options = ["-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    out = _run(folder, "-c", program, *options, "remgcl-inches/tests")
    assert re.search(r"\b[3-9] passed", out)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_lacks_nothing(kind: str) -> None:
    docs = [ROOT / "docs" / "hooks.md", ROOT / "docs" / "kinds" / f"{kind}.md"]
    lacks = {
        "an entry point": bool(entry_points(group="remgcl", name=f"remgcl.{kind}")),
        "a template of new-plugin": (TEMPLATES / f"{kind}.py.jinja").is_file(),
        "checks of the conformance kit": find_spec(f"remgcl.testing.{kind}") is not None,
        "broken parts that the checks find": (ROOT / "tests" / "testing" / "broken" / f"{kind}.py").exists(),
        "a section of its hook": any(
            f"## {hookspecs.PREFIX}{kind}\n" in page.read_text(encoding="utf-8") for page in docs if page.exists()
        ),
        "tests of the built-in parts": (ROOT / "tests" / "plugins" / kind).is_dir(),
    }
    assert [what for what, there in lacks.items() if not there] == []
