"""TOML within bounds: what no recipe needs is refused in a second, by file and bound."""

import time
from pathlib import Path

import pytest

from remgcl import Engine, RecipeError
from remgcl.core.recipe import document
from remgcl.core.recipe.bounds import DEEPEST, LARGEST_FILE, MOST_KEYS, parse

HOSTILE = {
    "brackets": ("a = " + "[" * 500 + "]" * 500, "lie inside each other more than 32 deep"),
    "very many brackets": ("a = " + "[" * 100_000, "lie inside each other more than 32 deep"),
    "dotted keys": ("a" + ".a" * 3_000 + " = 1", "lie inside each other more than 32 deep"),
    "tables": ("[" + "a." * 60 + "a]\nb = 1", "lie inside each other more than 32 deep"),
    "digits": ("a = " + "9" * 6_000, "4300"),
    "hexadecimal digits": ("a = 0x" + "f" * 6_000, "a whole number does not fit into 64 bits"),
    "a large number": (f"a = {2**63}", "a whole number does not fit into 64 bits"),
    "keys": ("\n".join(f"k{place} = 1" for place in range(100_000)), "it holds more than 2,000 keys"),
    "values": ("a = [" + "1," * 300_000 + "]", "it holds more than 200,000 values"),
}


@pytest.mark.parametrize(("text", "told"), HOSTILE.values(), ids=HOSTILE)
def test_what_no_recipe_needs_is_refused_at_once(engine: Engine, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    begun = time.process_time()
    with pytest.raises(RecipeError) as raised:
        engine.read(path)
    assert str(raised.value).startswith(f"{path}: is not TOML; ")
    assert told in str(raised.value)
    assert len(str(raised.value)) < 1_000
    assert time.process_time() - begun < 20


def test_what_a_recipe_may_need_is_read() -> None:
    deep = "a = " + "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse(deep)["a"] is not None
    assert parse(f"a = {2**63 - 1}\nb = {-(2**63)}") == {"a": 2**63 - 1, "b": -(2**63)}
    assert len(parse("\n".join(f"k{place} = 1" for place in range(MOST_KEYS)))) == MOST_KEYS


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(RecipeError, match="cannot be read; is larger than 4,194,304 bytes"):
        document.load(path)


def test_paths_that_double_stay_small(tmp_path: Path) -> None:
    lines = ["p0 = 'xxxxxxxxxx'", *(f"p{at} = '{{paths.p{at - 1}}}{{paths.p{at - 1}}}'" for at in range(1, 31))]
    path = tmp_path / "a.toml"
    path.write_text("\n".join(["[paths]", *lines]))
    with pytest.raises(RecipeError, match=r"paths\.p14: becomes longer than 100,000 characters"):
        document.read(path)


def test_a_chain_of_files_without_end_is_refused(tmp_path: Path) -> None:
    for place in range(60):
        (tmp_path / f"{place}.toml").write_text(f'extends = "{place + 1}.toml"')
    with pytest.raises(RecipeError, match="extends: is a chain of more than 50 files"):
        document.load(tmp_path / "0.toml")


def test_many_unknown_keys_take_no_minute(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("\n".join(f"k{place} = 1" for place in range(MOST_KEYS)))
    begun = time.process_time()
    with pytest.raises(RecipeError, match="k0: is not a key here"):
        engine.read(path)
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("seed=1\n[x]", "--set seed=1\\n[x]: holds more than one value; give --set once for each key"),
        ("seed=1\nname='b'", "holds more than one value"),
        ("seed=" + "[" * 500 + "]" * 500, "cannot be read; tables and lists lie inside each other more than 32 deep"),
        ("seed=" + "9" * 6_000, "cannot be read; "),
        ("a" + ".a" * 100 + "=1", "is not key=value"),
        ("se\ned=1", "--set: se\\ned=1: is not key=value"),
        ("name=\udce9", "is not UTF-8 text"),
    ],
)
def test_an_override_is_one_value_within_the_same_bounds(given: str, told: str) -> None:
    with pytest.raises(RecipeError) as raised:
        document.override(document.Document("a.toml"), [given])
    assert told in str(raised.value)


@pytest.mark.parametrize(
    ("text", "value"), [("[1,\n2]", [1, 2]), ('"""a\nb"""', "a\nb"), ("a b", "a b"), ("2 # two", 2), ("", "")]
)
def test_a_value_of_several_lines_is_one_value(text: str, value: object) -> None:
    held = document.Document("a.toml")
    document.override(held, [f"key={text}"])
    assert held.table == {"key": value}


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("\ufeffseed = 1", encoding="utf-8")
    assert document.load(tmp_path / "a.toml").table == {"seed": 1}
