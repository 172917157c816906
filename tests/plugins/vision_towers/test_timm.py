"""Any model of timm: transformers with and without class token and registers, and convolutional nets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from remgcl import PatchGrid, RemgclError, TowerSpec, VisionTower, WeightsError
from remgcl.plugins.vision_towers import Timm

Built = Callable[..., nn.Module]


class Harmful:
    """What a pickle should not do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Make a file when it is read."""
        return Path.touch, (Path("harm"),)


def _outputs(modules: list[nn.Module], use: Callable[[], object]) -> list[Tensor]:
    """Collect what each of some modules gives while something is done."""
    given: list[Tensor] = []
    handles = [module.register_forward_hook(lambda _, __, output: given.append(output)) for module in modules]
    use()
    for handle in handles:
        handle.remove()
    return given


def test_a_transformer_may_be_no_square_and_leave_pixels_over(
    rectangle: str, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    spec = conforms(Timm(model=rectangle))
    assert (spec.width, spec.size, spec.tokens) == (32, (30, 46), 6)
    assert spec.grid == PatchGrid(rows=2, columns=3, patch=(14, 14))
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


@pytest.mark.parametrize(
    ("model", "layer", "width", "rows"),
    [
        ("test_vit", -2, 64, 10),
        ("test_vit2", 0, 64, 10),
        ("test_vit.r160_in1k", -1, 64, 10),
        ("test_resnet", -1, 96, 5),
        ("test_resnet", -2, 192, 10),
        ("test_resnet", 0, 32, 80),
        ("test_efficientnet", -2, 48, 10),
        ("test_convnext", -1, 64, 5),
    ],
)
def test_any_model_declares_what_it_gives(
    model: str, layer: int, width: int, rows: int, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    spec = conforms(Timm(model=model, layer=layer))
    assert (spec.width, spec.size) == (width, (160, 160))
    assert spec.grid == PatchGrid(rows=rows, columns=rows, patch=(160 / rows, 160 / rows))
    colours = {"test_efficientnet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}  # ImageNet's
    assert (spec.mean, spec.std) == colours.get(model, ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)))


@pytest.mark.parametrize("layer", range(-3, 3))
def test_a_layer_of_a_transformer_is_what_its_block_gives(layer: int, rectangle: str, built: Built) -> None:
    pixels = torch.randn(2, 3, 30, 46)
    module = built(Timm(model=rectangle, layer=layer, select="cls_patch"))
    (block,) = _outputs([module.model.blocks[layer]], lambda: module.model.forward_features(pixels))
    assert block.shape == (2, 1 + 2 + 6, 32)
    features = module(pixels)
    torch.testing.assert_close(features[:, 0], block[:, 0])
    torch.testing.assert_close(features[:, 1:], block[:, 3:])  # the two registers are left out
    assert torch.equal(built(Timm(model=rectangle, layer=layer))(pixels), features[:, 1:])


def test_registers_without_a_class_token_are_left_out(built: Built) -> None:
    pixels = torch.randn(1, 3, 160, 160)
    module = built(Timm(model="test_vit2", layer=-1))
    (block,) = _outputs([module.model.blocks[-1]], lambda: module.model.forward_features(pixels))
    assert (module.model.num_prefix_tokens, block.shape[1]) == (1, 101)
    torch.testing.assert_close(module(pixels), block[:, 1:])


@pytest.mark.parametrize("layer", [1, 2, 3, 4, -1, -2])
def test_a_layer_of_a_convolutional_net_is_a_stage(layer: int, built: Built) -> None:
    pixels = torch.randn(1, 3, 160, 160)
    module = built(Timm(model="test_resnet", layer=layer))
    stages = [None, module.model.layer1, module.model.layer2, module.model.layer3, module.model.layer4]
    (stage,) = _outputs([stages[layer]], lambda: module.model.forward_features(pixels))
    torch.testing.assert_close(module(pixels), stage.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("model", ["test_resnet", "test_vit2", "xcit_nano_12_p16_224"])
def test_without_a_class_token_in_the_layers_there_is_none_to_select(model: str) -> None:
    """Registers are no class token, and some nets make theirs after the last layer only."""
    assert not Timm(model=model).spec().class_token
    with pytest.raises(RemgclError, match=rf"^vision tower '{model}': has no class token; select can only be 'patch'$"):
        Timm(model=model, select="cls_patch").spec()


@pytest.mark.parametrize(("model", "layer"), [("test_vit", 0), ("test_vit", 1), ("test_vit2", 0)])
def test_patches_of_a_transformer_are_in_rows_from_the_upper_left(
    model: str, layer: int, patch_of_each_patch: Callable[[VisionTower], list[int]]
) -> None:
    assert patch_of_each_patch(Timm(model=model, layer=layer)) == list(range(100))


@pytest.mark.parametrize("select", ["patch", "cls_patch"])
def test_patches_that_are_no_square_are_in_rows_from_the_upper_left(
    select: Any,  # noqa: ANN401 - a literal
    rectangle: str,
    patch_of_each_patch: Callable[[VisionTower], list[int]],
) -> None:
    assert patch_of_each_patch(Timm(model=rectangle, layer=0, select=select)) == list(range(6))


@pytest.mark.parametrize("model", ["test_resnet", "test_efficientnet", "test_convnext"])
def test_patches_of_a_convolutional_net_are_in_rows_from_the_upper_left(
    model: str, corner_of_each_quarter: Callable[[VisionTower], list[int]]
) -> None:
    assert corner_of_each_quarter(Timm(model=model, layer=-2)) == [0, 1, 2, 3]


def test_an_unknown_model_is_told_with_the_nearest() -> None:
    for use in (Timm(model="tset_resnet").spec, Timm(model="tset_resnet").build):
        with pytest.raises(
            RemgclError, match=r"^vision tower: timm has no model 'tset_resnet'; the nearest are 'test_resnet', '"
        ):
            use()
    with pytest.raises(RemgclError, match=r"^vision tower: timm has no model '%'; the nearest are nothing$"):
        Timm(model="%").spec()


def test_an_unknown_tag_is_told() -> None:
    with pytest.raises(WeightsError, match=r"^weights 'test_vit.none': cannot be read; Invalid pretrained tag"):
        Timm(model="test_vit.none", pretrained=True).spec()


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])
@pytest.mark.parametrize("layer", [9, -9])
def test_a_layer_that_does_not_exist_is_told(model: str, layer: int) -> None:
    with pytest.raises(RemgclError, match=rf"^vision tower '{model}': has no layer {layer}; .* is out of range"):
        Timm(model=model, layer=layer).spec()


def test_the_seed_decides_random_weights(built: Built) -> None:
    pixels = torch.randn(1, 3, 160, 160)
    first, again, other = (built(Timm(model="test_vit"), seed=seed)(pixels) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_what_is_read_each_time_need_not_be_saved() -> None:
    assert not Timm(model="x").restorable
    assert Timm(model="x", pretrained=True).restorable
    assert Timm(model="x", weights="a.pth").restorable


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_weights_is_read_without_its_classifier(suffix: str, tmp_path: Path, built: Built) -> None:
    import timm

    torch.manual_seed(7)
    tensors, file = timm.create_model("test_resnet", num_classes=10).state_dict(), tmp_path / f"weights.{suffix}"
    save_file(tensors, file) if suffix == "safetensors" else torch.save({"state_dict": tensors}, file)
    tower = Timm(model="test_resnet", weights=str(file), pretrained=True)
    tower.verify()
    held = built(tower).model.state_dict()
    assert len(held) == len(tensors) - 2
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in held.items())
    file.unlink()
    random = built(tower, pretrained=False).model.state_dict()
    assert not torch.equal(random["layer1.0.conv1.weight"], held["layer1.0.conv1.weight"])


def test_weights_that_do_not_fit_are_told(tmp_path: Path) -> None:
    import timm

    file = tmp_path / "weights.safetensors"
    tower, where = Timm(model="test_resnet", weights=str(file)), rf"^weights '{file}': cannot be read; "
    tensors = timm.create_model("test_resnet", num_classes=0).state_dict()
    first = next(iter(tensors))
    del tensors[first]
    save_file(tensors, file)
    with pytest.raises(
        WeightsError, match=rf"{where}it lacks 1 tensors of the tower, the first '{first}'; it is a file$"
    ):
        tower.build()
    save_file({first: torch.ones(1)}, file)
    with pytest.raises(WeightsError, match=rf"{where}Error\(s\) in loading"):
        tower.build()
    file.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=where):
        tower.build()
    file.unlink()
    for use in (tower.verify, tower.build):
        with pytest.raises(WeightsError, match=where):
            use()


def test_a_file_of_weights_runs_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "more": Harmful()}, "weights.pth")
    with pytest.raises(WeightsError, match=r"^weights 'weights.pth': cannot be read; weights_only=True blocked"):
        Timm(model="test_resnet", weights="weights.pth").build()
    assert not Path("harm").exists()


def test_weights_of_timm_need_its_hub(built: Built) -> None:
    tower = Timm(model="test_resnet", pretrained=True)
    tower.verify()
    with pytest.raises(WeightsError, match=r"^weights 'test_resnet': cannot be read; "):
        tower.build()
    built(tower, pretrained=False)
