"""LLaVA-1.5's projector."""

from pathlib import Path

import numpy as np
import pytest
import torch

from remgcl.plugins.projectors.mlp_gelu import MlpGelu

PREFIX = "model.mm_projector."


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize(("width_in", "width_out"), [(3, 5), (5, 3), (1, 1)])
def test_its_parameters_are_counted_without_building_it(depth: int, width_in: int, width_out: int) -> None:
    projector = MlpGelu(depth=depth)
    built = sum(each.numel() for each in projector.build(width_in, width_out).parameters())
    assert projector.parameters(width_in, width_out) == built


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_its_state_has_the_keys_of_llava(depth: int) -> None:
    keys = [f"{2 * place}.{name}" for place in range(depth) for name in ("weight", "bias")]
    assert list(MlpGelu(depth=depth).build(3, 5).state_dict()) == keys


def test_there_is_an_exact_gelu_between_linear_maps() -> None:
    module = MlpGelu(depth=2).build(3, 5)
    patches = torch.randn(2, 4, 3)
    first, second = module[0], module[2]
    inner = patches @ first.weight.T + first.bias
    inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
    assert torch.allclose(module(patches), inner @ second.weight.T + second.bias, atol=1e-6)


def test_no_image_gives_no_features() -> None:
    assert MlpGelu().build(3, 5)(torch.zeros(0, 4, 3)).shape == (0, 4, 5)


@pytest.mark.parametrize("depth", [0, -1])
def test_it_has_at_least_one_map(depth: int) -> None:
    with pytest.raises(ValueError, match=f"'depth' must be >= 1: {depth}"):
        MlpGelu(depth=depth)


@pytest.mark.parametrize("folder", ["p14", "p16"])
def test_a_published_projector_gives_the_published_features(recorded: Path, folder: str) -> None:
    golden = recorded / folder
    state = torch.load(golden / "mm_projector.bin", weights_only=True)
    assert all(key.startswith(PREFIX) for key in state)
    module = MlpGelu().build(32, 32)
    module.load_state_dict({key.removeprefix(PREFIX): tensor.float() for key, tensor in state.items()})
    batch = np.load(golden / "forward.npz")
    with torch.no_grad():
        features = module(torch.from_numpy(batch["tower_features"]))[:, ::5]
    assert torch.allclose(features, torch.from_numpy(batch["projected_features_slice"]), atol=1e-4)
