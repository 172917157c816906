"""``remgcl check`` of a recipe with adapters."""

from pathlib import Path

from typer.testing import CliRunner

from remgcl.cli import app

RECIPE = """
name = "adapters"
vision_tower = "tiny"
projector = "linear"
backbone = { use = "tiny", width = 16, layers = 1, heads = 2, mlp = 24, lora = { rank = 2 } }
runner = "local"

[stages.only]
template = "plain"
train = ["backbone"]
data = { use = "synthetic", samples = 4 }
"""


def test_only_adapters_are_counted_as_trainable(tmp_path: Path) -> None:
    path = tmp_path / "adapters.toml"
    path.write_text(RECIPE)
    told = CliRunner().invoke(app, ["check", str(path)]).output
    adapters = 2 * (4 * (16 + 16) + 3 * (16 + 24))
    (backbone,) = (line for line in told.splitlines() if "backbone" in line)
    assert f"{adapters} trainable" in backbone
    (every,) = (line for line in told.splitlines() if " all " in line)
    assert f" {adapters} " in every
