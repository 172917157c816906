"""The public API: all that a plugin may import, sorted, documented, and no more."""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import Any

import attrs
import pytest

import remgcl
import remgcl.inference
import remgcl.training

ROOTS = {"remgcl": remgcl, "remgcl.inference": remgcl.inference, "remgcl.training": remgcl.training}
ROOT = Path(remgcl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PLUGINS = sorted(ROOT.glob("plugins/*/*.py"))
CLASSES = {name: getattr(remgcl, name) for name in remgcl.__all__ if isinstance(getattr(remgcl, name), type)}
FUNCTIONS = {name: getattr(remgcl, name) for name in remgcl.__all__ if isinstance(getattr(remgcl, name), FunctionType)}

each_class = pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
each_file = pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def parsed(file: Path) -> ast.Module:
    """Parse a source file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def methods_of(kind: type[Any]) -> dict[str, Any]:
    """Name the public functions and properties that a class defines itself."""
    found = {name: member for name, member in vars(kind).items() if not name.startswith("_") or name == "__call__"}
    return {
        name: getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        for name, member in found.items()
        if isinstance(member, FunctionType | property | classmethod | staticmethod) or hasattr(member, "func")
    }


def imported(module: ast.Module) -> Iterator[str]:
    """Name what a module imports from the core."""
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("remgcl.core"):
            yield from (alias.asname or alias.name for alias in node.names)


def test_all_is_sorted_constants_then_classes_then_functions() -> None:
    assert remgcl.__all__ == sorted(remgcl.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_all_names_each_thing_once_and_everything_that_is_imported_for_it() -> None:
    assert len(set(remgcl.__all__)) == len(remgcl.__all__)
    assert set(remgcl.__all__) == set(imported(parsed(ROOT / "__init__.py")))


def test_every_name_of_all_is_there() -> None:
    missing = [name for name in remgcl.__all__ if not hasattr(remgcl, name)]
    assert missing == []


def test_the_contract_of_every_kind_of_part_is_public() -> None:
    from remgcl.core.registry.registry import KINDS

    assert {kind.__name__ for kind in KINDS.values()} <= set(remgcl.__all__)


def test_every_error_that_a_plugin_may_raise_or_meet_is_public() -> None:
    from remgcl.core import errors

    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds - {"ValueFaultError"} <= set(remgcl.__all__)


def test_a_renamed_name_works_on_and_warns_with_the_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(remgcl._RENAMED, "Tower", "VisionTower")
    with pytest.warns(
        DeprecationWarning, match=r"^remgcl\.Tower is now remgcl\.VisionTower; the old name goes"
    ) as told:
        assert remgcl.Tower is remgcl.VisionTower  # type: ignore[attr-defined]
    assert told[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="is now"):
        from remgcl import Tower  # type: ignore[attr-defined]  # noqa: F401


def test_every_renamed_name_has_a_new_one() -> None:
    assert {*remgcl._RENAMED.values()} <= {*remgcl.__all__}
    assert not {*remgcl._RENAMED} & {*remgcl.__all__}


def test_a_name_that_never_was_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'remgcl' has no attribute 'Tower'"):
        remgcl.Tower  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(remgcl, "Tower")


@each_class
def test_every_public_class_says_what_it_is(kind: type[Any]) -> None:
    summary = (vars(kind).get("__doc__") or "").partition("\n")[0]
    assert summary.endswith(".")
    assert not summary.startswith(kind.__name__)


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_public_function_says_what_it_does_and_what_it_takes(function: FunctionType) -> None:
    doc = inspect.getdoc(function) or ""
    assert doc.partition("\n")[0].endswith(".")
    for name in inspect.signature(function).parameters:
        assert f"    {name}: " in doc


@each_class
def test_every_public_method_says_what_it_does_and_what_it_takes(kind: type[Any]) -> None:
    for name, method in methods_of(kind).items():
        doc = inspect.getdoc(method) or ""
        assert doc.partition("\n")[0].endswith("."), name
        for parameter in inspect.signature(method).parameters:
            assert parameter in {"self", "cls"} or f"    {parameter}: " in doc, (name, parameter)


@each_class
def test_every_field_of_a_public_class_is_documented(kind: type[Any]) -> None:
    doc = inspect.getdoc(kind) or ""
    for name in attrs.fields_dict(kind) if attrs.has(kind) else vars(kind).get("__annotations__", ()):
        assert f"    {name}: " in doc, name


def test_every_public_constant_is_documented_where_it_is_set() -> None:
    """By a text right below it, or in the class that is made of it."""
    constants = {name for name in remgcl.__all__ if name not in CLASSES and name not in FUNCTIONS}
    documented = set()
    for file in FILES:
        body = parsed(file).body
        for statement, below in pairwise(body):
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                documented |= {target.id for target in targets if isinstance(target, ast.Name)}
    assert {"COUNTS", "hookimpl"} <= constants
    assert constants <= documented


@each_file
def test_every_module_says_what_it_is(file: Path) -> None:
    doc = ast.get_docstring(parsed(file)) or ""
    assert doc.partition("\n")[0].endswith(".")


@each_file
def test_every_public_name_of_every_module_is_documented(file: Path) -> None:
    def undocumented(body: list[ast.stmt], inside: str = "") -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                if not ast.get_docstring(node):
                    yield inside + node.name
                if isinstance(node, ast.ClassDef):
                    yield from undocumented(node.body, f"{node.name}.")

    assert list(undocumented(parsed(file).body)) == []


@pytest.mark.parametrize("file", PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_built_in_part_imports_the_public_roots_and_its_own_kind_only(file: Path) -> None:
    """As a third party's must, so what works for one works for the other."""
    own = f"remgcl.plugins.{file.relative_to(ROOT / 'plugins').parts[0]}"
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "remgcl":
            root = ROOTS.get(node.module or "")
            assert root or (node.module or "").startswith(own), node.module
            if root:
                assert {alias.name for alias in node.names} <= set(root.__all__)
