"""A small recipe, plugins, models and samples made on the spot, and golden data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest
from attrs import evolve

from remgcl import Engine, Recipe, Region, Sample, Turn, hookimpl

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedTokenizerBase

    from remgcl.core.authoring.inspection import Inspection
    from remgcl.core.data.encode import Encoder
    from remgcl.core.inference.loaded import LoadedModel
    from remgcl.core.model.model import Model
    from remgcl.plugins.vision_towers.tiny import TinyTower

RECIPE = """
name = "small"
seed = 3

[vision_tower]
use = "tiny"
size = [32, 32]
channels = [4, 8]
strides = [[4, 4], [4, 4]]

[projector]
use = "mlp2x_gelu"

[backbone]
use = "tiny"
width = 16
layers = 1
heads = 2
mlp = 24
max_length = 128

[runner]
use = "local"
cpu = true

[stages.pretrain]
template = "plain"
train = ["projector"]
max_length = 128
batch_size = 2
data = { use = "synthetic", samples = 5 }

[stages.tune]
after = "pretrain"
template = { use = "v1", system = "" }
train = ["projector", "backbone"]
max_length = 128
batch_size = 2
data = { use = "synthetic", samples = 4, seed = 1 }

[stages.tune.losses.global]
weight = 0.5
"""

Read: TypeAlias = Callable[..., Recipe]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a small recipe of two stages."""
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def read(engine: Engine, file: Path) -> Read:
    """Read the small recipe, with overrides."""
    return lambda *overrides: engine.read(file, overrides)


@pytest.fixture
def write_grid(file: Path) -> Callable[[str], Path]:
    """Write a grid of the small recipe beside it: what a test gives, and what is missing of it."""

    def write(text: str) -> Path:
        fields = {"name": '"g"', "base": '"small.toml"', "executor": '"local"', "metrics": '["terms.language"]'}
        missing = [f"{key} = {value}" for key, value in fields.items() if f"{key} =" not in text]
        path = file.with_name("grid.toml")
        path.write_text("\n".join([*missing, text]))
        return path

    return write


@pytest.fixture
def plugin() -> Callable[..., Any]:
    """Make a plugin: keywords are kinds of part, their values what the hook answers."""

    def make(**answers: Any) -> SimpleNamespace:  # noqa: ANN401 - a test may answer anything
        hooks: Mapping[str, Any] = {f"remgcl_register_{kind}": answer for kind, answer in answers.items()}
        return SimpleNamespace(**{name: hookimpl(_answers(name, answer)) for name, answer in hooks.items()})

    return make


def _answers(name: str, answer: Any) -> Callable[[], Any]:  # noqa: ANN401 - a test may answer anything
    """Make a function that answers, or raises what it is given."""

    def hook() -> Any:  # noqa: ANN401 - a test may answer anything
        if isinstance(answer, Exception):
            raise answer
        return answer

    hook.__name__ = name
    return hook


@pytest.fixture(scope="session", params=["p14", "p16"])
def golden(request: pytest.FixtureRequest, shared: Path) -> Path:
    """A set of golden data: with 16 x 16 patches of 14 pixels, or 14 x 14 of 16."""
    return shared / "golden" / str(request.param)


@pytest.fixture(scope="session")
def llama(golden: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of Llama 2 that the golden data were recorded with."""
    from remgcl.plugins.backbones.tokenizer import read_tokenizer

    return read_tokenizer(str(golden / "llava-tiny"))  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def golden_samples(shared: Path) -> dict[str, Sample]:
    """The samples of the golden data by their ids, without regions."""
    from remgcl.plugins.datasets.llava_json import LlavaJson

    dataset = LlavaJson(path=str(shared / "golden" / "samples.json"), images=str(shared / "images"), key="samples")
    samples = dataset.build()
    return {sample.id: sample for sample in (samples[place] for place in range(len(samples)))}


@pytest.fixture(scope="session")
def published(golden: Path, llama: PreTrainedTokenizerBase, golden_samples: dict[str, Sample]) -> SimpleNamespace:
    """The published model and its batch, made of our parts, and what the published code computes of them.

    Attributes: `record` and `arrays` (as published), `spec`, `samples` (with
    regions), `encoder`, `batch`, `model`. No test may change them.
    """
    from remgcl.core.data.collate import Collator
    from remgcl.core.data.encode import Encoder
    from remgcl.core.model.model import Model
    from remgcl.plugins.projectors.mlp_gelu import MlpGelu
    from remgcl.plugins.templates.v1 import V1
    from remgcl.plugins.vision_towers.clip import Clip

    record = json.loads((golden / "forward.json").read_text(encoding="utf-8"))
    with np.load(golden / "forward.npz") as held:
        arrays = dict(held)
    tower = Clip(weights=str(golden / "clip-tiny"), layer=-2)
    spec = tower.spec()
    samples = [
        evolve(golden_samples[name], regions=tuple(_unpadded(line, golden_samples[name]) for line in lines))
        for name, lines in zip(record["ids"], record["ocr_on_padded_image"], strict=True)
    ]
    encoder = Encoder(tokenizer=llama, template=V1(), tower=spec)
    projector = MlpGelu().build(spec.width, 32)
    backbone = _original_llava(golden / "llava-tiny", projector)
    vision_tower = tower.build().float().requires_grad_(requires_grad=False)
    return SimpleNamespace(
        record=record,
        arrays=arrays,
        spec=spec,
        samples=samples,
        encoder=encoder,
        batch=Collator(spec)([encoder(sample) for sample in samples]),
        model=Model(vision_tower, projector, backbone, spec).train(),
    )


def _unpadded(line: tuple[list[list[float]], tuple[str, float]], sample: Sample) -> Region:
    """Move a line of text from the padded image to the original."""
    assert sample.image is not None
    corners, (text, confidence) = line
    square = max(sample.image.size)
    left, top = ((square - length) // 2 for length in sample.image.size)
    first, second, third, fourth = ((x - left, y - top) for x, y in corners)
    return Region(text, (first, second, third, fourth), confidence)


def _original_llava(folder: Path, projector: nn.Module) -> nn.Module:
    """Read LLaVA's original format: fill a projector, and give the language model."""
    from safetensors.torch import load_file
    from transformers import LlamaConfig, LlamaForCausalLM

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    backbone = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            num_key_value_heads=config["num_key_value_heads"],
            rms_norm_eps=config["rms_norm_eps"],
            tie_word_embeddings=False,
            pad_token_id=0,
        )
    )
    tensors = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
    mark = "model.mm_projector."
    projector.load_state_dict({name.removeprefix(mark): tensors[name] for name in tensors if name.startswith(mark)})
    backbone.load_state_dict({name: tensors[name] for name in tensors if not name.startswith(mark)})
    return backbone


