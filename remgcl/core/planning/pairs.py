"""Losses that would never see a pair, found before the training: they would log 0, which reads as perfect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from remgcl.core.ocr.cache import with_regions
from remgcl.core.parts import BackboneSpec, Census, TowerSpec
from remgcl.core.recipe.recipe import Recipe, Stage

LOOKED_AT = 200
"""Samples, evenly spread, that are looked through for a text region; the first that has one ends the search."""


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
    processes = recipe.runner.layout().processes
    faults: list[tuple[str, str]] = []
    notes: dict[str, tuple[str, ...]] = {}
    for key, stage in recipe.stages.items():
        losses = {name: loss for name, loss in stage.losses.items() if loss.weight > 0}
        lacks = _lacks(stage, trained[key], processes) if losses else {}
        if not lacks:
            continue
        from remgcl.core.model.probe import needs

        needed = {name: set(needs(loss, tower, backbone.width)) for name, loss in losses.items()}
        for name, what, certain in _blind(needed, lacks):
            if certain:
                faults.append((f"stages.{key}.losses.{name}", what))
            else:
                notes[key] = (*notes.get(key, ()), f"stages.{key}.losses.{name}: {what}")
    return Blind(tuple(faults), notes)


def _lacks(stage: Stage, train: Census, processes: int | None) -> dict[str, tuple[str, bool]]:
    """Return what the batches of a stage lack: what that means for a loss that needs it, and whether it is certain."""
    lacks: dict[str, tuple[str, bool]] = {}
    if train.images == 0:
        lacks["images"] = "compares images; no sample of the data has one", True
    found, looked_at = _regions(stage)
    if not found:
        what = f"compares text regions; none of {looked_at:,} samples that were looked at has one"
        ocr = "remgcl ocr finds them, and the key ocr names its cache"
        lacks["regions"] = f"{what}: {ocr}", looked_at == train.samples
    if stage.batch_size * (processes or 2) == 1:
        lacks["samples"] = (
            "learns nothing from a single sample; batch_size is 1, and accumulated steps stay apart",
            True,
        )
    return lacks


def _blind(needed: Mapping[str, set[str]], lacks: Mapping[str, tuple[str, bool]]) -> Iterator[tuple[str, str, bool]]:
    """Yield each loss that needs what is lacking, the first reason why, and whether that is certain."""
    for name, needs in needed.items():
        reason = next((why for what, why in lacks.items() if what in needs), None)
        if reason:
            yield name, *reason


def _regions(stage: Stage) -> tuple[bool, int]:
    """Look for a sample with a text region: whether there is one, and how many samples were looked at."""
    samples = with_regions(stage.data.build(), stage.ocr)
    looked_at = min(len(samples), LOOKED_AT)
    found = any(samples[place * len(samples) // looked_at].regions for place in range(looked_at))
    return found, looked_at
