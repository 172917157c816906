"""What the towers of transformers share: any hidden layer of the full model, and clear errors without weights."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from remgcl import PatchGrid, TowerSpec, VisionTower, WeightsError

Built = Callable[..., nn.Module]


@pytest.fixture(params=["clip", "siglip"])
def family(request: pytest.FixtureRequest, saved: Callable[[str], SimpleNamespace]) -> SimpleNamespace:
    """A small model of each family."""
    return saved(request.param)


@pytest.fixture
def copy(family: SimpleNamespace, tmp_path: Path) -> Path:
    """A copy of the model's folder, to break."""
    return Path(shutil.copytree(family.weights, tmp_path / "copy"))


def _same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def test_what_is_left_over_of_the_input_belongs_to_no_patch(
    family: SimpleNamespace, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    spec = conforms(family.part(weights=family.weights))
    assert (spec.width, spec.size) == (16, (30, 30))
    assert spec.grid == PatchGrid(rows=2, columns=2, patch=(14, 14))
    assert (spec.class_token, spec.tokens) == (False, 4)


@pytest.mark.parametrize("layer", range(-4, 4))
def test_a_hidden_layer_is_that_of_the_full_model(layer: int, family: SimpleNamespace, built: Built) -> None:
    pixels = torch.randn(2, 3, 30, 30)
    hidden: Tensor = family.full(pixel_values=pixels, output_hidden_states=True).hidden_states[layer]
    features = built(family.part(weights=family.weights, layer=layer))(pixels)
    torch.testing.assert_close(features, hidden[:, family.prefix :], rtol=0, atol=1e-5)


def test_no_two_layers_are_alike(family: SimpleNamespace, built: Built) -> None:
    pixels = torch.randn(1, 3, 30, 30)
    layers = [built(family.part(weights=family.weights, layer=layer))(pixels) for layer in range(4)]
    for place, layer in enumerate(layers):
        assert not any(torch.allclose(layer, other, atol=1e-2) for other in layers[:place])


@pytest.mark.parametrize(("layer", "layers"), [(0, 1), (1, 2), (-2, 3), (-1, 3)])
def test_layers_above_the_one_that_is_used_are_left_out(
    layer: int, layers: int, family: SimpleNamespace, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    tower = family.part(weights=family.weights, layer=layer)
    conforms(tower)
    one = sum(parameter.numel() for parameter in family.full.encoder.layers[0].parameters())
    whole = sum(parameter.numel() for parameter in family.full.parameters())
    assert tower.parameters() == whole - (3 - layers) * one


@pytest.mark.parametrize("layer", [-5, 4, 100])
def test_a_layer_that_does_not_exist_is_told(layer: int, family: SimpleNamespace) -> None:
    tower = family.part(weights=family.weights, layer=layer)
    with pytest.raises(WeightsError, match=rf"^weights '{family.weights}': no hidden layer {layer}; there are 0 to 3$"):
        tower.build()
    with pytest.raises(WeightsError, match="no hidden layer"):
        tower.parameters()


def test_patches_are_in_rows_from_the_upper_left(
    copy: Path, family: SimpleNamespace, patch_of_each_patch: Callable[[VisionTower], list[int]]
) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"image_size": 50}))
    shutil.rmtree(copy / "model.safetensors", ignore_errors=True)
    full = type(family.full)(type(family.full.config)(**{**config, "image_size": 50}))
    full.save_pretrained(copy)
    assert patch_of_each_patch(family.part(weights=str(copy), layer=0)) == list(range(9))
    assert patch_of_each_patch(family.part(weights=str(copy), layer=1)) == list(range(9))


def test_colours_are_read_beside_the_weights_or_are_those_of_the_family(copy: Path, family: SimpleNamespace) -> None:
    tower = family.part(weights=str(copy))
    assert (tower.spec().mean, tower.spec().std) == (family.part.MEAN, family.part.STD)
    (copy / "preprocessor_config.json").write_text('{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}')
    assert (tower.spec().mean, tower.spec().std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    (copy / "preprocessor_config.json").write_text("[]")
    with pytest.raises(WeightsError, match=r"preprocessor_config.json': cannot be read; it is not a JSON object"):
        tower.spec()


def test_the_processor_file_of_transformers_5_counts_too(copy: Path, family: SimpleNamespace) -> None:
    own = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "resample": 2, "size": {"shortest_edge": 30}}
    (copy / "processor_config.json").write_text(json.dumps({"image_processor": own, "processor_class": "Any"}))
    spec = family.part(weights=str(copy)).spec()
    assert (spec.mean, spec.std, spec.interpolation) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear")