@pytest.fixture(scope="session")
def bytewise() -> PreTrainedTokenizerBase:
    """A tokenizer with one token for each byte."""
    from remgcl.plugins.backbones.tiny import TinyBackbone

    return TinyBackbone().build_tokenizer()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def tower() -> TinyTower:
    """A tower of 4 x 4 patches of 8 pixels, without a class token."""
    from remgcl.plugins.vision_towers.tiny import TinyTower

    return TinyTower(size=(32, 32), channels=(8, 16), strides=((4, 4), (2, 2)))


@pytest.fixture(scope="session")
def encoder(bytewise: PreTrainedTokenizerBase, tower: TinyTower) -> Encoder:
    """An encoder of bytes, with Vicuna's template without its system text."""
    from remgcl.core.data.encode import Encoder
    from remgcl.plugins.templates.v1 import V1

    return Encoder(tokenizer=bytewise, template=V1(system=""), tower=tower.spec())


@pytest.fixture(scope="session")
def ask() -> Callable[..., Sample]:
    """Make a sample of one question and its answer, with a noisy image unless its size is None."""
    from PIL import Image

    def make(
        answer: str = "yes",
        question: str = "What?",
        *,
        size: tuple[int, int] | None = (40, 30),
        regions: tuple[Region, ...] = (),
        name: str = "s",
    ) -> Sample:
        image = None
        if size is not None:
            pixels = np.random.default_rng(len(answer)).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
            image = Image.fromarray(pixels)
        turns = (Turn("user", question, image=image is not None), Turn("assistant", answer))
        return Sample(name, turns, image, regions)

    return make


@pytest.fixture(scope="session")
def plain(ask: Callable[..., Sample]) -> Callable[..., Sample]:
    """Make a sample whose image is light grey all over."""
    from PIL import Image

    def make(size: tuple[int, int] = (40, 30), *, regions: tuple[Region, ...] = (), answer: str = "yes") -> Sample:
        return evolve(ask(answer, regions=regions), image=Image.new("RGB", size, (200, 200, 200)))

    return make


@pytest.fixture(scope="session")
def see(encoder: Encoder) -> Callable[..., Inspection]:
    """Inspect a sample, encoded by the small encoder or by another."""
    from remgcl.core.authoring.inspection import Inspection

    def make(sample: Sample, chosen: Encoder | None = None) -> Inspection:
        chosen = chosen or encoder
        return Inspection(
            recipe="small",
            stage="tune",
            index=2,
            samples=5000,
            sample=sample,
            example=chosen(sample),
            encoder=chosen,
        )

    return make


@pytest.fixture(scope="session")
def build_model(tower: TinyTower) -> Callable[..., Model]:
    """Build a small model with random weights, of a given backbone or of bytes."""
    import torch

    from remgcl.core.model.model import Model
    from remgcl.plugins.backbones.tiny import TinyBackbone
    from remgcl.plugins.projectors.mlp_gelu import MlpGelu

    def build(backbone: nn.Module | None = None, *, seed: int = 0) -> Model:
        torch.manual_seed(seed)
        backbone = backbone or TinyBackbone(width=32, layers=2, heads=2, mlp=32, deviation=0.3).build()
        width = backbone.get_input_embeddings().embedding_dim  # type: ignore[operator]
        return Model(tower.build(), MlpGelu().build(tower.spec().width, width), backbone, tower.spec())

    return build


@pytest.fixture
def asked_model(build_model: Callable[..., Model], encoder: Encoder, read: Read) -> LoadedModel:
    """A small model of bytes with random weights, whose answers depend on image and question."""
    from remgcl.core.inference.loaded import LoadedModel

    model = build_model().eval()
    return LoadedModel(name="small", recipe=read(), stage="tune", model=model, encoder=encoder, context=256)
