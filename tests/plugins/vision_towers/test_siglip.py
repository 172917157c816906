"""SigLIP's tower: every token is a patch, and none is lost."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from remgcl import PatchGrid
from remgcl.plugins.vision_towers import Siglip


@pytest.fixture
def siglip(saved: Callable[[str], SimpleNamespace]) -> SimpleNamespace:
    """A small SigLIP."""
    return saved("siglip")


def test_no_patch_is_lost(siglip: SimpleNamespace, built: Callable[..., nn.Module]) -> None:
    pixels = torch.randn(2, 3, 30, 30)
    features = built(Siglip(weights=siglip.weights, layer=0))(pixels)
    embedded = siglip.full.embeddings(pixels)
    assert embedded.shape == (2, 4, 16)
    assert torch.equal(features, embedded)


def test_the_spec_has_no_class_token_and_colours_around_a_half(siglip: SimpleNamespace) -> None:
    tower = Siglip(weights=siglip.weights)
    spec = tower.spec()
    assert tower.layer == -2
    assert spec.grid == PatchGrid(rows=2, columns=2, patch=(14, 14))
    assert (spec.class_token, spec.tokens) == (False, 4)
    assert (spec.mean, spec.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_there_is_nothing_to_select() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'select'"):
        Siglip(weights="x", select="cls_patch")  # type: ignore[call-arg]
