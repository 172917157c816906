"""Training by two processes with DeepSpeed on the CPU: minutes, so only where slow tests are asked for."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from remgcl import Engine, RunFolder
from remgcl.core.model.saved import load_part, saved_parts

pytestmark = pytest.mark.slow

RECIPE = """
name = "two"
seed = 3
vision_tower = { use = "tiny", size = [32, 32], channels = [4, 8], strides = [[4, 4], [4, 4]] }
projector = "mlp2x_gelu"
backbone = { use = "tiny", width = 16, layers = 1, heads = 2, mlp = 24, max_length = 128 }
runner = { use = "deepspeed", cpu = true, zero = 2 }

[stages.pretrain]
template = "plain"
max_length = 128
train = ["projector"]
batch_size = 2
data = { use = "synthetic", samples = 8, size = 32, font = [8, 10] }

[stages.finetune]
after = "pretrain"
template = { use = "v1", system = "" }
max_length = 128
train = ["projector", "backbone"]
batch_size = 2
data = { use = "synthetic", samples = 8, size = 32, font = [8, 10], seed = 1 }

[stages.remgcl]
after = "finetune"
template = { use = "v1", system = "" }
max_length = 128
train = ["projector", "backbone"]
batch_size = 2
gradient_accumulation_steps = 2
epochs = 4
learning_rate = 1e-3
save_steps = 2
save_total_limit = 9
logging_steps = 3
data = { use = "synthetic", samples = 24, size = 32, font = [8, 10], seed = 2 }
losses = { global = { learned = true }, refined-local = {} }

[stages.remgcl.validation]
data = { use = "synthetic", samples = 2, size = 32, font = [8, 10], split = "held_out" }
max_new_tokens = 2
pictures = 0
"""

ONE_PROCESS = [
    "--set=runner={use='local', cpu=true, threads=1}",
    *(f"--set=stages.{stage}.batch_size=4" for stage in ("pretrain", "finetune", "remgcl")),
]


class Runs:
    """The recipe, run in folders of their own."""

    def __init__(self, path: Path) -> None:
        """Write the recipe."""
        self.path = path
        (path / "two.toml").write_text(RECIPE)

    def start(self, folder: str, *options: str) -> subprocess.Popen[str]:
        """Start the command."""
        command = [sys.executable, "-m", "remgcl", "run", "two.toml", "--folder", folder, *options]
        pipe = subprocess.PIPE
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, cwd=self.path, env=environment, stdout=pipe, stderr=pipe, text=True)  # noqa: S603

    def run(self, folder: str, *options: str) -> tuple[int, str, str]:
        """Run the command: its exit code, and what it told."""
        with self.start(folder, *options) as started:
            out, err = started.communicate()
        return started.returncode, out, err

    def stage(self, folder: str) -> Path:
        """Name the folder of the last stage."""
        return self.path / folder / "remgcl"

    def begin_last(self, folder: str) -> None:
        """Copy the first stages of the run with ZeRO-2."""
        shutil.copytree(self.path / "zero-2", self.path / folder, ignore=shutil.ignore_patterns("remgcl"))

    def wait_for_checkpoint(self, folder: str) -> None:
        """Wait until there is one."""
        deadline = time.monotonic() + 200
        while not list((self.stage(folder) / "checkpoints").glob("step-*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def tensors(self, folder: str) -> dict[str, torch.Tensor]:
        """Read everything that the last stage learned."""
        stage = self.stage(folder)
        files = [*(stage / "model").glob("*.safetensors"), *(stage / "losses").glob("*.safetensors")]
        return {f"{file.stem}.{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The recipe, run by two ranks with ZeRO-2."""
    made = Runs(tmp_path_factory.mktemp("two"))
    code, out, err = made.run("zero-2")
    assert code == 0, err
    assert "remgcl: 24 samples, " in out
    assert "parameters learn, on 2 x cpu" in out
    return made