def test_a_size_that_the_tower_does_not_take_is_refused_unless_the_recipe_chooses(
    copy: Path, family: SimpleNamespace
) -> None:
    (copy / "preprocessor_config.json").write_text('{"size": {"height": 58, "width": 58}}')
    with pytest.raises(
        WeightsError,
        match=r"preprocessor_config.json: size: 58 x 58 is not that of config.json; there is image_size 30; choose",
    ):
        family.part(weights=str(copy)).spec()
    assert family.part(weights=str(copy), size=(58, 58)).spec().grid.rows == 4


def test_the_input_can_be_set_in_the_recipe(
    copy: Path, family: SimpleNamespace, built: Built, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    set_ = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "interpolation": "box"}
    tower = family.part(weights=str(copy), size=(58, 30), layer=-1, **set_)
    spec = conforms(tower)
    assert {name: getattr(spec, name) for name in set_} == set_
    assert (spec.grid.rows, spec.grid.columns) == (4, 2)
    pixels = torch.randn(1, 3, 58, 30)
    full = family.full(pixel_values=pixels, output_hidden_states=True, interpolate_pos_encoding=True)
    torch.testing.assert_close(built(tower)(pixels), full.hidden_states[-1][:, family.prefix :], rtol=0, atol=1e-5)
    with pytest.raises(WeightsError, match=r"^size: \(8, 30\) holds no patch; a patch is 14 x 14 pixels$"):
        family.part(weights=str(copy), size=(8, 30)).spec()
    with pytest.raises(ValueError, match=r"must hold positive numbers only$"):
        family.part(weights=str(copy), std=(0.0, 1.0, 1.0))


@pytest.mark.parametrize("given", ["dinov2", "siglip2", "siglip2_vision_model", "chinese_clip", "vit", "clipseg"])
def test_weights_of_another_family_are_refused_by_their_model_type(
    given: str, copy: Path, family: SimpleNamespace
) -> None:
    """DINOv2 has all of CLIP's settings, and NaFlex all of SigLIP's: they would load, and see noise."""
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": given}))
    for attempt in (family.part(weights=str(copy)).spec, family.part(weights=str(copy)).build):
        with pytest.raises(
            WeightsError, match=rf"config.json: model_type: '{given}' is no tower of this family; there"
        ):
            attempt()


def test_weights_of_half_precision_become_float32(copy: Path, family: SimpleNamespace, built: Built) -> None:
    half = type(family.full).from_pretrained(copy, dtype=torch.float16)
    half.save_pretrained(copy)
    module = built(family.part(weights=str(copy), layer=-1))
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert _same(module.model, half.float())


def test_weights_are_read_from_their_name_each_time(family: SimpleNamespace, built: Built) -> None:
    tower = family.part(weights=family.weights)
    assert tower.restorable
    assert _same(built(tower, seed=1), built(tower, seed=2))


def test_without_weights_a_configuration_is_enough_and_the_seed_decides(
    copy: Path, family: SimpleNamespace, built: Built, conforms: Callable[[VisionTower], TowerSpec]
) -> None:
    tower = family.part(weights=str(copy))
    there = built(tower)
    assert not _same(built(tower, pretrained=False), there)
    (copy / "model.safetensors").unlink()
    first, again, other = (built(tower, seed=seed, pretrained=False) for seed in (1, 1, 2))
    assert _same(first, again)
    assert not _same(first, other)
    assert [parameter.shape for parameter in first.parameters()] == [one.shape for one in there.parameters()]
    assert tower.spec().tokens == 4
    assert tower.parameters() == sum(parameter.numel() for parameter in there.parameters())
    with pytest.raises(WeightsError, match=rf"^weights '{copy}': cannot be read; .*; it is a folder$"):
        conforms(tower)


