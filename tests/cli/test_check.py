"""``remgcl check``: what a recipe will do, told without doing it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen
from PIL import Image

from remgcl import Census, Dataset, Region, Samples
from remgcl.plugins.datasets import LlavaJson, Synthetic

Call = Callable[..., Any]


@frozen(kw_only=True)
class Noted(Dataset):
    """A dataset with something to say."""

    note: str = "2 records of [/data/x] have no [bold] regions"

    def census(self) -> Census:
        """Count nothing but say something."""
        return Census(samples=7, images=5, digest="0f", notes=(self.note,))

    def build(self) -> Samples:
        """Give as many samples."""
        return Synthetic(samples=7).build()


def rows(out: str) -> dict[str, list[str]]:
    """Read the cells of a printed table by their row's first cell."""
    cells = [[cell.strip() for cell in line.strip("│┃ ").replace("┃", "│").split("│")] for line in out.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


@pytest.fixture
def told(remgcl: Call, recipe: Path) -> Callable[..., str]:
    """Check the small recipe with overrides."""

    def told(*overrides: str) -> str:
        ended = remgcl("check", recipe, *(f"--set={override}" for override in overrides))
        assert (ended.code, ended.err) == (0, "")
        return str(ended.out)

    return told


def test_the_run_is_told_by_name_seed_and_runner(told: Callable[..., str]) -> None:
    assert told("seed=7").startswith("small, seed 7, run by local\n")


def test_each_part_is_told_with_its_parameters_and_where_it_learns(told: Callable[..., str]) -> None:
    """3 x 3 convolutions, two linear maps, and a Llama of one layer."""
    tower = 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8 + 2 * 8 + 4 * 8
    projector = 8 * 16 + 16 + 16 * 16 + 16
    backbone = 259 * 16 + (4 * 16 * 16 + 3 * 16 * 24 + 2 * 16) + 16
    table = rows(told())
    assert table["part"] == ["uses", "parameters", "pretrain", "tune"]
    assert table["vision_tower"] == ["tiny", f"{tower:,}", "frozen", "frozen"]
    assert table["projector"] == ["mlp2x_gelu", f"{projector:,}", "trainable", "trainable"]
    assert table["backbone"] == ["tiny", f"{backbone:,}", "frozen", "trainable"]
    assert table["all"] == ["", f"{tower + projector + backbone:,}", f"{projector:,}", f"{projector + backbone:,}"]


def test_each_stage_is_told_with_what_it_will_do(told: Callable[..., str]) -> None:
    table = rows(told())
    assert table["starts from"] == ["the parts", "pretrain"]
    assert table["data"] == ["synthetic", "synthetic"]
    assert table["template"] == ["plain", "plain"]
    assert table["samples"] == ["1,200 (1,200 with image)", "4 (4 with image)"]
    assert table["held out"] == ["none", "2"]
    assert table["losses"] == ["language x 1", "language x 1"]
    assert table["samples a step"] == ["4 x 1", "16 x 3"]
    assert table["steps"] == ["450 (1.5 epochs)", "1 (1 epoch)"]
    assert table["learning rate"] == ["2e-05, cosine", "2e-05, cosine"]
    assert table["tokens of an image"] == ["4", "4"]


def test_each_stage_is_told_with_what_it_costs(told: Callable[..., str]) -> None:
    """What the formulas give is tested where they are; here, that it is told of the right stage, in readable units."""
    out = told()
    table = rows(out)
    assert table["tokens of image + text"] == ["4 + 7", "4 + 7"]
    assert re.fullmatch(r"[\d.]+ [kM]FLOP", table["work of a sample"][0])
    assert table["time on 1 GPU"] == ["under 1 min", "under 1 min"]
    projector = 8 * 16 + 16 + 16 * 16 + 16
    backbone = 259 * 16 + (4 * 16 * 16 + 3 * 16 * 24 + 2 * 16) + 16
    learning = [projector, projector + backbone]
    for fact, each in {"gradients": 4, "optimizer": 8}.items():
        assert table[fact] == [f"{each * count / 1000:.3g} kB" for count in learning]
    assert table["memory of the CPUs"] == ["0 B", "0 B"]
    checkpoints = [f"{12 * count / 1000:.3g} kB" for count in learning]
    assert table["checkpoints"] == [f"2 x {checkpoints[0]}", f"1 x {checkpoints[1]}"]
    assert "74.9 TFLOP/s a GPU, 24 % of an A100's 312" in " ".join(out.split())


def test_the_pace_of_a_gpu_may_be_given(remgcl: Call, recipe: Path) -> None:
    ended = remgcl("check", recipe, "--tflops", "1e-6")
    assert "1e-06 TFLOP/s a GPU" in ended.out
    assert all(re.fullmatch(r"\d+ min|[\d.]+ h", time) for time in rows(ended.out)["time on 1 GPU"][:1])


def test_the_processes_of_a_runner_count_in_steps_and_time(told: Callable[..., str]) -> None:
    table = rows(told("runner={ use = 'deepspeed', processes = 3 }"))
    assert table["samples a step"] == ["4 x 1 on each of 3, 12 in all", "16 x 3 on each of 3, 144 in all"]
    assert table["steps"] == ["150 (1.5 epochs)", "1 (1 epoch)"]
    assert "time on 3 GPUs" in table


def test_where_nobody_knows_the_processes_one_is_reckoned_with(told: Callable[..., str]) -> None:
    table = rows(told("runner=deepspeed"))
    assert table["samples a step"] == ["4 x 1 on each GPU", "16 x 3 on each GPU"]
    assert "time on 1 GPU" in table


def test_each_loss_is_told_by_its_name_and_weight(told: Callable[..., str]) -> None:
    out = told()
    assert "refined-local x 1" in out
    assert "mine x 0.25" in out


def test_where_text_regions_come_from_is_told(
    told: Callable[..., str], cached: Callable[..., Path], tmp_path: Path
) -> None:
    records = tmp_path / "records.json"
    said = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "b"}]
    for place in range(8):
        Image.new("RGB", (2, 2), (place, 0, 0)).save(tmp_path / f"{place}.png")
    names = [f"{place}.png" for place in range(8)]
    records.write_text(json.dumps([{"image": name, "conversations": said} for name in names]))
    data = LlavaJson(path=str(records), images=str(tmp_path)).build()
    sign = Region("b", ((0, 0), (2, 0), (2, 2), (0, 2)))
    path = cached(*(evolve(data[place], regions=(sign,)) for place in range(7)))
    given = f"{{ use = 'llava_json', path = '{records}', images = '{tmp_path}' }}"
    out = told(f"stages.tune.data={given}", f"stages.tune.ocr={path}")
    assert rows(out)["regions"] == ["those of the records", "of the records, else by made-up"]
    assert "made-up 1" in out
    assert "covers 87.5 % of 8 checked images (data)" in out
    assert "no checked image needs it (held out)" in out


