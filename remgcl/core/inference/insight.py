"""What the contrastive losses did: how similar a text is to each patch of an image, by the losses' own cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, frozen

from remgcl.core.authoring.inspection import Inspection
from remgcl.core.authoring.overlay import draw_image, patch_boxes, zoom_of
from remgcl.core.errors import RequestError
from remgcl.core.samples import Region, Sample, Turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from remgcl.core.inference.loaded import LoadedModel

COLD, HOT = (30, 70, 200), (220, 30, 30)
"""Colours of the least and the most similar patch."""

STRENGTH = 0.6
"""How much of its colour a patch takes."""


@frozen(eq=False)
class Similarity:
    """How similar a text is to the patches of an image.

    Attributes:
        cosine: Cosines, float32 `[rows, columns]`; NaN on patches that show only padding.
        picture: The image as the tower sees it, each patch coloured by its cosine.
    """

    cosine: npt.NDArray[np.float32]
    picture: Image


def similarity(model: LoadedModel, image: Image, text: str) -> Similarity:
    """Compare a text with the patches of an image.

    The text is the mean of its tokens' input embeddings and a patch is the projected patch, as the refined-local loss
    has them with `text_layer = 0`.

    Args:
        model: The model.
        image: The image.
        text: A word, or several.

    Raises:
        DataError: The image leaves no room for text.
        RequestError: The text has no token.
    """
    import torch
    from torch.nn.functional import cosine_similarity

    ids = model.tokenizer.encode(text, add_special_tokens=False)
    if not ids:
        raise RequestError(f"text {text!r}: has no token")
    seen = inspection(model, image)
    assert seen.example.image is not None  # noqa: S101 - it was given
    device = next(model.model.parameters()).device
    with torch.inference_mode():
        pixels = torch.from_numpy(seen.example.image.pixels)[None].to(device)
        patches = model.model.encode_images(pixels)[0, int(model.encoder.tower.class_token) :].float()  # [P, D]
        table: Any = model.model.backbone.get_input_embeddings()
        word = table(torch.tensor(ids, device=device)).float().mean(dim=0)  # [D]
        cosine = cosine_similarity(patches, word[None], dim=-1).cpu().numpy()  # [P]
    cosine = np.where(seen.example.image.patch_mask, cosine, np.nan).astype(np.float32)
    grid = model.encoder.tower.grid
    return Similarity(cosine.reshape(grid.rows, grid.columns), _coloured(seen, cosine))


def regions_picture(model: LoadedModel, image: Image, regions: Sequence[Region]) -> Image:
    """Draw an image as the tower sees it, with its text regions and the patches that each owns.

    Args:
        model: The model.
        image: The image.
        regions: Its text regions.

    Raises:
        DataError: The image leaves no room for text.
    """
    return draw_image(inspection(model, image, regions))


def inspection(model: LoadedModel, image: Image, regions: Sequence[Region] = ()) -> Inspection:
    """Encode an image as the model gets it.

    Args:
        model: The model.
        image: The image.
        regions: Its text regions.
    """
    encoder = evolve(model.encoder, max_length=model.context)
    sample = Sample("picture", (Turn("user", "", image=True), Turn("assistant", "a")), image, tuple(regions))
    return Inspection(
        recipe=model.recipe.name,
        stage=model.stage,
        index=0,
        samples=1,
        sample=sample,
        example=encoder(sample),
        encoder=encoder,
    )


def _coloured(seen: Inspection, cosine: npt.NDArray[np.float32]) -> Image:
    """Colour each patch between the least and the most similar one."""
    from PIL import Image

    picture, tower = draw_image(seen), seen.encoder.tower
    low, high = np.nanmin(cosine), np.nanmax(cosine)
    boxes = patch_boxes(tower.grid, zoom_of(tower.size))
    for box, value in zip(boxes, cosine, strict=True):
        if np.isnan(value):
            continue
        share = float((value - low) / max(high - low, 1e-9))
        colour = tuple(round(cold + share * (hot - cold)) for cold, hot in zip(COLD, HOT, strict=True))
        patch = picture.crop(box)
        picture.paste(Image.blend(patch, Image.new("RGB", patch.size, colour), STRENGTH), box)
    return picture
