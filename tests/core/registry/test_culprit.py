"""The culprit: whatever is raised inside a plugin names it, in this process or another."""

import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import pytest
from torch.utils.data import DataLoader

from remgcl import DataError, Engine, PluginError, RunError
from remgcl.core.registry.culprit import culprit, foreign, named
from remgcl.plugins.losses.global_ import Global

SHARP = '''
from attrs import frozen
from remgcl import DataError, Loss, hookimpl


class Samples(list):
    def __getitem__(self, index):
        raise self.error("no sample")


def work(of):
    raise KeyError(of)


@frozen(kw_only=True)
class Sharp(Loss):
    """Fails in several ways."""

    def __call__(self, features):
        return features / 0

    def build(self, width):
        return self.inner()

    def inner(self):
        raise DataError("record 3: has no edge")

    def count(self, features):
        return work(features)

    def diagnose(self, features):
        try:
            return work(features)
        except KeyError as error:
            raise ValueError("no diagnosis") from error


@hookimpl
def remgcl_register_losses():
    return {"sharp": Sharp}
'''

AUTHORS = "; report it to its authors"


@pytest.fixture
def sharp(install_plugin: Callable[..., Path]) -> ModuleType:
    """A plugin whose parts fail."""
    install_plugin("remgcl-sharp", SHARP, point="sharp", version="1.0")
    return importlib.import_module("remgcl_sharp")


def told(fail: Callable[[], object]) -> str | None:
    """Tell who was at fault."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        fail()
    return culprit(raised.value)


def line_of(module: ModuleType, text: str) -> str:
    """Find the place of a text in a module, as file and line."""
    assert module.__file__ is not None
    lines = Path(module.__file__).read_text().splitlines()
    return f"{module.__file__}:{next(at for at, line in enumerate(lines, 1) if text in line)}"


def test_an_error_names_plugin_distribution_kind_function_and_line(sharp: ModuleType) -> None:
    assert told(lambda: sharp.Sharp()(1)) == (
        "plugin 'sharp' of remgcl-sharp 1.0 (remgcl_sharp): losses: raised ZeroDivisionError in Sharp.__call__ "
        f"({line_of(sharp, '/ 0')}){AUTHORS}"
    )


def test_the_kind_is_that_of_the_part_that_called_the_function(sharp: ModuleType) -> None:
    assert told(lambda: sharp.Sharp().count(1)) == (
        "plugin 'sharp' of remgcl-sharp 1.0 (remgcl_sharp): losses: raised KeyError in work "
        f"({line_of(sharp, 'KeyError(of)')}){AUTHORS}"
    )
    assert "(remgcl_sharp): raised KeyError in work" in (told(lambda: sharp.work(1)) or "")


def test_an_error_of_the_users_is_not_to_be_reported(sharp: ModuleType) -> None:
    assert told(lambda: sharp.Sharp().build(1)) == (
        "plugin 'sharp' of remgcl-sharp 1.0 (remgcl_sharp): losses: raised DataError in Sharp.inner "
        f"({line_of(sharp, 'no edge')})"
    )


def test_the_first_cause_is_told(sharp: ModuleType) -> None:
    assert "raised KeyError in work" in (told(lambda: sharp.Sharp().diagnose(1)) or "")


def test_an_error_that_was_raised_from_one_of_a_plugin_names_it(sharp: ModuleType) -> None:
    def run() -> None:
        try:
            sharp.Sharp()(1)
        except ZeroDivisionError as error:
            raise RunError("the stage failed") from error

    assert "raised ZeroDivisionError in Sharp.__call__" in (told(run) or "")


def test_a_cause_that_is_kept_back_is_kept_back(sharp: ModuleType) -> None:
    def run() -> None:
        try:
            sharp.Sharp()(1)
        except ZeroDivisionError:
            raise RunError("the stage failed") from None

    assert told(run) is None


def test_errors_that_are_each_others_cause_come_to_an_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert culprit(one) is None


@pytest.mark.parametrize("kind", [DataError, KeyError, RunError])
def test_an_error_in_a_loader_worker_names_the_plugin(sharp: ModuleType, kind: type[Exception]) -> None:
    samples = sharp.Samples([1, 2])
    samples.error = kind
    line = line_of(sharp, "self.error(")
    due = f"plugin 'sharp' of remgcl-sharp 1.0 (remgcl_sharp): raised {kind.__name__} in __getitem__ ({line})"
    fix = AUTHORS if kind is KeyError else ""
    assert told(lambda: list(DataLoader(samples, num_workers=1))) == f"{due}{fix}"


def test_an_error_in_a_process_of_a_pool_names_the_plugin(sharp: ModuleType) -> None:
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        future = pool.submit(sharp.work, 1)
        assert "(remgcl_sharp): raised KeyError in work" in (told(future.result) or "")


def test_a_hook_that_raises_is_told_with_its_line(install_plugin: Callable[..., Path]) -> None:
    file = install_plugin("blunt", SHARP.replace('return {"sharp": Sharp}', "return {}[0]"))
    with pytest.raises(PluginError, match=r"plugin 'blunt': remgcl_register_losses: raises KeyError\(0\)") as raised:
        Engine.installed()
    assert f"raised KeyError in remgcl_register_losses ({file}:" in (culprit(raised.value) or "")


def test_of_two_plugins_in_one_package_the_nearest_is_named(
    install_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry point may name a module inside a package that holds several."""
    file = install_plugin("pair", "")
    package = file.with_suffix("")
    file.unlink()
    for name in ("one", "other"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text(SHARP)
        (package / name / "inner.py").write_text(SHARP)
    (package / "__init__.py").write_text("")
    (package / "shared.py").write_text(SHARP)
    points = "[remgcl]\none = pair.one\nother = pair.other\n"
    (package.parent / "pair-1.2.dist-info" / "entry_points.txt").write_text(points)
    for name in ("one", "other"):
        monkeypatch.setitem(sys.modules, f"pair.{name}", importlib.import_module(f"pair.{name}"))
        inner = importlib.import_module(f"pair.{name}.inner")
        assert (told(lambda module=inner: module.work(1)) or "").startswith(
            f"plugin '{name}' of pair 1.2 (pair.{name})"
        )
    shared = importlib.import_module("pair.shared")
    assert "of pair 1.2" in (told(lambda: shared.work(1)) or "")


def test_errors_of_this_project_and_of_libraries_name_no_plugin() -> None:
    assert told(lambda: Global().build(None)(None)) is None  # type: ignore[arg-type]
    assert told(lambda: Engine.installed().registry.find("losses", "nix")) is None
    assert told(lambda: importlib.import_module("nowhere")) is None


def test_a_part_is_named_by_its_class_and_its_plugin(sharp: ModuleType) -> None:
    assert named(sharp.Sharp()) == "remgcl_sharp.Sharp of plugin 'sharp'"
    assert named(Global()) == "remgcl.plugins.losses.global_.Global"


def test_parts_of_this_project_are_not_foreign(sharp: ModuleType) -> None:
    assert foreign(sharp.Sharp())
    assert not foreign(Global())
