"""Contracts: what breaks one is told with what to write instead."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from attrs import define, field, frozen

from remgcl import Dataset, Engine, Features, Loss, OcrEngine, PluginError, Projector, VisionTower
from remgcl.core.registry.contract import breaches


@frozen(kw_only=True)
class Fine(Loss):
    """Keeps its contract, in its own words."""

    words: tuple[str, ...] = ("a",)
    shares: dict[str, float] = field(factory=dict)
    names: list[str] = field(factory=lambda: ["a"])

    def __call__(self, seen: Features, *more: object, sure: bool = True) -> Any:  # noqa: ANN401 - never called
        """Take more than it is given."""

    @staticmethod
    def build(width: int) -> Any:  # noqa: ANN401 - never called
        """Need no self."""


def losses(**members: Any) -> type[Loss]:  # noqa: ANN401 - a test may give anything
    """Make a loss with some members."""
    return frozen(kw_only=True)(type("Mine", (Fine,), members))


@define
class Changeable:
    """No number, no text, and no constant either."""


def test_a_part_that_keeps_its_contract_breaks_nothing() -> None:
    assert list(breaches(Fine, Loss)) == []


@pytest.mark.parametrize(
    ("default", "told"),
    [
        ([], r"\[\]; write field\(factory=list\), or a tuple"),
        ({}, r"\{\}; write field\(factory=dict\), or a tuple"),
        (set(), r"set\(\); write field\(factory=set\), or a tuple"),
        ([1, 2], r"\[1, 2\]; write field\(factory=lambda: \[1, 2\]\), or a tuple"),
        (([1],), r"\(\[1\],\); write field\(factory=lambda: \(\[1\],\)\), or a tuple"),
        (Changeable(), r"Changeable\(\); write field\(factory=lambda: Changeable\(\)\), or a tuple"),
    ],
    ids=["list", "dict", "set", "filled", "nested", "object"],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "field"])
def test_a_default_that_can_be_changed_is_refused_with_its_field(
    default: object,
    told: str,
    wrapped: bool,  # noqa: FBT001
    plugin: Callable[..., Any],
) -> None:
    part = losses(__annotations__={"words": Any}, words=field(default=default) if wrapped else default)
    due = rf"^plugin 'mine': remgcl_register_losses: 'x': Mine\.words has a default that can be changed, {told}$"
    with pytest.raises(PluginError, match=due):
        Engine.of({"mine": plugin(losses={"x": part})})


def test_all_breaches_of_a_class_are_told_at_once(plugin: Callable[..., Any]) -> None:
    part = losses(__annotations__={"words": list[str]}, words=[], __call__=lambda _: None)
    with pytest.raises(PluginError) as raised:
        Engine.of({"mine": plugin(losses={"x": part})})
    assert str(raised.value).splitlines() == [
        (
            "plugin 'mine': remgcl_register_losses: 'x': Mine.words has a default that can be changed, []; "
            "write field(factory=list), or a tuple"
        ),
        (
            "plugin 'mine': remgcl_register_losses: 'x': Mine.__call__ cannot be called as the contract says; "
            "write __call__(self, features)"
        ),
    ]


@pytest.mark.parametrize(
    ("name", "member", "told"),
    [
        ("__call__", lambda _: None, "__call__ cannot be called as the contract says; write __call__(self, features)"),
        (
            "__call__",
            lambda _, features, tokens: (features, tokens),
            "__call__ cannot be called as the contract says; write __call__(self, features)",
        ),
        ("build", lambda _: None, "build cannot be called as the contract says; write build(self, width)"),
        ("build", staticmethod(lambda: None), "build cannot be called as the contract says; write build(self, width)"),
        ("count", lambda _, *, features: features, "count cannot be called as the contract says; write count(self, fe"),
        ("build", 3, "build hides a method of the contract; give it another name, or write build(self, width)"),
        ("diagnose", property(lambda _: {}), "diagnose hides a method of the contract; give it another name, or write"),
    ],
)
def test_a_method_that_cannot_take_what_it_is_given_is_refused(name: str, member: object, told: str) -> None:
    (breach,) = breaches(losses(**{name: member}), Loss)
    assert breach.startswith(f"Mine.{told}")


def test_a_field_with_the_name_of_a_method_is_refused() -> None:
    part = losses(__annotations__={"count": int}, count=3)
    assert list(breaches(part, Loss)) == [
        "Mine.count hides a method of the contract; give it another name, or write count(self, features)"
    ]


@pytest.mark.parametrize(
    ("build", "fine"),
    [
        (lambda _, *, pretrained=True: pretrained, True),
        (lambda _, **options: options, True),
        (lambda _, pretrained=True: pretrained, True),
        (lambda _, *, pretrained: pretrained, False),
        (lambda _: None, False),
        (lambda _, weights, *, pretrained=True: (weights, pretrained), False),
    ],
)
def test_a_tower_is_built_with_and_without_its_keyword(build: object, fine: bool) -> None:  # noqa: FBT001
    part = frozen(kw_only=True)(type("Tower", (VisionTower,), {"spec": lambda _: None, "build": build}))
    fix = "Tower.build cannot be called as the contract says; write build(self, *, pretrained=True)"
    assert list(breaches(part, VisionTower)) == ([] if fine else [fix])


def test_a_projector_that_takes_one_width_is_refused() -> None:
    part = frozen(kw_only=True)(type("Narrow", (Projector,), {"build": lambda _, width: width}))
    assert list(breaches(part, Projector)) == [
        "Narrow.build cannot be called as the contract says; write build(self, width_in, width_out)"
    ]


def test_a_method_without_arguments_may_have_none() -> None:
    part = frozen(kw_only=True)(type("Data", (Dataset,), {"census": lambda _: None, "build": lambda _, index: index}))
    assert list(breaches(part, Dataset)) == ["Data.build cannot be called as the contract says; write build(self)"]


@pytest.mark.parametrize(
    ("version", "fine"),
    [(property(lambda _: "1"), True), (cached_property(lambda _: "1"), True), ("1", True), (lambda _: "1", False)],
    ids=["property", "cached", "constant", "method"],
)
def test_a_property_of_the_contract_must_not_be_a_method(version: object, fine: bool) -> None:  # noqa: FBT001
    part = frozen(kw_only=True, slots=False)(type("Eye", (OcrEngine,), {"version": version, "build": lambda _: None}))
    told = "Eye.version is a method; the contract requires a property: decorate it with @property"
    assert list(breaches(part, OcrEngine)) == ([] if fine else [told])


@pytest.mark.parametrize("told", ["faiss", ["faiss"], {"faiss": 3}, {"faiss": None}], ids=str)
def test_libraries_are_named_with_what_pip_is_told(told: object) -> None:
    assert list(breaches(losses(requires={"faiss": "faiss-cpu"}), Loss)) == []
    (breach,) = breaches(losses(requires=told), Loss)
    assert breach == (
        f"Mine.requires is {told!r}; it must map the names of libraries to requirements of pip, such as "
        "{'timm': 'remgcl[timm]'}"
    )


def test_every_installed_part_keeps_its_contract(engine: Engine) -> None:
    from remgcl.core.registry.registry import KINDS

    assert [breach for entry in engine.registry for breach in breaches(entry.part, KINDS[entry.kind])] == []
