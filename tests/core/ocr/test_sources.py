"""Where images come from: folders by the endings of their files, recipes by their datasets."""

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from remgcl import DataError, ImageFolder, Recipe
from remgcl.core.ocr.sources import DataSource, FileSource, files_of, sources_of
from remgcl.core.recipe.recipe import Validation
from remgcl.plugins.datasets import Synthetic


def test_files_are_found_in_folders_below_by_their_endings(folder: Path, tmp_path: Path) -> None:
    for name in ("B.JPEG", "below/c.webp", "below/deep/d.tif", "notes.txt", "e.svg", "f.pdf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "g.png").mkdir()
    assert files_of(folder) == [
        FileSource(
            ImageFolder(path=folder, follow_links=True),
            ("B.JPEG", "below/c.webp", "below/deep/d.tif", "blue.png", "cut.png", "red.png"),
        )
    ]
    assert files_of(folder / "red.png") == [FileSource(ImageFolder(path=folder, follow_links=True), ("red.png",))]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=rf"^{tmp_path}/none: holds no image; images end in .*\.jpeg, "):
        files_of(tmp_path / "none")
    with pytest.raises(DataError, match=f"^{tmp_path}/lost: there is no such file or folder"):
        files_of(tmp_path / "lost")


def test_links_that_leave_the_folder_are_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "there.png").symlink_to(folder / "red.png")
    for named in (tmp_path / "links", tmp_path / "links" / "there.png"):
        ((source,), (due,)) = files_of(named), files_of(folder / "red.png")
        assert source.build()[0].content == due.build()[0].content


def test_a_recipe_names_each_dataset_once_and_the_held_out_ones_too(read: Callable[..., Recipe]) -> None:
    recipe = read()
    first, second = (stage.data for stage in recipe.stages.values())
    held_out = Synthetic(samples=2, split="held_out")
    stages = {
        name: evolve(stage, validation=Validation(data=data))
        for (name, stage), data in zip(recipe.stages.items(), (held_out, first), strict=True)
    }
    assert sources_of(evolve(recipe, stages=stages)) == [
        DataSource("stages.pretrain.data", first),
        DataSource("stages.pretrain.validation.data", held_out),
        DataSource("stages.tune.data", second),
    ]


def test_only_the_stages_that_name_a_cache_are_read_if_any_does(read: Callable[..., Recipe]) -> None:
    """Pretraining may show a million images that no loss looks into."""
    recipe = read("stages.tune.ocr=cache")
    assert sources_of(recipe) == [DataSource("stages.tune.data", recipe.stages["tune"].data)]


def test_a_file_is_read_when_it_is_asked_for(folder: Path) -> None:
    (source,) = files_of(folder)
    samples = source.build()
    assert (source.name, len(samples)) == (str(folder), 3)
    red = samples[2]
    assert red.image is not None
    assert (red.id, red.turns, red.content) == ("red.png", (), ImageFolder(path=folder).load("red.png")[1])
    with pytest.raises(DataError, match=r"^image 'cut.png': is broken"):
        samples[1]
