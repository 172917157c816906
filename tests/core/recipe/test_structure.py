"""Tables to attrs classes and back: strict, and all faults at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
import tomli_w
from attrs import Factory, field, frozen
from attrs.validators import deep_iterable, ge, in_, instance_of, lt, min_len
from hypothesis import given
from hypothesis import strategies as st

from remgcl import Engine, Loss, Projector, RecipeError, TextFilter
from remgcl.core.recipe.document import Document
from remgcl.core.recipe.structure import Structure


@frozen(kw_only=True)
class Inner:
    """A table inside a table."""

    share: float = field(default=0.5, validator=[ge(0), lt(1)])
    name: str


@frozen(kw_only=True)
class Table:
    """A table with a field of every type that recipes use."""

    flag: bool = False
    count: int = field(default=1, validator=ge(1))
    share: float = 0.5
    name: str = "a"
    mode: Literal["pad", "crop"] = "pad"
    bits: Literal[4, 8] = 4
    perhaps: int | None = None
    pair: tuple[float, float] = (0.9, 0.999)
    many: tuple[int, ...] = field(default=(), validator=deep_iterable(ge(0)))
    pairs: tuple[tuple[int, int], ...] = ()
    names: list[str] = field(factory=list, validator=min_len(0))
    shares: dict[str, float] = Factory(dict)
    inner: Inner = Inner(name="b")
    inners: dict[str, Inner] = Factory(dict)


Read: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def structure(engine: Engine) -> Structure:
    """A structure that knows all installed parts."""
    return Structure(engine.registry)


@pytest.fixture
def read(structure: Structure) -> Read:
    """Read keywords as a class; `Table` by default."""

    def read(cls: type = Table, /, **table: Any) -> Any:  # noqa: ANN401 - a test may read anything
        return structure.read(Document("a.toml", table), cls)

    return read


@pytest.fixture
def faults(read: Read) -> Callable[..., list[str]]:
    """Tell the faults of keywords, without the file that stands before each."""

    def faults(cls: type = Table, /, **table: Any) -> list[str]:  # noqa: ANN401 - a test may read anything
        with pytest.raises(RecipeError) as raised:
            read(cls, **table)
        assert {fault.where for fault in raised.value.faults} == {"a.toml"}
        return [str(fault).removeprefix("a.toml: ") for fault in raised.value.faults]

    return faults


def test_without_keys_a_table_is_all_defaults(read: Read) -> None:
    assert read() == Table()


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("flag", 1, "flag: must be true or false; it is 1"),
        ("flag", "true", "flag: must be true or false; it is 'true'"),
        ("count", "3", "count: must be a whole number; it is '3'"),
        ("count", True, "count: must be a whole number; it is True"),
        ("count", 2.0, "count: must be a whole number; it is 2.0"),
        ("count", [1], "count: must be a whole number; it is [1]"),
        ("share", "0.5", "share: must be a number; it is '0.5'"),
        ("share", False, "share: must be a number; it is False"),
        ("share", float("inf"), "share: must be finite; it is inf"),
        ("share", float("-inf"), "share: must be finite; it is -inf"),
        ("share", float("nan"), "share: must be finite; it is nan"),
        ("share", 10**400, "share: int too large to convert to float"),
        ("name", 3, "name: must be a string; it is 3"),
        ("name", True, "name: must be a string; it is True"),
        ("name", {"use": "x"}, "name: must be a string; it is {'use': 'x'}"),
        ("mode", "crob", "mode: cannot be 'crob'; did you mean 'crop'?"),
        ("mode", "x", "mode: cannot be 'x'; there is 'crop', 'pad'"),
        ("mode", 3, "mode: cannot be 3; there is 'pad', 'crop'"),
        ("mode", ["pad"], "mode: cannot be ['pad']; there is 'pad', 'crop'"),
        ("bits", 4.0, "bits: cannot be 4.0; there is 4, 8"),
        ("bits", "4", "bits: cannot be '4'; there is 4, 8"),
        ("bits", True, "bits: cannot be True; there is 4, 8"),
        ("perhaps", "1", "perhaps: must be a whole number; it is '1'"),
        ("pair", 0.5, "pair: must be a list; it is 0.5"),
        ("pair", "ab", "pair: must be a list; it is 'ab'"),
        ("pair", [0.5], "pair: must have 2 values; it is [0.5]"),
        ("pair", [0.5, 0.5, 0.5], "pair: must have 2 values; it is [0.5, 0.5, 0.5]"),
        ("pair", [0.5, True], "pair.1: must be a number; it is True"),
        ("many", {"a": 1}, "many: must be a list; it is {'a': 1}"),
        ("many", [1, 2, "3"], "many.2: must be a whole number; it is '3'"),
        ("many", [1, -1], "many: must be >= 0: -1"),
        ("pairs", [[1, 2], [3]], "pairs.1: must have 2 values; it is [3]"),
        ("pairs", [[1, 2], [3, 4.0]], "pairs.1.1: must be a whole number; it is 4.0"),
        ("names", "abc", "names: must be a list; it is 'abc'"),
        ("names", ["a", 1], "names.1: must be a string; it is 1"),
        ("shares", [1.0], "shares: must be a table; it is [1.0]"),
        ("shares", {"a": "1"}, "shares.a: must be a number; it is '1'"),
        ("inner", 3, "inner: must be a table; it is 3"),
        ("inner", {}, "inner.name: is missing"),
        ("inner", {"name": "a", "share": 1}, "inner.share: must be < 1: 1.0"),
        ("inners", {"x": {"name": "a", "nam": 1}}, "inners.x.nam: is not a key here; did you mean 'name'?"),
        ("inners", {"x": 1}, "inners.x: must be a table; it is 1"),
        ("count", 0, "count: must be >= 1: 0"),
        ("cuont", 1, "cuont: is not a key here; did you mean 'count'?"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_key_and_with_what_it_is(
    faults: Callable[..., list[str]], key: str, value: object, told: str
) -> None:
    assert faults(**{key: value}) == [told]


@pytest.mark.parametrize(
    ("key", "value", "made"),
    [
        ("share", 1, 1.0),
        ("pair", [1, 0], (1.0, 0.0)),
        ("pair", (0.5, 0.5), (0.5, 0.5)),
        ("pairs", [[1, 2], [3, 4]], ((1, 2), (3, 4))),
        ("many", [], ()),
        ("names", ["a", "b"], ["a", "b"]),
        ("bits", 8, 8),
        ("perhaps", 3, 3),
        ("perhaps", None, None),
        ("shares", {"a": 1}, {"a": 1.0}),
        ("inner", {"name": "c"}, Inner(name="c")),
        ("inners", {"x": {"name": "c", "share": 0}}, {"x": Inner(name="c", share=0.0)}),
    ],
)
def test_a_right_value_is_taken_and_a_whole_number_where_a_real_one_is_due(
    read: Read, key: str, value: object, made: object
) -> None:
    got = getattr(read(**{key: value}), key)
    assert got == made
    assert repr(got) == repr(made)


@given(value=st.one_of(st.integers(-(2**53), 2**53), st.floats(), st.booleans(), st.text(max_size=3), st.none()))
def test_no_scalar_is_ever_coerced(engine: Engine, value: object) -> None:
    """Each scalar type takes its own values and no others, but for a whole number where a real one is due."""
    structure = Structure(engine.registry)
    for name, kinds in {"flag": {bool}, "count": {int}, "share": {float, int}, "name": {str}}.items():
        fits = type(value) in kinds and not (name == "count" and value < 1)  # type: ignore[operator]
        fits = fits and value not in (float("inf"), float("-inf")) and value == value  # noqa: PLR0124 - nan is not itself
        try:
            got = getattr(structure.read(Document("a.toml", {name: value}), Table), name)
        except RecipeError:
            assert not fits
        else:
            assert fits
            assert got == value


def test_all_faults_are_told_at_once_what_is_due_first(faults: Callable[..., list[str]]) -> None:
    told = faults(Inner, share=-1, nane="x", more=3)
    assert told == [
        "name: is missing",
        "share: must be >= 0: -1.0",
        "nane: is not a key here; did you mean 'name'?",
        "more: is not a key here; there is 'name', 'share'",
    ]


def test_faults_of_every_depth_are_told_together(faults: Callable[..., list[str]]) -> None:
    told = faults(
        count=0,
        flag="x",
        inner={"share": "x", "name": 3},
        inners={"x": {"share": 2}, "y": 3},
        many=["a", 1, "b"],
        mod="pad",
    )
    assert {line.partition(":")[0] for line in told} == {
        "count",
        "flag",
        "inner.share",
        "inner.name",
        "inners.x.share",
        "inners.x.name",
        "inners.y",
        "many.0",
        "many.2",
        "mod",
    }


def test_each_fault_names_the_file_or_option_that_wrote_its_key(structure: Structure) -> None:
    document = Document("asked.toml")
    document.overlay({"count": 0, "inner": {"share": 2}}, "base.toml")
    document.overlay({"mode": "x", "inner": {"nam": "b"}}, "asked.toml")
    document.set(("name",), 3, "--set name=3")
    with pytest.raises(RecipeError) as raised:
        structure.read(document, Table)
    assert {fault.key: fault.where for fault in raised.value.faults} == {
        "count": "base.toml",
        "inner.share": "base.toml",
        "inner.name": "base.toml",
        "inner.nam": "asked.toml",
        "mode": "asked.toml",
        "name": "--set name=3",
    }


def test_a_whole_document_of_another_shape_is_a_fault_of_the_file(structure: Structure) -> None:
    document = Document("a.toml")
    document.table = [1]  # type: ignore[assignment]
    with pytest.raises(RecipeError, match=r"^a\.toml: must be a table; it is \[1\]$"):
        structure.read(document, Table)


@frozen(kw_only=True)
class Judging:
    """Validators of every kind that a plugin may bring."""

    low: int = 0
    high: int = field(default=9, validator=ge(0))
    kind: str = field(default="a", validator=in_(("a", "b")))
    what: Any = field(default=1, validator=instance_of(int))
    doubled: int = field(default=1, converter=lambda value: -value, validator=lt(0))
    spoken: str = field(default="yes")
    _hidden: int = field(default=0, validator=ge(0))

    @high.validator
    def _above(self, _: object, value: int) -> None:
        if value < self.low:
            raise ValueError(f"high {value} is below low {self.low}")

    @spoken.validator
    def _said(self, _: object, value: str) -> None:
        if value != "yes":
            raise ValueError(f"'spoken' must be yes; it is {value!r}")

    def __attrs_post_init__(self) -> None:
        """Judge the whole."""
        if self.low == 7:
            raise ValueError("seven is not for sale")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"high": -1}, ["high: must be >= 0: -1"]),
        ({"kind": "c"}, ["kind: must be in ('a', 'b') (got 'c')"]),
        ({"spoken": "no"}, ["spoken: must be yes; it is 'no'"]),
        ({"hidden": -1}, ["hidden: must be >= 0: -1"]),
        ({"_hidden": 1}, ["_hidden: is not a key here; did you mean 'hidden'?"]),
        ({"low": 5, "high": 3}, ["high 3 is below low 5"]),
        ({"low": 7}, ["seven is not for sale"]),
        ({"low": 7, "kind": "c"}, ["kind: must be in ('a', 'b') (got 'c')"]),
    ],
)
def test_the_messages_of_validators_are_kept(
    faults: Callable[..., list[str]], table: dict[str, Any], told: list[str]
) -> None:
    """One that looks at other fields is asked when all of them are there; its fault is the table's."""
    assert faults(Judging, **table) == told


