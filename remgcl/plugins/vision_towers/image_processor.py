"""The image processor that lies beside weights of transformers, as releases before and since 5 write it."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose, isfinite
from typing import Any, get_args

from remgcl import Interpolation, WeightsError, listed, read_json
from remgcl.plugins.vision_towers.preprocessing import Preprocessing

NESTED, FLAT = "processor_config.json", "preprocessor_config.json"
"""Where settings stand: in the first under `image_processor`, which counts where there are both; or in the second."""


def read_preprocessing(weights: str, default: Preprocessing) -> tuple[Preprocessing, str]:
    """Read how images were prepared for a tower.

    A rescaling by another factor than 1/255 is made part of mean and deviation:
    `(f p - m) / s = (p / 255 - m / 255 f) / (s / 255 f)` for a pixel p.

    Args:
        weights: Folder or hub id.
        default: What holds where no file says otherwise.

    Returns:
        The preprocessing, and the name of the file that declares it.

    Raises:
        WeightsError: A file cannot be read, or a value in it makes no sense.
    """
    file, held = NESTED, (read_json(weights, NESTED) or {}).get("image_processor")
    if not isinstance(held, Mapping):
        file, held = FLAT, read_json(weights, FLAT) or {}
    try:
        scale = float(held.get("rescale_factor") or 1 / 255) * 255 if held.get("do_rescale", True) else 255.0
        normalised = held.get("do_normalize", True)
        mean = _colour(held, "image_mean", default.mean) if normalised else (0.0, 0.0, 0.0)
        std = _colour(held, "image_std", default.std) if normalised else (1.0, 1.0, 1.0)
        size = _size(held, default.size)
        interpolation = _interpolation(held, default.interpolation)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"weights {weights!r}: {file}: {error}") from None
    if not isclose(scale, 1):
        mean, std = ((one / scale, two / scale, three / scale) for one, two, three in (mean, std))
    return Preprocessing(size=size, mean=mean, std=std, interpolation=interpolation), file


def _colour(held: Mapping[str, Any], key: str, default: tuple[float, float, float]) -> tuple[float, float, float]:
    """Read a number for each colour, or one for all."""
    value = held.get(key)
    if value is None:
        return default
    try:
        red, green, blue = (float(part) for part in (value if isinstance(value, list) else [value] * 3))
    except (TypeError, ValueError):
        raise ValueError(f"{key}: {value!r} is no colour; there is a number for each of red, green and blue") from None
    if not all(map(isfinite, (red, green, blue))) or (key == "image_std" and min(red, green, blue) <= 0):
        raise ValueError(f"{key}: {value!r} must hold finite {'positive ' * (key == 'image_std')}numbers only")
    return red, green, blue


def _size(held: Mapping[str, Any], default: tuple[int, int]) -> tuple[int, int]:
    """Read height and width of the tower's input: what is cropped, or what is resized to where nothing is."""
    keys = ("crop_size", "size") if held.get("do_center_crop", "crop_size" in held) else ("size",)
    key = next((key for key in keys if held.get(key) is not None), None)
    if key is None or not held.get("do_resize", True):
        return default
    value = held[key]
    if isinstance(value, Mapping):
        edge = value.get("shortest_edge", value.get("longest_edge"))
        value = [value.get("height", edge), value.get("width", edge)]
    rows, columns = value if isinstance(value, list) else (value, value)
    if not all(isinstance(edge, int) and edge > 0 for edge in (rows, columns)):
        raise ValueError(
            f"{key}: {held[key]!r} is no size; there is a number, height and width, shortest_edge or longest_edge"
        )
    return rows, columns


def _interpolation(held: Mapping[str, Any], default: Interpolation) -> Interpolation:
    """Read Pillow's number of an interpolation, or its name."""
    names: tuple[Interpolation, ...] = get_args(Interpolation)
    number = held.get("resample")
    if number is None:
        return default
    if isinstance(number, str) and (name := number.rpartition(".")[2].lower()) in names:
        number = names.index(name)
    if not isinstance(number, int) or not 0 <= number < len(names):
        raise ValueError(f"resample: {number!r} is no interpolation of Pillow; there is 0 to 5, {listed(names)}")
    return names[number]
