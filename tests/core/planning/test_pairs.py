"""Losses that would never see a pair: refused or told before the training, and shown as a dash in it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from remgcl import Engine, FaultsError, Recipe
from remgcl.core.planning import pairs

Read = Callable[..., Recipe]


@pytest.fixture
def records(tmp_path: Path) -> Callable[..., str]:
    """Write records with an image each, some with a region, and give the table of a dataset."""

    def write(count: int, *, regions: int = 0, images: bool = True) -> str:
        Image.new("RGB", (8, 8), "white").save(tmp_path / "a.png")
        quad = [[0, 0], [8, 0], [8, 8], [0, 8]]
        said = [{"from": "human", "value": "<image>\nWhat?" if images else "What?"}, {"from": "gpt", "value": "yes"}]
        told: list[dict[str, Any]] = [{"conversations": said, **({"image": "a.png"} if images else {})}] * count
        for place in range(regions):
            told[place] = {**told[place], "regions": [{"text": "open", "quad": quad}]}
        path = tmp_path / f"records-{count}-{regions}-{images}.json"
        path.write_text(json.dumps(told))
        return f"{{ use = 'llava_json', path = '{path}', images = '{tmp_path}' }}"

    return write


def check(engine: Engine, recipe: Recipe) -> tuple[str, ...]:
    """Give the notes of the second stage."""
    return engine.check(recipe, "a.toml").stages["tune"].notes


def test_a_loss_of_regions_without_regions_is_refused(engine: Engine, read: Read, records: Callable[..., str]) -> None:
    recipe = read(f"stages.tune.data={records(5)}", "stages.tune.losses.refined-local.weight=0.1")
    with pytest.raises(FaultsError) as raised:
        check(engine, recipe)
    assert str(raised.value) == (
        "a.toml: stages.tune.losses.refined-local: compares text regions; none of 5 samples that were checked has "
        "one: remgcl ocr finds them, and the key ocr names its cache"
    )
    assert check(engine, read(f"stages.tune.data={records(5)}", "stages.tune.losses.refined-local.weight=0")) == ()


def test_one_record_with_a_region_is_enough(engine: Engine, read: Read, records: Callable[..., str]) -> None:
    given = f"stages.tune.data={records(5, regions=1)}", "stages.tune.losses.refined-local.weight=0.1"
    assert check(engine, read(*given)) == ()


def test_where_not_all_samples_were_looked_at_it_is_a_note(
    engine: Engine, read: Read, records: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "LOOKED_AT", 4)
    (note,) = check(engine, read(f"stages.tune.data={records(5)}", "stages.tune.losses.refined-local.weight=0.1"))
    assert note.startswith("stages.tune.losses.refined-local: compares text regions; none of 4 samples that were")


def test_a_cache_that_knows_none_of_the_images_does_not_help(
    engine: Engine, read: Read, records: Callable[..., str], cached: Callable[..., Path]
) -> None:
    given = f"stages.tune.data={records(3)}", f"stages.tune.ocr={cached()}", "stages.tune.losses.refined-local.weight=1"
    with pytest.raises(FaultsError, match=r"none of 3 samples .* has one: the cache '.*' holds none of their"):
        check(engine, read(*given))


@pytest.mark.parametrize("loss", ["global", "sliding-window"])
def test_a_loss_of_images_without_images_is_refused(
    engine: Engine, read: Read, records: Callable[..., str], loss: str
) -> None:
    given = f"stages.tune.data={records(3, images=False)}", f"stages.tune.losses.a.use={loss}"
    with pytest.raises(FaultsError, match=r"losses\.a: compares images; no sample of the data has one"):
        check(engine, read(*given))


@pytest.mark.parametrize("loss", ["global", "sliding-window"])
def test_a_batch_of_one_leaves_nothing_to_tell_a_pair_from(engine: Engine, read: Read, loss: str) -> None:
    alone = "stages.tune.batch_size=1", "stages.tune.gradient_accumulation_steps=8"
    with pytest.raises(FaultsError, match=r"losses\.a: learns nothing from a single sample; batch_size is 1"):
        check(engine, read(*alone, f"stages.tune.losses.a.use={loss}", "stages.tune.losses.global.weight=0"))
    for fine in ("objective=alignment", "objective=sigmoid"):
        key, _, value = fine.partition("=")
        given = f"stages.tune.losses.a={{ use = '{loss}', {key} = '{value}' }}"
        assert check(engine, read(*alone, given, "stages.tune.losses.global.weight=0")) == ()


def test_on_several_ranks_only_a_loss_that_gathers_finds_others(engine: Engine, read: Read) -> None:
    """With DeepSpeed, the number of processes is known on the machine that trains only."""
    several = "runner={ use = 'deepspeed', trackers = [], processes = 2 }", "stages.tune.batch_size=1"
    quiet = "stages.tune.losses.global.weight=0"
    assert check(engine, read(*several, quiet, "stages.tune.losses.a={ use = 'global' }")) == ()
    own = read(*several, quiet, "stages.tune.losses.a={ use = 'global', across_ranks = false }")
    assert check(engine, own) == (
        "stages.tune.losses.a: learns nothing from a single sample; batch_size is 1, and it gathers no other rank's",
    )


def test_regions_of_one_image_are_told_from_each_other(engine: Engine, read: Read) -> None:
    given = (
        "stages.tune.batch_size=1",
        "stages.tune.losses.refined-local.weight=1",
        "stages.tune.losses.global.weight=0",
    )
    assert check(engine, read(*given)) == ()
