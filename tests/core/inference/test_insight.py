"""What patches know of a word: the cosine of the losses, laid on the image."""

import numpy as np
import pytest
import torch
from PIL import Image

from remgcl import Region, RequestError
from remgcl.core.inference.insight import regions_picture, similarity
from remgcl.core.inference.loaded import LoadedModel
from remgcl.plugins.losses.refined_local import RefinedLocal


def test_the_map_holds_the_cosine_of_each_patch_and_the_mean_token(asked_model: LoadedModel) -> None:
    picture = Image.effect_noise((32, 32), 90).convert("RGB")
    found = similarity(asked_model, picture, "ab")
    pixels = torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy())[None]
    patches = asked_model.model.encode_images(pixels)[0].detach()
    table = asked_model.model.backbone.get_input_embeddings().weight.detach()
    word = table[asked_model.tokenizer.encode("ab", add_special_tokens=False)].mean(dim=0)
    for place, patch in enumerate(patches):
        expected = float(patch @ word / patch.norm() / word.norm())
        assert found.cosine[divmod(place, 4)] == pytest.approx(expected, abs=1e-5)


def test_patches_that_show_only_padding_have_none(asked_model: LoadedModel) -> None:
    found = similarity(asked_model, Image.effect_noise((40, 16), 90).convert("RGB"), "a")
    assert np.isnan(found.cosine).any(axis=1).tolist() == [True, False, False, True]
    assert not np.isnan(found.cosine[1:3]).any()


def test_the_most_similar_patch_is_the_reddest(asked_model: LoadedModel) -> None:
    found = similarity(asked_model, Image.new("RGB", (32, 32), (128, 128, 128)).convert("RGB"), "a")
    assert found.picture.width == found.picture.height
    noise = similarity(asked_model, Image.effect_noise((32, 32), 200).convert("RGB"), "a")
    cells = np.asarray(noise.picture.resize((4, 4), Image.Resampling.BOX)).astype(int)
    redness = cells[..., 0] - cells[..., 2]
    assert np.unravel_index(redness.argmax(), (4, 4)) == np.unravel_index(noise.cosine.argmax(), (4, 4))
    assert np.unravel_index(redness.argmin(), (4, 4)) == np.unravel_index(noise.cosine.argmin(), (4, 4))


def test_a_word_without_a_token_is_refused(asked_model: LoadedModel) -> None:
    with pytest.raises(RequestError, match="text '': has no token"):
        similarity(asked_model, Image.new("RGB", (8, 8)), "")


def test_regions_are_drawn_on_the_patches_that_they_own(asked_model: LoadedModel) -> None:
    picture = Image.new("RGB", (32, 32), (200, 200, 200))
    region = Region("a", ((0, 0), (16, 0), (16, 8), (0, 8)))
    plain, drawn = (np.asarray(regions_picture(asked_model, picture, given)) for given in ((), (region,)))
    changed = (plain != drawn).any(axis=-1)
    size = changed.shape[0] // 4
    assert changed[size // 2, size // 2]
    assert not changed[3 * size :, :].any()
    assert RefinedLocal().text_layer == 0
