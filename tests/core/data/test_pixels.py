"""Pixels: what a tower sees of an image, bit for bit, and the record of how it got there."""

from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.Image import Resampling

from remgcl.core.data.geometry import crop_size, place
from remgcl.core.data.pixels import FAST_BOUND, prepare
from remgcl.core.parts import Aspect, Interpolation

GREY = (0.5, 0.5, 0.5)


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Draw an image in which every pixel differs from its neighbours."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("size", [(24, 24), (24, 40), (40, 24)])
@pytest.mark.parametrize("original", [(60, 31), (31, 60), (40, 40), (5, 3), (1, 1)])
def test_pixels_have_the_size_of_the_input_and_come_with_their_placement(
    original: tuple[int, int], size: tuple[int, int], aspect: Aspect
) -> None:
    pixels, placement = prepare(noise(*original), size, aspect, GREY)

    assert pixels.shape == (3, *size)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable  # a tensor can share it
    assert placement == place(original, size, aspect)


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
def test_an_image_of_the_right_size_keeps_every_pixel(aspect: Aspect) -> None:
    image = noise(32, 32)

    pixels, _ = prepare(image, (32, 32), aspect, GREY)

    assert (pixels == np.asarray(image).transpose(2, 0, 1)).all()


@pytest.mark.parametrize(
    "original", [(300, 200), (200, 300), (225, 511), (100, 37), (224, 224), (7, 9), (1200, 899), (1, 2)]
)
def test_a_crop_is_bit_for_bit_that_of_clips_image_processor(original: tuple[int, int]) -> None:
    kind = getattr(transformers, "CLIPImageProcessorPil", transformers.CLIPImageProcessor)  # the one that uses Pillow
    processor = kind(
        size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224}, do_rescale=False, do_normalize=False
    )
    image = noise(*original)

    pixels, _ = prepare(image, (224, 224), "crop", GREY)

    assert (pixels == processor(image, return_tensors="np")["pixel_values"][0]).all()


@pytest.mark.parametrize("size", [(48, 20), (20, 48)])
def test_a_crop_that_is_no_square_fills_its_longer_edge_and_takes_the_middle(size: tuple[int, int]) -> None:
    image = noise(90, 60)

    pixels, _ = prepare(image, size, "crop", GREY)

    resized = np.asarray(image.resize((72, 48), Resampling.BICUBIC))
    top, left = (48 - size[0]) // 2, (72 - size[1]) // 2
    assert (pixels == resized[top : top + size[0], left : left + size[1]].transpose(2, 0, 1)).all()


def test_a_stretch_is_pillows_bicubic_resize() -> None:
    image = noise(90, 61)

    pixels, _ = prepare(image, (24, 56), "stretch", GREY)

    assert (pixels == np.asarray(image.resize((56, 24), Resampling.BICUBIC)).transpose(2, 0, 1)).all()


@pytest.mark.parametrize(("original", "margins"), [((8, 5), (1, 2)), ((8, 4), (2, 2))])
def test_padding_has_the_mean_colour_rounded_down_and_an_odd_rest_comes_last(
    original: tuple[int, int], margins: tuple[int, int]
) -> None:
    mean = (0.48145466, 0.4578275, 0.999)
    image = noise(*original)

    upright, _ = prepare(image.transpose(Image.Transpose.TRANSPOSE), (8, 8), "pad", mean)
    flat, _ = prepare(image, (8, 8), "pad", mean)

    before, after = margins
    padding = np.concatenate([flat[:, :before], flat[:, 8 - after :]], axis=1)
    assert set(zip(*padding.reshape(3, -1).tolist(), strict=True)) == {(122, 116, 254)}
    assert (flat[:, before : 8 - after] == np.asarray(image).transpose(2, 0, 1)).all()
    assert (upright == flat.transpose(0, 2, 1)).all()


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I"])
def test_an_image_of_any_mode_is_seen_in_colour(mode: str, aspect: Aspect) -> None:
    image = noise(20, 12).convert(mode)

    pixels, _ = prepare(image, (16, 16), aspect, GREY)

    assert pixels.shape == (3, 16, 16)
    assert (pixels == prepare(image.convert("RGB"), (16, 16), aspect, GREY)[0]).all()


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
def test_what_is_transparent_has_the_colour_of_padding(aspect: Aspect) -> None:
    image = Image.new("RGBA", (20, 12), (0, 0, 0, 0))

    pixels, _ = prepare(image, (16, 16), aspect, (0.5, 0.25, 1.0))

    assert (pixels == np.array([127, 63, 255])[:, None, None]).all()


@pytest.mark.parametrize(("interpolation", "aspect"), [(name, "pad") for name in get_args(Interpolation)])
def test_the_interpolation_of_the_tower_resizes(interpolation: Interpolation, aspect: Aspect) -> None:
    image = noise(40, 40)

    pixels, _ = prepare(image, (24, 24), aspect, GREY, interpolation=interpolation)

    expected = np.asarray(image.resize((24, 24), Resampling[interpolation.upper()])).transpose(2, 0, 1)
    assert (pixels == expected).all()
    if interpolation != "bicubic":
        assert (pixels != prepare(image, (24, 24), aspect, GREY)[0]).any()


