"""Towers, language models and projectors of every family, imported and exported, against their parts by formula."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from rich.console import Console

import remgcl
from remgcl import Engine, RunFolder
from remgcl.core.inference.export import export
from tests.tiny_llava import Tiny, original, tiny

Imported = Callable[..., Path]

BEFORE, AFTER = [0, 40, 41, 42], [50, 51, 52]

FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"family": "mistral"},
    "qwen2": {"family": "qwen2"},
    "qwen3 with siglip": {"family": "qwen3", "tower": "siglip"},
    "siglip": {"tower": "siglip"},
    "linear": {"projector": "linear"},
    "markers": {"markers": True},
}


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest) -> Tiny:
    """A model of a family."""
    return tiny(**FAMILIES[request.param])


@pytest.fixture
def pixels() -> torch.Tensor:
    """Pixels of one image."""
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def ours(run: Path, pixels: torch.Tensor) -> torch.Tensor:
    """Compute the logits of an imported run `[T, V]`."""
    model = remgcl.load(run, device="cpu").model
    table = model.backbone.get_input_embeddings().weight
    image = model.projector(model.vision_tower(pixels))[0]
    whole = torch.cat([table[BEFORE], image, table[AFTER]])
    logits: torch.Tensor = model.backbone(inputs_embeds=whole[None]).logits[0]
    return logits


@torch.no_grad()
def theirs(model: Any, pixels: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - transformers' models are untyped
    """Compute the logits of transformers `[T, V]`."""
    image = [model.config.image_token_id] * 16
    logits: torch.Tensor = model(input_ids=torch.tensor([[*BEFORE, *image, *AFTER]]), pixel_values=pixels).logits[0]
    return logits


def in_transformers(folder: Path) -> Any:  # noqa: ANN401 - transformers' models are untyped
    """Load a folder with transformers; nothing may be missing."""
    from transformers import LlavaForConditionalGeneration

    model, told = LlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    return model.eval()


def test_every_family_is_imported_and_exported(
    model: Tiny, pixels: torch.Tensor, imported: Imported, engine: Engine, tmp_path: Path
) -> None:
    known = len(model.tokenizer)
    due = model.logits(BEFORE, AFTER, pixels)
    run = imported(original(model, tmp_path / "original"))
    assert (ours(run, pixels)[:, :known] - due).abs().max() < 1e-5
    export(run, "transformers-llava", tmp_path / "hf", engine=engine, verify=False)
    assert (theirs(in_transformers(tmp_path / "hf"), pixels)[:, :known] - due).abs().max() < 1e-5
    export(run, "llava", tmp_path / "llava", engine=engine, verify=False)
    assert (ours(imported(tmp_path / "llava", "again"), pixels)[:, :known] - due).abs().max() < 1e-5


def test_what_transformers_saves_is_imported(
    model: Tiny, pixels: torch.Tensor, imported: Imported, engine: Engine, tmp_path: Path
) -> None:
    """As a release of today writes it, which is not the layout that is exported here."""
    folder = tmp_path / "hf"
    export(imported(original(model, tmp_path / "original")), "transformers-llava", folder, engine=engine, verify=False)
    other = in_transformers(folder)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    due = theirs(other, pixels)
    (folder / "model.safetensors").unlink()
    other.save_pretrained(folder)
    known = len(model.tokenizer)
    assert (ours(imported(folder, "again"), pixels)[:, :known] - due[:, :known]).abs().max() < 1e-5


RECIPE = """
name = "trained"
runner = {{ use = "local", cpu = true, threads = 1 }}

[stages.tune]
from = "{source}"
train = ["projector", "backbone"]
batch_size = 4
max_length = 256
learning_rate = 3e-3
data = {{ use = "synthetic", samples = 32, length = 12, font = [8, 10], question = "Read." }}
"""


@pytest.mark.parametrize("adapters", ["", "[backbone.lora]\nrank = 16\nalpha = 16.0\n"], ids=["whole", "lora"])
def test_a_model_trained_here_answers_the_same_in_transformers(
    model: Tiny, adapters: str, engine: Engine, tmp_path: Path
) -> None:
    from transformers import AutoProcessor

    recipe, run = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(RECIPE.format(source=original(model, tmp_path / "source")) + adapters)
    engine.run(engine.read(recipe), RunFolder(run), Console(quiet=True), "recipe.toml")
    loaded = remgcl.load(run, device="cpu")
    export(run, "transformers-llava", tmp_path / "hf", engine=engine)
    processor = AutoProcessor.from_pretrained(tmp_path / "hf", backend="pil")
    exported = in_transformers(tmp_path / "hf")
    asked = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Read."}]}]
    prompt = processor.apply_chat_template(asked, add_generation_prompt=True)
    said = []
    for place, size in enumerate([(32, 32), (48, 30), (20, 50)]):
        image = Image.effect_mandelbrot(size, (-2 + place, -1, 1, 1), 50).convert("RGB")
        inputs = processor(images=image, text=prompt, return_tensors="pt")
        held = inputs["input_ids"].shape[1]
        made = exported.generate(**inputs, max_new_tokens=12, do_sample=False)[0, held:]
        said.append(processor.tokenizer.decode(made, skip_special_tokens=True).strip())
        assert loaded.ask(image, "Read.", max_new_tokens=12) == said[-1]
    assert any(said)