def test_weights_are_verified_without_being_read(copy: Path, family: SimpleNamespace) -> None:
    tower = family.part(weights=str(copy))
    (copy / "model.safetensors").write_bytes(b"no tensors")
    tower.verify()
    (copy / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=rf"^weights '{copy}': the folder holds no tensors; expected \*.safetensors"):
        tower.verify()
    with pytest.raises(WeightsError, match=rf"^weights '{copy}/none': there is no such folder$"):
        family.part(weights=f"{copy}/none").verify()
    with pytest.raises(WeightsError, match=r"download it with: hf download nobody/nothing$"):
        family.part(weights="nobody/nothing").verify()


@pytest.mark.parametrize("weights", ["nobody/nothing", "/no/such/folder", "two words"])
def test_weights_that_are_nowhere_are_told(weights: str, family: SimpleNamespace) -> None:
    for use in (family.part(weights=weights).spec, family.part(weights=weights).build):
        with pytest.raises(WeightsError, match=rf"^weights '{weights}': cannot be read; .*there is no such folder"):
            use()


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (None, "cannot be read; there is no config.json"),
        ("{", "cannot be read; Expecting property name enclosed in double quotes"),
        ("[]", "cannot be read; it is not a JSON object"),
        ('{"image_size": "large"}', "cannot be read; Validation error for field 'image_size'"),
    ],
)
def test_a_broken_configuration_is_told(raw: str | None, what: str, copy: Path, family: SimpleNamespace) -> None:
    if raw is None:
        (copy / "config.json").unlink()
    else:
        (copy / "config.json").write_text(raw)
    tower = family.part(weights=str(copy))
    for use in (tower.spec, tower.build, tower.parameters):
        with pytest.raises(WeightsError, match=rf"^weights '{copy}[a-z./]*': {re.escape(what)}"):
            use()


def test_a_configuration_that_makes_no_model_is_told(copy: Path, family: SimpleNamespace) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"num_attention_heads": 5}))
    tower = family.part(weights=str(copy))
    for use in (tower.build, tower.parameters):
        with pytest.raises(WeightsError, match=rf"^weights '{copy}': cannot be read; .*5.*; it is a folder$"):
            use()


def test_a_broken_file_of_weights_is_told(copy: Path, family: SimpleNamespace) -> None:
    (copy / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=rf"^weights '{copy}': cannot be read; .*; it is a folder$"):
        family.part(weights=str(copy)).build()


def test_a_tensor_that_is_missing_is_never_made_up(copy: Path, family: SimpleNamespace, built: Built) -> None:
    file = copy / "model.safetensors"
    tensors = load_file(file)
    lost = sorted(name for name in tensors if ".layers.1.mlp." in name)
    save_file({name: tensor for name, tensor in tensors.items() if name not in lost}, file, {"format": "pt"})
    with pytest.raises(
        WeightsError, match=rf"^weights '{copy}': lack tensors of the tower; 4 of them, the first '{lost[0]}'$"
    ):
        built(family.part(weights=str(copy)))
    built(family.part(weights=str(copy), layer=0))  # needs no second layer


def test_a_pooling_head_may_be_missing(saved: Callable[[str], SimpleNamespace], tmp_path: Path, built: Built) -> None:
    family = saved("siglip")
    copy = Path(shutil.copytree(family.weights, tmp_path / "copy"))
    tensors = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "head." not in name}
    assert len(kept) < len(tensors)
    save_file(kept, copy / "model.safetensors", {"format": "pt"})
    pixels = torch.randn(1, 3, 30, 30)
    whole, headless = (built(family.part(weights=weights))(pixels) for weights in (family.weights, str(copy)))
    assert torch.equal(whole, headless)


def test_weights_of_another_family_are_refused(saved: Callable[[str], SimpleNamespace]) -> None:
    for one, other in (("clip", "siglip"), ("siglip", "clip")):
        weights = saved(other).weights
        with pytest.raises(WeightsError, match=rf"^weights '{weights}': "):
            saved(one).part(weights=weights).build()
