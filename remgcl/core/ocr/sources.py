"""Where images come from that an OCR engine shall read: a recipe, a folder, a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from remgcl.core.errors import DataError
from remgcl.core.files.images import FORMATS, ImageFolder
from remgcl.core.parts import Dataset, Samples
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.samples import Sample


class Source(Protocol):
    """Where images come from."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def build(self) -> Samples | Sequence[Sample]:
        """Make the sequence of samples, in the process that reads them."""
        ...


@frozen
class DataSource:
    """The images of a dataset.

    Attributes:
        name: The key of the dataset in its recipe.
        data: The dataset.
    """

    name: str
    data: Dataset

    def build(self) -> Samples:
        """Make the sequence of samples."""
        return self.data.build()


@frozen
class FileSource(Sequence[Sample]):
    """Image files of a folder.

    Attributes:
        folder: The folder.
        names: Their paths, relative to the folder.
    """

    folder: ImageFolder
    names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.folder.path)

    def build(self) -> FileSource:
        """Return itself: images are read when they are needed."""
        return self

    def __len__(self) -> int:
        """Count the files."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:  # type: ignore[override]
        """Read an image.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: It cannot be read.
        """
        image, content = self.folder.load(self.names[index])
        return Sample(self.names[index], (), image, content=content)


def sources_of(recipe: Recipe) -> list[Source]:
    """Name the datasets of the stages that name an OCR cache, held-out ones too, each once.

    Args:
        recipe: The recipe; if no stage of it names a cache, those of all.
    """
    sources: list[DataSource] = []
    cached = {key: stage for key, stage in recipe.stages.items() if stage.ocr is not None}
    for key, stage in (cached or recipe.stages).items():
        held_out = {f"stages.{key}.validation.data": stage.validation.data} if stage.validation else {}
        for name, data in {f"stages.{key}.data": stage.data, **held_out}.items():
            if all(data != source.data for source in sources):
                sources.append(DataSource(name, data))
    return [*sources]


def files_of(path: Path) -> list[Source]:
    """Name an image file, or all of a folder and the folders below it; links are followed, wherever they lead.

    Args:
        path: The file or the folder.

    Raises:
        DataError: There is no image.
    """
    if path.is_file():
        return [FileSource(ImageFolder(path=path.parent, follow_links=True), (path.name,))]
    import PIL.Image

    kinds = {suffix for suffix, kind in PIL.Image.registered_extensions().items() if kind in FORMATS}
    files = (file for file in path.rglob("*") if file.suffix.lower() in kinds and file.is_file())
    names = tuple(sorted(str(file.relative_to(path)) for file in files))
    if not names:
        there = "is neither a file nor a folder" if path.exists() else "there is no such file or folder"
        what = "holds no image" if path.is_dir() else there
        raise DataError(f"{path}: {what}; images end in {', '.join(sorted(kinds))}")
    return [FileSource(ImageFolder(path=path, follow_links=True), names)]
