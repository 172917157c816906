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
from remgcl import Engine, Recipe, RunFolder, Sample, Turn
from remgcl.core.data.collate import Collator
from remgcl.core.data.tokens import IGNORED, IMAGE, Tokens
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


def encoded(model: LoadedModel, ids: list[int], image: Path) -> Example:
    """Make an example of recorded ids; LLaVA's -200 and transformers' 32000 stand for the image."""
    held = np.array([IMAGE if token in {-200, 32000} else token for token in ids], dtype=np.int64)
    tokens = Tokens(ids=held, labels=np.full_like(held, IGNORED))
    with Image.open(image) as opened:
        sample = Sample("q", (Turn("user", "What?", image=True), Turn("assistant", "")), opened.convert("RGB"))
        example = model.encoder.prompt(sample)
    return evolve(example, tokens=tokens, kept=np.zeros(len(held), dtype=bool))


@torch.no_grad()
def computed(model: LoadedModel, ids: list[int], image: Path) -> tuple[torch.Tensor, list[int]]:
    """Give the logits of a prompt `[T, V]`, and 16 tokens of its greedy answer."""
    batch = Collator(model.encoder.tower, left=True)([encoded(model, ids, image)])
    embeddings, _, _ = model.model.embed(batch)
    logits = model.model.backbone(inputs_embeds=embeddings, attention_mask=batch["attention_mask"]).logits[0]
    answer = model.model.backbone.generate(
        inputs_embeds=embeddings,
        attention_mask=batch["attention_mask"],
        max_new_tokens=16,
        do_sample=False,
        pad_token_id=0,
    )
    return logits, answer[0].tolist()


def cases(folder: Path) -> list[dict[str, Any]]:
    """Read recorded prompts and answers."""
    held = json.loads((folder / "expected.json").read_text("utf-8"))
    found: list[dict[str, Any]] = held["cases"]
    return found


def differs(model: LoadedModel, recorded: Path, images: Path) -> tuple[float, float]:
    """Return the largest difference of logits from recorded ones, and the share of equal greedy tokens.

    The recorded logits are float32 and as large as 7: those of p14 differ by
    up to 2.4e-5 from a float64 computation, and by up to 2.9e-5 from float32
    with AVX-512. So 4e-5 is what rounding may make of them.
    """
    arrays = np.load(recorded / "expected.npz")
    worst, same = 0.0, []
    for case in cases(recorded):
        logits, ids = computed(model, case["input_ids"], images / case["image"])
        theirs = torch.from_numpy(arrays[f"{case['id']}/logits_slice"])
        last = torch.from_numpy(arrays[f"{case['id']}/logits_last"])
        ours = logits[::7, :97]
        worst = max(worst, (ours - theirs).abs().max().item())
        worst = max(worst, (logits[-1, : len(last)] - last).abs().max().item())
        same.append(ids == case["greedy_ids"])
    assert same
    return worst, sum(same) / len(same)


@pytest.fixture
def compare(shared: Path) -> Callable[[Path, Path], tuple[float, float]]:
    """Load a run, and compare it with what was recorded: largest difference, share of equal greedy answers."""

    def make(run: Path, recorded: Path) -> tuple[float, float]:
        return differs(remgcl.load(run, device="cpu"), recorded, shared / "images")

    return make
