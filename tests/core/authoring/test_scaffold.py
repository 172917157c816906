"""Packages that new-plugin writes: clean, whole, and working for every kind of part."""

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from remgcl import Engine, PluginError, RunError, RunFolder, Task
from remgcl.core.authoring.scaffold import kind_of, package, verify_name, write_package
from remgcl.core.registry.loading import API, load
from remgcl.core.registry.registry import KINDS, singular

ROOT = Path(__file__).parents[3]

each_kind = pytest.mark.parametrize("kind", KINDS)


def name_of(kind: str) -> str:
    """Name a part after its kind; the module's name follows from it."""
    return f"fresh-{singular(kind).replace('_', '-')}"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind, each beside what an installation would tell of it."""
    folder = tmp_path_factory.mktemp("written")
    for kind in KINDS:
        name = name_of(kind)
        write_package(package(name, kind), folder / name)
        module = f"remgcl_{name.replace('-', '_')}"
        info = folder / name / f"{module}-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: remgcl-{name}\nVersion: 0.1.0\n")
        (info / "entry_points.txt").write_text(f"[remgcl]\n{name} = {module}\n")
    return folder


@pytest.fixture
def imported(written: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import the module of a kind."""

    def load_module(kind: str) -> ModuleType:
        monkeypatch.syspath_prepend(written / name_of(kind))
        return importlib.import_module(f"remgcl_{name_of(kind).replace('-', '_')}")

    return load_module


def built_in() -> Mapping[str, object]:
    """Give the installed plugins by name."""
    return dict(load().manager.list_name_plugin())


# -- what is written works


@each_kind
def test_a_module_is_a_plugin_with_one_part_of_its_kind(kind: str, imported: Callable[[str], ModuleType]) -> None:
    registered = list(Engine.of([imported(kind)]).registry)
    assert [(entry.kind, entry.name) for entry in registered] == [(kind, name_of(kind))]


@each_kind
def test_a_module_is_refused_by_another_version_of_the_api(kind: str, imported: Callable[[str], ModuleType]) -> None:
    assert vars(imported(kind))["REMGCL_API"] == API


@pytest.mark.parametrize(
    "module", sorted(ROOT.glob("examples/*/remgcl_*.py")) + sorted(ROOT.glob("examples/*/*/__init__.py"))
)
def test_so_is_every_example(module: Path) -> None:
    assert f"\nREMGCL_API = {API}\n" in module.read_text(encoding="utf-8")


