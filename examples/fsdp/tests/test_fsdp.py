"""Two ranks that shard everything learn what one process learns, and a resumed run ends with the same bits."""

import shutil
from io import StringIO
from pathlib import Path

import pytest
import torch
from remgcl import Engine, FaultsError, RunError, RunFolder
from remgcl.testing import conformance
from rich.console import Console
from safetensors.torch import load_file

from remgcl_fsdp import Fsdp

TestFsdp = conformance(Fsdp(cpu=True))

RECIPE = Path(__file__).parents[1] / "recipe.toml"
ONE_PROCESS = ("runner={use='local', cpu=true, threads=1}", "stages.tune.batch_size=4")


def train(folder: Path, *overrides: str) -> str:
    """Run the recipe, and return what is printed."""
    engine, printed = Engine.installed(), StringIO()
    console = Console(file=printed, width=200)
    engine.run(engine.read(RECIPE, overrides), RunFolder(folder), console, RECIPE.name)
    return printed.getvalue()


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """Read everything that the stage saved."""
    files = [*(folder / "tune" / "model").glob("*.safetensors"), *(folder / "tune" / "losses").glob("*.safetensors")]
    return {f"{file.stem}.{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run by two ranks."""
    folder = tmp_path_factory.mktemp("two") / "run"
    train(folder)
    return folder


def test_two_ranks_learn_what_one_process_learns(run: Path, tmp_path: Path) -> None:
    train(tmp_path / "one", *ONE_PROCESS)
    sharded, whole = tensors(run), tensors(tmp_path / "one")
    assert sharded.keys() == whole.keys()
    assert "global.log_temperature" in whole
    for name, tensor in whole.items():
        torch.testing.assert_close(sharded[name], tensor, atol=1e-5, rtol=1e-4)


def test_a_resumed_run_ends_with_the_same_bits(run: Path, tmp_path: Path) -> None:
    stage = shutil.copytree(run, tmp_path / "run") / "tune"
    for later in (stage / "model", stage / "losses", *(stage / "checkpoints").glob("step-0000000[46]")):
        shutil.rmtree(later)
    (stage / "stage.json").unlink()
    train(tmp_path / "run")
    assert (stage / "checkpoints" / "step-00000006").is_dir()
    before, after = tensors(run), tensors(tmp_path / "run")
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    lines = (stage / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == len((run / "tune" / "metrics.jsonl").read_text().splitlines())


def test_each_rank_holds_half_of_what_is_learned(run: Path) -> None:
    shards = sorted((run / "tune" / "checkpoints" / "step-00000006" / "shards").glob("*.distcp"))
    sizes = [shard.stat().st_size for shard in shards]
    assert len(sizes) == 2
    assert min(sizes) > 0.7 * max(sizes)


def test_a_gradient_that_is_nan_stops_all_ranks(tmp_path: Path) -> None:
    with pytest.raises(
        RunError, match=r"rank 0[, 1]*: stage 'tune': step \d+: .* is not finite: .*no parameter was changed"
    ):
        train(tmp_path / "run", "stages.tune.learning_rate=1e30")
    assert not (tmp_path / "run" / "tune" / "model").exists()


def test_float16_is_refused() -> None:
    recipe = Engine.installed().read(RECIPE, ["stages.tune.precision=float16"])
    with pytest.raises(FaultsError, match=r"stages\.tune\.precision: cannot be 'float16' with fsdp"):
        recipe.runner.verify(recipe)


def test_more_processes_than_gpus_are_refused(tmp_path: Path) -> None:
    there = torch.cuda.device_count()
    with pytest.raises(RunError, match=rf"runner\.processes: each needs a GPU of its own; there are {there}"):
        train(tmp_path / "run", f"runner={{use='fsdp', processes={there + 1}}}")
