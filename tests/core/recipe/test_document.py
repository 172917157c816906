"""Documents: what TOML says after `extends` and overrides, and who wrote it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remgcl import RecipeError
from remgcl.core.recipe.document import Document, dotted, fill_paths, load, override, read

Write: TypeAlias = Callable[..., Path]

tables = st.recursive(
    st.integers(),
    lambda below: st.dictionaries(st.sampled_from("abcd"), below, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files by their names without ending; the path of the last is given back."""

    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / f"{name}.toml"
            path.write_text(text)
        return path

    return write


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another, the plainest way."""
    table = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(table.get(name), dict)
        table[name] = merged(table[name], value) if both else value
    return table


def leaves(table: Mapping[str, Any], at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Give every value that is not a table by its path."""
    found: dict[tuple[str, ...], Any] = {}
    for name, value in table.items():
        found.update(leaves(value, (*at, name)) if isinstance(value, dict) else {(*at, name): value})
    return found


@given(below=tables, above=tables)
def test_tables_merge_and_all_else_replaces(below: dict[str, Any], above: dict[str, Any]) -> None:
    document = Document("asked.toml")
    document.overlay(below, "base.toml")
    document.overlay(above, "asked.toml")
    assert document.table == merged(below, above)


@given(below=tables, above=tables)
def test_each_value_was_written_by_the_last_that_has_it(below: dict[str, Any], above: dict[str, Any]) -> None:
    document = Document("asked.toml")
    document.overlay(below, "base.toml")
    document.overlay(above, "asked.toml")
    for key in leaves(document.table):
        assert document.origin(key) == ("asked.toml" if key in leaves(above) else "base.toml")


@given(below=tables, above=tables)
def test_laying_over_leaves_the_given_tables_as_they_are(below: dict[str, Any], above: dict[str, Any]) -> None:
    before = repr((below, above))
    document = Document("asked.toml")
    document.overlay(below, "base.toml")
    document.overlay(above, "asked.toml")
    document.set(("a", "b", "c"), 1, "--set")
    assert repr((below, above)) == before


@given(below=tables, key=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4).map(tuple))
def test_one_key_can_be_set_whatever_is_there(below: dict[str, Any], key: tuple[str, ...]) -> None:
    document = Document("asked.toml")
    document.overlay(below, "asked.toml")
    document.set(key, "new", "--set")
    value: Any = document.table
    for name in key:
        value = value[name]
    assert value == "new"
    assert document.origin(key) == "--set"
    others = {
        path: held for path, held in leaves(below).items() if path != key[: len(path)] and path[: len(key)] != key
    }
    assert others.items() <= leaves(document.table).items()


def test_a_key_that_nobody_wrote_belongs_to_the_file_that_was_asked_for() -> None:
    assert Document("asked.toml").origin(("name",)) == "asked.toml"


def test_a_key_that_is_missing_belongs_to_whoever_wrote_the_table_around_it(write: Write) -> None:
    document = read(write(base="[stages.a]\nx = 1", asked="extends = 'base.toml'\n[stages.b]\nx = 1"))
    assert document.origin(("stages", "a", "data")).endswith("base.toml")
    assert document.origin(("stages", "b", "data")).endswith("asked.toml")
    assert document.origin(("name",)).endswith("asked.toml")


def test_a_table_that_an_override_makes_is_the_overrides(write: Write) -> None:
    document = read(write(asked="[stages.a]\nx = 1"), ["stages.b.template=plain"])
    assert document.origin(("stages", "b", "data")) == "--set stages.b.template=plain"
    assert document.origin(("stages", "a", "data")).endswith("asked.toml")


def test_a_fault_names_the_file_that_wrote_the_key(write: Write) -> None:
    document = read(write(base="[a]\nx = 1\ny = 1", asked="extends = 'base.toml'\n[a]\ny = 2"), ["a.z=3"])
    told = [str(document.fault(("a", name), "is wrong")).rpartition("/")[2] for name in "xyz"]
    assert told == ["base.toml: a.x: is wrong", "asked.toml: a.y: is wrong", "--set a.z=3: a.z: is wrong"]


def test_a_key_is_written_with_dots() -> None:
    assert dotted(("stages", "a", "epochs")) == "stages.a.epochs"
    assert dotted(()) == ""