def test_a_validator_that_raises_a_type_error_is_no_traceback(faults: Callable[..., list[str]]) -> None:
    (told,) = faults(Judging, what="a")
    assert told.startswith("must be <class 'int'> (got 'a' that is a <class 'str'>)")


def test_a_validator_judges_what_a_converter_made(read: Read) -> None:
    assert read(Judging, doubled=3).doubled == -3


def test_a_private_field_has_the_name_it_is_made_with(read: Read, structure: Structure) -> None:
    made = read(Judging, hidden=3)
    assert made._hidden == 3
    assert structure.write(made)["hidden"] == 3


@frozen(kw_only=True)
class Odd:
    """Types that no built-in part uses, but a plugin may."""

    path: Path = Path()
    either: int | str = 1
    anything: Any = None


@frozen(kw_only=True)
class Untyped:
    """A field that does not say what it holds."""

    untyped = field(default=None)


def test_a_type_that_cannot_be_read_is_a_fault_of_its_key(faults: Callable[..., list[str]]) -> None:
    (path, either) = sorted(faults(Odd, path=3, either="x"), reverse=True)
    assert path.startswith("path: ")
    assert either.startswith("either: ")


def test_a_field_without_a_type_takes_what_there_is(read: Read) -> None:
    value = {"a": [1, "2"]}
    assert read(Untyped, untyped=value).untyped == value
    assert read(Odd, anything=value, path="a/b") == Odd(anything=value, path=Path("a/b"))


