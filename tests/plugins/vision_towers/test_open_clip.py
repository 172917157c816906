"""Any image encoder of OpenCLIP: its own transformer and ResNet, and those of timm."""

from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from torch import nn

from remgcl import PatchGrid, RemgclError, TowerSpec, VisionTower, WeightsError
from remgcl.plugins.vision_towers import OpenClip

Built = Callable[..., nn.Module]
Names = dict[str, str]


@pytest.mark.parametrize(
    ("name", "width", "grid"),
    [
        ("vit", 32, PatchGrid(rows=2, columns=3, patch=(14, 14))),
        ("resnet", 256, PatchGrid(rows=2, columns=2, patch=(32, 32))),
        ("timm-vit", 64, PatchGrid(rows=10, columns=10, patch=(16, 16))),
        ("timm-convnext", 64, PatchGrid(rows=2, columns=2, patch=(32, 32))),
    ],
)
def test_any_model_declares_what_it_gives(
    name: str, width: int, grid: PatchGrid, open_clip_names: Names, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    spec = conforms(OpenClip(model=open_clip_names[name], layer=-1))
    assert (spec.width, spec.grid) == (width, grid)
    assert spec.size == {"vit": (30, 46), "timm-vit": (160, 160)}.get(name, (64, 64))
    assert spec.mean == pytest.approx((0.4815, 0.4578, 0.4082), abs=1e-4)
    assert spec.std == pytest.approx((0.2686, 0.2613, 0.2758), abs=1e-4)


@pytest.mark.parametrize("layer", range(-3, 3))
def test_a_layer_of_a_transformer_is_what_its_block_gives(layer: int, open_clip_names: Names, built: Built) -> None:
    pixels = torch.randn(2, 3, 30, 46)
    module = built(OpenClip(model=open_clip_names["vit"], layer=layer, select="cls_patch"))
    given: list[torch.Tensor] = []
    module.model.transformer.resblocks[layer].register_forward_hook(lambda _, __, output: given.append(output))
    module.model(pixels)
    features = module(pixels)
    torch.testing.assert_close(features, given[0])
    assert features.shape == (2, 7, 32)
    assert torch.equal(built(OpenClip(model=open_clip_names["vit"], layer=layer))(pixels), features[:, 1:])


@pytest.mark.parametrize("layer", [-1, -2, 1])
def test_a_layer_of_a_resnet_is_a_stage(layer: int, open_clip_names: Names, built: Built) -> None:
    pixels = torch.randn(1, 3, 64, 64)
    module = built(OpenClip(model=open_clip_names["resnet"], layer=layer))
    net = module.model
    stage = net.stem(pixels)
    for part in [net.layer1, net.layer2, net.layer3, net.layer4][: layer % 5]:
        stage = part(stage)
    torch.testing.assert_close(module(pixels), stage.flatten(2).transpose(1, 2))


@pytest.mark.parametrize(("name", "patches"), [("vit", 6), ("timm-vit", 100)])
def test_cls_patch_puts_the_class_token_in_front_of_the_same_patches(
    name: str, patches: int, open_clip_names: Names, built: Built, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    both = OpenClip(model=open_clip_names[name], select="cls_patch")
    spec = conforms(both)
    assert (spec.class_token, spec.tokens) == (True, 1 + patches)
    pixels = torch.randn(1, 3, *spec.size)
    features = built(both)(pixels)
    assert torch.equal(features[:, 1:], built(OpenClip(model=open_clip_names[name]))(pixels))


@pytest.mark.parametrize("name", ["resnet", "timm-convnext"])
def test_without_a_class_token_there_is_none_to_select(name: str, open_clip_names: Names) -> None:
    model = open_clip_names[name]
    with pytest.raises(RemgclError, match=rf"^vision tower '{model}': has no class token; select can only be 'patch'$"):
        OpenClip(model=model, select="cls_patch").spec()


@pytest.mark.parametrize("name", ["vit", "timm-vit"])
def test_patches_of_a_transformer_are_in_rows_from_the_upper_left(
    name: str, open_clip_names: Names, patch_of_each_patch: Callable[[VisionTower], list[int]]
) -> None:
    places = patch_of_each_patch(OpenClip(model=open_clip_names[name], layer=0))
    assert places == list(range(len(places)))


@pytest.mark.parametrize("name", ["resnet", "timm-convnext"])
def test_patches_of_a_convolutional_net_are_in_rows_from_the_upper_left(
    name: str, open_clip_names: Names, corner_of_each_quarter: Callable[[VisionTower], list[int]]
) -> None:
    assert corner_of_each_quarter(OpenClip(model=open_clip_names[name], layer=-2)) == [0, 1, 2, 3]


def test_an_unknown_model_is_told_with_the_nearest() -> None:
    for use in (OpenClip(model="ViT-L14").spec, OpenClip(model="ViT-L14").build):
        with pytest.raises(
            RemgclError, match=r"^vision tower: OpenCLIP has no model 'ViT-L14'; the nearest are 'ViT-L-14', '"
        ):
            use()


@pytest.mark.parametrize("name", ["vit", "resnet", "timm-vit", "timm-convnext"])
@pytest.mark.parametrize("layer", [9, -9])
def test_a_layer_that_does_not_exist_is_told(name: str, layer: int, open_clip_names: Names) -> None:
    model = open_clip_names[name]
    with pytest.raises(RemgclError, match=rf"^vision tower '{model}': has no layer {layer}; .* is out of range"):
        OpenClip(model=model, layer=layer).spec()


def test_the_seed_decides_random_weights(open_clip_names: Names, built: Built) -> None:
    tower, pixels = OpenClip(model=open_clip_names["vit"]), torch.randn(1, 3, 30, 46)
    first, again, other = (built(tower, seed=seed)(pixels) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert not tower.restorable
    tower.verify()


def test_a_file_of_weights_is_read(open_clip_names: Names, tmp_path: Path, built: Built) -> None:
    import open_clip

    torch.manual_seed(7)
    whole, file = open_clip.create_model(open_clip_names["vit"]), tmp_path / "weights.pt"
    torch.save(whole.state_dict(), file)
    tower = OpenClip(model=open_clip_names["vit"], pretrained=str(file))
    assert tower.restorable
    tower.verify()
    for name, tensor in built(tower).model.state_dict().items():
        assert torch.equal(tensor, whole.visual.state_dict()[name])
    random = built(tower, pretrained=False).model
    assert not torch.equal(random.conv1.weight, whole.visual.conv1.weight)
    torch.save({name: tensor for name, tensor in whole.state_dict().items() if name != "visual.conv1.weight"}, file)
    with pytest.raises(WeightsError, match=rf"^weights '{file}': cannot be read; Error\(s\) in loading"):
        tower.build()


def test_weights_that_are_nowhere_are_told_before_they_are_read(open_clip_names: Names) -> None:
    OpenClip(model="RN50", pretrained="openai").verify()
    with pytest.raises(
        WeightsError,
        match=r"^weights 'opnai': neither a file nor known to OpenCLIP for 'RN50'; there is 'openai', 'yfcc15m', '",
    ):
        OpenClip(model="RN50", pretrained="opnai").verify()
    tower = OpenClip(model=open_clip_names["vit"], pretrained="none.pt")
    with pytest.raises(WeightsError, match=rf"for '{tower.model}'; there is nothing$"):
        tower.verify()
    with pytest.raises(WeightsError, match=r"^weights 'none.pt': cannot be read; Pretrained value 'none.pt' is not"):
        tower.build()


@pytest.mark.parametrize(
    ("model", "mean", "std", "interpolation"),
    [
        ("ViT-B-16-SigLIP", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic"),
        ("ViT-L-14-CLIPA", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear"),
        ("MobileCLIP-S1", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear"),
        ("PE-Core-T-16-384", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear"),
        ("ViT-L-14", open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD, "bicubic"),
        ("RN50", open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD, "bicubic"),
    ],
)
def test_a_file_of_weights_has_the_input_of_its_architecture(
    model: str, mean: tuple[float, ...], std: tuple[float, ...], interpolation: str
) -> None:
    """ViT-L-14 has weights with two kinds of colours, so that only CLIP's are left."""
    own = OpenClip(model=model, pretrained="some.pt", layer=-1).spec()
    assert (own.mean, own.std, own.interpolation) == (mean, std, interpolation)


def test_the_chosen_weights_decide_where_those_of_an_architecture_differ() -> None:
    tags = open_clip.pretrained._PRETRAINED["ViT-L-14"]
    odd = next(tag for tag, told in tags.items() if tuple(told["mean"]) == (0.5, 0.5, 0.5))
    assert OpenClip(model="ViT-L-14", pretrained=odd).spec().mean == (0.5, 0.5, 0.5)


def test_the_input_can_be_set_in_the_recipe(
    open_clip_names: dict[str, str], conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    set_ = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "interpolation": "box"}
    spec = conforms(OpenClip(model=open_clip_names["vit"], size=(60, 46), **set_))
    assert {name: getattr(spec, name) for name in set_} == set_
    assert (spec.size, spec.grid.rows, spec.grid.columns) == ((60, 46), 4, 3)
