"""A stage that learns by adapters: what changes, what is saved, what goes on."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

from remgcl import Engine, Recipe, RunError, RunFolder
from remgcl.core.training import loop
from remgcl.plugins.backbones.tiny import TinyBackbone

LORA = (
    "backbone.lora.rank=2",
    "backbone.lora.alpha=4.0",
    'stages.first.train=["projector", "backbone"]',
    'stages.second.train=["projector", "backbone"]',
    "stages.first.learning_rate=0.01",
    "stages.second.learning_rate=0.01",
)
Run = Callable[..., str]
Tensors = dict[str, Tensor]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A folder of a small Llama."""
    folder = tmp_path / "llama"
    tiny = TinyBackbone(width=32, layers=1, mlp=32)
    torch.manual_seed(0)
    tiny.build().save_pretrained(folder)
    tiny.build_tokenizer().save_pretrained(folder)
    return folder


def _saved(run: Path, stage: str) -> Tensors:
    return load_file(run / stage / "model" / "backbone.safetensors")


def _changed(before: Tensors, after: Tensors) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if not torch.equal(before[name], after[name])}


def _is_adapter(name: str) -> bool:
    return ".lora_" in name


def test_adapters_learn_and_go_on_and_nothing_else_of_the_backbone_changes(run: Run, tmp_path: Path) -> None:
    run(*LORA, "stages.first.gradient_checkpointing=true", "stages.second.losses={ global = { text_layer = 1 } }")
    first, second = (_saved(tmp_path / "run", stage) for stage in ("first", "second"))
    assert _changed(first, second) == set(filter(_is_adapter, first))
    assert all(tensor.any() for tensor in first.values())  # adapters begin as zero


def test_recomputed_activations_change_nothing(run: Run, tmp_path: Path) -> None:
    found = []
    for recompute in ("true", "false"):
        run(*LORA, f"stages.first.gradient_checkpointing={recompute}", "backbone.lora.dropout=0.0")
        found.append(_saved(tmp_path / "run", "first"))
        (tmp_path / "run").rename(tmp_path / recompute)
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-6) for name in found[0])


def test_the_backbone_learns_by_adapters_alone_where_the_projector_is_frozen(run: Run, tmp_path: Path) -> None:
    run(*LORA, 'stages.second.train=["backbone"]', "stages.second.gradient_checkpointing=true")
    first, second = (_saved(tmp_path / "run", stage) for stage in ("first", "second"))
    assert _changed(first, second) == set(filter(_is_adapter, first))


def test_adapters_are_frozen_in_a_stage_that_does_not_train_the_backbone(run: Run, tmp_path: Path) -> None:
    run(*LORA, 'stages.second.train=["projector"]')
    assert _changed(_saved(tmp_path / "run", "first"), _saved(tmp_path / "run", "second")) == set()


def test_only_adapters_are_saved_where_the_weights_below_them_are_read_again(
    engine: Engine, read: Callable[..., Recipe], stored: Path, tmp_path: Path
) -> None:
    backbone = f'backbone={{ use = "causal_lm", weights = "{stored}", lora = {{ rank = 2 }} }}'
    folder = RunFolder(tmp_path / "run")
    recipe = read(backbone, *LORA[2:])
    engine.run(recipe, folder, Console(file=StringIO()), "small.toml")
    first, second = (_saved(tmp_path / "run", stage) for stage in ("first", "second"))
    assert all(map(_is_adapter, first))
    assert _changed(first, second) == set(first)
    begun = engine.job(recipe, "second", folder, Console(file=StringIO())).build_model().backbone.state_dict()
    assert _changed(first, {name: begun[name] for name in first}) == set()
    below = load_file(stored / "model.safetensors")
    assert {name for name in below if torch.equal(below[name], begun.get(name, begun.get(_base(name))))} == set(below)  # type: ignore[arg-type]


def _base(name: str) -> str:
    return name.replace("_proj.weight", "_proj.base_layer.weight")


def test_adapters_of_another_rank_or_none_are_an_error(
    engine: Engine, read: Callable[..., Recipe], stored: Path, tmp_path: Path
) -> None:
    backbone = f'backbone={{ use = "causal_lm", weights = "{stored}", lora = {{ rank = 2 }} }}'
    folder = RunFolder(tmp_path / "run")
    engine.run(read(backbone, *LORA[2:]), folder, Console(file=StringIO()), "small.toml")
    for other, told in (
        ("backbone.lora.rank=4", "size mismatch"),
        ('backbone.lora.targets=["q_proj"]', "holds what is left over"),
    ):
        job = engine.job(read(backbone, *LORA[2:], other), "second", folder, Console(file=StringIO()))
        with pytest.raises(RunError, match=rf"backbone\.safetensors: cannot be loaded; .*{told}"):
            job.build_model()


def test_a_training_with_adapters_goes_on_exactly(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = (*LORA, "stages.first.save_steps=2", "stages.first.learning_rates={ backbone = 0.02 }")
    run(*settings)
    whole = _saved(tmp_path / "run", "first")
    (tmp_path / "run").rename(tmp_path / "whole")
    original = loop.StageTrainer.compute_loss

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        if self.state.global_step == 3:
            raise RunError("the power is gone")
        return original(self, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(loop.StageTrainer, "compute_loss", failing)
        with pytest.raises(RunError, match="the power is gone"):
            run(*settings)
    assert "resumes from step 2" in run(*settings)
    assert _changed(whole, _saved(tmp_path / "run", "first")) == set()


def test_a_run_and_a_check_tell_how_many_parameters_learn(
    engine: Engine, read: Callable[..., Recipe], run: Run, tmp_path: Path
) -> None:
    plan = engine.check(read(*LORA), "small.toml")
    adapters = 2 * (4 * (32 + 32) + 3 * (32 + 32))
    assert plan.learnable["backbone"] == adapters
    assert plan.parameters["backbone"] == TinyBackbone(width=32, layers=1, mlp=32).parameters() + adapters
    told = run(*LORA)
    assert f"{adapters + plan.parameters['projector']:,} parameters learn" in told
    lines = (tmp_path / "run/first/metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["terms"]["language"]["loss"] > 0