def test_a_chain_is_laid_from_its_far_end(write: Write) -> None:
    document = read(
        write(
            far="a = 1\nb = 1\nc = 1",
            near="extends = 'far.toml'\nb = 2\nc = 2",
            asked="extends = 'near.toml'\nc = 3",
        )
    )
    assert document.table == {"a": 1, "b": 2, "c": 3}


def test_extends_itself_is_no_key_of_the_recipe(write: Write) -> None:
    assert "extends" not in read(write(base="", asked="extends = 'base.toml'")).table


def test_the_order_of_a_table_is_that_of_the_base(write: Write) -> None:
    document = read(write(base="[s.a]\n[s.b]", asked="extends = 'base.toml'\n[s.c]\n[s.b]\n[s.a]"))
    assert list(document.table["s"]) == ["a", "b", "c"]


def test_a_path_is_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.toml").write_text("a = 1")
    (tmp_path / "deep" / "near.toml").write_text("extends = '../base.toml'")
    (tmp_path / "asked.toml").write_text("extends = 'deep/near.toml'")
    assert read(tmp_path / "asked.toml").table == {"a": 1}


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path, write: Write) -> None:
    base = write(base="a = 1")
    (tmp_path / "deep").mkdir()
    asked = tmp_path / "deep" / "asked.toml"
    asked.write_text(f"extends = '{base}'")
    assert read(asked).table == {"a": 1}


def test_a_file_that_extends_itself_is_an_error(write: Write) -> None:
    with pytest.raises(RecipeError, match=r"asked\.toml: extends: '.*/asked\.toml' extends itself$"):
        read(write(asked="extends = 'asked.toml'"))


def test_a_loop_is_an_error_that_names_the_file_that_closes_it(write: Write) -> None:
    path = write(base="extends = 'near.toml'", near="extends = 'base.toml'", asked="extends = 'near.toml'")
    with pytest.raises(RecipeError, match=r"base\.toml: extends: '.*/near\.toml' extends itself$"):
        read(path)


def test_a_loop_over_a_link_is_an_error_too(tmp_path: Path, write: Write) -> None:
    path = write(asked="extends = 'link.toml'")
    (tmp_path / "link.toml").symlink_to(path)
    with pytest.raises(RecipeError, match="extends itself"):
        read(path)


def test_a_base_that_is_missing_is_told_with_the_file_that_names_it(write: Write) -> None:
    path = write(near="extends = 'far.toml'", asked="extends = 'near.toml'")
    with pytest.raises(
        RecipeError, match=r"near\.toml: extends: '.*/far\.toml' cannot be read; no such file or directory$"
    ):
        read(path)


def test_a_base_that_is_not_toml_is_told_with_its_own_name(write: Write) -> None:
    path = write(base="a = ", asked="extends = 'base.toml'")
    with pytest.raises(RecipeError, match=r"base\.toml: is not TOML; invalid value"):
        read(path)


@pytest.mark.parametrize("value", ["3", "['a.toml', 'b.toml']", "true", "{ file = 'a.toml' }"])
def test_only_one_path_can_be_extended(write: Write, value: str) -> None:
    with pytest.raises(RecipeError, match=r"asked\.toml: extends: must be the path of a recipe; it is "):
        read(write(asked=f"extends = {value}"))


def test_a_missing_file_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.toml: cannot be read; no such file or directory$"):
        read(tmp_path / "none.toml")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read; is a directory$"):
        read(tmp_path)


def test_what_is_not_toml_is_told_with_line_and_column(write: Write) -> None:
    with pytest.raises(RecipeError, match=r"asked\.toml: is not TOML; .*\(at line 2, column 5\)$"):
        read(write(asked="a = 1\nb = ?\n"))


def test_a_key_given_twice_is_not_toml(write: Write) -> None:
    with pytest.raises(RecipeError, match=r"asked\.toml: is not TOML; cannot overwrite a value"):
        read(write(asked="a = 1\na = 2\n"))