@each_kind
def test_a_recipe_can_be_checked_and_trains_in_seconds(
    kind: str, written: Path, imported: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    engine = Engine.of({**built_in(), name_of(kind): imported(kind)})
    file = written / name_of(kind) / "recipe.toml"
    recipe = engine.read(file, ["stages.train.data.samples=16"])
    engine.check(recipe, str(file))
    engine.run(recipe, RunFolder(tmp_path), Console(file=StringIO()), str(file))
    assert RunFolder(tmp_path).stage("train").finished()
    assert len(RunFolder(tmp_path).stage("train").metrics.read_text().splitlines()) in {1, 2}


@each_kind
def test_a_recipe_uses_the_part_where_recipes_name_its_kind(
    kind: str, written: Path, imported: Callable[[str], ModuleType]
) -> None:
    engine = Engine.of({**built_in(), name_of(kind): imported(kind)})
    table = engine.table(engine.read(written / name_of(kind) / "recipe.toml"))
    named = kind == "executors" or KINDS[kind].command or f"'use': '{name_of(kind)}'" in str(table)
    assert named
    assert name_of(kind) in (written / name_of(kind) / "recipe.toml").read_text()


def test_the_tasks_of_an_executor_are_out_of_reach_of_the_terminal(
    imported: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    (executor,) = imported("executors").remgcl_register_executors().values()
    command = (sys.executable, "-S", "-c", "import os; print(os.getsid(0))")
    with executor().open() as submit:
        submit(Task(name="a", command=command, folder=tmp_path, log=tmp_path / "log.txt")).result()
    assert int((tmp_path / "log.txt").read_text()) != os.getsid(0)


def test_every_part_keeps_the_contract_of_its_kind(written: Path) -> None:
    """By the tests that come with it, as if it were installed; losses on two ranks take long, and are left to CI."""
    packages = os.pathsep.join(str(path) for path in written.iterdir())
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not two_ranks", "-rA"]
    command += ["--import-mode=importlib", "-W", "error", "-c", os.devnull, "--rootdir", str(written), str(written)]
    environment = {**os.environ, "PYTHONPATH": packages, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, env=environment, cwd=written, capture_output=True, text=True, check=False)  # noqa: S603 - our own tests
    assert ran.returncode == 0, ran.stdout
    for kind in KINDS:
        assert f"PASSED {name_of(kind)}/tests/" in ran.stdout


# -- it is clean


@each_kind
@pytest.mark.parametrize("command", [("check",), ("format", "--check")], ids=lambda command: command[0])
def test_what_is_written_passes_ruff(command: tuple[str, ...], kind: str, written: Path) -> None:
    arguments = [*command, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "."]
    ran = subprocess.run(  # noqa: S603 - our own tools
        [sys.executable, "-m", "ruff", *arguments],
        cwd=written / name_of(kind),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
def test_what_is_written_passes_mypy(written: Path, tmp_path: Path) -> None:
    settings = tmp_path / "mypy.ini"
    settings.write_text("[mypy]\nstrict = true\n[mypy-transformers.*]\nfollow_imports = skip")  # which is not typed
    modules = [str(path) for path in sorted(written.glob("*/remgcl_*.py"))]
    assert len(modules) == len(KINDS)
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--cache-dir", str(tmp_path), *modules]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own tools
    assert ran.returncode == 0, ran.stdout


@each_kind
def test_no_line_is_too_long_and_no_file_ends_or_breaks_off_in_blank_lines(kind: str) -> None:
    for path, text in package("a-name-of-some-length", kind).items():
        assert [line for line in text.splitlines() if len(line.partition("  # noqa")[0]) > 120] == [], path
        assert text.endswith("\n")
        assert not text.endswith("\n\n"), path
        assert "\n\n\n\n" not in text, path


@each_kind
def test_a_package_declares_its_plugin(kind: str) -> None:
    files = package("mine", kind)
    told = tomllib.loads(files[Path("pyproject.toml")])
    assert told["project"]["name"] == "remgcl-mine"
    assert told["project"]["dependencies"] == [f"remgcl>={version('remgcl')}"]
    assert told["project"]["entry-points"] == {"remgcl": {"mine": "remgcl_mine"}}
    assert set(files) == {
        Path("pyproject.toml"),
        Path("remgcl_mine.py"),
        Path("tests/test_mine.py"),
        Path("recipe.toml"),
        Path("README.md"),
    }


def test_the_test_of_a_part_is_one_line() -> None:
    body = package("hard-negative", "losses")[Path("tests/test_hard_negative.py")].split("\n\n")
    assert body[-1] == "TestHardNegative = conformance(HardNegative())\n"


@pytest.mark.parametrize("name", ["loss", "none", "features", "tensor", "test-me"])
def test_a_class_is_named_as_nothing_that_is_there(name: str) -> None:
    words = "".join(word.capitalize() for word in name.split("-"))
    assert f"class My{words}(Loss):" in package(name, "losses")[Path(f"remgcl_{name.replace('-', '_')}.py")]


# -- what cannot be written


@pytest.mark.parametrize(("given", "kind"), [("loss", "losses"), ("losses", "losses"), ("ocr_engine", "ocr_engines")])
def test_a_kind_is_found_by_one_or_by_many(given: str, kind: str) -> None:
    assert kind_of(given) == kind


def test_every_kind_is_found_by_one_of_it() -> None:
    assert [kind_of(singular(kind)) for kind in KINDS] == list(KINDS)


def test_of_an_unknown_kind_the_nearest_is_offered() -> None:
    with pytest.raises(PluginError, match=r"^no kind of part 'vision-tower'; did you mean 'vision_tower'\?$"):
        kind_of("vision-tower")


@pytest.mark.parametrize("name", ["", "Mine", "2d", "my loss", "my--loss", "-mine", "mine-", "../mine", "mine.py", "ä"])
def test_a_name_that_cannot_be_a_package_is_refused(name: str, engine: Engine) -> None:
    with pytest.raises(PluginError, match=r"cannot name a package; lower-case letters and digits can, a letter first"):
        verify_name(name, "losses", engine.registry)


def test_a_name_that_is_taken_is_refused_and_told_by_what(engine: Engine) -> None:
    with pytest.raises(PluginError, match=r"^losses: 'global' is taken by plugin 'remgcl.losses'$"):
        verify_name("global", "losses", engine.registry)


def test_a_name_of_another_kind_is_free(engine: Engine) -> None:
    verify_name("global", "runners", engine.registry)


def test_a_name_of_an_installed_plugin_is_refused_however_it_is_written(made_up: object, engine: Engine) -> None:
    """The plugin `made-up` has an OCR engine, not a loss; but two plugins of one name cannot be installed."""
    del made_up  # it is installed
    with pytest.raises(PluginError, match=r"^plugin 'made-up' is installed already; by remgcl-made-up 1.0 "):
        verify_name("made_up", "losses", engine.registry)


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(RunError, match=r"mine: is there already; nothing is overwritten$"):
        write_package(package("mine", "losses"), tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"mine: cannot be written; not a directory$"):
        write_package(package("mine", "losses"), tmp_path / "file" / "mine")
