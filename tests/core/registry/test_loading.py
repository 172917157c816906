"""Plugins: found by entry points, refused where they break a rule."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, distribution, entry_points
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from remgcl import Engine, PluginError, hookimpl
from remgcl.core.registry import loading as plugins
from remgcl.core.registry.hookspecs import PROJECT

Plugin: TypeAlias = Callable[..., Any]
Install: TypeAlias = Callable[..., None]

MODULE = '''
"""A loss from elsewhere."""

from attrs import field, frozen
from attrs.validators import ge

from remgcl import Loss, hookimpl


@frozen(kw_only=True)
class HardNegative(Loss):
    """Nothing, with a margin."""

    margin: float = field(default=0.1, validator=ge(0))

    def __call__(self, features):
        return features.zero()


@hookimpl
def remgcl_register_losses():
    return {"hard-negative": HardNegative}
'''


@pytest.fixture
def install(install_plugin: Install) -> Install:
    """Install a plugin with a loss, or with another text."""
    return lambda name, text=MODULE, **options: install_plugin(name, text, **options)


def refused(*given: object) -> str:
    """Tell why plugins named `a`, `b` and so on are refused."""
    with pytest.raises(PluginError) as raised:
        plugins.manage(dict(zip("abc", given, strict=False)))
    return str(raised.value)


def test_the_built_in_parts_are_found_by_entry_points_like_any_other(engine: Engine) -> None:
    declared = {point.name for point in distribution("remgcl").entry_points if point.group == PROJECT}
    assert {entry.plugin for entry in engine.registry} == declared
    assert all(name.startswith("remgcl.") for name in declared)


def test_every_folder_of_built_in_parts_is_declared() -> None:
    import remgcl

    folders = {path.parent.name for path in (Path(remgcl.__file__).parent / "plugins").glob("*/__init__.py")}
    declared = {point.value.rpartition(".")[2] for point in distribution("remgcl").entry_points.select(group=PROJECT)}
    assert declared == folders


def test_an_installed_distribution_is_found_and_its_part_named(install: Install) -> None:
    install("remgcl-hard-negative", point="hard-negative")
    registry = Engine.installed().registry
    part = registry.find("losses", "hard-negative")
    entry = registry.entry(part())
    assert (entry.plugin, part.__module__) == ("hard-negative", "remgcl_hard_negative")
    assert "global" in registry.names("losses")


def test_versions_name_each_plugin_with_its_distribution(install: Install) -> None:
    install("remgcl-hard-negative", point="hard-negative", version="3.4")
    told = plugins.versions()
    assert told["hard-negative"] == "remgcl-hard-negative 3.4 (remgcl_hard_negative)"
    assert told["remgcl.losses"] == f"remgcl {distribution('remgcl').version} (remgcl.plugins.losses)"


def test_two_entry_points_of_one_name_are_an_error_that_tells_both_distributions(install: Install) -> None:
    install("one-plugin", point="same")
    install("other-plugin", point="same", version="2.0")
    with pytest.raises(PluginError, match="plugin 'same' is there twice") as raised:
        plugins.load()
    assert "one-plugin 1.2 (one_plugin)" in str(raised.value)
    assert "other-plugin 2.0 (other_plugin)" in str(raised.value)
    assert str(raised.value).endswith("; uninstall one of them")


def test_the_entry_point_of_built_in_parts_cannot_be_taken(install: Install) -> None:
    """Without a check, one of the two would be left out without a word."""
    install("intruder", point="remgcl.losses")
    with pytest.raises(PluginError, match=r"plugin 'remgcl\.losses' is there twice") as raised:
        Engine.installed()
    assert "intruder 1.2 (intruder)" in str(raised.value)
    assert "(remgcl.plugins.losses)" in str(raised.value)


def test_two_distributions_with_a_part_of_one_name_are_told_by_their_plugins(install: Install) -> None:
    install("one-plugin")
    install("other-plugin")
    with pytest.raises(PluginError, match="losses: 'hard-negative' is registered twice") as raised:
        Engine.installed()
    assert "by plugin 'one-plugin' (one_plugin.HardNegative)" in str(raised.value)
    assert "by plugin 'other-plugin' (other_plugin.HardNegative)" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError(\"No module named 'nowhere_to_be_found'\")"),
        ("raise RuntimeError('no licence')", "RuntimeError('no licence')"),
        ("def f(:", "SyntaxError("),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_left_out_and_told_with_its_distribution(
    install: Install, text: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    install("broken", text)
    engine = Engine.installed()
    reason = engine.broken["broken"]
    assert reason.startswith(f"plugin 'broken' of broken 1.2 (broken): cannot be imported; {told}")
    assert caplog.messages == [f"{reason}; it is left out"]
    assert "global" in engine.registry.names("losses")


def test_where_a_part_is_missing_the_plugins_that_may_have_had_it_are_told(install: Install) -> None:
    install("broken", "import nowhere_to_be_found")
    with pytest.raises(PluginError, match=r"no part 'hard-negative' among the losses; .*; plugin 'broken'"):
        Engine.installed().registry.find("losses", "hard-negative")


def test_an_entry_point_to_nothing_is_told() -> None:
    loaded = plugins.load([EntryPoint("x", "remgcl:nix", PROJECT)])
    assert loaded.broken["x"].startswith("plugin 'x' of remgcl:nix: cannot be imported; AttributeError")


def test_a_plugin_can_be_switched_off(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that cannot be imported, or whose parts collide."""
    install("one-plugin")
    install("other-plugin")
    install("broken", "import nowhere_to_be_found")
    monkeypatch.setenv("REMGCL_WITHOUT", "other-plugin, broken")
    engine = Engine.installed()
    assert engine.broken == {}
    assert engine.registry.left_out == {
        name: f"plugin {name!r} of {name} 1.2 ({module}): is switched off by --without or REMGCL_WITHOUT"
        for name, module in {"broken": "broken", "other-plugin": "other_plugin"}.items()
    }
    assert engine.registry.entry_of("losses", "hard-negative").plugin == "one-plugin"


