"""The reference: all that the code says of its parts, as values and as a page."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Optional

import attrs
import pytest
from attrs import Factory, field, frozen
from attrs.validators import ge, in_, lt, matches_re, optional

from remgcl import Engine, Features, Lora, Loss
from remgcl.core.authoring.reference import field_reference, markdown, reference_of

PAGE = Path(__file__).parents[3] / "docs" / "parts.md"


@frozen(kw_only=True)
class Fields:
    """Fields of every sort."""

    due: str
    number: float = field(default=0.5, validator=[ge(0), lt(1)])
    mode: Literal["a", "b"] = field(default="a", validator=in_(["a", "b"]))
    bits: Optional[Literal[4, 8]] = None  # noqa: UP045 - as a plugin may write it
    perhaps: int | None = field(default=None, validator=optional(ge(1)))
    pair: tuple[int, ...] = (1, 2)
    shares: dict[str, float] = Factory(dict)
    names: list[str] = field(factory=lambda: ["x"])
    lora: Lora | None = None
    word: str = field(default="a", validator=matches_re("[a-z]+"))
    anything: Any = None
    _private: int = 0


@frozen(kw_only=True)
class Told(Loss):
    """Told in one line.

    And in more | than one.

    Attributes:
        margin: Taken | off.
    """

    margin: float = field(default=0.1, validator=ge(0))
    words: tuple[str, ...]

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - torch is not needed here
        """Give nothing."""
        return features.zero()


def test_types_and_defaults_read_as_they_are_written() -> None:
    assert [str(field_reference(each)) for each in attrs.fields(Fields)] == [
        "due: str (required)",
        "number: float = 0.5",
        "mode: Literal['a', 'b'] = 'a'",
        "bits: Literal[4, 8] | None = None",
        "perhaps: int | None = None",
        "pair: tuple[int, ...] = (1, 2)",
        "shares: dict[str, float] = {}",
        "names: list[str] = ['x']",
        "lora: Lora | None = None",
        "word: str = 'a'",
        "anything: Any = None",
        "private: int = 0",
    ]


def test_limits_are_told_with_their_signs() -> None:
    told = {each.name: field_reference(each).limits for each in attrs.fields(Fields)}
    assert {name: limits for name, limits in told.items() if limits} == {
        "number": (">= 0", "< 1"),
        "mode": ("enum ['a', 'b']",),
        "perhaps": (">= 1",),
        "word": ("pattern ^(?:[a-z]+)$",),
    }


def test_a_part_is_told_with_what_its_bases_say_of_its_fields(plugin: Callable[..., Any]) -> None:
    (entry,) = Engine.of({"mine": plugin(losses={"told": Told})}).registry
    told = reference_of(entry)
    assert (told.kind, told.name, told.plugin) == ("losses", "told", "mine")
    assert (told.summary, told.text) == ("Told in one line.", "Told in one line.\n\nAnd in more | than one.")
    meanings = {each.name: each.meaning for each in told.fields}
    assert meanings["margin"] == "Taken | off."
    assert meanings["warmup_ratio"] == "Share of the stage in which the weight rises from 0."
    assert meanings["words"] == ""
    assert told.example.splitlines() == [
        "[stages.NAME.losses.told]",
        "weight = 1.0",
        'schedule = "constant"',
        "warmup_ratio = 0.0",
        "text_layer = 0",
        "margin = 0.1",
        "words = ...",
    ]


def test_the_page_tells_each_part_in_a_section_with_a_table_and_an_example(plugin: Callable[..., Any]) -> None:
    page = markdown(Engine.of({"mine": plugin(losses={"told": Told})}).registry)
    assert page.startswith("# Parts\n")
    assert "\n## losses\n\nThe `Features` of a batch to one scalar.\n\n### losses.told\n\nTold in one line.\n" in page
    assert "\n| `margin` | `float` | `0.1` | `>= 0` | Taken \\| off. |\n" in page
    assert "\n| `words` | `tuple[str, ...]` | required |  |  |\n" in page
    assert page.endswith("words = ...\n```\n")


def test_an_ocr_engine_is_used_on_the_command_line(engine: Engine) -> None:
    for name in engine.registry.names("ocr_engines"):
        example = reference_of(engine.registry.entry_of("ocr_engines", name)).example
        assert example.startswith(f"remgcl ocr IMAGES --out CACHE --engine {name} --engine-set ")


@pytest.mark.parametrize("kind", ["vision_towers", "projectors", "backbones", "runners", "text_filters"])
def test_the_example_of_a_part_is_the_table_of_its_kind(kind: str, engine: Engine) -> None:
    for name in engine.registry.names(kind):
        example = reference_of(engine.registry.entry_of(kind, name)).example
        assert example.startswith(f'[{kind.removesuffix("s")}]\nuse = "{name}"')


def test_the_page_in_docs_is_that_of_the_code() -> None:
    """Of the parts of this project, whatever else is installed."""
    built_in = {point.name: point.load() for point in entry_points(group="remgcl") if point.name.startswith("remgcl.")}
    fresh = markdown(Engine.of(built_in).registry)
    assert PAGE.read_text(encoding="utf-8") == fresh, "docs/parts.md is stale; write it anew with: make reference"
