"""What the towers of timm and OpenCLIP share, on a toy that cuts 7 x 10 pixels into patches of 3."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from attrs import frozen
from torch import Tensor, nn

from remgcl import PatchGrid, RemgclError
from remgcl.plugins.vision_towers.intermediate import IntermediateTower, has_class_token
from remgcl.plugins.vision_towers.preprocessing import Preprocessing

made: list[nn.Module] = []


@frozen(kw_only=True)
class Toy(IntermediateTower):
    """A convolution that shares no pixel between patches, and a class token of ones.

    Attributes:
        model: Where the model tells what it cuts: nowhere, itself, in
            ``patch_embed``, or in the ``patch_embed`` of a ``trunk``.
        told: What it tells.
        token: Whether there is a class token.
        error: What the model raises.
    """

    model: str = "nowhere"
    told: Any = (3, 3)
    token: bool = True
    error: Exception | None = None

    def _create(self, *, pretrained: bool) -> nn.Module:
        model = nn.Conv2d(3, 8, 3, 3)
        model.pretrained = pretrained
        cut = SimpleNamespace(patch_size=self.told)
        if self.model == "itself":
            model.patch_size = self.told
        elif self.model == "patch_embed":
            model.patch_embed = cut
        elif self.model == "trunk":
            model.trunk = SimpleNamespace(patch_embed=cut)
        made.append(model)
        return model

    def _input(self, model: Any) -> Preprocessing:  # noqa: ANN401 - a toy
        assert not model.training
        return Preprocessing(size=(7, 10), mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))

    def _layer(self, model: Any, pixels: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ANN401 - a toy
        if self.error:
            raise self.error
        return model(pixels), torch.ones(len(pixels), 1, 8) if self.token else None


def test_the_spec_is_measured_without_weights() -> None:
    spec = Toy(select="cls_patch").spec()
    assert (spec.width, spec.size, spec.tokens, spec.class_token) == (8, (7, 10), 7, True)
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert made[-1].weight.is_meta
    assert made[-1].pretrained is False


@pytest.mark.parametrize("where", ["itself", "patch_embed", "trunk"])
def test_a_patch_is_as_large_as_the_model_cuts_it(where: str) -> None:
    """One pixel is left over below, and one on the right."""
    assert Toy(model=where).spec().grid == PatchGrid(rows=2, columns=3, patch=(3, 3))


@pytest.mark.parametrize(
    ("where", "told"), [("nowhere", None), ("itself", (4, 4)), ("patch_embed", 3), ("trunk", None)]
)
def test_without_whole_patches_each_has_an_even_share(where: str, told: object) -> None:
    """A later stage of a net has fewer and larger patches than the first."""
    assert Toy(model=where, told=told).spec().grid == PatchGrid(rows=2, columns=3, patch=(7 / 2, 10 / 3))


@pytest.mark.parametrize("pretrained", [True, False])
def test_patches_become_a_sequence_in_rows(pretrained: bool, built: Callable[..., nn.Module]) -> None:  # noqa: FBT001 - both
    pixels = torch.randn(2, 3, 7, 10)
    module = built(Toy(), pretrained=pretrained)
    assert made[-1].pretrained is pretrained
    features = module(pixels)
    grid = made[-1](pixels)  # [2, 8, 2, 3]
    assert features.shape == (2, 6, 8)
    for place in range(6):
        assert torch.equal(features[:, place], grid[:, :, place // 3, place % 3])


def test_the_class_token_comes_first_where_it_is_asked_for(built: Callable[..., nn.Module]) -> None:
    pixels = torch.randn(2, 3, 7, 10)
    both, patches = built(Toy(select="cls_patch"))(pixels), built(Toy())(pixels)
    assert torch.equal(both[:, 0], torch.ones(2, 8))
    assert torch.equal(both[:, 1:], patches)


def test_a_class_token_that_is_not_there_cannot_be_selected() -> None:
    with pytest.raises(RemgclError, match=r"^vision tower 'nowhere': has no class token; select can only be 'patch'$"):
        Toy(token=False, select="cls_patch").spec()
    assert Toy(token=False).spec().tokens == 6


@pytest.mark.parametrize("kind", [AttributeError, AssertionError, IndexError, RuntimeError, TypeError, ValueError])
def test_whatever_a_library_raises_on_a_layer_is_told(kind: type[Exception]) -> None:
    with pytest.raises(RemgclError, match=r"^vision tower 'nowhere': has no layer 7; out of range$"):
        Toy(layer=7, error=kind("out of range")).spec()
    with pytest.raises(RemgclError, match=rf"^vision tower 'nowhere': has no layer 7; {kind.__name__}$"):
        Toy(layer=7, error=kind()).spec()


def _with_prefix(pixels: object, return_prefix_tokens: bool = False) -> None:  # noqa: FBT001, FBT002 - as in timm
    del pixels, return_prefix_tokens


def _without_prefix(pixels: object) -> None:
    del pixels


@pytest.mark.parametrize(
    ("forward", "held", "there"),
    [
        (_with_prefix, {"cls_token": torch.ones(1)}, True),
        (_with_prefix, {"has_class_token": True}, True),
        (_with_prefix, {"has_class_token": False, "cls_token": torch.ones(1)}, False),
        (_with_prefix, {"cls_token": None, "num_prefix_tokens": 4}, False),
        (_with_prefix, {}, False),
        (_without_prefix, {"cls_token": torch.ones(1)}, False),
    ],
)
def test_a_class_token_counts_where_the_layers_give_it(forward: object, held: dict[str, object], there: bool) -> None:  # noqa: FBT001 - the answer
    assert has_class_token(SimpleNamespace(forward_intermediates=forward, **held)) is there
