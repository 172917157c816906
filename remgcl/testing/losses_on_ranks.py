"""What a loss promises among ranks: none hangs, and together they are one process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from remgcl.core.features import Features
from remgcl.core.parts import Loss
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.features import backward, joined, leaves, random_features, sides
from remgcl.testing.losses_values import SIDES, built_loss, close, verify_number
from remgcl.testing.operations import Recorder
from remgcl.testing.ranks import BrokenRankError, Ranks

HELD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "unequal counts": (
        {"image_sample": (0, 1, 2), "answers": (5, 3, 4), "regions": (0, 0, 1, 2)},
        {"image_sample": (0, 0, 1), "answers": (3, 2), "regions": (0, 1, 1, 1, 2, 2, 2)},
    ),
    "one without an image": (
        {"image_sample": (0, 1, 2), "answers": (5, 3, 4), "regions": (0, 0, 1, 2)},
        {"image_sample": (), "answers": (4, 4), "regions": ()},
    ),
    "one with nothing": (
        {"image_sample": (), "answers": (), "regions": ()},
        {"image_sample": (0, 1), "answers": (4, 4), "regions": (0, 0, 1)},
    ),
    "nothing at all": (
        {"image_sample": (), "answers": (0,), "regions": ()},
        {"image_sample": (), "answers": (0, 0), "regions": ()},
    ),
}
"""What each of two ranks holds."""


class RankChecks(PartChecks):
    """What a loss promises among ranks."""

    def test_two_ranks_agree_with_one_that_holds_all(self, part: Loss, remgcl_ranks: Ranks) -> None:
        """A loss that gathers, averaged over ranks by its count, equals the loss of one process with all batches.

        Any other loss is finite on each rank and deterministic; none may hang.
        """
        for held, shapes in HELD.items():
            each = [random_features(seed, **shape) for seed, shape in enumerate(shapes)]
            where = f"two ranks, {held}"
            try:
                found = remgcl_ranks.run(_on_a_rank, *((part, features) for features in each))
            except BrokenRankError as error:
                raise broken(part, f"{where}: {error}; call gather on every rank, for any batch") from error
            calls = [report["collective"] for report in found]
            if calls[0] != calls[1]:
                raise broken(part, f"{where}: gather unequally, {calls[0]} and {calls[1]}; call it on every rank")
            for rank, report in enumerate(found):
                verify_number(part, report["value"], f"{where}: rank {rank}")
                if not torch.equal(report["value"], report["again"]):
                    raise broken(part, f"{where}: rank {rank}: differs on each run; seed its randomness")
            if calls[0]:
                _agree(part, found, backward(built_loss(part), joined(*each)), where)


def _agree(part: Loss, found: list[Mapping[str, Any]], whole: tuple[Tensor, list[Tensor | None]], where: str) -> None:
    """Hold the mean over ranks, weighed by the counts, against one process; and its gradients."""
    mean, expected = float(sum(report["share"] for report in found)) / 2, whole[0].item()
    if not close(mean, expected):
        raise broken(
            part,
            f"{where}: is {mean:g} on average, weighed by count, and {expected:g} where one process holds all; "
            "gather both sides, and let count return what the loss is a mean over",
        )
    for at, (side, gradient) in enumerate(zip(SIDES, whole[1], strict=True)):
        start = 0
        for report in found:
            own = report["gradients"][at]
            if gradient is None or own is None or not own.numel():
                start += 0 if own is None else len(own)
                continue
            rows = gradient[start : start + len(own), : own.shape[1]]
            start += len(own)
            if (own / 2 - rows).abs().max() > 1e-4 * max(1.0, gradient.abs().max().item()):
                raise broken(part, f"{where}: {side} get other gradients than in one process; use remgcl.gather")


def _on_a_rank(part: Loss, features: Features) -> dict[str, Any]:
    """Compute what one rank adds to the mean over all, with its gradients, and once more."""
    from torch import distributed

    features = leaves(features)
    module = built_loss(part)
    count = part.count(features)
    total = count.detach().clone()
    distributed.all_reduce(total)
    with Recorder() as recorder:
        value = module(features)
        share = value * count * 2 / total.clamp(min=1e-6)
        if share.requires_grad:
            share.backward()  # type: ignore[no-untyped-call]
    return {
        "value": value.detach(),
        "again": module(features).detach(),
        "share": share.detach(),
        "gradients": [side.grad for side in sides(features)],
        "collective": recorder.collective,
    }
