"""Published checkpoints, imported, compute what was recorded with the published code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.torch import load_file, save_file

from remgcl import Engine, RunFolder

Imported = Callable[..., Path]
Compare = Callable[[Path, Path], tuple[float, float]]


def test_an_original_folder_computes_what_was_recorded(
    golden: Path, shared: Path, imported: Imported, compare: Compare
) -> None:
    difference, same = compare(imported(golden / "llava-tiny"), shared / "golden" / f"hf-{golden.name}")
    assert difference < 4e-5
    assert same == 1


def test_an_original_folder_gives_the_recorded_tokens(golden: Path, shared: Path) -> None:
    """The tokens that LLaVA's own code gave are those that transformers gave; the folders of both are tested."""
    records = json.loads((golden / "generate.json").read_text("utf-8"))
    expected = json.loads((shared / "golden" / f"hf-{golden.name}" / "expected.json").read_text("utf-8"))["cases"]
    by_id = {case["id"]: case["greedy_ids"] for case in expected}
    assert records
    assert all(by_id[record["id"]] == record["greedy_ids"] for record in records)


def test_adapters_are_merged_as_the_published_loader_does(
    golden: Path, shared: Path, imported: Imported, compare: Compare
) -> None:
    recorded = shared / "golden" / f"lora-{golden.name}"
    difference, same = compare(imported(recorded, base=str(golden / "llava-tiny")), recorded)
    assert difference < 1e-4
    assert same == 1


def layouts(shared: Path) -> dict[str, list[str]]:
    """Read the names of the tensors in each layout."""
    held: dict[str, list[str]] = json.loads((shared / "golden/scorers/hf_key_layouts.json").read_text("utf-8"))
    return held


def bare(name: str) -> str:
    """Name a tensor whatever its layout."""
    name = name.removeprefix("model.").replace("language_model.model.", "language_model.")
    return name.replace("language_model.lm_head", "lm_head").replace("vision_tower.vision_model.", "vision_tower.")


@pytest.mark.parametrize("layout", range(4))
def test_every_layout_of_transformers_is_read(  # noqa: PLR0913, PLR0917 - fixtures
    shared: Path, golden: Path, imported: Imported, compare: Compare, tmp_path: Path, layout: int
) -> None:
    folder, source = shared / "golden" / f"hf-{golden.name}", tmp_path / "hf"
    source.mkdir()
    for file in folder.iterdir():
        if file.name != "model.safetensors":
            (source / file.name).write_bytes(file.read_bytes())
    names = [*layouts(shared).values()][layout]
    tensors = {bare(name): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    assert len({bare(name) for name in names}) == len(tensors) == 80
    save_file({name: tensors[bare(name)] for name in names}, source / "model.safetensors")
    run = imported(source)
    difference, same = compare(run, folder)
    assert difference < 4e-5
    assert same == 1
    assert json.loads((run / "import/model/backbone/config.json").read_text("utf-8"))["vocab_size"] == 32000


def test_a_stage_that_starts_from_an_original_folder_computes_what_was_recorded(
    golden: Path, shared: Path, engine: Engine, compare: Compare, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "r"\nrunner = { use = "local", cpu = true, threads = 1 }\n'
        f'[stages.s]\nfrom = "{golden / "llava-tiny"}"\ntrain = ["projector"]\nbatch_size = 1\nlearning_rate = 1e-12\n'
        'data = { use = "synthetic", samples = 1, question = "Read." }\n'
    )
    engine.run(engine.read(recipe), RunFolder(tmp_path / "run"), Console(quiet=True), "recipe.toml")
    difference, same = compare(tmp_path / "run", shared / "golden" / f"hf-{golden.name}")
    assert difference < 4e-5
    assert same == 1


def test_a_stage_that_starts_from_adapters_merges_them_into_the_backbone_of_the_recipe(
    golden: Path, shared: Path, engine: Engine, compare: Compare, tmp_path: Path
) -> None:
    recipe, adapters = tmp_path / "recipe.toml", shared / "golden" / f"lora-{golden.name}"
    recipe.write_text(
        'name = "r"\nrunner = { use = "local", cpu = true, threads = 1 }\n'
        f'backbone = {{ use = "causal_lm", weights = "{golden / "llava-tiny"}" }}\n'
        f'[stages.s]\nfrom = "{adapters}"\ntrain = ["projector"]\nbatch_size = 1\nlearning_rate = 1e-12\n'
        'data = { use = "synthetic", samples = 1, question = "Read." }\n'
    )
    engine.run(engine.read(recipe), RunFolder(tmp_path / "run"), Console(quiet=True), "recipe.toml")
    difference, same = compare(tmp_path / "run", adapters)
    assert difference < 1e-4
    assert same == 1
