"""Hook specifications: one for each kind of part, all of one shape."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import pytest

from remgcl.core import parts
from remgcl.core.parts import Part
from remgcl.core.registry import hookspecs
from remgcl.core.registry.registry import KINDS

HOOKS: dict[str, Callable[[], Any]] = {
    name: hook for name, hook in vars(hookspecs).items() if name.startswith(hookspecs.PREFIX)
}
each_hook = pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)


def test_no_contract_is_without_a_hook() -> None:
    modules = [import_module(f"{parts.__name__}.{module.name}") for module in iter_modules(parts.__path__)]
    found = {kind for module in modules for kind in vars(module).values() if isinstance(kind, type)}
    kinds = {kind for kind in found if issubclass(kind, Part) and kind.__module__.startswith(parts.__name__)}
    shared = {base for kind in kinds for base in kind.__bases__}
    assert set(KINDS.values()) == kinds - shared
    assert len(KINDS) > 10


def test_the_kinds_are_read_off_the_hooks() -> None:
    assert {f"{hookspecs.PREFIX}{kind}" for kind in KINDS} == set(HOOKS)
    assert KINDS["losses"] is parts.Loss
    assert KINDS["vision_towers"] is parts.VisionTower


@each_hook
def test_a_register_hook_takes_no_arguments(hook: Callable[[], Any]) -> None:
    assert not inspect.signature(hook).parameters


@each_hook
def test_a_register_hook_answers_names_and_classes(hook: Callable[[], Any]) -> None:
    answer = get_type_hints(hook)["return"]
    name, part = get_args(answer)
    assert (get_origin(answer), name, get_origin(part)) == (Mapping, str, type)
    assert issubclass(get_args(part)[0], Part)


@each_hook
def test_a_register_hook_may_be_called_as_a_plain_function(hook: Callable[[], Any]) -> None:
    assert hook() is None


@each_hook
def test_a_register_hook_says_what_its_kind_is(hook: Callable[[], Any]) -> None:
    doc = inspect.getdoc(hook) or ""
    assert doc.startswith("Name ")
    assert ": " in doc
    assert doc.endswith(".")


@pytest.mark.parametrize("contract", KINDS.values(), ids=KINDS)
def test_a_contract_is_an_abstract_frozen_class_of_keywords(contract: type[Part]) -> None:
    assert contract.__abstractmethods__
    assert all(field.kw_only for field in attrs.fields(contract))
    assert contract.__setattr__ is not object.__setattr__


def test_hooks_group_and_project_have_one_name() -> None:
    assert hookspecs.PROJECT == "remgcl"
    assert hookspecs.PREFIX.startswith(hookspecs.PROJECT)
    assert hookspecs.hookimpl.project_name == hookspecs.hookspec.project_name == hookspecs.PROJECT
