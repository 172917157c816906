"""Imports of golden checkpoints, and what an imported model computes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image

import remgcl
from remgcl import Engine, Piece, Recipe, RunFolder, Sample, Turn
from remgcl.core.data.collate import Collator
from remgcl.core.data.tokens import tokenize
from remgcl.core.exchange.importing import Wanted, import_model, understand

if TYPE_CHECKING:
    from remgcl.core.data.encode import Example
    from remgcl.core.inference.loaded import LoadedModel

Imported = Callable[..., Path]


@pytest.fixture(params=["p14", "p16"])
def golden(request: pytest.FixtureRequest, shared: Path) -> Path:
    """A set of golden data."""
    return shared / "golden" / str(request.param)


@pytest.fixture
def imported(tmp_path: Path, engine: Engine) -> Imported:
    """Import a source as a run; give its folder."""

    def make(source: Path | str, name: str = "run", **wanted: str) -> Path:
        asked = Wanted(**wanted)
        out = RunFolder(tmp_path / "runs" / name)
        recipe = import_model(understand(source, engine.registry, asked), out, engine.registry, asked)
        assert isinstance(recipe, Recipe)
        return out.path

    return make


def encoded(model: LoadedModel, prompt: str, image: Path) -> Example:
    """Encode a prompt as it is written, with the image in place of its placeholder."""
    before, _, after = prompt.partition("<image>")
    tokens = tokenize([Piece(before), Piece(image=True), Piece(after)], model.tokenizer)
    with Image.open(image) as opened:
        sample = Sample("q", (Turn("user", "What?", image=True), Turn("assistant", "")), opened.convert("RGB"))
        example = model.encoder.prompt(sample)
    return evolve(example, tokens=tokens, kept=np.zeros(len(tokens.ids), dtype=bool))


@torch.no_grad()
def computed(model: LoadedModel, prompt: str, image: Path) -> tuple[torch.Tensor, list[int]]:
    """Give the logits of a prompt `[T, V]`, and 16 tokens of its greedy answer."""
    batch = Collator(model.encoder.tower, left=True)([encoded(model, prompt, image)])
    embeddings, _, _ = model.model.embed(batch)
    logits = model.model.backbone(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits[0]
    ids = model.model.backbone.generate(
        inputs_embeds=embeddings,
        attention_mask=batch["attention_mask"],
        max_new_tokens=16,
        do_sample=False,
        eos_token_id=-1,
        pad_token_id=0,
    )
    return logits, ids[0].tolist()


def cases(folder: Path) -> list[dict[str, Any]]:
    """Read recorded prompts and answers."""
    held = json.loads((folder / "expected.json").read_text("utf-8"))
    found: list[dict[str, Any]] = held["cases"]
    return found


def differs(model: LoadedModel, recorded: Path, images: Path) -> tuple[float, float]:
    """Give the largest difference of logits from recorded ones, and the share of equal greedy tokens."""
    arrays = np.load(recorded / "expected.npz")
    worst, same = 0.0, []
    for case in cases(recorded):
        logits, ids = computed(model, case["prompt"], images / case["image"])
        theirs = torch.from_numpy(arrays[f"{case['id']}/logits_slice"])
        last = torch.from_numpy(arrays[f"{case['id']}/logits_last"])
        ours = logits[::7, :97]
        if ours.shape == theirs.shape:
            worst = max(worst, (ours - theirs).abs().max().item())
        worst = max(worst, (logits[-1, : len(last)] - last).abs().max().item())
        same.append(ids == case["greedy_ids"])
    assert same
    return worst, sum(same) / len(same)


def load(folder: Path) -> LoadedModel:
    """Load a model for a CPU."""
    return remgcl.load(folder, device="cpu")
