"""An assembly: tokenizer, encoder and model of a recipe, without a run folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from remgcl import Recipe, RunError
from remgcl.core.data.markers import START
from remgcl.core.model.assembly import Assembly
from remgcl.core.model.saved import save_parts, saved_parts
from remgcl.core.recipe.recipe import PARTS

Read = Callable[..., Recipe]


def test_what_is_read_is_read_once(read: Read) -> None:
    assembly = Assembly(recipe=read(), stage="tune")
    assert assembly.tokenizer is assembly.tokenizer
    assert assembly.encoder is assembly.encoder
    assert assembly.tower is assembly.tower


def test_the_encoder_follows_the_stage(read: Read) -> None:
    recipe = read("stages.tune.image_aspect=crop", "stages.tune.max_length=77", "stages.tune.resampling=fast")
    assembly = Assembly(recipe=recipe, stage="tune")
    encoder = assembly.encoder
    assert (encoder.aspect, encoder.max_length, encoder.keep) == ("crop", 77, None)
    assert encoder.resampling == "fast"
    assert encoder.template == recipe.stages["tune"].template
    assert encoder.tower == recipe.vision_tower.spec()
    assert encoder.tokenizer is assembly.tokenizer
    assert assembly.collator.tower == encoder.tower


def test_the_tokenizer_knows_the_image_markers_of_the_backbone(read: Read) -> None:
    assert START not in Assembly(recipe=read(), stage="tune").tokenizer.get_vocab()
    assert START in Assembly(recipe=read("backbone.image_markers=true"), stage="tune").tokenizer.get_vocab()


def test_the_same_recipe_gives_the_same_model(read: Read) -> None:
    first, second = (Assembly(recipe=read(), stage="tune").build_model() for _ in range(2))
    other = Assembly(recipe=read("seed=4"), stage="tune").build_model()
    weights = [model.backbone.get_input_embeddings().weight for model in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("names", [PARTS, ("projector",)])
def test_saved_parts_are_loaded_and_the_others_built(read: Read, tmp_path: Path, names: tuple[str, ...]) -> None:
    assembly = Assembly(recipe=read(), stage="tune")
    changed = assembly.build_model()
    with torch.no_grad():
        for tensor in changed.parameters():
            tensor.add_(1)
    save_parts({name: changed.get_submodule(name) for name in names}, {part: {} for part in PARTS}, tmp_path / "model")
    loaded, built = assembly.build_model(saved_parts(tmp_path / "model")), assembly.build_model()
    for name in PARTS:
        expected = (changed if name in names else built).get_submodule(name).state_dict()
        for key, tensor in loaded.get_submodule(name).state_dict().items():
            assert torch.equal(tensor, expected[key]), (name, key)


def test_a_saved_part_that_is_missing_is_an_error(read: Read, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"projector\.safetensors: cannot be loaded"):
        Assembly(recipe=read(), stage="tune").build_model({"projector": tmp_path / "projector.safetensors"})
