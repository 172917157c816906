"""The command line, called in this process, and a small recipe for it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import tomli_w
from rich.console import Console

from remgcl import Engine, Job, RunFolder
from remgcl.cli import main
from remgcl.core.recipe.recipe import PARTS

RECIPE = """
name = "small"

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

[runner]
use = "local"
cpu = true

[stages.pretrain]
template = "plain"
train = ["projector"]
batch_size = 4
epochs = 1.5
data = { use = "synthetic", samples = 1200 }

[stages.tune]
after = "pretrain"
template = "plain"
train = ["projector", "backbone"]
gradient_accumulation_steps = 3
data = { use = "synthetic", samples = 4, seed = 1 }
validation = { data = { use = "synthetic", samples = 2, split = "held_out" } }

[stages.tune.losses.refined-local]

[stages.tune.losses.mine]
use = "global"
weight = 0.25
"""


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        code: The exit code.
        out: What it printed.
        err: What it complained of.
    """

    code: int
    out: str
    err: str


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a small recipe; commands are called beside it."""
    monkeypatch.chdir(tmp_path)
    path = Path("small.toml")
    path.write_text(RECIPE)
    return path


@pytest.fixture
def remgcl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call `remgcl` with arguments, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["remgcl", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    """The folder of a run with one finished stage, of random weights; no test may change it."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.toml").write_text(RECIPE)
    overrides = ("stages.tune.template=v1", "backbone.width=32", "backbone.deviation=0.3")
    recipe, run, inputs = (
        engine.read(folder / "small.toml", overrides),
        RunFolder(folder / "run"),
        dict.fromkeys(PARTS, ""),
    )
    run.describe(tomli_w.dumps(engine.table(recipe)), {"remgcl": "0"})
    run.stage("tune").begin(inputs)
    job = Job(recipe=recipe, name="tune", run=run, start=None, inputs=inputs, console=Console(quiet=True))
    job.finish(job.build_objective(job.build_model()), {"samples": 1})
    return run.path
