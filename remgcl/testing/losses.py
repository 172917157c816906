"""What every loss promises: a scalar of any features, whatever the batch, the grid and the ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from attrs import evolve, fields
from torch import Tensor

from remgcl.core.features import Features, Regions
from remgcl.core.parts import Loss
from remgcl.testing.checks import broken
from remgcl.testing.features import backward, picked, random_features, with_places
from remgcl.testing.losses_learning import LearningChecks
from remgcl.testing.losses_on_ranks import RankChecks
from remgcl.testing.losses_values import SIDES, built_loss, close, value_of, verify_gradients, verify_number
from remgcl.testing.operations import Recorder

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


class Checks(RankChecks, LearningChecks):
    """What every loss promises."""

    def test_it_answers_one_finite_number(self, part: Loss) -> None:
        """A loss returns a finite scalar `[]`."""
        verify_number(part, built_loss(part)(random_features()), "a usual batch")

    def test_its_gradient_is_finite_and_reaches_an_input(self, part: Loss) -> None:
        """A finite gradient reaches patches, answers or region texts."""
        _, gradients = backward(built_loss(part), random_features())
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            raise broken(
                part, "no gradient reaches patches, answers or region texts; compute it from them, without detach()"
            )
        verify_gradients(part, gradients, "a usual batch")

    def test_a_batch_that_lacks_something_gives_a_finite_number_and_the_same_graph(self, part: Loss) -> None:
        """If N, A or R is 0, or masks are all False, the loss is finite and every rank has the same graph."""
        _, usual = backward(built_loss(part), random_features())
        for batch, shape in SMALL.items():
            value, gradients = backward(built_loss(part), random_features(**shape))
            verify_number(part, value, batch)
            verify_gradients(part, gradients, batch)
            for side, one, other in zip(SIDES, gradients, usual, strict=True):
                if one is None and other is not None:
                    raise broken(part, f"{batch}: the graph does not reach the {side}; add features.zero() to the loss")

    def test_where_there_is_nothing_it_is_zero(self, part: Loss) -> None:
        """Without images, samples and regions, the loss is `features.zero()`."""
        value = built_loss(part)(with_places(random_features(**SMALL["no sample"])))
        if value != 0:
            raise broken(part, f"a batch without a sample: is {value.item():g}; return features.zero() there")

    def test_it_is_finite_in_every_precision(self, part: Loss) -> None:
        """Value and gradients are finite for features in float32 and in bfloat16."""
        for dtype in (torch.float32, torch.bfloat16):
            try:
                value, gradients = backward(built_loss(part), random_features(padding=3, dtype=dtype))
            except RuntimeError as error:
                raise broken(part, f"features of {dtype}: raises {error}; bring tensors to one precision") from error
            verify_number(part, value, f"features of {dtype}")
            verify_gradients(part, gradients, f"features of {dtype}")

    def test_the_order_of_samples_images_and_regions_does_not_matter(self, part: Loss) -> None:
        """The loss does not depend on the order of the batch."""
        made = random_features(image_sample=(0, 2, 2, 3), answers=(4, 2, 6, 3), regions=(0, 1, 1, 3, 2))
        for samples, images, regions in ORDERS:
            one, other = (value_of(part, with_places(it)) for it in (made, picked(made, samples, images, regions)))
            if not close(one, other):
                raise broken(
                    part,
                    f"is {one:g}, and {other:g} in another order of samples, images and regions; "
                    "find an image's sample by image_sample, and a region's image by regions.image",
                )

    def test_it_can_do_without_the_places_of_regions(self, part: Loss) -> None:
        """`of_image` only saves work: without it the loss is the same."""
        made = random_features()
        try:
            one, other = value_of(part, with_places(made)), value_of(part, made)
        except (AttributeError, TypeError) as error:
            raise broken(part, f"cannot do without regions.of_image: {error}; it may be None") from error
        if not close(one, other):
            raise broken(part, f"is {one:g} with regions.of_image, and {other:g} without; it only saves work")

    def test_its_inputs_stay_as_they_are(self, part: Loss) -> None:
        """The features are not changed, as other losses see the same ones."""
        made = with_places(random_features(padding=2))
        before = {name: tensor.detach().clone() for name, tensor in _tensors(made).items()}
        with torch.no_grad():
            built_loss(part)(made)
        changed = [name for name, tensor in _tensors(made).items() if not torch.equal(tensor, before[name])]
        if changed:
            raise broken(part, f"changes {', '.join(changed)} in place; compute on copies")

    def test_padding_of_answers_changes_nothing(self, part: Loss) -> None:
        """Values where `answer_mask` is False are padding and do not affect the loss."""
        made = random_features()
        noise = made.answer.masked_fill(~made.answer_mask[..., None], -50.0)
        one = value_of(part, made)
        for what, features in (
            ("with 3 columns of padding", random_features(padding=3)),
            ("with other numbers where answer_mask is False", evolve(made, answer=noise)),
        ):
            other = value_of(part, features)
            if not close(one, other):
                raise broken(part, f"is {one:g}, and {other:g} {what}; look at answer_mask")

    def test_it_works_with_the_grid_of_any_tower(self, part: Loss) -> None:
        """It works with any declared grid, square or not."""
        for grid in GRIDS:
            try:
                value, gradients = backward(built_loss(part), random_features(grid=grid))
            except (RuntimeError, ValueError, IndexError) as error:
                raise broken(part, f"a grid of {grid}: raises {error}; read the shape off features.grid") from error
            verify_number(part, value, f"a grid of {grid}")
            verify_gradients(part, gradients, f"a grid of {grid}")

    def test_the_host_never_waits(self, part: Loss) -> None:
        """No operation reads a value or a size back from the accelerator, which would stall every step."""
        built, features = built_loss(part), with_places(random_features())
        with Recorder() as recorder:
            backward(built, features)
        if recorder.waiting:
            operations = ", ".join(recorder.waiting)
            raise broken(
                part, f"waits for the accelerator by {operations}; use where and masks, not values, item or indices"
            )

    def test_the_number_of_operations_does_not_depend_on_the_regions(self, part: Loss) -> None:
        """There is no loop over regions: a page of text takes as many operations as a line."""
        few, many = Recorder(), Recorder()
        for recorder, count in ((few, 3), (many, 40)):
            features = with_places(random_features(regions=sorted(place % 3 for place in range(count))))
            built = built_loss(part)
            with recorder:
                backward(built, features)
        if len(few.operations) != len(many.operations):
            raise broken(
                part,
                f"takes {len(few.operations)} operations with 3 regions and {len(many.operations)} with 40; "
                "compute all regions at once",
            )

    def test_it_counts_from_masks_and_regions_alone(self, part: Loss) -> None:
        """`count` returns a non-negative scalar without gradient, also for features whose width D is 0."""
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
            verify_number(part, count, f"count: {batch}")
            if count < 0 or count.requires_grad or count != whole:
                raise broken(
                    part,
                    f"count: {batch}: is {count.item():g}, and {whole.item():g} of whole features; "
                    "count masks and regions, without a gradient, never below 0",
                )

    def test_what_it_tells_of_itself_are_scalars(self, part: Loss) -> None:
        """`diagnose` returns finite scalars by name, for any batch."""
        built = built_loss(part)
        teller: Any = built if hasattr(built, "diagnose") else part
        for batch, shape in BATCHES.items():
            with torch.no_grad():
                values = teller.diagnose(random_features(**shape))
            if not isinstance(values, Mapping):
                raise broken(part, f"diagnose: must return a mapping from names to scalars; it returned {values!r}")
            for name, value in values.items():
                verify_number(part, value, f"diagnose: {name!r}: {batch}")


def _tensors(features: Features) -> dict[str, Tensor]:
    """Name every tensor of features."""
    held = {f"features.{field.name}": getattr(features, field.name) for field in fields(Features)}
    held |= {f"regions.{field.name}": getattr(features.regions, field.name) for field in fields(Regions)}
    return {name: tensor for name, tensor in held.items() if isinstance(tensor, Tensor)}
