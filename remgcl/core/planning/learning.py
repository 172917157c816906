"""How many parameters of each part can learn, and stages in which none does."""

from __future__ import annotations

from collections.abc import Mapping

from remgcl.core.errors import Fault, listed
from remgcl.core.parts import Backbone, Projector, VisionTower
from remgcl.core.recipe.recipe import Recipe
from remgcl.core.registry.culprit import foreign


def count_part(part: VisionTower | Projector | Backbone, *widths: int) -> tuple[int, int]:
    """Count the parameters of a part, and those that can learn.

    Those of this project freeze nothing, so no module of theirs is built.

    Args:
        part: The part.
        *widths: Widths Dv and D, for a projector.
    """
    if foreign(part) or (isinstance(part, Backbone) and part.lora):
        return part.counts(*widths)
    return (part.parameters(*widths),) * 2


def idle_stages(name: str, recipe: Recipe, counts: Mapping[str, tuple[int, int] | None]) -> list[Fault]:
    """Find the stages in which nothing learns.

    Args:
        name: The recipe's file.
        recipe: The recipe.
        counts: Parameters of each part, and those that can learn; nothing is
            said unless all parts were counted.
    """
    if not counts or not all(counts.values()):
        return []
    learnable = {part: count[1] for part, count in counts.items() if count}
    return [
        Fault(name, f"stages.{key}.train", f"nothing learns; all parameters of {listed(stage.train)} are frozen")
        for key, stage in recipe.stages.items()
        if not any(learnable[part] for part in stage.train)
    ]


def adapter_notes(part: Backbone) -> tuple[str, ...]:
    """Report parameters that get no adapter although the backbone's linear layers do.

    Args:
        part: The backbone.
    """
    if part.lora is None:
        return ()
    names, share = part.lora.unreached(lambda: part.build(pretrained=False))
    if not names:
        return ()
    experts = f"experts that are held as one tensor each, {len(names)} of them, the first {names[0]!r}"
    hint = "" if part.lora.targets else "; with dropout = 0 they get adapters too"
    return (f"backbone.lora: {100 * share:.0f} % of the backbone's parameters get no adapter: {experts}{hint}",)