def test_bytes_that_are_no_text_are_not_toml(tmp_path: Path) -> None:
    (tmp_path / "asked.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(RecipeError, match=r"asked\.toml: is not TOML; it is not even UTF-8 text$"):
        read(tmp_path / "asked.toml")


def laid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Lay one table over another in a document."""
    document = Document("asked.toml")
    document.overlay(below, "base.toml")
    document.overlay(above, "asked.toml")
    return document.table


def test_another_part_drops_the_old_parts_settings() -> None:
    table = laid({"projector": {"use": "mlp", "depth": 3}}, {"projector": {"use": "linear"}})
    assert table == {"projector": {"use": "linear"}}


def test_settings_of_the_new_part_stay_wherever_its_use_stands() -> None:
    table = laid({"projector": {"use": "mlp", "depth": 3}}, {"projector": {"width": 4, "use": "linear"}})
    assert table == {"projector": {"width": 4, "use": "linear"}}


def test_the_same_part_keeps_its_settings() -> None:
    table = laid({"projector": {"use": "mlp", "depth": 3}}, {"projector": {"use": "mlp", "bias": False}})
    assert table == {"projector": {"use": "mlp", "depth": 3, "bias": False}}


def test_settings_without_use_are_laid_over_the_part_that_is_there() -> None:
    table = laid({"projector": {"use": "mlp", "depth": 3}}, {"projector": {"depth": 4}})
    assert table == {"projector": {"use": "mlp", "depth": 4}}


def test_a_name_alone_is_a_table_as_soon_as_something_is_laid_over_it() -> None:
    assert laid({"projector": "mlp"}, {"projector": {"depth": 4}}) == {"projector": {"use": "mlp", "depth": 4}}


def test_a_name_alone_replaces_a_table() -> None:
    assert laid({"projector": {"use": "mlp", "depth": 3}}, {"projector": "linear"}) == {"projector": "linear"}


def test_in_a_table_of_parts_the_key_is_the_part_that_was_meant() -> None:
    below = {"losses": {"global": {"weight": 0.1}}}
    same = laid(below, {"losses": {"global": {"use": "global", "bias": 1.0}}})
    assert same == {"losses": {"global": {"weight": 0.1, "use": "global", "bias": 1.0}}}
    other = laid(below, {"losses": {"global": {"use": "sliding-window"}}})
    assert other == {"losses": {"global": {"use": "sliding-window"}}}


def test_only_the_replaced_part_loses_settings() -> None:
    below = {"losses": {"a": {"use": "x", "weight": 1}, "b": {"use": "x", "weight": 2}}, "seed": 1}
    table = laid(below, {"losses": {"a": {"use": "y"}}})
    assert table == {"losses": {"a": {"use": "y"}, "b": {"use": "x", "weight": 2}}, "seed": 1}


def test_whoever_names_another_part_wrote_its_table(write: Write) -> None:
    """So a fault of a new part is not put down to the file that set up the old one."""
    path = write(
        base="[tower]\nuse = 'clip'", asked="extends = 'base.toml'\n[tower]\nweights = 'x'\n[tower.deep]\nx = 1"
    )
    document = read(path, ["tower.use=siglip"])
    for key in [("tower",), ("tower", "weights"), ("tower", "deep", "x")]:
        assert document.origin(key) == "--set tower.use=siglip"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1e-3", 1e-3),
        ("true", True),
        ("'1'", "1"),
        ('"a b"', "a b"),
        ("[1, 2]", [1, 2]),
        ("{ use = 'clip', layer = -2 }", {"use": "clip", "layer": -2}),
        ("{}", {}),
        ("clip", "clip"),
        ("openai/clip-vit-large-patch14", "openai/clip-vit-large-patch14"),
        ("a=b", "a=b"),
        ("1 2", "1 2"),
        ("True", "True"),
        ("", ""),
    ],
)
def test_the_value_of_an_override_is_toml_and_all_else_a_string(write: Write, text: str, value: object) -> None:
    assert read(write(asked=""), [f"a={text}"]).table == {"a": value}


def test_the_value_of_an_override_keeps_its_type(write: Write) -> None:
    table = read(write(asked=""), ["a=1", "b=1.0", "c=true"]).table
    assert [type(value) for value in table.values()] == [int, float, bool]


def test_the_dots_of_an_override_lead_into_tables_which_are_made(write: Write) -> None:
    document = read(write(asked="[stages.a]\nx = 1"), ["stages.a.losses.global.weight=0.1"])
    assert document.table == {"stages": {"a": {"x": 1, "losses": {"global": {"weight": 0.1}}}}}


def test_space_around_the_key_of_an_override_does_not_count(write: Write) -> None:
    assert read(write(asked=""), [" a . b = 1"]).table == {"a": {"b": 1}}


def test_of_several_overrides_the_last_wins(write: Write) -> None:
    document = read(write(asked="a = 1"), ["a=2", "a=3"])
    assert document.table == {"a": 3}
    assert document.origin(("a",)) == "--set a=3"


def test_overrides_win_over_every_file(write: Write) -> None:
    assert read(write(base="a = 1", asked="extends = 'base.toml'\na = 2"), ["a=3"]).table == {"a": 3}


def test_an_override_of_use_drops_the_old_parts_settings(write: Write) -> None:
    path = write(asked="[projector]\nuse = 'mlp'\ndepth = 3")
    assert read(path, ["projector.use=linear"]).table == {"projector": {"use": "linear"}}
    assert read(path, ["projector.use=mlp"]).table == {"projector": {"use": "mlp", "depth": 3}}


def test_overrides_after_another_use_are_the_new_parts(write: Write) -> None:
    path = write(asked="[projector]\nuse = 'mlp'\ndepth = 3")
    assert read(path, ["projector.use=other", "projector.width=2"]).table["projector"] == {
        "use": "other",
        "width": 2,
    }


def test_an_override_can_name_a_part_alone_and_the_next_one_a_setting_of_it(write: Write) -> None:
    path = write(asked="[projector]\nuse = 'linear'")
    table = read(path, ["projector=mlp", "projector.depth=3"]).table
    assert table == {"projector": {"use": "mlp", "depth": 3}}


def test_an_override_below_a_plain_value_replaces_it_with_a_table(write: Write) -> None:
    assert read(write(asked="a = 1"), ["a.b=2"]).table == {"a": {"b": 2}}


@pytest.mark.parametrize("override", ["a", "", "=1", "a..b=1", ".a=1", "a.=1", " =1", "."])
def test_an_override_without_key_or_equals_sign_is_an_error(write: Write, override: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read(write(asked=""), [override])
    (fault,) = raised.value.faults
    assert (fault.where, fault.key, fault.what) == ("--set", override, "is not key=value")


def test_overrides_may_come_from_another_option_and_start_at_a_table() -> None:
    document = Document("--engine", {"engine": {"use": "a"}})
    override(document, ["least=0.5", "more.unit=blue"], "--engine-set", ("engine",))
    assert document.table == {"engine": {"use": "a", "least": 0.5, "more": {"unit": "blue"}}}
    assert document.origin(("engine", "least")) == "--engine-set least=0.5"
    with pytest.raises(RecipeError, match=r"^--engine-set: least: is not key=value$"):
        override(document, ["least"], "--engine-set", ("engine",))


def test_a_copy_is_changed_by_itself() -> None:
    held = Document("a.toml", {"a": {"b": 1}})
    copy = held.copy()
    copy.set(("a", "b"), 2, "--set")
    copy.set(("c",), 3, "--set")
    assert (held.table, held.origins) == ({"a": {"b": 1}}, {})
    assert copy.table == {"a": {"b": 2}, "c": 3}


def test_a_key_is_taken_out_with_all_that_it_holds() -> None:
    held = Document("a.toml", {"a": {"b": {"c": 1}, "d": 2}, "e": "part"})
    for key in (("a", "b"), ("a", "x", "y"), ("e", "f"), ("g",)):
        held.remove(key)
    assert held.table == {"a": {"d": 2}, "e": "part"}


def test_paths_are_not_filled_in_by_loading_alone(write: Write) -> None:
    held = load(write(a='paths.data = "/d"\nb = "{paths.data}/x"'))
    assert held.table["b"] == "{paths.data}/x"
    fill_paths(held)
    assert held.table == {"b": "/d/x"}


def test_a_byte_order_mark_is_no_part_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_bytes(b"\xef\xbb\xbfseed = 3\n")
    (tmp_path / "r.toml").write_bytes(b'\xef\xbb\xbfextends = "base.toml"\nname = "t"\n')

    assert read(tmp_path / "r.toml").table == {"name": "t", "seed": 3}