def test_where_a_part_is_missing_the_plugins_that_are_switched_off_are_told(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("one-plugin")
    monkeypatch.setenv("REMGCL_WITHOUT", "one-plugin")
    with pytest.raises(PluginError, match=r"no part 'hard-negative' .*; plugin 'one-plugin' .*: is switched off by --"):
        Engine.installed().registry.find("losses", "hard-negative")


def test_distributions_are_named_with_their_versions(install: Install) -> None:
    install("remgcl-hard-negative", point="hard-negative", version="3.4")
    told = plugins.distributions()
    assert told["hard-negative"] == "remgcl-hard-negative 3.4"
    assert told["remgcl.losses"] == f"remgcl {distribution('remgcl').version}"


def test_switching_off_what_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMGCL_WITHOUT", "remgcl.loses")
    with pytest.raises(PluginError, match=r"REMGCL_WITHOUT: there is no plugin 'remgcl\.loses'; did you"):
        Engine.installed()


@pytest.mark.parametrize("made_for", [0, 2, "'1'"])
def test_a_plugin_made_for_another_version_of_the_api_is_refused_with_both(install: Install, made_for: object) -> None:
    install("older", f"REMGCL_API = {made_for}\n{MODULE}")
    with pytest.raises(
        PluginError, match=r"plugin 'older' of older 1\.2 .*: was made for version .*; this is 1: install "
    ):
        Engine.installed()


def test_a_plugin_may_say_that_it_was_made_for_this_version(install: Install) -> None:
    install("current", f"REMGCL_API = 1\n{MODULE}")
    assert "hard-negative" in Engine.installed().registry.names("losses")


def test_an_entry_point_may_name_an_object_inside_a_module() -> None:
    point = EntryPoint("x", "remgcl.plugins:losses", PROJECT)
    assert plugins.load([point]).manager.list_name_plugin()[0][0] == "x"


def test_no_entry_points_make_an_engine_without_parts() -> None:
    assert plugins.load([]).manager.get_plugins() == set()


def test_an_entry_point_without_distribution_is_told_by_its_module() -> None:
    assert plugins.origin(EntryPoint("x", "some.module", PROJECT)) == "some.module"


def test_a_distribution_stands_before_its_module() -> None:
    (point,) = entry_points(group=PROJECT, name="remgcl.losses")
    assert plugins.origin(point) == f"remgcl {distribution('remgcl').version} (remgcl.plugins.losses)"


class Misspelt:
    """A hook whose name is nearly right."""

    @hookimpl
    def remgcl_register_loses(self) -> dict[str, Any]:
        """Never asked."""
        return {}


class Optional:
    """A hook that says that it need not exist."""

    @hookimpl(optionalhook=True)
    def remgcl_register_optimisers(self) -> dict[str, Any]:
        """Never asked."""
        return {}


class Foreign:
    """Two hooks, one of them of no project."""

    @hookimpl
    def remgcl_register_losses(self) -> dict[str, Any]:
        """Answered."""
        return {}

    @hookimpl
    def run_stage(self) -> None:
        """Never asked."""


class Arguments:
    """A hook that wants to be given something."""

    @hookimpl
    def remgcl_register_losses(self, registry: object) -> dict[str, Any]:
        """Never asked."""
        return {"x": registry}


class Forgotten:
    """Two hooks, one of them without its mark."""

    @hookimpl
    def remgcl_register_losses(self) -> dict[str, Any]:
        """Answered."""
        return {}

    def remgcl_register_projectors(self) -> dict[str, Any]:
        """Never asked."""
        return {}


class Unmarked:
    """A hook without its mark."""

    def remgcl_register_losses(self) -> dict[str, Any]:
        """Never asked."""
        return {}


@pytest.mark.parametrize(
    ("plugin", "told"),
    [
        (
            Misspelt(),
            "plugin 'a': implements 'remgcl_register_loses', which is no hook; did you mean 'remgcl_register_losses'?",
        ),
        (
            Foreign(),
            "plugin 'a': implements 'run_stage', which is no hook; there is 'remgcl_checkpoint_saved', ",
        ),
        (Optional(), "plugin 'a': implements 'remgcl_register_optimisers', which is no hook; did you mean "),
        (
            Unmarked(),
            "plugin 'a': 'remgcl_register_losses' is not marked, so it is never called; write @hookimpl above it",
        ),
        (Forgotten(), "plugin 'a': 'remgcl_register_projectors' is not marked, so it is never called; "),
        (object(), "plugin 'a': implements no hook with @hookimpl; "),
        (Arguments(), "plugin 'a': Plugin 'a' for hook 'remgcl_register_losses' hookimpl definition: "),
    ],
    ids=lambda plugin: type(plugin).__name__,
)
def test_a_plugin_that_breaks_a_rule_is_refused_by_name(plugin: object, told: str) -> None:
    assert refused(plugin).startswith(told)


def test_a_hook_with_arguments_is_told_which_and_where_its_own_stand() -> None:
    told = refused(Arguments())
    assert "Argument(s) {'registry'} are declared in the hookimpl" in told
    assert told.endswith("; write the hook as remgcl.core.registry.hookspecs does, with its arguments")


def test_a_plugin_with_two_names_is_an_error_that_tells_both(plugin: Plugin) -> None:
    given = plugin(losses={})
    told = refused(given, given)
    assert told.startswith("plugin 'b': is registered under another name already; ")
    assert "b=" in told
    assert "'a': " in told


def test_a_hook_may_have_another_name_in_its_plugin() -> None:
    class Renamed:
        """A hook by its own name."""

        @hookimpl(specname="remgcl_register_losses")
        def parts(self) -> dict[str, Any]:
            """Answer nothing."""
            return {}

    assert len(plugins.manage({"a": Renamed()}).get_plugins()) == 1


def test_managers_share_nothing(plugin: Plugin) -> None:
    one, other = plugins.manage({"a": plugin(losses={})}), plugins.manage({"a": plugin(losses={})})
    assert one.get_plugin("a") is not other.get_plugin("a")
