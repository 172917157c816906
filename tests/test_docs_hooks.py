"""Every hook is documented with its exact signature and an example that registers a part."""

import inspect
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from remgcl import Engine, Piece, Region, Turn
from remgcl.core.registry import hookspecs
from remgcl.core.registry.registry import KINDS
from remgcl.testing.checks import PartChecks
from remgcl.testing.tokenizer import bytewise

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "hooks.md", *sorted((DOCS / "kinds").glob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
HOOKS: dict[str, Callable[[], Any]] = {
    name: hook for name, hook in vars(hookspecs).items() if name.startswith(hookspecs.PREFIX)
}
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))

each_hook = pytest.mark.parametrize("name", HOOKS)


def blocks(name: str) -> list[str]:
    """Give the code of a hook's section."""
    return re.findall(r"```python\n(.*?)```", SECTIONS[name], re.DOTALL)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Run the example of a kind of part, and make the part."""

    def make(kind: str, **settings: object) -> Any:  # noqa: ANN401 - a part of any kind
        module = ModuleType(f"example_of_{kind}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(blocks(hookspecs.PREFIX + kind)[1], vars(module))  # noqa: S102 - the documentation is ours
        (entry,) = Engine.of([module]).registry
        assert entry.kind == kind
        return entry.part(**settings)

    return make


def test_every_hook_is_documented_and_no_other() -> None:
    assert {name for name in SECTIONS if name.startswith(hookspecs.PROJECT)} == set(HOOKS)


@each_hook
def test_a_hook_is_documented_with_its_signature(name: str) -> None:
    signature = str(inspect.signature(HOOKS[name])).replace("'", "")
    assert blocks(name)[0] == f"def {name}{signature}\n"


def checks_of(kind: str) -> type[PartChecks]:
    """Make the test class of a kind's example; the other rank of a loss could not import it, so it has none."""

    @pytest.fixture(name="part")
    def part(self: PartChecks, example: Callable[..., Any], tmp_path: Path) -> Any:  # noqa: ANN401 - a part of any kind
        del self
        if kind != "backbones":
            return example(kind)
        bytewise().save_pretrained(tmp_path)
        return example(kind, tokenizer=str(tmp_path))

    checks = import_module(f"remgcl.testing.{kind}").Checks
    return type(f"Test{kind}", (checks,), {"part": part, "test_two_ranks_agree_with_one_that_holds_all": None})


for each in KINDS:
    globals()[f"Test{each}"] = checks_of(each)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_hook_registers_a_part_of_its_kind(kind: str, example: Callable[..., Any]) -> None:
    due = {"backbones": {"tokenizer": "x"}}
    assert isinstance(example(kind, **due.get(kind, {})), KINDS[kind])


def test_the_tower_fills_its_grid(example: Callable[..., Any]) -> None:
    from remgcl.core.model.probe import try_tower

    tower = example("vision_towers")
    try_tower(tower, tower.spec())


def test_the_loss_keeps_its_contract(example: Callable[..., Any]) -> None:
    from remgcl.core.model.probe import try_loss

    try_loss(example("losses"), example("vision_towers").spec(), 8)


def test_the_projector_and_the_backbone_have_the_widths_they_say(example: Callable[..., Any]) -> None:
    assert example("projectors").parameters(3, 8) == 32
    backbone = example("backbones", tokenizer="x")
    table = backbone.build(pretrained=False).get_input_embeddings().weight
    assert table.shape == (backbone.spec().vocabulary, backbone.spec().width)


def test_the_template_learns_what_the_assistant_says(example: Callable[..., Any]) -> None:
    turns = (Turn("user", "What?", image=True), Turn("assistant", "yes"))
    pieces = example("templates").render(turns, None)
    assert "".join("<image>" if piece.image else piece.text for piece in pieces) == "- <image>\nWhat?\nyes\n"
    assert [piece.text for piece in pieces if piece.learned] == ["yes\n"]
    assert all(isinstance(piece, Piece) for piece in pieces)


def test_the_dataset_holds_what_it_counts(example: Callable[..., Any]) -> None:
    data = example("datasets", samples=3)
    samples = data.build()
    assert data.census().samples == len(samples) == len(samples.modality_lengths()) == 3
    assert samples[2].turns[1].text == "3"


def test_the_ocr_engine_finds_a_region(example: Callable[..., Any]) -> None:
    from PIL import Image

    engine = example("ocr_engines")
    assert engine.version == "blank 1"
    (region,) = engine.build()(Image.new("RGB", (6, 4)))
    assert region == Region("?", ((0, 0), (6, 0), (6, 4), (0, 4)), 0.1)


def test_the_text_filter_keeps_numbers(example: Callable[..., Any]) -> None:
    import numpy as np

    from remgcl.plugins.backbones.tiny import TinyBackbone

    tokenizer = TinyBackbone().build_tokenizer()
    ids = np.array(tokenizer.encode("a1 2", add_special_tokens=False))
    assert example("text_filters").build(tokenizer)(ids).tolist() == [False, True, False, True]


def test_the_executor_runs_a_task(example: Callable[..., Any], tmp_path: Path) -> None:
    from remgcl import Task

    log = tmp_path / "log.txt"
    task = Task(name="a", command=(sys.executable, "-c", "print(1); raise SystemExit(3)"), folder=tmp_path, log=log)
    with example("executors").open() as submit:
        assert submit(task).result() == 3
    assert log.read_text() == "1\n"
