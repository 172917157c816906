"""Every call of a registered part: what breaks its contract is named by plugin, part and method, whatever it is."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve, field, frozen
from PIL import Image
from torch import nn

from remgcl import (
    BackboneSpec,
    Census,
    Engine,
    Layout,
    PatchGrid,
    Piece,
    PluginError,
    Region,
    Sample,
    TextFilter,
    TowerSpec,
    Turn,
)
from remgcl.core.parts import Part
from remgcl.core.registry.registry import KINDS

Plugin = Callable[..., Any]

HALF = (0.5, 0.5, 0.5)
TOWER = TowerSpec(
    width=4, size=(8, 8), grid=PatchGrid(rows=2, columns=2, patch=(4.0, 4.0)), class_token=False, mean=HALF, std=HALF
)
SPEC = BackboneSpec(width=4, vocabulary=9, layers=1)
CENSUS = Census(samples=2, images=1, digest="0f")
TURNS = (Turn("user", "What?"), Turn("assistant", "yes"))
QUAD = ((0, 0), (4, 0), (4, 2), (0, 2))
PIECES = (Piece("ask"), Piece("yes", learned=True))


class Plain:
    """A sequence of samples that says what it is given."""

    def __init__(self, sample: object = None, length: Any = 2, lengths: object = (-1, -1)) -> None:  # noqa: ANN401 - any
        """Keep what is said."""
        self.sample, self.length, self.lengths = sample, length, lengths

    def __len__(self) -> int:
        """Say the length."""
        return self.length  # type: ignore[no-any-return]

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - any
        """Say the sample."""
        return self.sample

    def modality_lengths(self) -> Any:  # noqa: ANN401 - any
        """Say the lengths."""
        return self.lengths


class Head(nn.Linear):
    """A module with the two tables of a language model."""

    def get_input_embeddings(self) -> nn.Module:
        """Give a table."""
        return self

    def get_output_embeddings(self) -> nn.Module:
        """Give a table."""
        return self


class Tokenizer:
    """As much of a tokenizer as is looked for."""

    is_fast = True

    def __call__(self, _: str) -> list[int]:
        """Give no tokens."""
        return []

    def encode(self, _: str) -> list[int]:
        """Give no tokens."""
        return []


@contextmanager
def opened() -> Iterator[None]:
    yield


def saying(kind: str) -> type[Part]:
    """Make a part whose methods each return what its field of the same name holds."""
    contract = KINDS[kind]

    def method(name: str) -> Callable[..., Any]:
        def said(self: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401 - any
            answer = self.says[name]
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return said

    due = {
        name: member
        for base in contract.__mro__
        if issubclass(base, Part)
        for name, member in vars(base).items()
        if callable(member) or isinstance(member, property)
        if name == "__call__" or not name.startswith("_")
    }
    own = {
        name: property(method(name)) if isinstance(member, property) else method(name) for name, member in due.items()
    }
    return frozen(kw_only=True)(
        type("Saying", (contract,), {**own, "says": field(factory=dict), "__annotations__": {"says": dict[str, Any]}})
    )


@pytest.fixture
def part(plugin: Plugin) -> Callable[..., Any]:
    """Make a registered part of a kind, one of whose methods returns or raises something."""

    def make(kind: str, method: str, answer: object) -> Any:  # noqa: ANN401 - a part of any kind
        cls = saying(kind)
        hook = {kind: {"odd": cls}}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("remgcl.core.registry.registry.breaches", lambda *_: ())
            Engine.of({"acme": plugin(**hook)})
        return cls(says={method: answer})  # type: ignore[call-arg]

    return make


def called(part: Any, method: str, *given: object) -> Any:  # noqa: ANN401 - any
    """Call a method, or read a property."""
    member = getattr(part, method)
    return member(*given) if callable(member) and not isinstance(member, str) else member


RIGHT: list[tuple[str, str, object, tuple[object, ...]]] = [
    ("vision_towers", "spec", TOWER, ()),
    ("vision_towers", "build", nn.Identity(), ()),
    ("vision_towers", "parameters", 0, ()),
    ("vision_towers", "restorable", True, ()),
    ("projectors", "build", nn.Identity(), (4, 4)),
    ("projectors", "parameters", np.int64(3), (4, 4)),
    ("backbones", "spec", SPEC, ()),
    ("backbones", "spec", evolve(SPEC, max_length=8), ()),
    ("backbones", "build", Head(2, 2), ()),
    ("backbones", "build_tokenizer", Tokenizer(), ()),
    ("backbones", "learns", False, ("a",)),
    ("backbones", "counts", (3, 0), ()),
    ("templates", "render", PIECES, (TURNS, None)),
    ("templates", "render", (Piece(image=True), Piece("\nask")), ((Turn("user", "ask", image=True),), None)),
    ("datasets", "census", CENSUS, ()),
    ("losses", "build", len, (4,)),
    ("losses", "count", torch.tensor(0.0), (None,)),
    ("losses", "diagnose", {"a": torch.tensor(1.0)}, (None,)),
    ("losses", "weight_at", 0.0, (0.5,)),
    ("ocr_engines", "version", "odd 1", ()),
    ("runners", "layout", Layout(processes=None, sharded=("weights",)), ()),
    ("executors", "open", opened(), ()),
]

WRONG: list[tuple[str, str, object, tuple[object, ...], str]] = [
    *(("vision_towers", "spec", answer, (), told) for answer, told in [
        (None, "must return a TowerSpec: .*; it returned None"),
        (SPEC, "returned BackboneSpec"),
        (evolve(TOWER, width=0), "one whose width is 0"),
        (evolve(TOWER, width=4.0), "one whose width is 4.0"),
        (evolve(TOWER, size=8), "one whose size is 8"),
        (evolve(TOWER, size=(8, 8, 3)), "one whose size is"),
        (evolve(TOWER, size=(8, -8)), "one whose size is"),
        (evolve(TOWER, grid=(2, 2)), r"one whose grid is \(2, 2\)"),
        (evolve(TOWER, grid=PatchGrid(rows=0, columns=2, patch=(4.0, 4.0))), "grid that is one whose rows is 0"),
        (evolve(TOWER, grid=PatchGrid(rows=2, columns=2, patch=(0.0, 4.0))), "grid that is one whose patch is"),
        (evolve(TOWER, class_token=None), "one whose class_token is None"),
        (evolve(TOWER, mean=0.5), "one whose mean is 0.5"),
        (evolve(TOWER, mean=(0.5, float("nan"), 0.5)), "one whose mean is .*nan"),
        (evolve(TOWER, std=(0.5, 0.0, 0.5)), "one whose std is"),
        (evolve(TOWER, std=(0.5, 0.5)), "one whose std is"),
    ]),
    ("vision_towers", "build", None, (), "must return a torch module; it returned None"),
    ("vision_towers", "build", torch.zeros(2), (), r"returned Tensor of shape \(2,\)"),
    ("vision_towers", "parameters", None, (), "must return a whole number of parameters; it returned None"),
    ("vision_towers", "parameters", -1, (), "returned -1"),
    ("vision_towers", "parameters", 1.5, (), "returned 1.5"),
    ("vision_towers", "restorable", "yes", (), "must return true or false; it returned 'yes'"),
    ("projectors", "build", len, (4, 4), "must return a torch module"),
    ("projectors", "parameters", True, (4, 4), "returned True"),
    *(("backbones", "spec", answer, (), told) for answer, told in [
        ({}, r"must return a BackboneSpec.*; it returned \{\}"),
        (evolve(SPEC, layers=-2), "one whose layers is -2"),
        (evolve(SPEC, vocabulary="9"), "one whose vocabulary is '9'"),
        (evolve(SPEC, max_length=0), "one whose max_length is 0"),
        (evolve(SPEC, max_length=2e3), "one whose max_length is 2000.0"),
        (evolve(SPEC, tied=1), "one whose tied is 1"),
    ]),
    ("backbones", "build", nn.Linear(2, 2), (), "with get_input_embeddings and get_output_embeddings"),
    ("backbones", "build_tokenizer", None, (), "must return a tokenizer of transformers; it returned None"),
    ("backbones", "build_tokenizer", str, (), "must return a tokenizer of transformers"),
    ("backbones", "learns", None, ("a",), "must return true or false; it returned None"),
    ("backbones", "counts", 3, (), "must return two whole numbers"),
    ("backbones", "counts", (3,), (), "must return two whole numbers"),
    ("backbones", "counts", (3, 4), (), "no more of them that may learn"),
    *(("templates", "render", answer, (TURNS, None), told) for answer, told in [
        (None, "must return a tuple of Piece.*; it returned None"),
        ("ask yes", "returned 'ask yes'"),
        (("ask",), "among others 'ask'"),
        ((Piece(None),), "among others one whose text is None"),  # type: ignore[arg-type]
        ((Piece("yes"),), "pieces of which none is supervised"),
        ((*PIECES, Piece(image=True)), "pieces with 1 images for turns with 0"),
        (iter(PIECES), "returned <tuple_iterator"),
    ]),
    *(("datasets", "census", answer, (), told) for answer, told in [
        (None, "must return a Census: .*; it returned None"),
        (2, "returned 2"),
        (evolve(CENSUS, samples=0, images=0), "one whose samples is 0"),
        (evolve(CENSUS, samples=-2), "one whose samples is -2"),
        (evolve(CENSUS, samples=2.0), "one whose samples is 2.0"),
        (evolve(CENSUS, images=3), "one of 2 samples, 3 of them with an image"),
        (evolve(CENSUS, digest=None), "one whose digest is None"),
        (evolve(CENSUS, notes="a note"), "one whose notes is 'a note'"),
        (evolve(CENSUS, words=(1.5,)), "one whose words is"),
    ]),
    ("datasets", "build", None, (), "must return a sequence of samples.*; it returned None"),
    ("datasets", "build", [1, 2], (), r"modality_lengths; it returned \[1, 2\]"),
    ("text_filters", "build", None, (None,), "must return a function of token ids; it returned None"),
    ("losses", "build", 1.0, (4,), "must return a function of features, or a torch module; it returned 1.0"),
    ("losses", "count", None, (None,), "must return a scalar tensor; it returned None"),
    ("losses", "count", 2, (None,), "must return a scalar tensor; it returned 2"),
    ("losses", "count", torch.ones(2), (None,), r"it returned Tensor of shape \(2,\)"),
    ("losses", "diagnose", None, (None,), "must return a mapping from names to scalar tensors; it returned None"),
    ("losses", "diagnose", {"a": 1.0}, (None,), "it returned {'a': 1.0}"),
    ("losses", "diagnose", {1: torch.tensor(1.0)}, (None,), "must return a mapping from names"),
    ("losses", "diagnose", {"a": torch.ones(2)}, (None,), "must return a mapping from names"),
    ("losses", "weight_at", None, (0.5,), "must return a finite number; it returned None"),
    ("losses", "weight_at", float("nan"), (0.5,), "must return a finite number; it returned nan"),
    ("ocr_engines", "version", None, (), "must return a text that is not empty; it returned None"),
    ("ocr_engines", "version", "", (), "must return a text that is not empty; it returned ''"),
    ("ocr_engines", "build", [], (), "must return a function of an image"),
    ("runners", "layout", None, (), "must return a Layout.*; it returned None"),
    ("runners", "layout", Layout(processes=0), (), "one whose processes is 0"),
    ("runners", "layout", Layout(sharded=("wheels",)), (), "one whose sharded is"),
    ("runners", "layout", Layout(offloaded="weights"), (), "one whose offloaded is"),  # type: ignore[arg-type]
    ("executors", "open", None, (), "must return a context manager; it returned None"),
    ("executors", "open", len, (), "must return a context manager"),
    *(("generators", "__call__", answer, (None, None), "must return an awaitable of") for answer in (None, ())),
    ("generators", "calls", -1, (), "must return a whole number of calls; it returned -1"),
    ("generators", "most", 0, (), "must return a whole number of candidates; it returned 0"),
    ("judges", "__call__", True, (None, None, None), "must return an awaitable of .*; it returned True"),
    ("judges", "calls", None, (), "must return a whole number of calls; it returned None"),
    ("selectors", "__call__", None, ((None, None), 1, 0), "must return different places in the pool.*returned None"),
    ("selectors", "__call__", [2], ((None, None), 1, 0), r"it returned \[2\]"),
    ("selectors", "__call__", [0, 0], ((None, None), 1, 0), "with a number twice"),
    ("selectors", "__call__", [0, 1], ((None, None), 1, 0), "2 numbers where 1 are wanted"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "method", "answer", "given"), RIGHT)
def test_what_keeps_the_contract_is_returned_as_it_is(
    part: Callable[..., Any], kind: str, method: str, answer: object, given: tuple[object, ...]
) -> None:
    assert called(part(kind, method, answer), method, *given) is answer


@pytest.mark.parametrize(("kind", "method", "answer", "given", "told"), WRONG)
def test_what_breaks_the_contract_names_plugin_part_method_what_was_expected_and_what_came(  # noqa: PLR0913, PLR0917 - a case
    part: Callable[..., Any], kind: str, method: str, answer: object, given: tuple[object, ...], told: str
) -> None:
    with pytest.raises(PluginError, match=rf"^plugin 'acme': {kind}\.odd \(.*Saying\): {method}: .*{told}"):
        called(part(kind, method, answer), method, *given)


ENDINGS = [SystemExit(0), SystemExit("bye"), GeneratorExit(), type("Bye", (BaseException,), {})()]
CALLS = [("datasets", "census"), ("ocr_engines", "version"), ("losses", "__call__")]


@pytest.mark.parametrize("raised", ENDINGS)
@pytest.mark.parametrize(("kind", "method"), CALLS)
def test_no_part_ends_the_program_without_a_word(
    part: Callable[..., Any], kind: str, method: str, raised: BaseException
) -> None:
    given = (None,) if method == "__call__" else ()
    with pytest.raises(
        PluginError, match=f"plugin 'acme': {kind}.odd .*: {method}: raised .*raise an Exception"
    ) as told:
        called(part(kind, method, raised), method, *given)
    assert told.value.__cause__ is raised


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), ValueError("a bug"), PluginError("its own")])
def test_ctrl_c_and_what_is_an_exception_pass_as_they_are(part: Callable[..., Any], raised: BaseException) -> None:
    with pytest.raises(type(raised)) as told:
        part("datasets", "census", raised).census()
    assert told.value is raised


GOOD = Sample("a", TURNS, Image.new("RGB", (4, 2)), (Region("yes", QUAD),), content="0f")


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        (None, "it is None"),
        ("a", "it is 'a'"),
        (evolve(GOOD, id=7), "one whose id is 7"),
        (evolve(GOOD, turns=()), r"one whose turns is \(\)"),
        (evolve(GOOD, turns=None), "one whose turns is None"),
        (evolve(GOOD, turns=(("user", "a"),)), "one with a turn that is"),
        (evolve(GOOD, turns=(Turn("bot", "a"),)), "one with a turn that is one whose role is 'bot'"),  # type: ignore[arg-type]
        (evolve(GOOD, turns=(Turn("user", None),)), "a turn that is one whose text is None"),  # type: ignore[arg-type]
        (evolve(GOOD, turns=TURNS[:1] * 2), "whose turns do not alternate"),
        (evolve(GOOD, image=np.zeros((4, 4, 3))), r"one whose image is ndarray of shape \(4, 4, 3\)"),
        (evolve(GOOD, image="a.png"), "one whose image is 'a.png'"),
        (evolve(GOOD, regions=None), "one whose regions are None"),
        (evolve(GOOD, regions=(None,)), "one whose regions are among others None"),
        (evolve(GOOD, regions=(Region("a", QUAD[:3]),)), "one whose quad is"),  # type: ignore[arg-type]
        (evolve(GOOD, regions=(Region("a", (*QUAD[:3], (0, float("nan")))),)), "one whose quad is .*nan"),
        (evolve(GOOD, regions=(Region("a", QUAD, 1.5),)), "one whose confidence is 1.5"),
        (evolve(GOOD, regions=(Region(None, QUAD),)), "one whose text is None"),  # type: ignore[arg-type]
        (evolve(GOOD, stands_in_for=-1), "one whose stands_in_for is -1"),
        (evolve(GOOD, content="file.png"), "one whose content is 'file.png'"),
    ],
)
def test_a_sample_that_is_none_is_named_by_its_place(part: Callable[..., Any], sample: object, told: str) -> None:
    samples = part("datasets", "build", Plain(sample)).build()
    with pytest.raises(PluginError, match=rf"plugin 'acme': datasets.odd .*: build: sample 1: .*{told}"):
        samples[1]


def test_a_good_sample_and_good_lengths_pass_in_another_process_too(part: Callable[..., Any]) -> None:
    samples = part("datasets", "build", Plain(GOOD)).build()
    assert (samples[0], len(samples), samples.modality_lengths()) == (GOOD, 2, [-1, -1])
    assert pickle.loads(pickle.dumps(samples))[0].id == "a"  # noqa: S301 - made here


@pytest.mark.parametrize("lengths", [None, 3, (1,), (1, 2, 3), (1.5, 2), ("a", "b")])
def test_lengths_that_are_none_are_named(part: Callable[..., Any], lengths: object) -> None:
    samples = part("datasets", "build", Plain(GOOD, lengths=lengths)).build()
    with pytest.raises(PluginError, match=r"'acme': .*modality_lengths: must return a whole number for each of 2"):
        samples.modality_lengths()


@pytest.mark.parametrize("length", [None, -1, 1.5])
def test_a_length_that_is_none_is_named(part: Callable[..., Any], length: object) -> None:
    with pytest.raises(PluginError, match=r"plugin 'acme': .*must make a sequence with a length"):
        len(part("datasets", "build", Plain(GOOD, length=length)).build())


@pytest.mark.parametrize(
    "mask", [None, True, [True, False], np.array([1, 0]), np.array([True]), np.array([[True, False]]), np.ones(2)]
)
def test_a_mask_that_does_not_fit_its_tokens_is_named(part: Callable[..., Any], mask: object) -> None:
    keep = part("text_filters", "build", lambda _: mask).build(None)
    with pytest.raises(PluginError, match=r"plugin 'acme': text_filters.odd .*array of bool of shape \(2,\)"):
        keep(np.array([3, 4]))
    right = part("text_filters", "build", lambda ids: ids > 3).build(None)
    assert right(np.array([3, 4])).tolist() == [False, True]


@pytest.mark.parametrize("regions", [None, "text", 3, [None], ["text"], [Region("a", QUAD, float("nan"))]])
def test_regions_of_an_engine_that_are_none_are_named(part: Callable[..., Any], regions: object) -> None:
    read = part("ocr_engines", "build", lambda _: regions).build()
    with pytest.raises(PluginError, match=r"plugin 'acme': ocr_engines.odd .*must return a list of Region"):
        read(Image.new("RGB", (4, 2)))
    assert part("ocr_engines", "build", lambda _: [Region("a", QUAD)]).build()(None) == [Region("a", QUAD)]


def test_every_kind_that_returns_something_is_tried_here() -> None:
    from remgcl.core.parts.promise import PROMISE
    from remgcl.core.registry.contract import members

    promised = {
        (kind, name)
        for kind, contract in KINDS.items()
        for name, member in members(contract).items()
        if hasattr(getattr(member, "fget", None) or member, PROMISE)
    }
    tried = {(kind, method) for kind, method, *_ in WRONG}
    inherited = {("backbones", "parameters"), ("backbones", "restorable")}  # as those of towers
    own = {"trackers", "metrics", "benchmarks", "chat_models"}  # tried by the tests of these kinds
    assert {each for each in promised - tried if each[0] not in own} == inherited


def test_a_part_that_extends_another_is_named_itself_and_super_still_works(plugin: Plugin) -> None:
    @frozen(kw_only=True)
    class First(TextFilter):
        """Keep all."""

        def build(self, tokenizer: Any) -> Any:  # noqa: ANN401 - any
            """Keep all."""
            return tokenizer

    @frozen(kw_only=True)
    class Second(First):
        """Keep all as well."""

        def build(self, tokenizer: Any) -> Any:  # noqa: ANN401 - any
            """Keep all."""
            return super().build(len) and tokenizer

    @frozen(kw_only=True)
    class Third(First):
        """Keep all as well."""

    for _ in range(2):  # an engine is made more than once in a process
        Engine.of({"acme": plugin(text_filters={"first": First, "second": Second, "third": Third})})
    for cls in (First, Second, Third):
        with pytest.raises(PluginError, match=f"text_filters.{cls.__name__.lower()} .*{cls.__name__}.: build: must"):
            cls().build(None)
