"""What stages are made of, and when two are the same."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from shutil import rmtree

import pytest
from attrs import evolve
from rich.console import Console

from remgcl import Engine, RunError, RunFolder
from remgcl.core.grid.plan import plan_grid, read_grid
from remgcl.core.planning.identity import digest_of
from remgcl.plugins.datasets.synthetic import Synthetic

PLUGIN = '''
from attrs import frozen

from remgcl import Runner, hookimpl
from remgcl.plugins.datasets.synthetic import Synthetic


@frozen(kw_only=True)
class Mine(Synthetic):
    """Synthetic images of a third party."""


@frozen(kw_only=True)
class Fast(Runner):
    """A runner that trains nothing."""

    def run(self, job):
        job.folder.finish(job.inputs, {})


@hookimpl
def remgcl_register_datasets():
    return {"mine": Mine}


@hookimpl
def remgcl_register_runners():
    return {"fast": Fast}
'''
OTHER = PLUGIN.replace('"mine"', '"other"').replace('"fast"', '"other"')

Digests = Callable[..., dict[str, str]]


@pytest.fixture
def digests(file: Path, tmp_path: Path) -> Digests:
    """Plan a recipe, alone and as a grid; give the digest of each stage, which must be the same."""

    def plan(*overrides: str) -> dict[str, str]:
        engine = Engine.installed()
        grid = tmp_path / "grid.toml"
        grid.write_text(f'name = "one"\nbase = "{file.name}"\nexecutor = "local"\nmetrics = ["seconds"]\n')
        (member,) = plan_grid(engine, read_grid(engine, grid, overrides)).members
        recipe = engine.read(file, overrides)
        made = engine.inputs(recipe, engine.check(recipe, "small.toml"))
        assert {key: digest_of(inputs) for key, inputs in made.items()} == member.units
        return dict(member.units)

    return plan


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": {"c": (1, 2), "d": 3}}) == digest_of({"b": {"d": 3, "c": [1, 2]}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_an_edited_or_upgraded_plugin_makes_other_stages_of_those_that_use_it(
    digests: Digests, install_plugin: Callable[..., Path]
) -> None:
    file = install_plugin("mine-plugin", PLUGIN)
    other = install_plugin("other-plugin", OTHER)
    override = "stages.tune.data.use=mine"
    first = digests(override)
    assert digests(override) == first
    other.write_text(f"{other.read_text()}# edited\n")
    assert digests(override) == first
    file.write_text(f"{PLUGIN}# edited\n")
    edited = digests(override)
    rmtree(file.with_name("mine_plugin-1.2.dist-info"))
    install_plugin("mine-plugin", file.read_text(), version="1.3")
    upgraded = digests(override)
    assert first["pretrain"] == edited["pretrain"] == upgraded["pretrain"]
    assert len({first["tune"], edited["tune"], upgraded["tune"]}) == 3


def test_other_held_out_records_are_another_stage(digests: Digests, monkeypatch: pytest.MonkeyPatch) -> None:
    override = "stages.tune.validation.data={ use = 'synthetic', split = 'held_out' }"
    first = digests(override)
    census = Synthetic.census

    def changed(data: Synthetic) -> object:
        found = census(data)
        return evolve(found, digest="other") if data.split == "held_out" else found

    monkeypatch.setattr(Synthetic, "census", changed)
    second = digests(override)
    assert (first["pretrain"], first["tune"] == second["tune"]) == (second["pretrain"], False)


def test_a_finished_run_is_refused_after_an_edit_of_a_plugin_that_it_used_and_of_no_other(
    file: Path, tmp_path: Path, install_plugin: Callable[..., Path]
) -> None:
    def run() -> str:
        engine, console = Engine.installed(), Console(file=StringIO(), width=500)
        recipe = engine.read(file, ["runner.use=fast", "stages.tune.data.use=mine"])
        engine.run(recipe, RunFolder(tmp_path / "run"), console, file.name)
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    used = install_plugin("mine-plugin", PLUGIN)
    other = install_plugin("other-plugin", OTHER)
    run()
    other.write_text(f"{OTHER}# edited\n")
    assert run().count("finished already") == 2
    used.write_text(f"{PLUGIN}# edited\n")
    with pytest.raises(RunError, match=r"another recipe: plugins\.mine_plugin\.Fast\.sha256 was '\w+' and is '\w+'"):
        run()
