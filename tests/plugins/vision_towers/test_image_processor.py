"""Preprocessing: read as transformers reads it, whichever file and notation it stands in."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from remgcl import Interpolation, WeightsError
from remgcl.core.data.pixels import prepare
from remgcl.plugins.vision_towers.image_processor import FLAT, NESTED, read_preprocessing
from remgcl.plugins.vision_towers.preprocessing import Preprocessing

DEFAULT = Preprocessing(size=(24, 24), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))

OWN = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7], "resample": 2, "size": 32}


def write(folder: Path, name: str, held: dict[str, Any]) -> None:
    """Write the settings of an image processor into one of its two files."""
    (folder / name).write_text(json.dumps({"image_processor": held} if name == NESTED else held))


@pytest.mark.parametrize("name", [NESTED, FLAT])
def test_either_file_gives_size_colours_and_interpolation(name: str, tmp_path: Path) -> None:
    write(tmp_path, name, OWN)
    own, file = read_preprocessing(str(tmp_path), DEFAULT)
    assert own == Preprocessing(size=(32, 32), mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7), interpolation="bilinear")
    assert file == name


def test_the_nested_settings_count_where_there_are_both(tmp_path: Path) -> None:
    write(tmp_path, NESTED, OWN)
    write(tmp_path, FLAT, {"image_mean": [0.9, 0.9, 0.9]})
    assert read_preprocessing(str(tmp_path), DEFAULT)[0].mean == (0.1, 0.2, 0.3)


def test_a_processor_without_an_image_processor_leaves_it_to_the_other_file(tmp_path: Path) -> None:
    (tmp_path / NESTED).write_text('{"patch_size": 14}')
    write(tmp_path, FLAT, OWN)
    assert read_preprocessing(str(tmp_path), DEFAULT)[0].mean == (0.1, 0.2, 0.3)


def test_without_files_the_family_decides(tmp_path: Path) -> None:
    assert read_preprocessing(str(tmp_path), DEFAULT)[0] == DEFAULT


@pytest.mark.parametrize(
    ("held", "size"),
    [
        ({"size": 30}, (30, 30)),
        ({"size": {"height": 30, "width": 40}}, (30, 40)),
        ({"size": {"shortest_edge": 30}}, (30, 30)),
        ({"size": {"longest_edge": 30}}, (30, 30)),
        ({"size": {"shortest_edge": 36}, "crop_size": {"height": 30, "width": 30}}, (30, 30)),
        ({"size": 36, "crop_size": 30, "do_center_crop": True}, (30, 30)),
        ({"size": 36, "crop_size": 30, "do_center_crop": False}, (36, 36)),
        ({"size": 36, "do_resize": False}, (24, 24)),
        ({}, (24, 24)),
    ],
    ids=str,
)
def test_sizes_of_every_notation_are_read(held: dict[str, Any], size: tuple[int, int], tmp_path: Path) -> None:
    write(tmp_path, FLAT, held)
    assert read_preprocessing(str(tmp_path), DEFAULT)[0].size == size


@pytest.mark.parametrize("number", range(6))
def test_every_number_of_pillow_names_its_interpolation(number: int, tmp_path: Path) -> None:
    write(tmp_path, FLAT, {"resample": number})
    name = read_preprocessing(str(tmp_path), DEFAULT)[0].interpolation
    assert Image.Resampling(number).name.lower() == name
    assert name in get_args(Interpolation)


@pytest.mark.parametrize("name", ["lanczos", "LANCZOS", "PILImageResampling.LANCZOS", "Resampling.LANCZOS"])
def test_an_interpolation_may_be_named(name: str, tmp_path: Path) -> None:
    write(tmp_path, FLAT, {"resample": name})
    assert read_preprocessing(str(tmp_path), DEFAULT)[0].interpolation == "lanczos"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / FLAT).write_text(json.dumps(OWN), encoding="utf-8-sig")
    assert read_preprocessing(str(tmp_path), DEFAULT)[0].mean == (0.1, 0.2, 0.3)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"rescale_factor": 1 / 127.5},
        {"do_rescale": False},
        {"do_normalize": False},
        {"image_mean": 0.5},
        {"resample": 1},
    ],
    ids=str,
)
def test_pixels_reach_the_tower_as_from_the_processor_of_transformers(more: dict[str, Any], tmp_path: Path) -> None:
    import transformers

    kind = getattr(transformers, "SiglipImageProcessorPil", transformers.SiglipImageProcessor)
    held = {**OWN, "size": {"height": 24, "width": 24}, **more}
    given = {**held, "image_mean": [0.5] * 3} if held["image_mean"] == 0.5 else held
    write(tmp_path, FLAT, held)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    own, _ = read_preprocessing(str(tmp_path), DEFAULT)
    pixels, _ = prepare(image, own.size, "stretch", own.mean, interpolation=own.interpolation)
    mean, std = (255 * np.reshape(colour, (3, 1, 1)) for colour in (own.mean, own.std))
    due = kind(**given)(image, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose((pixels - mean) / std, due, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("held", "what"),
    [
        ({"resample": 9}, "resample: 9 is no interpolation of Pillow; there is 0 to 5, 'nearest', 'lanczos'"),
        ({"image_mean": [0.5]}, r"image_mean: \[0.5\] is no colour; there is a number for each of red, green and blue"),
        ({"size": {"max": 3}}, r"size: {'max': 3} is no size; there is a number, height and width"),
        ({"size": 0}, "size: 0 is no size"),
        ({"image_mean": [float("nan"), 0.5, 0.5]}, r"image_mean: \[nan, 0.5, 0.5\] must hold finite numbers only"),
        ({"image_std": [0, 0.5, 0.5]}, r"image_std: \[0, 0.5, 0.5\] must hold finite positive numbers only"),
    ],
    ids=str,
)
def test_a_value_that_makes_no_sense_names_file_and_key(held: dict[str, Any], what: str, tmp_path: Path) -> None:
    write(tmp_path, FLAT, held)
    with pytest.raises(WeightsError, match=rf"^weights '{tmp_path}': {FLAT}: {what}"):
        read_preprocessing(str(tmp_path), DEFAULT)
