"""The table `[paths]`: texts that are given once."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from remgcl import Engine, RecipeError
from remgcl.core.recipe.document import read
from remgcl.core.recipe.paths import fill

Write: TypeAlias = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files by their names without ending; the path of the last is given back."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / f"{name}.toml"
            path.write_text(text)
        return path

    return write


def told(path: Path, *overrides: str) -> list[str]:
    """Read a document that has faults, and tell them without its folder."""
    with pytest.raises(RecipeError, match="path") as raised:
        read(path, overrides)
    return [str(fault).rpartition("/")[2] for fault in raised.value.faults]


def test_a_path_is_filled_in_wherever_it_is_named() -> None:
    table = {
        "paths": {"data": "/d"},
        "name": "{paths.data}",
        "stages": {"a": {"list": ["x", "{paths.data}/y", ["{paths.data}{paths.data}"]], "n": 3, "on": True}},
    }
    filled, faults = fill(table)
    assert faults == []
    assert filled == {"name": "/d", "stages": {"a": {"list": ["x", "/d/y", ["/d/d"]], "n": 3, "on": True}}}
    assert table["paths"] == {"data": "/d"}


def test_paths_may_name_each_other_in_any_order() -> None:
    paths = {"ocr": "{paths.data}/ocr", "data": "{paths.root}/data", "root": "/r"}
    assert fill({"paths": paths, "x": "{paths.ocr}"}) == ({"x": "/r/data/ocr"}, [])


@pytest.mark.parametrize("text", ["{x}", "{}", "{{paths.data", "{path.data}", "{ paths.data }", "{paths}", "%d {0}"])
def test_other_braces_stay_as_they_are(text: str) -> None:
    assert fill({"paths": {"data": "/d"}, "x": text}) == ({"x": text}, [])


def test_what_is_filled_in_is_not_looked_at_again() -> None:
    """A path may hold braces and backslashes of its own."""
    assert fill({"paths": {"a": r"\1{b}"}, "x": "{paths.a}"}) == ({"x": r"\1{b}"}, [])


def test_a_path_can_be_set_from_the_command_line_and_moves_all(write: Write) -> None:
    path = write(asked="[paths]\ndata = 'here'\nocr = '{paths.data}/ocr'\n[a]\nx = '{paths.ocr}/y'")
    assert read(path).table == {"a": {"x": "here/ocr/y"}}
    assert read(path, ["paths.data=/elsewhere"]).table == {"a": {"x": "/elsewhere/ocr/y"}}


def test_paths_are_filled_in_after_all_that_a_recipe_extends(write: Write) -> None:
    document = read(
        write(base="[paths]\nd = 'far'\n[a]\nx = '{paths.d}'", asked="extends = 'base.toml'\npaths.d = 'near'")
    )
    assert document.table == {"a": {"x": "near"}}
    assert document.origin(("a", "x")).endswith("base.toml")


def test_an_unknown_path_is_told_with_file_key_and_nearest_name(write: Write) -> None:
    base = write(base="[a]\nx = '{paths.dat}'", asked="extends = 'base.toml'\n[paths]\ndata = '/d'\nocr = '{paths.q}'")
    assert told(base, "a.y={paths.oc}") == [
        "asked.toml: paths.ocr: no path 'q' in [paths]; there is 'data', 'ocr'",
        "base.toml: a.x: no path 'dat' in [paths]; did you mean 'data'?",
        "--set a.y={paths.oc}: a.y: no path 'oc' in [paths]; did you mean 'ocr'?",
    ]


def test_an_unknown_path_in_a_list_is_told_with_its_place(write: Write) -> None:
    assert told(write(asked="a = ['x', '{paths.y}']")) == [
        "asked.toml: a.1: no path 'y' in [paths]; there is nothing",
    ]


def test_paths_that_lead_back_to_themselves_are_told_once(write: Write) -> None:
    path = write(asked="x = '{paths.a}'\n[paths]\na = '{paths.b}/a'\nb = '{paths.a}/b'")
    (fault,) = told(path)
    assert fault in {
        "asked.toml: paths.a: leads back to itself; 'a' is in 'b' is in 'a'",
        "asked.toml: paths.b: leads back to itself; 'b' is in 'a' is in 'b'",
    }


def test_a_path_that_is_no_text_is_told_and_no_more_of_it(write: Write) -> None:
    assert told(write(asked="x = '{paths.n}'\n[paths]\nn = 3")) == ["asked.toml: paths.n: must be a string; it is 3"]
    assert told(write(asked="paths = 'data'")) == ["asked.toml: paths: must be a table of strings; it is 'data'"]


def test_the_resolved_recipe_has_its_paths_filled_in(engine: Engine, file: Path) -> None:
    """So a stage that is finished stays so if the same paths are written otherwise."""
    before = engine.table(engine.read(file))
    file.write_text(file.read_text().replace('"v1"', '"{paths.written}"') + "[paths]\nwritten = 'v1'\n")
    assert engine.table(engine.read(file)) == before
