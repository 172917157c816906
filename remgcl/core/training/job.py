"""The job of a runner: one stage, its assembly, its data and its folder.

Nothing is built before it is needed, so that a runner may build in another
process than the one it was called in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import define, evolve

from remgcl.core.errors import RunError, listed
from remgcl.core.files.manifest import sealed, verify_sealed
from remgcl.core.files.whole import writing
from remgcl.core.model.assembly import Assembly
from remgcl.core.model.saved import listed_parts, load_part, save_part, save_parts, saved_parts
from remgcl.core.ocr.cache import with_regions
from remgcl.core.parts import TrackedStage
from remgcl.core.recipe.recipe import PARTS, Recipe, Stage
from remgcl.core.registry.culprit import foreign, named
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.stage import StageFolder

if TYPE_CHECKING:
    from pluggy import PluginManager
    from rich.console import Console

    from remgcl.core.data.collate import Collator
    from remgcl.core.data.encode import Encoder, Example
    from remgcl.core.evaluation.answers import Answered
    from remgcl.core.evaluation.measure import Measure
    from remgcl.core.model.model import Model
    from remgcl.core.model.objective import Objective
    from remgcl.core.parts import Dataset, Samples, TowerSpec
    from remgcl.core.training.listeners import Listeners


class Examples:
    """The samples of a dataset, encoded when they are read.

    What a dataset does at random (augmentation) depends on the seed, the epoch
    and the sample's place alone, not on the worker that reads it.

    Attributes:
        epoch: Passes over the data so far.
    """

    def __init__(self, samples: Samples, encoder: Encoder, seed: int) -> None:
        """Join samples and encoder.

        Args:
            samples: What to encode.
            encoder: How.
            seed: Seed of what is random in a sample.
        """
        self.samples = samples
        self.encoder = encoder
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.samples)

    def __getitem__(self, index: int) -> Example:
        """Encode a sample.

        Args:
            index: From 0 to the length.
        """
        from remgcl.core.data.order import seeded

        with seeded(self.seed, self.epoch, index):
            return evolve(self.encoder(self.samples[index]), index=index)


@define(kw_only=True, eq=False, slots=False)
class Job:
    """One stage of a recipe.

    Attributes:
        recipe: The whole recipe.
        name: The stage's key in it.
        run: The folder of the run.
        start: The folder of the stage it starts from, of this run or of another, if any.
        inputs: The inputs of the stage, as tables.
        console: For progress messages.
        hooks: Knows the plugins that listen to trainings.
    """

    recipe: Recipe
    name: str
    run: RunFolder
    start: StageFolder | None
    inputs: Mapping[str, Any]
    console: Console
    hooks: PluginManager | None = None

    @cached_property
    def listeners(self) -> Listeners:
        """Everyone who follows this training."""
        from remgcl.core.training.listeners import Listeners

        stage = TrackedStage(
            run=self.recipe.name,
            stage=self.name,
            folder=self.folder.path,
            id=self.folder.checkpoints.run,
            inputs=self.inputs,
        )
        return Listeners(stage, self.recipe.runner.trackers, self.hooks, self.console)

    @property
    def folder(self) -> StageFolder:
        """Where the stage's files go."""
        return self.run.stage(self.name)

    @property
    def stage(self) -> Stage:
        """The stage's settings."""
        return self.recipe.stages[self.name]

    @cached_property
    def assembly(self) -> Assembly:
        """The recipe's parts, as the stage joins them."""
        return Assembly(recipe=self.recipe, stage=self.name)

    @property
    def tower(self) -> TowerSpec:
        """What the vision tower declares."""
        return self.assembly.tower

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """The backbone's tokenizer."""
        return self.assembly.tokenizer

    @property
    def encoder(self) -> Encoder:
        """Encodes samples into examples."""
        return self.assembly.encoder

    @property
    def collator(self) -> Collator:
        """Collates examples into batches."""
        return self.assembly.collator

    def build_examples(self) -> Examples:
        """Make the training examples.

        Raises:
            DataError: The data cannot be read.
            RunError: The OCR cache cannot be read.
        """
        return Examples(self._samples(self.stage.data), self.encoder, self.recipe.seed)

    def order(self, samples: Samples, batch_size: int, epoch: int) -> list[int]:
        """Order the samples of an epoch by the recipe's seed, and by kind and length if the stage wants it.

        Args:
            samples: The training data.
            batch_size: Samples of a step, over all devices.
            epoch: Passes over the data so far.
        """
        from remgcl.core.data.order import grouped, shuffled

        if self.stage.group_by_modality:
            return grouped(samples.modality_lengths(), batch_size, self.recipe.seed, epoch)
        return shuffled(len(samples), self.recipe.seed, epoch)

    def build_model(self) -> Model:
        """Build the parts, load what earlier stages learned, and freeze what does not learn.

        What a part freezes when it is built stays frozen in every stage.

        Raises:
            WeightsError: A part's weights cannot be read.
            RunError: An earlier stage's model cannot be read, nothing learns, or
                the backbone cannot recompute activations.
            PluginError: The tower's features are not those that it declares.
        """
        model = self.assembly.build_model(saved_parts(self.start.model) if self.start else None)
        backbone = self.recipe.backbone
        for name in PARTS:
            for key, parameter in model.get_submodule(name).named_parameters():
                learns = name in self.stage.train and (name != "backbone" or backbone.learns(key))
                parameter.requires_grad_(learns and parameter.requires_grad)
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise RunError(
                f"stages.{self.name}.train: nothing learns; all parameters of {listed(self.stage.train)} are frozen"
            )
        if self.stage.gradient_checkpointing:
            self._recompute(model.backbone)
        return model

    def _recompute(self, backbone: Any) -> None:  # noqa: ANN401 - transformers' models are untyped
        """Recompute activations; the method had another name in earlier releases of transformers 5."""
        new = getattr(backbone, "activation_checkpointing_enable", None)
        try:
            (new or backbone.gradient_checkpointing_enable)({"use_reentrant": False})
        except ValueError as error:
            raise RunError(f"stage {self.name!r}: gradient_checkpointing: cannot be used; {error}") from error

    def build_objective(self, model: Model) -> Objective:
        """Join a model and the losses of the stage.

        A loss with parameters continues with those of the stage before,
        where that had the same one.

        Args:
            model: The built model.

        Raises:
            RunError: What a loss learned cannot be read, or has changed since
                it was saved.
        """
        from remgcl.core.model.objective import Objective

        objective = Objective(model, self.stage.losses, self.name)
        before = self.recipe.stages[self.stage.after].losses if self.stage.after else {}
        for name, module in objective.learned.items():
            same = type(before.get(name)) is type(self.stage.losses[name])
            if not (same and self.start):
                continue
            file = self.start.loss(name)
            if file.exists() or name in Objective(model, {name: before[name]}).learned:
                verify_sealed(self.start.losses)
                load_part(module, file)
        return objective

    @cached_property
    def measure(self) -> Measure:
        """What is measured on the held-out samples."""
        from remgcl.core.evaluation.measure import Measure, measure_in

        metric = self.stage.validation.metric if self.stage.validation else None
        return Measure(name=measure_in(self.inputs["stages"][self.name]), metric=metric) if metric else Measure()

    def validate(self, model: Model) -> Sequence[Answered]:
        """Answer the held-out samples, if the stage has any.

        Args:
            model: The model; it is put in evaluation mode.

        Raises:
            DataError: The data cannot be read.
            RunError: The OCR cache cannot be read.
        """
        from remgcl.core.evaluation.validation import answer_all

        settings = self.stage.validation
        if settings is None:
            return []
        return list(answer_all(model, self._samples(settings.data), self.encoder, settings))

    def _samples(self, data: Dataset) -> Samples:
        """Make the samples of a dataset, with the regions of the stage's OCR cache, if it has one."""
        return with_regions(data.build(), self.stage.ocr)

    def term(self, name: str) -> str:
        """Name a term of the objective, with the class and the plugin of a loss that a third party brings.

        Args:
            name: The loss's key in the recipe, or the language loss's name.
        """
        loss = self.stage.losses.get(name)
        return f"{name} ({named(loss)})" if loss and foreign(loss) else name

    def finish(self, objective: Objective, results: Mapping[str, Any]) -> None:
        """Save what the stage learned, and mark it as finished.

        Parts are left out that learned nothing so far, here or in what the
        stage started from, and that their recipe gives again.

        Args:
            objective: The trained model and its losses.
            results: What came out, for the record.

        Raises:
            RunError: The folder cannot be written.
        """
        kept = {*self.recipe.saved(self.name), *(listed_parts(self.start.model) if self.start else ())}
        modules = {str(name): objective.model.get_submodule(name) for name in PARTS if name in kept}
        with writing(self.folder.path):
            save_parts(
                modules, {name: self.inputs[name] for name in PARTS}, self.folder.model, self.assembly.saved_in_part
            )
            if objective.learned:
                with sealed(self.folder.losses) as part:
                    for name, module in objective.learned.items():
                        save_part(module, part / self.folder.loss(name).name)
            self.folder.finish(self.inputs, results)
