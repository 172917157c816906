"""The recipe with adapters in the documentation is what it says."""

import re
from pathlib import Path

from remgcl import Engine
from remgcl.plugins.backbones.causal_lm import CausalLM

ROOT = Path(__file__).parents[1]


def test_the_example_of_lora_in_the_documentation_has_llavas_values(engine: Engine, tmp_path: Path) -> None:
    section = (ROOT / "docs" / "recipes.md").read_text().partition("## Training adapters: LoRA and QLoRA")[2]
    example = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0]
    path = tmp_path / "recipe.toml"
    around = 'name = "lora"\nrunner = "local"\nvision_tower = "tiny"\nprojector = "mlp2x_gelu"\n'
    path.write_text(f'{around}{example}\n[stages.finetune.data]\nuse = "synthetic"\n')
    recipe = engine.read(path, ["backbone.quantize=4"])
    stage, backbone = recipe.stages["finetune"], recipe.backbone
    assert isinstance(backbone, CausalLM)
    assert backbone.lora is not None
    assert (backbone.lora.rank, backbone.lora.alpha, backbone.lora.dropout) == (128, 256.0, 0.05)
    assert (stage.rate("backbone"), stage.rate("projector")) == (2e-4, 2e-5)
    assert stage.tf32