@frozen(kw_only=True)
class Parts:
    """A table of parts."""

    projector: Projector
    text_filter: TextFilter | None = None
    losses: dict[str, Loss] = Factory(dict)
    pair: tuple[Projector, ...] = ()


def test_a_part_is_found_by_its_use_and_the_rest_are_its_settings(read: Read, engine: Engine) -> None:
    made = read(Parts, projector={"use": "mlp2x_gelu", "depth": 3})
    assert made.projector == engine.registry.find("projectors", "mlp2x_gelu")(depth=3)  # type: ignore[call-arg]


def test_a_part_without_settings_may_be_given_by_its_name_alone(read: Read) -> None:
    assert read(Parts, projector="linear") == read(Parts, projector={"use": "linear"})
    assert read(Parts, projector="linear", losses={"mine": "global"}).losses.keys() == {"mine"}


def test_in_a_table_of_parts_the_key_is_the_default_of_use(read: Read) -> None:
    losses = read(Parts, projector="linear", losses={"global": {}, "again": {"use": "global"}}).losses
    assert losses["global"] == losses["again"]


def test_one_part_can_stand_twice_with_other_settings(read: Read) -> None:
    losses = read(Parts, projector="linear", losses={"global": {"weight": 1}, "b": {"use": "global", "weight": 2}})
    assert [loss.weight for loss in losses.losses.values()] == [1.0, 2.0]


