"""What tells stages apart."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

import pytest

from remgcl import Engine
from remgcl.core.grid.identity import digest_of
from remgcl.core.grid.plan import plan_grid, read_grid
from remgcl.plugins.datasets.synthetic import Synthetic

DATA = '''
from attrs import frozen

from remgcl import hookimpl
from remgcl.plugins.datasets.synthetic import Synthetic


@frozen(kw_only=True)
class Mine(Synthetic):
    """Synthetic images of a third party."""


@hookimpl
def remgcl_register_datasets():
    return {"mine": Mine}
'''


def digests(write_grid: Callable[[str], Path], text: str) -> dict[str, str]:
    """Plan a grid with what is installed; give the digest of each stage of its only cell."""
    engine = Engine.installed()
    (member,) = plan_grid(engine, read_grid(engine, write_grid(text))).members
    return dict(member.units)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": {"c": (1, 2), "d": 3}}) == digest_of({"b": {"d": 3, "c": [1, 2]}, "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 1.5})


def test_an_edited_or_upgraded_plugin_trains_the_stages_that_use_it_again(
    write_grid: Callable[[str], Path], install_plugin: Callable[..., Path]
) -> None:
    file = install_plugin("mine-plugin", DATA)
    other = install_plugin("other-plugin", DATA.replace('"mine"', '"other"'))
    text = 'set = { "stages.tune.data.use" = "mine" }'
    first = digests(write_grid, text)
    assert digests(write_grid, text) == first
    other.write_text(f"{other.read_text()}# edited\n")
    assert digests(write_grid, text) == first
    file.write_text(f"{DATA}# edited\n")
    edited = digests(write_grid, text)
    rmtree(file.with_name("mine_plugin-1.2.dist-info"))
    install_plugin("mine-plugin", file.read_text(), version="1.3")
    upgraded = digests(write_grid, text)
    assert first["pretrain"] == edited["pretrain"] == upgraded["pretrain"]
    assert len({first["tune"], edited["tune"], upgraded["tune"]}) == 3


def test_other_held_out_records_are_another_stage(
    write_grid: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from attrs import evolve

    text = 'set = { "stages.tune.validation.data" = { use = "synthetic", split = "held_out" } }'
    first = digests(write_grid, text)
    census = Synthetic.census

    def changed(data: Synthetic) -> object:
        found = census(data)
        return evolve(found, digest="other") if data.split == "held_out" else found

    monkeypatch.setattr(Synthetic, "census", changed)
    second = digests(write_grid, text)
    assert (first["pretrain"], first["tune"] == second["tune"]) == (second["pretrain"], False)
