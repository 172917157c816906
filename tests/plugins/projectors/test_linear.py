"""The projector of one linear map."""

import pytest
import torch

from remgcl.plugins.projectors.linear import Linear


@pytest.mark.parametrize(("width_in", "width_out"), [(3, 5), (5, 3), (1, 1)])
def test_its_parameters_are_counted_without_building_it(width_in: int, width_out: int) -> None:
    module = Linear().build(width_in, width_out)
    assert Linear().parameters(width_in, width_out) == sum(each.numel() for each in module.parameters())


def test_it_maps_each_patch_by_itself() -> None:
    module = Linear().build(3, 5)
    patches = torch.randn(2, 4, 3)
    assert torch.allclose(module(patches)[1, 2], patches[1, 2] @ module.weight.T + module.bias, atol=1e-6)
    assert module(patches).shape == (2, 4, 5)
    assert module(patches[:0]).shape == (0, 4, 5)


def test_its_state_has_the_keys_of_llava() -> None:
    assert list(Linear().build(3, 5).state_dict()) == ["weight", "bias"]
