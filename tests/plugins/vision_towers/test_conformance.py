"""The built-in vision towers promise what every tower does; those with weights have small random ones."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from remgcl import VisionTower
from remgcl.plugins.vision_towers import Clip, OpenClip, Siglip, Timm, TinyTower
from remgcl.testing import conformance, vision_towers
from remgcl.testing.losses import GRIDS

TestTiny = conformance(TinyTower())
TestTinyStrides = conformance(TinyTower(size=(24, 40), channels=(8, 12), strides=((2, 4), (3, 2))))
TestTimmConvolutional = conformance(Timm(model="test_convnext", layer=-1))


class TestClip(vision_towers.Checks):
    """CLIP of transformers, with and without its class token."""

    @pytest.fixture(params=["patch", "cls_patch"])
    def part(self, request: pytest.FixtureRequest, saved: Callable[[str], SimpleNamespace]) -> Clip:
        """A small CLIP."""
        return Clip(weights=saved("clip").weights, select=request.param)


class TestSiglip(vision_towers.Checks):
    """SigLIP of transformers."""

    @pytest.fixture
    def part(self, saved: Callable[[str], SimpleNamespace]) -> Siglip:
        """A small SigLIP."""
        return Siglip(weights=saved("siglip").weights)


class TestTimmRectangle(vision_towers.Checks):
    """A transformer of timm for images that are no squares, with registers."""

    @pytest.fixture
    def part(self, rectangle: str) -> Timm:
        """The tower with its class token."""
        return Timm(model=rectangle, select="cls_patch")


class TestOpenClip(vision_towers.Checks):
    """Towers of OpenCLIP of every family."""

    @pytest.fixture(params=["vit", "resnet", "timm-convnext"])
    def part(self, request: pytest.FixtureRequest, open_clip_names: dict[str, str]) -> OpenClip:
        """A small tower."""
        return OpenClip(model=open_clip_names[request.param], layer=-1)


@pytest.mark.parametrize(
    "tower",
    [
        TinyTower(),
        Timm(model="resnet50", layer=-1),
        *(OpenClip(model=model) for model in ("ViT-L-14-336", "ViT-L-14", "ViT-B-16", "ViT-SO400M-14-SigLIP-384")),
    ],
    ids=lambda tower: getattr(tower, "model", "tiny"),
)
def test_every_loss_is_checked_with_the_grids_of_these_towers(tower: VisionTower) -> None:
    grid = tower.spec().grid
    assert (grid.rows, grid.columns) in GRIDS
