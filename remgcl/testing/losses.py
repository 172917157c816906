"""What every loss promises: a scalar of any features, whatever the batch, the grid and the ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import evolve, fields
from torch import Tensor, nn

from remgcl.core.checkpoint import load_part, save_part
from remgcl.core.features import Features, Regions
from remgcl.core.parts import Loss
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.features import WIDTH, backward, joined, leaves, picked, random_features, sides, with_places
from remgcl.testing.operations import Recorder
from remgcl.testing.ranks import BrokenRankError, Ranks

SIDES = ("patches", "answers", "region texts")

SMALL: dict[str, dict[str, Any]] = {
    "no image": {"image_sample": (), "regions": ()},
    "no sample": {"image_sample": (), "answers": (), "regions": ()},
    "no region": {"regions": ()},
    "one sample": {"image_sample": (0,), "answers": (5,), "regions": (0,)},
    "one sample without an image": {"image_sample": (), "answers": (5,), "regions": ()},
    "no supervised token": {"answers": (0, 0, 0)},
    "no token kept": {"kept": 0.0},
    "patches of padding only": {"shown": 0.0},
    "nothing at all": {"kept": 0.0, "shown": 0.0, "regions": ()},
}
"""Batches that lack something."""

BATCHES: dict[str, dict[str, Any]] = {"a usual batch": {}, **SMALL}

GRIDS = ((24, 24), (16, 16), (14, 14), (27, 27), (7, 7), (6, 12), (2, 3), (1, 1))
"""CLIP at 336 and 224 pixels, ViT-B/16, SigLIP at 384, a convolutional net, the tiny tower, and the smallest."""

ORDERS = (
    ([3, 2, 1, 0], [0, 1, 2, 3], [0, 1, 2, 3, 4]),
    ([0, 1, 2, 3], [2, 0, 3, 1], [0, 1, 2, 3, 4]),
    ([0, 1, 2, 3], [0, 1, 2, 3], [4, 2, 0, 3, 1]),
    ([1, 3, 0, 2], [3, 1, 0, 2], [1, 4, 3, 0, 2]),
)
"""Orders of samples, images and regions: of one at a time, and of all."""

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


class Checks(PartChecks):
    """What every loss promises."""

    def test_it_answers_one_finite_number(self, part: Loss) -> None:
        """A loss answers a scalar `[]`, and it is finite."""
        _number(part, _built(part)(random_features()), "a usual batch")

    def test_its_gradient_is_finite_and_reaches_an_input(self, part: Loss) -> None:
        """The gradient reaches patches, answers or region texts, and is finite."""
        _, gradients = backward(_built(part), random_features())
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            raise broken(part, "no gradient reaches patches, answers or region texts; compute it of them, undetached")
        _finite(part, gradients, "a usual batch")

    def test_a_batch_that_lacks_something_gives_a_finite_number_and_the_same_graph(self, part: Loss) -> None:
        """N, A and R may be 0, and masks False: the loss is finite, and every rank's graph is the same."""
        _, usual = backward(_built(part), random_features())
        for batch, shape in SMALL.items():
            value, gradients = backward(_built(part), random_features(**shape))
            _number(part, value, batch)
            _finite(part, gradients, batch)
            for side, one, other in zip(SIDES, gradients, usual, strict=True):
                if one is None and other is not None:
                    raise broken(part, f"{batch}: the graph does not reach the {side}; add features.zero() to the loss")

    def test_where_there_is_nothing_it_is_zero(self, part: Loss) -> None:
        """Without image, sample and region, the loss is `features.zero()`."""
        value = _built(part)(with_places(random_features(**SMALL["no sample"])))
        if value != 0:
            raise broken(part, f"a batch without a sample: is {value.item():g}; answer features.zero() there")

    def test_it_is_finite_in_every_precision(self, part: Loss) -> None:
        """Features are float32 or bfloat16; value and gradients are finite in both."""
        for dtype in (torch.float32, torch.bfloat16):
            try:
                value, gradients = backward(_built(part), random_features(padding=3, dtype=dtype))
            except RuntimeError as error:
                raise broken(part, f"features of {dtype}: raises {error}; bring tensors to one precision") from error
            _number(part, value, f"features of {dtype}")
            _finite(part, gradients, f"features of {dtype}")

    def test_the_order_of_samples_images_and_regions_does_not_matter(self, part: Loss) -> None:
        """The same batch in another order has the same loss."""
        made = random_features(image_sample=(0, 2, 2, 3), answers=(4, 2, 6, 3), regions=(0, 1, 1, 3, 2))
        for samples, images, regions in ORDERS:
            one, other = (_value(part, with_places(it)) for it in (made, picked(made, samples, images, regions)))
            if not _close(one, other):
                raise broken(
                    part,
                    f"is {one:g}, and {other:g} in another order of samples, images and regions; "
                    "find an image's sample by image_sample, and a region's image by regions.image",
                )

    def test_it_can_do_without_the_places_of_regions(self, part: Loss) -> None:
        """`of_image` saves work only: without it the loss is the same."""
        made = random_features()
        try:
            one, other = _value(part, with_places(made)), _value(part, made)
        except (AttributeError, TypeError) as error:
            raise broken(part, f"cannot do without regions.of_image: {error}; it may be None") from error
        if not _close(one, other):
            raise broken(part, f"is {one:g} with regions.of_image, and {other:g} without; it only saves work")

    def test_its_inputs_stay_as_they_are(self, part: Loss) -> None:
        """The other losses of the batch see the same features: none may change them."""
        made = with_places(random_features(padding=2))
        before = {name: tensor.detach().clone() for name, tensor in _tensors(made).items()}
        with torch.no_grad():
            _built(part)(made)
        changed = [name for name, tensor in _tensors(made).items() if not torch.equal(tensor, before[name])]
        if changed:
            raise broken(part, f"changes {', '.join(changed)} in place; compute on copies")

    def test_padding_of_answers_changes_nothing(self, part: Loss) -> None:
        """Where `answer_mask` is False there is no token to look at, and what stands there does not count."""
        made = random_features()
        noise = made.answer.masked_fill(~made.answer_mask[..., None], -50.0)
        one = _value(part, made)
        for what, features in (
            ("with 3 columns of padding", random_features(padding=3)),
            ("with other numbers where answer_mask is False", evolve(made, answer=noise)),
        ):
            other = _value(part, features)
            if not _close(one, other):
                raise broken(part, f"is {one:g}, and {other:g} {what}; look at answer_mask")

    def test_it_works_with_the_grid_of_any_tower(self, part: Loss) -> None:
        """The grid is declared, square or not; nothing of it is assumed."""
        for grid in GRIDS:
            try:
                value, gradients = backward(_built(part), random_features(grid=grid))
            except (RuntimeError, ValueError, IndexError) as error:
                raise broken(part, f"a grid of {grid}: raises {error}; read the shape off features.grid") from error
            _number(part, value, f"a grid of {grid}")
            _finite(part, gradients, f"a grid of {grid}")

    def test_two_ranks_agree_with_one_that_holds_all(self, part: Loss, remgcl_ranks: Ranks) -> None:
        """A loss that gathers gives, averaged over ranks by its count, what one process gives of all their batches.

        Any other is finite on each rank, and the same on each run; none may hang.
        """
        for held, shapes in HELD.items():
            each = [random_features(seed, **shape) for seed, shape in enumerate(shapes)]
            where = f"two ranks, {held}"
            try:
                found = remgcl_ranks.run(_on_a_rank, *((part, features) for features in each))
            except BrokenRankError as error:
                raise broken(part, f"{where}: {error}; call gather on every rank, whatever its batch holds") from error
            calls = [told["collective"] for told in found]
            if calls[0] != calls[1]:
                raise broken(part, f"{where}: gather unequally, {calls[0]} and {calls[1]}; call it on every rank")
            for rank, told in enumerate(found):
                _number(part, told["value"], f"{where}: rank {rank}")
                if not torch.equal(told["value"], told["again"]):
                    raise broken(part, f"{where}: rank {rank}: is another on each run; seed what is random")
            if calls[0]:
                _agree(part, found, backward(_built(part), joined(*each)), where)

    def test_the_host_never_waits(self, part: Loss) -> None:
        """No operation asks the accelerator for a value or a size: that would stop it at every step."""
        built, features = _built(part), with_places(random_features())
        with Recorder() as recorder:
            backward(built, features)
        if recorder.waiting:
            told = ", ".join(recorder.waiting)
            raise broken(part, f"waits for the accelerator by {told}; use where and masks, not values, item or indices")

    def test_the_number_of_operations_does_not_depend_on_the_regions(self, part: Loss) -> None:
        """No loop runs over regions: a page of text takes as many operations as a line."""
        few, many = Recorder(), Recorder()
        for recorder, count in ((few, 3), (many, 40)):
            features = with_places(random_features(regions=sorted(place % 3 for place in range(count))))
            built = _built(part)
            with recorder:
                backward(built, features)
        if len(few.operations) != len(many.operations):
            raise broken(
                part,
                f"takes {len(few.operations)} operations with 3 regions and {len(many.operations)} with 40; "
                "compute all regions at once",
            )

    def test_it_counts_from_masks_and_regions_alone(self, part: Loss) -> None:
        """`count` answers a scalar that is not negative, of features whose width D is 0, and asks for no gradient."""
        for batch, shape in BATCHES.items():
            made = random_features(**shape)
            outline = evolve(
                made,
                patches=made.patches[..., :0],
                answer=made.answer[..., :0],
                regions=evolve(made.regions, text=made.regions.text[:, :0]),
            )
            try:
                count, whole = part.count(outline), part.count(made)
            except (RuntimeError, IndexError, ValueError) as error:
                raise broken(part, f"count: {batch}: raises {error}; look at masks and regions alone") from error
            _number(part, count, f"count: {batch}")
            if count < 0 or count.requires_grad or count != whole:
                raise broken(
                    part,
                    f"count: {batch}: is {count.item():g}, and {whole.item():g} of whole features; "
                    "count masks and regions, without a gradient, never below 0",
                )

    def test_what_it_learns_has_gradients_and_can_be_saved(self, part: Loss, tmp_path: Path) -> None:
        """What `build` answers is called like the loss; a module's parameters are trained, saved and resumed."""
        built, features = _built(part), random_features()
        value = built(features)
        again = _built(part, seed=1)
        if isinstance(built, nn.Module):
            value.backward()  # type: ignore[no-untyped-call]
            idle = [name for name, each in built.named_parameters() if each.grad is None]
            if idle:
                raise broken(part, f"build: no gradient reaches {', '.join(idle)}; use every parameter in the loss")
            _finite(part, [each.grad for each in built.parameters()], "what it learns")
            with torch.no_grad():
                for parameter in built.parameters():
                    parameter.add_(0.125)
            value = built(features)
            save_part(built, tmp_path / "loss.safetensors")
            if not isinstance(again, nn.Module):
                raise broken(part, "build: answers a module only sometimes; answer one each time")
            load_part(again, tmp_path / "loss.safetensors")
        if not torch.equal(again(features), value):
            raise broken(part, "build: gives another value once it is built anew and what it learned is loaded")

    def test_what_it_tells_of_itself_are_scalars(self, part: Loss) -> None:
        """`diagnose` answers finite scalars by name, for any batch."""
        built = _built(part)
        teller: Any = built if hasattr(built, "diagnose") else part
        for batch, shape in BATCHES.items():
            with torch.no_grad():
                told = teller.diagnose(random_features(**shape))
            if not isinstance(told, Mapping):
                raise broken(part, f"diagnose: must answer a mapping of names to scalars; it answers {told!r}")
            for name, value in told.items():
                _number(part, value, f"diagnose: {name!r}: {batch}")


