"""Learning rates by part, from the recipe to the optimizer and the log."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from remgcl import Recipe, RecipeError
from remgcl.core.training.arguments import arguments
from remgcl.core.training.groups import groups

Read = Callable[..., Recipe]
RATES = "stages.first.learning_rates={ projector = 0.002, backbone = 0.0005 }"


class Objective(nn.Module):
    """A parameter of each kind: of parts, of a loss, its temperature, a bias, a frozen one."""

    def __init__(self) -> None:
        """Name them as an objective does."""
        super().__init__()
        self.model = nn.ModuleDict({name: nn.Linear(2, 2) for name in ("vision_tower", "projector", "backbone")})
        self.learned = nn.ModuleDict({"global": nn.Linear(2, 2, bias=False)})
        self.learned["global"].log_scale = nn.Parameter(torch.zeros(1))
        self.model["vision_tower"].bias.requires_grad_(requires_grad=False)


def _decayed(objective: nn.Module) -> set[str]:
    return {name for name, _ in objective.named_parameters() if not name.endswith("bias")}


def _sorted(recipe: Recipe) -> dict[str, tuple[float, float]]:
    objective = Objective()
    names = {id(parameter): name for name, parameter in objective.named_parameters()}
    found = groups(objective, recipe.stages["first"], _decayed(objective))
    return {names[id(value)]: (group["lr"], group["weight_decay"]) for group in found for value in group["params"]}


def test_each_part_has_its_rate_and_losses_and_other_parts_that_of_the_stage(read: Read) -> None:
    found = _sorted(read(RATES, "stages.first.learning_rate=0.01", "stages.first.weight_decay=0.1"))
    assert found == {
        "model.vision_tower.weight": (0.01, 0.1),
        "model.projector.weight": (0.002, 0.1),
        "model.projector.bias": (0.002, 0.0),
        "model.backbone.weight": (0.0005, 0.1),
        "model.backbone.bias": (0.0005, 0.0),
        "learned.global.weight": (0.01, 0.1),
        "learned.global.log_scale": (0.01, 0.0),
    }


def test_without_rates_of_parts_and_decay_there_is_one_group(read: Read) -> None:
    assert len(groups(Objective(), read().stages["first"], ())) == 1


def test_the_first_group_is_that_of_the_first_part_that_learns(read: Read) -> None:
    recipe = read(RATES, 'stages.first.train=["projector", "vision_tower", "backbone"]')
    assert groups(Objective(), recipe.stages["first"], ())[0]["lr"] == 0.002


@pytest.mark.parametrize(
    ("rates", "told"),
    [
        ("{ backbone = 0.1 }", r"stages\.second\.learning_rates\.backbone: does not learn in this stage; "),
        ("{ projectr = 0.1 }", r"learning_rates\.projectr: is not a key here; did you mean 'projector'\?"),
        ("{ projector = 0.0 }", r"learning_rates\.projector: must be > 0"),
    ],
)
def test_a_rate_of_a_part_that_cannot_use_it_is_a_fault_with_its_key(read: Read, rates: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        read(f"stages.second.learning_rates={rates}")


def test_a_trained_stage_logs_the_rate_of_each_part(run: Callable[..., str], tmp_path: Path) -> None:
    run(RATES, "stages.first.learning_rate=0.001", 'stages.first.schedule="constant"', "stages.first.warmup_ratio=0.0")
    line = json.loads((tmp_path / "run/first/metrics.jsonl").read_text().splitlines()[-1])
    assert line["learning_rate"] == pytest.approx(0.001)
    assert line["learning_rates"] == pytest.approx({"projector": 0.002, "backbone": 0.0005})


def test_a_part_changes_by_its_own_rate(run: Callable[..., str], tmp_path: Path) -> None:
    """The first step of AdamW is the learning rate, for every number whose gradient is not zero."""
    from safetensors.torch import load_file

    once = ("stages.first.epochs=0.25", 'stages.first.schedule="constant"', "stages.first.warmup_ratio=0.0")
    sizes = {}
    for rate in ("1e-12", "0.25"):
        run(f"stages.first.learning_rates={{ projector = {rate} }}", "stages.first.learning_rate=1e-12", *once)
        sizes[rate] = load_file(tmp_path / "run/first/model/projector.safetensors")
        (tmp_path / "run").rename(tmp_path / rate)
    moved = [(sizes["0.25"][name] - sizes["1e-12"][name]).abs() for name in sizes["0.25"]]
    assert torch.cat([change.flatten() for change in moved]).median() == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("able", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_tf32_is_used_where_it_is_wanted_and_the_gpu_can(
    read: Read, monkeypatch: pytest.MonkeyPatch, *, able: bool, wanted: bool
) -> None:
    recipe = read(f"stages.first.tf32={str(wanted).lower()}")
    monkeypatch.setattr("remgcl.core.training.arguments.is_torch_tf32_available", lambda: able)
    monkeypatch.setattr("remgcl.core.training.arguments.TrainingArguments", lambda **given: given)
    job = SimpleNamespace(recipe=recipe, stage=recipe.stages["first"], folder=SimpleNamespace(path=Path()))
    args: Any = arguments(job, cpu=False)  # type: ignore[arg-type]
    assert args["tf32"] is (able and wanted)