def test_zero_2_zero_3_and_one_process_learn_the_same(runs: Runs, engine: Engine) -> None:
    runs.begin_last("zero-3")
    for folder, options in {"zero-3": ["--set=runner.zero=3"], "local": ONE_PROCESS}.items():
        code, _, err = runs.run(folder, *options)
        assert code == 0, err
    zero_2, zero_3, local = (runs.tensors(folder) for folder in ("zero-2", "zero-3", "local"))
    assert zero_2.keys() == zero_3.keys() == local.keys()
    assert "global.log_temperature" in local
    for name, tensor in local.items():
        for other in (zero_2, zero_3):
            assert other[name].shape == tensor.shape, name
            torch.testing.assert_close(
                other[name], tensor, atol=2e-4, rtol=1e-3, msg=lambda told, n=name: f"{n}: {told}"
            )
    metrics = [
        [json.loads(line) for line in (runs.stage(folder) / "metrics.jsonl").read_text().splitlines()]
        for folder in ("zero-2", "zero-3", "local")
    ]
    for one, other, third in zip(*metrics, strict=True):
        for name, term in third["terms"].items():
            assert one["terms"][name]["loss"] == pytest.approx(term["loss"], rel=1e-2), name
            assert other["terms"][name]["loss"] == pytest.approx(term["loss"], rel=1e-2), name
    _every_tensor_reloads(runs, engine)


def _every_tensor_reloads(runs: Runs, engine: Engine) -> None:
    recipe = engine.read(runs.path / "zero-3" / "recipe.toml")
    folder = RunFolder(runs.path / "zero-3").stage("remgcl")
    parts: dict[str, Callable[[], torch.nn.Module]] = {
        "vision_tower": recipe.vision_tower.build,
        "projector": lambda: recipe.projector.build(recipe.vision_tower.spec().width, 16),
        "backbone": recipe.backbone.build,
    }
    saved = saved_parts(folder.model)
    assert saved.keys() == parts.keys()
    for name, file in saved.items():
        module = parts[name]()
        load_part(module, file)
        state = module.state_dict()
        for key, tensor in load_file(file).items():
            assert torch.equal(state[key], tensor), (name, key)


def test_sigterm_saves_and_the_same_command_goes_on_to_the_same_bits(runs: Runs) -> None:
    runs.begin_last("stopped")
    with runs.start("stopped") as started:
        runs.wait_for_checkpoint("stopped")
        started.terminate()
        out, err = started.communicate()
    assert started.returncode == 2, (out, err)
    told = re.search(r"error: rank 0, 1: stage 'remgcl': interrupted at step (\d+); run it again to resume", err)
    assert told, err
    code, out, err = runs.run("stopped")
    assert code == 0, err
    assert f"resumes from step {told[1]}" in out
    whole, stopped = runs.tensors("zero-2"), runs.tensors("stopped")
    assert whole.keys() == stopped.keys()
    assert [name for name in whole if not torch.equal(whole[name], stopped[name])] == []


def test_a_rank_that_is_killed_ends_the_run_with_an_error_that_names_it(runs: Runs) -> None:
    runs.begin_last("killed")
    with runs.start("killed") as started:
        runs.wait_for_checkpoint("killed")
        os.kill(int((runs.stage("killed") / "ranks" / "rank-1.pid").read_text()), signal.SIGKILL)
        _, err = started.communicate()
    assert started.returncode == 2, err
    assert re.search(r"error: rank (0, )?1: ended without a message; it may have been killed", err), err
    assert not (runs.stage("killed") / "stage.json").exists()


def test_a_loss_that_is_no_number_stops_the_run_and_nothing_of_it_is_saved(runs: Runs) -> None:
    runs.begin_last("broken")
    code, _, err = runs.run("broken", "--set=stages.remgcl.learning_rate=1e30", "--set=stages.remgcl.save_steps=1")
    assert code == 2, err
    told = re.search(r"error: rank [01, ]+: stage 'remgcl': step (\d+): .* not finite.*; no parameter was changed", err)
    assert told, err
    assert re.search(r"samples train-\d+, train-\d+", err)
    steps = [int(path.name[5:]) for path in (runs.stage("broken") / "checkpoints").iterdir() if "part" not in path.name]
    assert max(steps) <= int(told[1])
    assert not (runs.stage("broken") / "model").exists()
