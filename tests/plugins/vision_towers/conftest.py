"""Small towers of every library, and what to hold any tower against."""

import json
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from remgcl import TowerSpec, VisionTower
from remgcl.plugins.vision_towers import Clip, Siglip
from remgcl.plugins.vision_towers.hugging_face import HuggingFaceTower

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 30,
    "patch_size": 14,
}
"""30 pixels hold two patches of 14; two pixels are left over."""


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], SimpleNamespace]:
    """A function that makes a random model of a family of transformers, and saves it.

    It gives `part`, the tower's class; `weights`, the folder; `full`, the model as
    transformers makes it; `prefix`, the number of tokens before its patches.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModel, SiglipVisionConfig, SiglipVisionModel

    families: dict[str, tuple[type[HuggingFaceTower], Any, Any, int]] = {
        "clip": (Clip, CLIPVisionModel, CLIPVisionConfig, 1),
        "siglip": (Siglip, SiglipVisionModel, SiglipVisionConfig, 0),
    }

    @cache
    def save(name: str) -> SimpleNamespace:
        part, model, config, prefix = families[name]
        torch.manual_seed(0)
        full = model(config(**SMALL)).eval().requires_grad_(requires_grad=False)
        for parameter in full.parameters():
            nn.init.normal_(parameter, std=0.3)  # so that no layer is like another, and no norm is the identity
        folder = tmp_path_factory.mktemp(name)
        full.save_pretrained(folder)
        return SimpleNamespace(part=part, weights=str(folder), full=full, prefix=prefix)

    return save


@pytest.fixture(scope="session")
def rectangle() -> str:
    """The name of a transformer of timm for 30 x 46 pixels, with a class token and two registers."""
    from timm.models import VisionTransformer, register_model

    def remgcl_rectangle(**_: object) -> nn.Module:
        model = VisionTransformer((30, 46), 14, embed_dim=32, depth=3, num_heads=2, reg_tokens=2, num_classes=0)
        model.pretrained_cfg = {"input_size": (3, 30, 46), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
        return model

    register_model(remgcl_rectangle)
    return "remgcl_rectangle"


@pytest.fixture(scope="session")
def open_clip_names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of small models of OpenCLIP: `vit`, `resnet`, `timm-vit` and `timm-convnext`."""
    import open_clip

    towers: dict[str, dict[str, object]] = {
        "vit": {"image_size": [30, 46], "patch_size": 14, "width": 32, "layers": 3, "head_width": 16},
        "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8},
        "timm-vit": {"image_size": 160, "timm_model_name": "test_vit", "timm_pool": "", "timm_proj": "linear"},
        "timm-convnext": {"image_size": 64, "timm_model_name": "test_convnext", "timm_proj": "linear"},
    }
    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1}
    folder = tmp_path_factory.mktemp("open_clip")
    for name, tower in towers.items():
        held = {"embed_dim": 16, "vision_cfg": tower, "text_cfg": text}
        (folder / f"remgcl-{name}.json").write_text(json.dumps(held))
    open_clip.add_model_config(folder)
    return {name: f"remgcl-{name}" for name in towers}


@pytest.fixture(scope="session")
def built() -> Callable[..., nn.Module]:
    """A function that builds a tower to be evaluated, from a seed."""
    return _built


@pytest.fixture(scope="session")
def conforms() -> Callable[[VisionTower], TowerSpec]:
    """A function that holds a tower's module against its spec, and gives the spec."""

    def hold(tower: VisionTower) -> TowerSpec:
        spec, module = tower.spec(), _built(tower)
        features = module(torch.randn(2, 3, *spec.size))
        assert features.shape == (2, spec.tokens, spec.width)
        assert features.dtype == torch.float32
        assert features.isfinite().all()
        assert tower.parameters() == sum(parameter.numel() for parameter in module.parameters())
        return spec

    return hold


@pytest.fixture(scope="session")
def patch_of_each_patch() -> Callable[[VisionTower], list[int]]:
    """A function that brightens one patch of a grey image after the other, and tells which feature changes most."""

    def tell(tower: VisionTower) -> list[int]:
        spec = tower.spec()
        (height, width), columns = spec.grid.patch, spec.grid.columns
        boxes = [(place // columns * height, place % columns * width) for place in range(spec.grid.patches)]
        return _changes(tower, [(top, left, top + height, left + width) for top, left in boxes]).argmax(1).tolist()

    return tell


@pytest.fixture(scope="session")
def corner_of_each_quarter() -> Callable[[VisionTower], list[int]]:
    """A function that brightens one quarter of a grey image after the other, and tells which corner changes most.

    Convolutions look beyond a patch, so that its neighbours may change more.
    Quarters and corners: upper left, upper right, lower left, lower right.
    """

    def tell(tower: VisionTower) -> list[int]:
        spec = tower.spec()
        (height, width), grid = spec.size, spec.grid
        boxes = [(top, left, top + height / 2, left + width / 2) for top in (0, height / 2) for left in (0, width / 2)]
        changes = _changes(tower, boxes).view(4, grid.rows, grid.columns)
        return changes[:, [0, 0, -1, -1], [0, -1, 0, -1]].argmax(1).tolist()

    return tell


def _built(tower: VisionTower, seed: int = 0, **options: bool) -> nn.Module:
    torch.manual_seed(seed)
    return tower.build(**options).eval().requires_grad_(requires_grad=False)


def _changes(tower: VisionTower, boxes: list[tuple[float, float, float, float]]) -> Tensor:
    """Measure how much each patch changes when a box (top, left, bottom, right) is brightened `[boxes, P]`."""
    spec = tower.spec()
    pixels = torch.zeros(1 + len(boxes), 3, *spec.size)
    for image, box in zip(pixels[1:], boxes, strict=True):
        top, left, bottom, right = map(int, box)
        image[:, top:bottom, left:right] = 1
    features = _built(tower)(pixels)[:, int(spec.class_token) :]
    return (features[1:] - features[:1]).norm(dim=2)
