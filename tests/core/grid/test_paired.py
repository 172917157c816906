"""Cells with one seed see the same samples, in the same order, drawn in the same way, whatever their losses."""

import hashlib
import random
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve, frozen
from PIL import Image
from rich.console import Console

from remgcl import Dataset, Engine, RunFolder, Sample, hookimpl
from remgcl.core.grid.plan import plan_grid, read_grid
from remgcl.core.training.trainer import StageTrainer
from remgcl.plugins.datasets.synthetic import Synthetic, SyntheticSamples

GRID = """
executor = "local"
seeds = [1, 2]

[set]
stages = ["tune"]
"stages.tune.data" = { use = "augmented", samples = 7, size = 32, font = [8, 10] }
epochs = 2
gradient_accumulation_steps = 2
losses.global.learned = true

[axes]
losses = [[], ["global"], ["global", "sliding-window", "refined-local"]]
"""


@frozen(kw_only=True)
class Augmented(Synthetic):
    """Drawn samples with noise from every generator there is."""

    def build(self) -> SyntheticSamples:
        """Make the samples."""
        return AugmentedSamples(self)


class AugmentedSamples(SyntheticSamples):
    """Drawn samples, another picture each time."""

    def __getitem__(self, index: int) -> Sample:
        """Draw a sample and add noise."""
        sample = super().__getitem__(index)
        noise = random.random() + np.random.rand() + torch.rand(32, 32, 3).numpy()  # noqa: NPY002
        assert sample.image is not None
        return evolve(sample, image=Image.fromarray((np.asarray(sample.image) * noise / 3).astype(np.uint8)))


class Plugin:
    """Registers it."""

    @hookimpl
    def remgcl_register_datasets(self) -> Mapping[str, type[Dataset]]:
        """Name it."""
        return {"augmented": Augmented}


def hashed(batch: Mapping[str, Any]) -> str:
    """Hash all tensors of a batch."""
    digest = hashlib.sha256()
    for name in sorted(batch):
        value = batch[name]
        held = value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value).encode()
        digest.update(name.encode() + held)
    return digest.hexdigest()


def test_cells_of_one_seed_see_the_same_batches(
    tmp_path: Path, write_grid: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {point.name: point.load() for point in entry_points(group="remgcl") if point.name.startswith("remgcl.")}
    engine = Engine.of({**own, "augmented": Plugin()})
    plan = plan_grid(engine, read_grid(engine, write_grid(GRID)))
    compute: Callable[..., Any] = StageTrainer.compute_loss
    seen: dict[str, list[str]] = {}

    def note(trainer: StageTrainer, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the signature of transformers
        if trainer.job.name == "tune":
            seen.setdefault(trainer.job.run.path.name, []).append(hashed(inputs))
        return compute(trainer, model, inputs, *args, **kwargs)

    monkeypatch.setattr(StageTrainer, "compute_loss", note)
    members = plan.members[:4]  # all cells with the first seed, and one with the second
    for member in members:
        recipe = plan.units[member.last].recipe
        engine.run(recipe, RunFolder(tmp_path / member.label), Console(quiet=True), "grid.toml")
    *cells, other = (seen[member.label] for member in members)
    assert len(cells[0]) == len(set(cells[0])) == 2 * 4
    assert cells == [cells[0]] * 3
    assert set(other).isdisjoint(cells[0])
