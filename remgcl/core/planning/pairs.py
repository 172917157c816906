"""Losses that would never see a pair, found before the training: they would log 0, which reads as perfect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from remgcl.core.ocr.cache import with_regions
from remgcl.core.parts import BackboneSpec, Census, TowerSpec
from remgcl.core.recipe.recipe import Recipe, Stage

LOOKED_AT = 200
"""Samples, at even intervals, that are searched for a text region; the first that has one ends the search."""


@frozen
class Blind:
    """Losses that have nothing to compare.

    Attributes:
        faults: Those of which that is certain, each by its key and what is wrong.
        notes: What to say of the others, by stage.
    """

    faults: tuple[tuple[str, str], ...] = ()
    notes: dict[str, tuple[str, ...]] = field(factory=dict)


def blind_losses(recipe: Recipe, tower: TowerSpec, backbone: BackboneSpec, trained: Mapping[str, Census]) -> Blind:
    """Find the losses of all stages that have nothing to compare; one whose weight is 0 may have none.

    Args:
        recipe: The recipe.
        tower: What its vision tower declares.
        backbone: What its backbone declares.
        trained: What the training data of each stage hold.

    Raises:
        DataError: A sample cannot be read.
    """
    if not any(loss.weight > 0 for stage in recipe.stages.values() for loss in stage.losses.values()):
        return Blind()
    from remgcl.core.model.probe import needs

    processes = recipe.runner.layout().processes
    faults: list[tuple[str, str]] = []
    notes: dict[str, tuple[str, ...]] = {}
    for key, stage in recipe.stages.items():
        needed = {
            name: set(needs(loss, tower, backbone.width)) for name, loss in stage.losses.items() if loss.weight > 0
        }
        for name, what, certain in _blind(stage, needed, trained[key], processes):
            if certain:
                faults.append((f"stages.{key}.losses.{name}", what))
            else:
                notes[key] = (*notes.get(key, ()), f"stages.{key}.losses.{name}: {what}")
    return Blind(tuple(faults), notes)


def _blind(
    stage: Stage, needed: Mapping[str, set[str]], train: Census, processes: int | None
) -> Iterator[tuple[str, str, bool]]:
    """Return each such loss of a stage, what is wrong, and whether that is certain."""
    found, looked_at = _regions(stage) if any("regions" in needs for needs in needed.values()) else (True, 0)
    for name, needs_ in needed.items():
        if "images" in needs_ and train.images == 0:
            yield name, "compares images; no sample of the data has one", True
        elif "regions" in needs_ and not found:
            what = f"compares text regions; none of {looked_at:,} samples that were checked has one"
            hint = "remgcl ocr finds them, and the key ocr names its cache"
            if stage.ocr is not None:
                hint = f"the cache {stage.ocr!r} holds none of their images; make it of this data"
            yield name, f"{what}: {hint}", looked_at == train.samples
        elif "samples" in needs_ and stage.batch_size * (processes or 2) == 1:
            yield (
                name,
                "learns nothing from a single sample; batch_size is 1, and accumulated batches share no pairs",
                True,
            )
        elif "own samples" in needs_ and stage.batch_size == 1:
            yield name, "learns nothing from a single sample; batch_size is 1, and it gathers no other rank's", False


def _regions(stage: Stage) -> tuple[bool, int]:
    """Search for a sample with a text region; return whether there is one, and how many samples were examined."""
    samples = with_regions(stage.data.build(), stage.ocr)
    looked_at = min(len(samples), LOOKED_AT)
    found = any(samples[place * len(samples) // looked_at].regions for place in range(looked_at))
    return found, looked_at
