"""The registry: parts by kind and name, and plugins that break the contract."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from attrs import define, field, frozen

import remgcl
from remgcl import Engine, Features, Loss, PluginError, Projector, RemgclError
from remgcl.core.registry.registry import KINDS, NAME, Registered
from remgcl.core.runs.provenance import LIBRARIES

Plugin = Callable[..., Any]


@frozen(kw_only=True)
class Zero(Loss):
    """Nothing."""

    margin: float = 0.5

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - torch is not needed here
        """Give nothing."""
        return features.zero()


@frozen(kw_only=True)
class Nought(Zero):
    """Nothing, by another name."""


@frozen(kw_only=True)
class Halves(Projector):
    """A projector."""

    def build(self, width_in: int, width_out: int) -> Any:  # noqa: ANN401 - torch is not needed here
        """Build nothing."""


def refused(plugins: Mapping[str, object]) -> str:
    """Tell why plugins are refused."""
    with pytest.raises(PluginError) as raised:
        Engine.of(plugins)
    return str(raised.value)


def test_a_part_is_found_by_kind_and_name(plugin: Plugin) -> None:
    registry = Engine.of({"mine": plugin(losses={"zero": Zero}, projectors={"zero": Halves})}).registry
    assert registry.find("losses", "zero") is Zero
    assert registry.find("projectors", "zero") is Halves


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("losses", "zer", "no part 'zer' among the losses; did you mean 'zero'?"),
        ("losses", "global", "no part 'global' among the losses; there is 'nought', 'zero'"),
        ("runners", "local", "no part 'local' among the runners; there is nothing"),
    ],
)
def test_a_name_that_is_not_known_is_met_with_what_there_is(plugin: Plugin, kind: str, name: str, told: str) -> None:
    registry = Engine.of({"mine": plugin(losses={"zero": Zero, "nought": Nought})}).registry
    with pytest.raises(PluginError) as raised:
        registry.find(kind, name)
    assert str(raised.value) == told


def test_a_part_tells_its_kind_name_and_plugin(plugin: Plugin) -> None:
    registry = Engine.of({"mine": plugin(losses={"zero": Zero})}).registry
    assert registry.entry(Zero(margin=2.0)) == Registered("losses", "zero", Zero, "mine")


def test_a_part_that_no_plugin_registered_is_an_error_that_names_its_class(plugin: Plugin) -> None:
    registry = Engine.of({"mine": plugin(losses={"zero": Zero})}).registry
    with pytest.raises(PluginError) as raised:
        registry.entry(Nought())
    assert str(raised.value) == f"{__name__}.Nought: no plugin of this engine registers it"


def test_parts_are_given_kind_after_kind_by_name(plugin: Plugin) -> None:
    registry = Engine.of(
        {"b": plugin(losses={"zero": Zero}), "a": plugin(losses={"nought": Nought}, projectors={"x": Halves})}
    ).registry
    assert [(entry.kind, entry.name, entry.plugin) for entry in registry] == [
        ("projectors", "x", "a"),
        ("losses", "nought", "a"),
        ("losses", "zero", "b"),
    ]


def test_names_are_sorted_and_those_of_one_kind_only(plugin: Plugin) -> None:
    registry = Engine.of({"mine": plugin(losses={"zero": Zero, "a": Nought}, projectors={"x": Halves})}).registry
    assert registry.names("losses") == ("a", "zero")
    assert registry.names("runners") == ()


def test_any_mapping_will_do_and_none_needs_to_hold_a_part(plugin: Plugin) -> None:
    registry = Engine.of({"mine": plugin(losses=MappingProxyType({"zero": Zero}), runners={})}).registry
    assert registry.names("losses") == ("zero",)


def test_a_name_given_twice_is_an_error_that_tells_both_plugins_and_both_classes(plugin: Plugin) -> None:
    told = refused({"one": plugin(losses={"zero": Zero}), "two": plugin(losses={"zero": Nought})})
    first, second = sorted(["one", "two"], key=told.index)
    classes = {"one": f"{__name__}.Zero", "two": f"{__name__}.Nought"}
    assert told == (
        f"losses: 'zero' is registered twice; by plugin {first!r} ({classes[first]}) "
        f"and by plugin {second!r} ({classes[second]}); rename one, or leave a plugin out with --without"
    )


def test_the_name_of_a_built_in_part_cannot_be_taken(plugin: Plugin) -> None:
    from remgcl.plugins import losses

    told = refused({"remgcl.losses": losses, "mine": plugin(losses={"global": Zero})})
    assert told.startswith("losses: 'global' is registered twice; ")
    assert "by plugin 'remgcl.losses' (remgcl.plugins.losses.global_.Global)" in told
    assert f"by plugin 'mine' ({__name__}.Zero)" in told


def test_one_class_with_two_names_is_an_error_that_tells_both(plugin: Plugin) -> None:
    """A recipe that is written could not tell which was meant."""
    told = refused({"mine": plugin(losses={"zero": Zero, "nil": Zero})})
    assert told == (
        f"losses: {__name__}.Zero has two names; 'zero' by plugin 'mine' and 'nil' by plugin 'mine'; "
        "give each name its own class"
    )


@pytest.mark.parametrize("answer", [None, 3, [("zero", Zero)], Zero, "zero"])
def test_a_hook_that_answers_no_mapping_is_refused(plugin: Plugin, answer: object) -> None:
    assert refused({"mine": plugin(losses=answer)}) == (
        "plugin 'mine': remgcl_register_losses: must return a mapping from names to classes, such as {'name': Class}; "
        f"it returned {answer!r}"
    )


def test_a_hook_that_raises_is_told_with_its_plugin(plugin: Plugin) -> None:
    told = refused({"mine": plugin(losses=ImportError("no module named 'faiss'"))})
    assert told == "plugin 'mine': remgcl_register_losses: raises ImportError(\"no module named 'faiss'\")"


@pytest.mark.parametrize("name", [3, None, "", "a b", "-a", "a.b", "a/b", "é"])
def test_a_name_that_no_recipe_could_hold_is_refused(plugin: Plugin, name: object) -> None:
    assert refused({"mine": plugin(losses={name: Zero})}) == (
        f"plugin 'mine': remgcl_register_losses: {name!r} cannot be a name; letters, digits, '-' and '_' can"
    )


@pytest.mark.parametrize("name", ["a", "3d", "mlp2x_gelu", "hard-negative", "X"])
def test_a_name_of_letters_digits_dashes_and_underscores_is_taken(plugin: Plugin, name: str) -> None:
    assert NAME.fullmatch(name)
    assert Engine.of({"mine": plugin(losses={name: Zero})}).registry.names("losses") == (name,)


@pytest.mark.parametrize("part", [3, None, "remgcl_hard_negative.HardNegative", Halves, dict, Zero(), lambda: None])
def test_what_is_no_class_of_the_kind_is_refused(plugin: Plugin, part: object) -> None:
    assert refused({"mine": plugin(losses={"x": part})}) == (
        f"plugin 'mine': remgcl_register_losses: 'x' is {part!r}; it must be a subclass of remgcl.Loss"
    )


class Plain(Zero):
    """A class that forgot the decorator; its field would be no key of a recipe."""

    forgotten: float = 1.0


@dataclass(frozen=True)
class Data(Loss):
    """A dataclass."""

    margin: float = 0.5

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - torch is not needed here
        """Give nothing."""
        return features.zero()


@frozen
class Positional(Zero):
    """Its field may be given by position."""

    place: int = 0


@frozen(kw_only=True)
class Hidden(Zero):
    """Its field cannot be set."""

    state: int = field(init=False, default=0)


@pytest.mark.parametrize("part", [Plain, Data, Positional, Hidden], ids=lambda part: part.__name__)
def test_what_is_no_frozen_attrs_class_of_keywords_is_refused(plugin: Plugin, part: type[Loss]) -> None:
    assert refused({"mine": plugin(losses={"x": part})}) == (
        f"plugin 'mine': remgcl_register_losses: 'x': {part.__name__} is not a frozen attrs class of keywords; "
        "decorate it with @frozen(kw_only=True)"
    )


def test_a_subclass_of_a_frozen_class_is_frozen_whatever_decorator_it_has(plugin: Plugin) -> None:
    @define(kw_only=True)
    class Defined(Zero):
        """Frozen, as its base is."""

        more: int = 0

    registry = Engine.of({"mine": plugin(losses={"x": Defined})}).registry
    part = registry.find("losses", "x")()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        part.more = 1  # type: ignore[attr-defined]


def test_a_part_that_leaves_out_a_method_is_told_which(plugin: Plugin) -> None:
    @frozen(kw_only=True)
    class Half(remgcl.VisionTower):
        """Neither builds nor declares itself."""

    assert refused({"mine": plugin(vision_towers={"half": Half})}) == (
        "plugin 'mine': remgcl_register_vision_towers: 'half': Half does not define 'build', 'spec'"
    )


def test_the_contract_itself_is_no_part(plugin: Plugin) -> None:
    told = refused({"mine": plugin(losses={"loss": Loss})})
    assert told == "plugin 'mine': remgcl_register_losses: 'loss': Loss does not define '__call__'"


def test_a_plugin_error_is_told_without_a_traceback() -> None:
    assert issubclass(PluginError, RemgclError)


def test_every_installed_part_keeps_its_contract(engine: Engine) -> None:
    for entry in engine.registry:
        assert issubclass(entry.part, KINDS[entry.kind])
        assert not entry.part.__abstractmethods__
        assert engine.registry.find(entry.kind, entry.name) is entry.part


def test_every_kind_has_an_installed_part(engine: Engine) -> None:
    assert {entry.kind for entry in engine.registry} == set(KINDS)


def test_every_installed_part_documents_itself_and_each_of_its_fields(engine: Engine) -> None:
    """A part without own fields may leave those of its base to the base."""
    for entry in engine.registry:
        docs = [vars(kind).get("__doc__") or "" for kind in entry.part.__mro__]
        assert docs[0].partition("\n")[0].endswith("."), entry
        lines = {line.strip().partition(":")[0] for doc in docs for line in doc.splitlines()}
        assert {attribute.name for attribute in attrs.fields(entry.part)} <= lines, entry


def test_the_core_and_the_command_line_name_no_part_not_even_as_a_string(engine: Engine) -> None:
    """But `linear` is a schedule too, `chat` a command, some are called as a library, others as a key of a record."""
    names = {entry.name for entry in engine.registry}
    root = Path(remgcl.__file__).parent
    written = {
        node.value
        for file in [*root.glob("*.py"), *root.glob("core/**/*.py"), *root.glob("cli/*.py")]
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    keys = {"identity", "judge", "random", "reasoning", "samples", "score"}
    defaults = {"own", "rapidocr"}  # of options that name a part
    assert names & written <= {"linear", "chat", "exact", "none", *keys, *defaults, *LIBRARIES}
