"""TensorBoard and Weights & Biases: what they are told, once, and what is said where one is absent."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from remgcl import Engine, FaultsError, Recipe, RunError
from remgcl.core.training import loop
from remgcl.core.training.listeners import numbers_of

Run = Callable[..., str]

TENSORBOARD = 'runner.trackers=["tensorboard"]'


def _told(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()  # type: ignore[no-untyped-call]
    names = events.Tags()["scalars"]  # type: ignore[no-untyped-call]
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in names}  # type: ignore[no-untyped-call]


def _metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for the library: what it was told."""
    told: list[Any] = []

    class Sent:
        def log(self, numbers: dict[str, float], step: int) -> None:
            told.append((step, numbers))

        def finish(self) -> None:
            told.append("finished")

    module = ModuleType("wandb")
    module.__spec__ = ModuleSpec("wandb", None)
    module.init = lambda **given: told.append(given) or Sent()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_every_number_of_a_line_has_a_name() -> None:
    line = {
        "step": 3,
        "learning_rate": 0.1,
        "gradient_norm": None,
        "learning_rates": {"projector": 0.2},
        "terms": {"global": {"loss": 2.0, "weight": 0.5, "gradient_share": 0.25, "cosine": 0.75}},
    }
    assert dict(numbers_of(line)) == {
        "learning_rate": 0.1,
        "learning_rates/projector": 0.2,
        "global/loss": 2.0,
        "global/weight": 0.5,
        "global/gradient_share": 0.25,
        "global/cosine": 0.75,
    }


def test_tensorboard_holds_every_number_of_the_metrics(run: Run, tmp_path: Path) -> None:
    run("stages.first.gradient_share_steps=2", TENSORBOARD)
    told = _told(tmp_path / "run/first/tensorboard")
    lines = _metrics(tmp_path / "run/first")
    assert {"global/loss", "global/weight", "global/gradient_share", "global/cosine"} <= told.keys()
    assert {"learning_rate", "gradient_norm", "samples_per_second"} <= told.keys()
    for name, points in told.items():
        assert points == [(line["step"], pytest.approx(dict(numbers_of(line))[name])) for line in lines]


@pytest.mark.parametrize("saved", [2, 100])
def test_a_training_that_goes_on_tells_no_step_twice(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saved: int
) -> None:
    """Interrupted at step 3, it goes on from step 2, or from the start where nothing was saved."""
    settings = (f"stages.first.save_steps={saved}", "stages.first.logging_steps=1", TENSORBOARD)
    original = loop.StageTrainer.compute_loss

    def failing(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the original
        if self.state.global_step == 3:
            raise RunError("the power is gone")
        return original(self, *args, **kwargs)

    with monkeypatch.context() as broken:
        broken.setattr(loop.StageTrainer, "compute_loss", failing)
        with pytest.raises(RunError, match="the power is gone"):
            run(*settings)
    run(*settings)
    assert [line["step"] for line in _metrics(tmp_path / "run/first")] == [1, 2, 3, 4]
    told = _told(tmp_path / "run/first/tensorboard")
    assert [step for step, _ in told["language/loss"]] == [1, 2, 3, 4]


def test_without_trackers_nothing_is_written_for_them(run: Run, tmp_path: Path) -> None:
    run()
    assert not (tmp_path / "run/first/tensorboard").exists()


def test_wandb_is_told_every_line_of_a_run_of_each_stage(run: Run, tmp_path: Path, wandb: list[Any]) -> None:
    run('runner.trackers=["wandb"]')
    begun, *lines, finished = wandb[: wandb.index("finished") + 1]
    assert (begun["project"], begun["name"], begun["resume"]) == ("small", "first", "allow")
    assert begun["id"] == json.loads((tmp_path / "run/first/begun.json").read_text())["run"]
    assert lines == [(line["step"], dict(numbers_of(line))) for line in _metrics(tmp_path / "run/first")]
    assert finished == "finished"


def test_a_tracker_that_is_not_installed_is_an_error_that_says_how_to_install_it(
    engine: Engine, read: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    from remgcl.core.files import extras

    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(FaultsError, match=r"runner\.trackers\.0.*tensorboard.*pip install 'remgcl\[tensorboard\]'"):
        engine.check(read('runner.trackers=["tensorboard"]'), "small.toml")
    with pytest.raises(FaultsError, match=r"runner\.trackers\.1.*wandb.*pip install 'remgcl\[wandb\]'"):
        engine.check(read('runner.trackers=["tensorboard", "wandb"]'), "small.toml")


def test_a_tracker_has_a_table_of_its_own_settings(run: Run, tmp_path: Path, wandb: list[Any]) -> None:
    run(
        'runner.trackers=[{use="wandb", project="signs", tags=["a"], mode="offline"}, {use="tensorboard", folder="tb"}]'
    )
    assert (wandb[0]["project"], wandb[0]["tags"], wandb[0]["mode"]) == ("signs", ("a",), "offline")
    assert (tmp_path / "run" / "first" / "tb").exists()


def test_trackers_change_nothing_that_a_finished_stage_is_judged_by(run: Run) -> None:
    run()
    assert "second: finished already" in run(TENSORBOARD)


def test_checking_a_recipe_imports_neither_trackers_nor_adapters() -> None:
    program = (
        "import sys; from pathlib import Path; from remgcl import Engine; engine = Engine.installed();"
        "path = Path('recipes/quickstart.toml'); engine.check(engine.read(path), str(path));"
        "print(sorted({'tensorboard', 'wandb', 'peft', 'xformers', 'bitsandbytes'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[3]
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    assert ran.stdout == "[]\n"
