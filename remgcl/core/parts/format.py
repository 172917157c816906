"""The contract of formats: a model in a published layout, as parts and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import field, frozen

from remgcl.core.files.tensors import StoredTensor
from remgcl.core.parts.part import Part


@frozen(kw_only=True, eq=False)
class PublishedPart:
    """A part of a model, as a published layout holds it.

    Attributes:
        table: Its table in a recipe. Where `files` are given, the key `weights`
            is filled in with the folder that they and the tensors are written to.
        tensors: Its tensors, by the names that the part's own weights have.
        files: The small files beside the tensors: configuration, tokenizer.
    """

    table: Mapping[str, Any]
    tensors: Mapping[str, StoredTensor] = field(factory=dict)
    files: Mapping[str, bytes] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class Published:
    """A model in a published layout, in the terms of a recipe.

    Attributes:
        vision_tower: The vision tower; None if the source holds none and none was named.
        projector: The projector.
        backbone: The backbone; None as for the tower.
        stage: The keys of a stage that the source decides: template, image
            settings, length; and the dataset that stands for the training elsewhere.
        runner: The table of the runner.
        notes: What a user should know, a sentence each.
    """

    projector: PublishedPart
    vision_tower: PublishedPart | None = None
    backbone: PublishedPart | None = None
    stage: Mapping[str, Any] = field(factory=dict)
    runner: Mapping[str, Any] = field(factory=dict)
    notes: tuple[str, ...] = ()


@frozen(kw_only=True, eq=False)
class ExportedModel:
    """A model as a format is given it to write.

    Attributes:
        tables: The recipe's tables of the parts, of the stage and its template, by key.
        tensors: The tensors of each part, by the names that the part's module gives them.
        configs: The configuration of each part that has one of transformers.
        tokenizer: The backbone's tokenizer.
        patches: How many tokens an image takes.
        colours: Mean and standard deviation of the tower's input.
    """

    tables: Mapping[str, Any]
    tensors: Mapping[str, Mapping[str, StoredTensor]]
    configs: Mapping[str, Mapping[str, Any]]
    tokenizer: Any
    patches: int
    colours: tuple[tuple[float, float, float], tuple[float, float, float]]


@frozen(kw_only=True)
class Format(Part):
    """Read and write models in a published layout."""

    command: ClassVar[str] = "remgcl import SOURCE --format {name} --out RUN"

    completed_by: ClassVar[frozenset[Literal["base", "tower"]]] = frozenset()
    """What `read` takes from a recipe whose stage starts from a source in this layout: `base`, the weights of its
    backbone; `tower`, those of its vision tower."""

    @abstractmethod
    def detect(self, source: Path) -> bool:
        """Return whether a folder or file is in this layout, without reading tensors.

        Args:
            source: An existing folder or file.
        """

    @abstractmethod
    def read(self, source: Path, *, base: str | None = None, tower: str | None = None) -> Published:
        """Read a model; its tensors are read later, one at a time.

        Every tensor is accounted for: a missing or unknown one is an error, never left random.

        Args:
            source: The folder or file.
            base: The language model or model that the source was trained on top of, where it needs one.
            tower: The vision tower, where the source names one that cannot be found.

        Raises:
            WeightsError: It cannot be read, or holds what is not supported; the error says what.
        """

    def write(self, model: ExportedModel, folder: Path) -> None:
        """Write a model into an empty folder; formats that can only be read leave this as it is.

        Args:
            model: The model.
            folder: An empty folder.

        Raises:
            WeightsError: The layout cannot hold the model; the error says why, and which can.
        """
        del model, folder
        from remgcl.core.errors import WeightsError

        raise WeightsError("this format can only be read")