def _built(part: Loss, seed: int = 0) -> Callable[[Features], Tensor]:
    """Make what a training calls."""
    torch.manual_seed(seed)
    return part.build(WIDTH)


def _value(part: Loss, features: Features) -> float:
    with torch.no_grad():
        return _built(part)(features).item()


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-4 * max(1.0, abs(one), abs(other))


def _number(part: Loss, value: object, where: str) -> None:
    """Raise unless a value is a finite scalar."""
    if not isinstance(value, Tensor) or value.shape != torch.Size([]):
        got = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise broken(part, f"{where}: must answer a scalar tensor; it answers {got}")
    if not value.isfinite():
        raise broken(part, f"{where}: is {value.item()}; guard means over nothing with clamp(min=...)")


def _finite(part: Loss, gradients: list[Tensor | None], where: str) -> None:
    """Raise unless gradients are finite."""
    if not all(gradient is None or gradient.isfinite().all() for gradient in gradients):
        raise broken(part, f"{where}: a gradient is not finite; guard norms and quotients with an epsilon")


def _tensors(features: Features) -> dict[str, Tensor]:
    """Name every tensor of features."""
    held = {f"features.{field.name}": getattr(features, field.name) for field in fields(Features)}
    held |= {f"regions.{field.name}": getattr(features.regions, field.name) for field in fields(Regions)}
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}


def _agree(part: Loss, found: list[Mapping[str, Any]], whole: tuple[Tensor, list[Tensor | None]], where: str) -> None:
    """Hold the mean over ranks, weighed by the counts, against one process; and its gradients."""
    mean, expected = float(sum(told["share"] for told in found)) / 2, whole[0].item()
    if not _close(mean, expected):
        raise broken(
            part,
            f"{where}: is {mean:g} on average, weighed by count, and {expected:g} where one process holds all; "
            "gather both sides, and let count tell what the loss is a mean over",
        )
    for at, (side, gradient) in enumerate(zip(SIDES, whole[1], strict=True)):
        start = 0
        for told in found:
            own = told["gradients"][at]
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
    module = _built(part)
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
