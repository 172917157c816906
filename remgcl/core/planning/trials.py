"""Parts of third parties, tried on next to nothing before a training rests on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from remgcl.core.errors import Fault, FaultsError, PluginError, RemgclError, WeightsError
from remgcl.core.model.assembly import Assembly
from remgcl.core.parts import Backbone, BackboneSpec, Census, Dataset, Template, TextFilter, TowerSpec
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.registry.culprit import culprit, foreign, named
from remgcl.core.samples import Turn

Attempt: TypeAlias = Callable[[str, Callable[[], Any]], Any]
"""Calls a function that may raise faults of a key."""

SAID = ("It says: open.", "a", "<think>\nIt hangs on a door.\n</think>\n\nIt says: open.")
"""Answers that a template is tried on: templates may write a thought anew, or add one."""


def try_out(recipe: Recipe, tower: TowerSpec, backbone: BackboneSpec, attempt: Attempt, *, counted: bool) -> None:
    """Try the parts of third parties that a recipe names.

    Args:
        recipe: The recipe.
        tower: What its vision tower declares.
        backbone: What its backbone declares.
        attempt: Takes what is found.
        counted: Whether to try parts too whose modules or tokenizer must be built for it.
    """
    losses = {
        f"stages.{key}.losses.{name}": loss
        for key, stage in recipe.stages.items()
        for name, loss in stage.losses.items()
    }
    for key, loss in losses.items():
        if foreign(loss):
            from remgcl.core.model.probe import try_loss

            attempt(key, partial(try_loss, loss, tower, backbone.width))
    if not counted:
        return
    if foreign(recipe.vision_tower):
        from remgcl.core.model.probe import try_tower

        attempt("vision_tower", partial(try_tower, recipe.vision_tower, tower))
    if foreign(recipe.projector):
        from remgcl.core.model.probe import try_projector

        attempt("projector", partial(try_projector, recipe.projector, tower, backbone.width))
    if recipe.text_filter is not None and foreign(recipe.text_filter):
        attempt("text_filter", partial(_try_filter, recipe.text_filter, recipe))
    for key, stage in recipe.stages.items():
        if foreign(stage.template) or stage.template.tried:
            attempt(f"stages.{key}.template", partial(_try_template, stage.template, recipe))


def verify_tokenizer(part: Backbone, spec: BackboneSpec) -> None:
    """Verify that every token has a row in the embedding table; markers of images get rows of their own.

    Args:
        part: The backbone.
        spec: What it declares.

    Raises:
        WeightsError: A token has none.
    """
    vocabulary = part.build_tokenizer().get_vocab()
    beyond = sorted((token for token, at in vocabulary.items() if at >= spec.vocabulary), key=vocabulary.__getitem__)
    if beyond:
        raise WeightsError(
            f"the tokenizer has {len(vocabulary)} tokens and the embedding table {spec.vocabulary} rows; "
            f"{len(beyond)} tokens have no row, the first is {beyond[0]!r}; name the tokenizer of these weights"
        )


def try_data(recipe: Recipe, stages: Mapping[str, tuple[Census, Census | None]], name: str, *, read: bool) -> None:
    """Compare the datasets of third parties with their censuses.

    Args:
        recipe: The recipe.
        stages: What the training and the validation data of stages were counted to hold.
        name: The recipe's file, for errors.
        read: Whether to read the first and the last sample of each too.

    Raises:
        FaultsError: A dataset has another number of samples, or a sample is not what it must be.
    """
    faults: list[Fault] = []
    for key, (train, held_out) in stages.items():
        stage = recipe.stages[key]
        counted = [("data", stage.data, train)]
        if stage.validation and held_out:
            counted.append(("validation.data", stage.validation.data, held_out))
        for at, data, census in counted:
            try:
                _try_dataset(data, census, read=read)
            except RemgclError as error:
                blamed = culprit(error)
                faults += [Fault(name, f"stages.{key}.{at}", str(error)), *([Fault("", "", blamed)] if blamed else [])]
    if faults:
        raise FaultsError(list(dict.fromkeys(faults)))


def _try_dataset(data: Dataset, census: Census, *, read: bool) -> None:
    if not foreign(data):
        return
    samples = data.build()
    if len(samples) != census.samples:
        raise PluginError(f"{named(data)}: census counts {census.samples} samples; build returned {len(samples)}")
    for place in sorted({0, len(samples) - 1}) if read else ():
        samples[place]


def _try_filter(chosen: TextFilter, recipe: Recipe) -> None:
    """Let a text filter judge the tokens of a sentence, and none at all."""
    import numpy as np

    tokenizer = _tokenizer(recipe)
    keep = chosen.build(tokenizer)
    for text in ("The quick brown fox reads a sign.", ""):
        keep(np.array(tokenizer.encode(text, add_special_tokens=False), dtype=np.int64))


def _try_template(template: Template, recipe: Recipe) -> None:
    """Let a template write one question and two, each with its answer and without the last."""
    tokenizer = _tokenizer(recipe)
    for said in SAID:
        one = (Turn("user", "What does the sign say?", image=True), Turn("assistant", said))
        two = (*one, Turn("user", "In which colour?"), Turn("assistant", said))
        for turns in (one, one[:-1], two, two[:-1]):
            template.render(turns, tokenizer)


def _tokenizer(recipe: Recipe) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
    return Assembly(recipe=recipe, stage=next(iter(recipe.stages))).tokenizer
