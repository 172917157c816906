"""What cannot be read is refused by name, and nothing is left random."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from remgcl import RunError, WeightsError

Imported = Callable[..., Path]


@pytest.fixture
def source(shared: Path, tmp_path: Path) -> Path:
    """A copy of a golden checkpoint, its tower beside it."""
    for name in ("llava-tiny", "clip-tiny"):
        (tmp_path / name).mkdir()
        for file in (shared / "golden" / "p16" / name).iterdir():
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
    return tmp_path / "llava-tiny"


def change(source: Path, **keys: object) -> None:
    """Change keys of a configuration."""
    file = source / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text("utf-8")), **keys}), encoding="utf-8")


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, imported: Imported) -> None:
    (tmp_path / "notes").mkdir()
    with pytest.raises(WeightsError, match="is no model in a known format; it holds nothing; there is 'llava'"):
        imported(tmp_path / "notes")


def test_missing_and_unknown_tensors_are_named(source: Path, imported: Imported) -> None:
    tensors = load_file(source / "model.safetensors")
    tensors["model.layers.1.extra.weight"] = tensors.pop("model.layers.1.mlp.up_proj.weight")
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(WeightsError, match=r"lacks tensors: 'model\.layers\.1\.mlp\.up_proj\.weight'") as told:
        imported(source)
    assert "holds unknown tensors: 'model.layers.1.extra.weight'" in str(told.value)


def test_a_projector_that_is_not_there_is_named(source: Path, imported: Imported) -> None:
    tensors = load_file(source / "model.safetensors")
    save_file({key: each for key, each in tensors.items() if "mm_projector.2" not in key}, source / "model.safetensors")
    with pytest.raises(WeightsError, match=r"projector 'mlp2x_gelu': lacks tensors: '2\.bias', '2\.weight'"):
        imported(source)


def shards(source: Path) -> None:
    """Split a checkpoint into two pickles with an index."""
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    where = {key: f"pytorch_model-0000{1 + place % 2}-of-00002.bin" for place, key in enumerate(tensors)}
    for name in set(where.values()):
        torch.save({key: each for key, each in tensors.items() if where[key] == name}, source / name)
    (source / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": where}), encoding="utf-8")


def test_pickled_shards_are_read_and_a_missing_one_is_named(
    source: Path, shared: Path, imported: Imported, compare: Callable[[Path, Path], tuple[float, float]]
) -> None:
    shards(source)
    difference, same = compare(imported(source), shared / "golden" / "hf-p16")
    assert difference < 4e-5
    assert same == 1
    (source / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(WeightsError, match=r"lacks shards .* there is no 'pytorch_model-00002-of-00002\.bin'"):
        imported(source, "again")


class Code:
    """What a pickle should not hold."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Run a command where it is read."""
        import os

        return os.system, ("false",)


def test_a_pickle_that_carries_code_is_not_run(source: Path, imported: Imported) -> None:
    (source / "model.safetensors").unlink()
    (source / "pytorch_model.bin").write_bytes(pickle.dumps({"model.norm.weight": Code()}))
    with pytest.raises(WeightsError, match="is a pickle that holds more than tensors, such as code, and is not read"):
        imported(source)


def test_a_tower_that_is_not_found_names_the_option(source: Path, imported: Imported) -> None:
    shutil.rmtree(source.parent / "clip-tiny")
    with pytest.raises(WeightsError, match="its vision tower 'clip-tiny' cannot be found; name its folder or hub id w"):
        imported(source)


def test_a_tower_contained_in_the_checkpoint_is_taken(source: Path, imported: Imported) -> None:
    tower = load_file(source.parent / "clip-tiny" / "model.safetensors")
    inside = {f"model.vision_tower.vision_tower.{key}": 2 * each for key, each in tower.items()}
    save_file({**load_file(source / "model.safetensors"), **inside}, source / "model.safetensors")
    written = load_file(imported(source) / "import/model/vision_tower/model.safetensors")
    assert all(torch.equal(written[key], 2 * each) for key, each in tower.items())


def test_tiled_images_are_refused(source: Path, imported: Imported) -> None:
    change(source, image_aspect_ratio="anyres")
    with pytest.raises(WeightsError, match=r"image_aspect_ratio: 'anyres' \(LLaVA 1\.6\) is not supported"):
        imported(source)


def test_an_unknown_projector_is_refused_by_name(source: Path, imported: Imported) -> None:
    change(source, mm_projector_type="resampler")
    with pytest.raises(WeightsError, match="mm_projector_type: 'resampler' is not supported; there is 'linear'"):
        imported(source)


def test_adapters_without_their_base_name_the_option(shared: Path, imported: Imported) -> None:
    with pytest.raises(WeightsError, match=r"holds adapters; name the model that they were trained on with --base"):
        imported(shared / "golden" / "lora-p16")


def test_a_folder_that_is_there_is_not_overwritten(source: Path, imported: Imported) -> None:
    imported(source)
    with pytest.raises(RunError, match="is there already; name another folder with --out"):
        imported(source)
