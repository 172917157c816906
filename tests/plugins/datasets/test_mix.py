"""Mixes: so many samples of each source, without replacement, each as it was."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from remgcl import DataError, Engine, RecipeError
from remgcl.core.runs.folder import RunFolder
from remgcl.plugins.datasets import LlavaJson, Mix, Pages, Synthetic
from remgcl.plugins.datasets.mix import Source

RECIPE = """
name = "mixed"
vision_tower = "tiny"
projector = "linear"
backbone = "tiny"
runner = "local"
[stages.train]
template = "v1"
train = ["projector"]
[stages.train.data]
use = "mix"
seed = 42
[[stages.train.data.sources]]
count = 6
data = { use = "pages", samples = 9 }
name = "generated"
[[stages.train.data.sources]]
count = 4
data = { use = "synthetic", samples = 20 }
"""


def ids_of(mix: Mix) -> list[str]:
    """Give the ids of a mix's samples, in their order."""
    built = mix.build()
    return [built[index].id for index in range(len(built))]


def test_a_recipe_says_how_many_of_each(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    samples = engine.read(path).stages["train"].data.build()
    ids = [samples[index].id for index in range(len(samples))]
    assert Counter(each.partition("/")[0] for each in ids) == {"generated": 6, "source-2": 4}
    assert len(set(ids)) == 10
    assert [each.startswith("generated") for each in ids] != [True] * 6 + [False] * 4


def test_a_run_keeps_the_numbers_of_all_drawn_samples(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("count = 6", "count = 60").replace("samples = 9", "samples = 90"))
    recipe = engine.read(path)
    engine.run(recipe, RunFolder(tmp_path / "run"), Console(quiet=True), "recipe.toml")
    drawn = json.loads((tmp_path / "run" / "train" / "drawn.json").read_text())["data"]
    assert {name: len(set(places)) for name, places in drawn.items()} == {"generated": 60, "source-2": 4}
    samples = recipe.stages["train"].data.build()
    trained = {samples[index].id for index in range(len(samples))}
    pages, words = Pages(samples=90).build(), Synthetic(samples=20).build()
    assert trained == {
        *(f"generated/{pages[place].id}" for place in drawn["generated"]),
        *(f"source-2/{words[place].id}" for place in drawn["source-2"]),
    }


def test_a_mix_of_mixes_keeps_the_numbers_of_both() -> None:
    inner = Mix(sources=(Source(data=Synthetic(samples=50), count=20, name="words"),))
    drawn = Mix(sources=(Source(data=inner, count=5, name="inner"),)).census().drawn
    assert {name: len(places) for name, places in drawn.items()} == {"inner": 5, "inner/words": 20}


def test_the_draw_is_the_seeds_and_without_replacement() -> None:
    def drawn(seed: int) -> list[str]:
        return ids_of(Mix(sources=(Source(data=Synthetic(samples=50), count=20),), seed=seed))

    assert drawn(1) == drawn(1)
    assert set(drawn(1)) != set(drawn(2))
    assert len(set(drawn(1))) == 20


def test_samples_keep_their_regions_turns_and_images() -> None:
    pages = Pages(samples=3)
    mix = Mix(sources=(Source(data=pages),)).build()
    for index in range(3):
        mixed = mix[index]
        own = pages.build()[int(mixed.id.rpartition("-")[2])]
        assert (mixed.regions, mixed.turns) == (own.regions, own.turns)
        assert mixed.image.tobytes() == own.image.tobytes()  # type: ignore[union-attr]
        assert mixed.id == f"source-1/{own.id}"


def test_clashing_ids_are_told_apart(dataset: Callable[..., LlavaJson], record: Callable[..., dict[str, Any]]) -> None:
    data = dataset([record("Hello.", "Hi!", id="one"), record("<image>\nWhat?", "Red.", image="red.png", id="two")])
    mix = Mix(sources=(Source(data=data, name="a"), Source(data=data, name="b"))).build()
    assert sorted(mix[index].id for index in range(4)) == ["a/one", "a/two", "b/one", "b/two"]
    assert sorted(length < 0 for length in mix.modality_lengths()) == [False, False, True, True]


def test_the_census_counts_images_of_the_drawn_samples(
    dataset: Callable[..., LlavaJson], record: Callable[..., dict[str, Any]]
) -> None:
    records = [record("Hello.", "Hi!", id=f"text-{place}") for place in range(6)]
    records += [record("<image>\nWhat?", "Red.", image="red.png", id=f"image-{place}") for place in range(6)]
    mix = Mix(sources=(Source(data=dataset(records), count=5, repeat=2),), seed=3)
    built = mix.build()
    shown = sum(built[index].image is not None for index in range(len(built)))
    census = mix.census()
    assert (census.samples, census.images) == (10, shown)
    assert 0 < shown < 10
    assert "mix: source-1: 5 of 12 samples, 2 times each: " in census.notes[-1]


def test_the_digest_changes_with_draw_sources_and_order() -> None:
    def digest(**settings: Any) -> str:  # noqa: ANN401 - settings of a source
        seed, samples = settings.pop("seed", 0), settings.pop("samples", 30)
        return Mix(sources=(Source(data=Synthetic(samples=samples), **settings),), seed=seed).census().digest

    told = [digest(), digest(count=10), digest(count=11), digest(seed=1), digest(samples=31), digest(repeat=2)]
    assert len(set(told)) == len(told)
    assert digest() == told[0]


def test_weights_share_out_the_samples() -> None:
    sources = tuple(Source(data=Synthetic(samples=50, seed=seed), weight=weight) for seed, weight in ((0, 3), (1, 1)))
    counts = Counter(each.partition("/")[0] for each in ids_of(Mix(sources=sources, samples=42)))
    assert counts == {"source-1": 32, "source-2": 10}


def test_a_source_with_too_few_samples_is_refused() -> None:
    mix = Mix(sources=(Source(data=Synthetic(samples=50), count=51, name="few"),))
    with pytest.raises(DataError, match=r"^dataset 'mix': few: 51 samples are drawn without replacement; it holds 50;"):
        mix.census()
    with pytest.raises(DataError, match="repeat takes each several times"):
        mix.build()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"samples": 5}, "samples is divided by the weights of sources; give both or neither"),
        ({"sources": "weights"}, "samples is divided by the weights of sources; give both or neither"),
        ({"sources": "some", "samples": 5}, "sources: some have a weight and some have none"),
        ({"sources": "names"}, "sources: two have the name 'a'; give each its own"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    data = Synthetic()
    made = {
        "weights": (Source(data=data, weight=1.0),),
        "some": (Source(data=data, weight=1.0), Source(data=data)),
        "names": (Source(data=data, name="a"), Source(data=data, name="a")),
    }
    sources = made.get(settings.pop("sources", ""), (Source(data=data),))
    with pytest.raises(ValueError, match=words):
        Mix(sources=sources, **settings)


def test_count_and_weight_are_two_words_for_one_thing() -> None:
    with pytest.raises(ValueError, match="count and weight both say how many samples are drawn"):
        Source(data=Synthetic(), count=3, weight=1.0)


def test_a_fault_in_a_source_is_told_with_its_key(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("count = 4", "cuont = 4"))
    with pytest.raises(
        RecipeError, match=r"stages.train.data.sources.1.cuont: is not a key here; did you mean 'count'"
    ):
        engine.read(path)


def test_a_sample_past_the_end_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        Mix(sources=(Source(data=Synthetic(samples=2)),)).build()[2]