@pytest.mark.parametrize("original", [(8000, 2), (2, 8000), (13377, 1), (330, 10), (3000, 70)])
def test_of_a_strip_only_what_the_crop_shows_is_resized(
    original: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = noise(*original)
    whole = np.asarray(image.resize(crop_size(original, (24, 24)), Resampling.BICUBIC))
    resize, made = Image.Image.resize, []

    def watched(self: Image.Image, size: tuple[int, int], *options: object, **named: object) -> Image.Image:
        made.append(size)
        return resize(self, size, *options, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Image.Image, "resize", watched)
    pixels, placement = prepare(image, (24, 24), "crop", GREY)

    top, left = (whole.shape[0] - 24) // 2, (whole.shape[1] - 24) // 2
    due = whole[top : top + 24, left : left + 24].transpose(2, 0, 1)
    clipped = 1 if original[0] > original[1] else 8  # of what is tall, Pillow may begin with the height
    assert np.abs(pixels.astype(int) - due).max() <= clipped
    assert placement == place(original, (24, 24), "crop")
    assert made == [(24, 24)]


@pytest.mark.parametrize("aspect", ["pad", "crop", "stretch"])
def test_the_original_is_left_alone(aspect: Aspect) -> None:
    image = noise(20, 12)
    before = image.tobytes()

    pixels, _ = prepare(image, (12, 20), aspect, GREY)
    pixels[:] = 0

    assert (image.size, image.tobytes()) == ((20, 12), before)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(60, 400), st.integers(60, 400)),
    st.sampled_from([(96, 96), (64, 128), (128, 64)]),
    st.sampled_from(["pad", "crop", "stretch"]),
    st.tuples(st.floats(0.2, 0.6), st.floats(0.2, 0.6)),
)
def test_what_stands_in_the_image_is_found_where_the_placement_says(
    original: tuple[int, int], size: tuple[int, int], aspect: Aspect, at: tuple[float, float]
) -> None:
    """A black box on white; its visible edges are where the placement maps its corners."""
    left, top = (round(share * length) for share, length in zip(at, original, strict=True))
    right, bottom = left + original[0] // 4, top + original[1] // 4
    image = Image.new("RGB", original, "white")
    image.paste((0, 0, 0), (left, top, right, bottom))

    pixels, placement = prepare(image, size, aspect, (1.0, 1.0, 1.0))

    black = pixels[0] < 128
    limit = size[::-1]
    low, high = placement.apply([(left, top), (right, bottom)]).clip(0, limit)
    if (high - low).min() < 3:
        return  # too little of the box is left to tell where it ends
    down, across = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    assert (across[0], down[0]) == pytest.approx(tuple(low), abs=1)
    assert (across[-1] + 1, down[-1] + 1) == pytest.approx(tuple(high), abs=1)


@settings(deadline=None, max_examples=80)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)).filter(lambda size: max(size) <= 20 * min(size)),
    st.sampled_from([(64, 64), (48, 96), (96, 48)]),
    st.sampled_from(["pad", "crop", "stretch"]),
    st.sampled_from(["noise", "black and white", "smooth"]),
    st.integers(0, 9),
    st.sampled_from(["bicubic", "bilinear", "lanczos"]),
)
def test_fast_resampling_is_within_its_bound_of_the_exact_one(  # noqa: PLR0913, PLR0917 - what the property draws
    original: tuple[int, int], size: tuple[int, int], aspect: Aspect, kind: str, seed: int, interpolation: Interpolation
) -> None:
    """On noise, on noise of the two extremes, and on soft spots as in a photograph."""
    image = noise(*original, seed)
    if kind == "black and white":
        image = image.point(lambda value: 255 * (value > 127))
    elif kind == "smooth":
        image = noise(1 + original[0] // 9, 1 + original[1] // 9, seed).resize(original, Resampling.BICUBIC)

    exact, placed = prepare(image, size, aspect, GREY, "exact", interpolation)
    fast, placement = prepare(image, size, aspect, GREY, "fast", interpolation)

    assert np.abs(fast.astype(int) - exact).max() <= FAST_BOUND
    assert (fast.shape, fast.dtype, placement) == (exact.shape, np.uint8, placed)
    assert fast.flags.c_contiguous
    assert fast.flags.writeable


@pytest.mark.parametrize(("original", "aspect"), [((90, 61), "pad"), ((61, 90), "pad"), ((90, 61), "crop")])
def test_fast_resampling_is_another_one(original: tuple[int, int], aspect: Aspect) -> None:
    image = noise(*original)

    fast, _ = prepare(image, (48, 48), aspect, GREY, "fast")

    assert (fast != prepare(image, (48, 48), aspect, GREY)[0]).any()


@pytest.mark.parametrize(("original", "size"), [((61, 90), (48, 48)), ((168, 826), (48, 48)), ((90, 61), (24, 96))])
def test_what_loses_more_of_its_height_is_resized_exactly(original: tuple[int, int], size: tuple[int, int]) -> None:
    image = noise(*original)
    aspect: Aspect = "crop" if size == (48, 48) else "stretch"

    fast, _ = prepare(image, size, aspect, GREY, "fast")

    assert (fast == prepare(image, size, aspect, GREY)[0]).all()


def test_the_published_pixels_are_reproduced(published: SimpleNamespace) -> None:
    pixels = published.batch["pixels"].numpy().astype(np.float64) / 255
    normalised = (pixels - np.reshape(published.spec.mean, (3, 1, 1))) / np.reshape(published.spec.std, (3, 1, 1))

    assert normalised.shape == (3, 3, 224, 224)
    assert np.abs(normalised - published.arrays["pixel_values"]).max() < 1e-5
