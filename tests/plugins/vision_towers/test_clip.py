"""The tower of LLaVA-1.5: which tokens it gives, and the features that the published code had."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from remgcl import PatchGrid, TowerSpec, VisionTower
from remgcl.plugins.vision_towers import Clip

Built = Callable[..., nn.Module]


@pytest.fixture
def clip(saved: Callable[[str], SimpleNamespace]) -> SimpleNamespace:
    """A small CLIP."""
    return saved("clip")


def test_what_is_not_said_is_as_in_llava(clip: SimpleNamespace) -> None:
    tower = Clip(weights=clip.weights)
    assert (tower.layer, tower.select) == (-2, "patch")
    assert tower.spec().mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert tower.spec().std == pytest.approx((0.2686, 0.2613, 0.2758), abs=1e-4)


@pytest.mark.parametrize("layer", [-2, -1, 0])
def test_cls_patch_puts_the_class_token_in_front_of_the_same_patches(
    layer: int, clip: SimpleNamespace, built: Built, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    both = Clip(weights=clip.weights, layer=layer, select="cls_patch")
    spec = conforms(both)
    assert (spec.class_token, spec.tokens, spec.grid.patches) == (True, 5, 4)
    pixels = torch.randn(2, 3, 30, 30)
    features, patches = built(both)(pixels), built(Clip(weights=clip.weights, layer=layer))(pixels)
    assert torch.equal(features[:, 1:], patches)
    hidden = clip.full(pixel_values=pixels, output_hidden_states=True).hidden_states[layer]
    torch.testing.assert_close(features[:, 0], hidden[:, 0], rtol=0, atol=1e-5)


def test_patches_are_found_behind_the_class_token(
    clip: SimpleNamespace, patch_of_each_patch: Callable[[VisionTower], list[int]]
) -> None:
    assert patch_of_each_patch(Clip(weights=clip.weights, layer=0, select="cls_patch")) == [0, 1, 2, 3]


def test_a_whole_clip_holds_the_tower_too(clip: SimpleNamespace, built: Built, tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    whole = CLIPModel(CLIPConfig(vision_config=clip.full.config.to_dict(), text_config=text, projection_dim=8))
    whole.vision_model.load_state_dict(clip.full.state_dict())
    whole.save_pretrained(tmp_path)
    pixels = torch.randn(1, 3, 30, 30)
    one, other = (built(Clip(weights=weights))(pixels) for weights in (clip.weights, str(tmp_path)))
    assert torch.equal(one, other)
    assert Clip(weights=str(tmp_path)).spec() == Clip(weights=clip.weights).spec()


@pytest.mark.parametrize(("name", "rows"), [("p14", 16), ("p16", 14)])
def test_projected_features_are_those_of_the_published_code(
    name: str, rows: int, shared: Path, built: Built, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    golden = shared / "golden" / name
    tower = Clip(weights=str(golden / "clip-tiny"))
    spec = conforms(tower)
    assert spec.grid == PatchGrid(rows=rows, columns=rows, patch=(224 / rows, 224 / rows))
    assert (spec.width, spec.size) == (32, (224, 224))
    held = torch.load(golden / "mm_projector.bin", weights_only=True)
    weight = {key.removeprefix("model.mm_projector."): tensor.float() for key, tensor in held.items()}
    recorded = np.load(golden / "forward.npz")
    features = built(tower)(torch.from_numpy(recorded["pixel_values"]))
    inner = nn.functional.gelu(nn.functional.linear(features, weight["0.weight"], weight["0.bias"]))
    projected = nn.functional.linear(inner, weight["2.weight"], weight["2.bias"])
    expected = torch.from_numpy(recorded["projected_features_slice"])
    torch.testing.assert_close(projected[:, ::5], expected, rtol=0, atol=5e-5)