def test_every_image_is_decoded_where_contents_are_asked_for(remgcl: Any, recipe: Any, folder: Path) -> None:  # noqa: ANN401
    records = folder / "records.json"
    said = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "b"}]
    records.write_text(
        json.dumps([{"image": "red.png", "conversations": said}] * 2 + [{"image": "cut.png", "conversations": said}])
    )
    given = f"--set=stages.pretrain.data={{ use = 'llava_json', path = '{records}', images = '{folder}' }}"
    assert remgcl("check", recipe, given, "--contents").err.startswith(
        f"error: {records}: record 2: image 'cut.png': is broken; "
    )


def test_a_layer_that_the_backbone_does_not_have_is_told_with_its_key(remgcl: Any, recipe: Any) -> None:  # noqa: ANN401
    ended = remgcl("check", recipe, "--set=stages.pretrain.losses.mine={use='global', text_layer=2}")
    assert ended.code != 0
    assert "stages.pretrain.losses.mine.text_layer: no layer 2; the backbone has 1" in " ".join(ended.err.split())


def test_overrides_are_applied_in_order(told: Callable[..., str]) -> None:
    assert rows(told("projector.depth=9", "projector=linear"))["projector"][0] == "linear"


def test_nothing_is_written(told: Callable[..., str], tmp_path: Path) -> None:
    told()
    assert [path.name for path in tmp_path.iterdir()] == ["small.toml"]


def test_what_a_dataset_has_to_say_is_told_as_it_is(told: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A note may hold brackets, and held-out data have notes too."""
    from remgcl.core.registry.registry import Registered, Registry

    find, entry = Registry.find, Registry.entry
    monkeypatch.setattr(Registry, "find", lambda self, kind, name: Noted if name == "noted" else find(self, kind, name))
    monkeypatch.setattr(
        Registry,
        "entry",
        lambda self, part: Registered("datasets", "noted", Noted, "a") if type(part) is Noted else entry(self, part),
    )
    out = told("stages.pretrain.data.use=noted", "stages.tune.validation.data={ use = 'noted', note = 'held [out]' }")
    assert rows(out)["work of a sample"][0] == "unknown"
    assert out.splitlines()[-2:] == ["2 records of [/data/x] have no [bold] regions", "held [out]"]