def test_parts_may_stand_in_a_list(read: Read) -> None:
    assert len(read(Parts, projector="linear", pair=["identity", {"use": "linear"}]).pair) == 2


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"projector": 3}, "projector: must be a table or the name of a part; it is 3"),
        ({"projector": ["linear"]}, "projector: must be a table or the name of a part; it is ['linear']"),
        ({"projector": {}}, "projector: misses the key 'use'; there is 'identity', 'linear', 'mlp2x_gelu'"),
        ({"projector": {"use": 3}}, "projector.use: must be the name of a part; it is 3"),
        ({"projector": {"use": True}}, "projector.use: must be the name of a part; it is True"),
        (
            {"projector": {"use": "linaer", "depth": 3}},
            "projector.use: no part 'linaer' among the projectors; did you mean 'linear'?",
        ),
        ({"projector": "liner"}, "projector: no part 'liner' among the projectors; did you mean 'linear'?"),
        ({"projector": ""}, "projector: no part '' among the projectors; there is 'identity', 'linear', 'mlp2x_gelu'"),
        ({"losses": {"globl": {}}}, "losses.globl: no part 'globl' among the losses; did you mean 'global'?"),
        ({"losses": {"global": {"wieght": 1}}}, "losses.global.wieght: is not a key here; did you mean 'weight'?"),
        ({"losses": {"global": {"weight": -1}}}, "losses.global.weight: must be >= 0: -1.0"),
        ({"losses": "global"}, "losses: must be a table; it is 'global'"),
        ({"text_filter": "stop"}, "text_filter: no part 'stop' among the text_filters; did you mean 'stopwords'?"),
        ({"projector": {"use": "linear", "depth": 3}}, "projector.depth: is not a key here; there is nothing"),
        ({"pair": ["linear", {"use": 3}]}, "pair.1.use: must be the name of a part; it is 3"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_made_is_told_with_what_there_is(
    faults: Callable[..., list[str]], table: dict[str, Any], told: str
) -> None:
    assert faults(Parts, **{"projector": "linear", **table}) == [told]


def test_faults_of_several_parts_are_told_at_once(faults: Callable[..., list[str]]) -> None:
    told = faults(Parts, projector={"use": "x"}, losses={"a": {}, "global": {"weight": "1", "bias": "0"}})
    assert [line.partition(":")[0] for line in told] == [
        "projector.use",
        "losses.a",
        "losses.global.weight",
        "losses.global.bias",
    ]


def test_a_written_part_carries_its_name_and_all_its_own_fields(read: Read, structure: Structure) -> None:
    """Not only those of the contract that the field is declared with."""
    table = structure.write(read(Parts, projector="mlp2x_gelu", losses={"mine": "global"}))
    assert table["projector"] == {"use": "mlp2x_gelu", "depth": 2}
    contract = {"weight", "schedule", "warmup_ratio", "text_layer"}
    objectives = {"objective", "temperature", "bias", "learned", "across_ranks"}
    assert table["losses"]["mine"].keys() == {"use", "padding"} | contract | objectives


def test_what_is_none_is_not_written(read: Read, structure: Structure) -> None:
    table = structure.write(read(Parts, projector="linear", text_filter="stopwords"))
    assert table["text_filter"] == {"use": "stopwords"}
    assert "text_filter" not in structure.write(read(Parts, projector="linear"))


tables = st.fixed_dictionaries(
    {},
    optional={
        "flag": st.booleans(),
        "count": st.integers(1, 2**40),
        "share": st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9),
        "name": st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5),
        "mode": st.sampled_from(["pad", "crop"]),
        "perhaps": st.integers(0, 9),
        "pairs": st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3),
        "names": st.lists(st.sampled_from(["a", "b"]), max_size=3),
        "shares": st.dictionaries(st.sampled_from(["a", "b c", "d.e"]), st.floats(0, 1), max_size=3),
        "inners": st.dictionaries(st.sampled_from("ab"), st.fixed_dictionaries({"name": st.just("x")}), max_size=2),
    },
)


@given(table=tables)
def test_what_is_written_reads_back_equal_through_toml(
    engine: Engine, table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    from remgcl.core.recipe import document

    structure = Structure(engine.registry)
    made = structure.read(Document("a.toml", table), Table)
    path = tmp_path_factory.getbasetemp() / "written.toml"
    path.write_text(tomli_w.dumps(structure.write(made)))
    again = structure.read(document.read(path), Table)
    assert again == made
    assert structure.write(again) == structure.write(made)


def test_reading_does_not_change_the_document(structure: Structure) -> None:
    document = Document("a.toml", {"projector": {"use": "linear"}, "losses": {"global": {}}})
    structure.read(document, Parts)
    assert document.table == {"projector": {"use": "linear"}, "losses": {"global": {}}}
