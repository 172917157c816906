"""Checks of vision towers: the declared grid is the real one."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from remgcl.core.parts import VisionTower
from remgcl.testing.checks import broken
from remgcl.testing.modules import PretrainedChecks


class Checks(PretrainedChecks):
    """What every vision tower promises."""

    def feed(self, part: VisionTower, count: int = 2) -> Tensor:
        """Make normalised pixels `[N, 3, H, W]`.

        Args:
            part: The tower.
            count: N.
        """
        return torch.randn(count, 3, *part.spec().size, generator=torch.Generator().manual_seed(0))

    def test_it_declares_a_grid_on_its_input(self, part: VisionTower) -> None:
        """The grid has rows and columns, and every patch begins inside the input."""
        spec = part.spec()
        if min(spec.width, *spec.size, spec.grid.rows, spec.grid.columns, *spec.grid.patch) <= 0:
            raise broken(part, f"spec: is {spec!r}; every number of it must be above 0")
        for name, count, length, edge in (
            ("rows", spec.grid.rows, spec.grid.patch[0], spec.size[0]),
            ("columns", spec.grid.columns, spec.grid.patch[1], spec.size[1]),
        ):
            if (count - 1) * length >= edge:
                raise broken(
                    part,
                    f"spec: {count} {name} of {length:g} pixels leave the input of {edge}; "
                    "declare height and width of a patch in input pixels",
                )

    def test_its_colours_are_those_of_an_input_from_0_to_1(self, part: VisionTower) -> None:
        """Mean and standard deviation have three values each, for colours from 0 to 1."""
        spec = part.spec()
        for name, numbers, low in (("mean", spec.mean, 0.0), ("std", spec.std, 1e-3)):
            if len(numbers) != 3 or not all(isfinite(number) and low <= number <= 1 for number in numbers):  # noqa: PLR2004 - colours
                raise broken(part, f"spec: {name} is {numbers!r}; give three numbers from 0 to 1, not to 255")

    def test_its_patches_fill_the_declared_grid(self, part: VisionTower) -> None:
        """Pixels `[N, 3, H, W]` become finite features `[N, P, Dv]`, or `[N, 1 + P, Dv]` with a class token."""
        spec, module = part.spec(), self.make(part).eval()
        for count in (2, 1):
            with torch.no_grad():
                features = module(self.feed(part, count))
            if not isinstance(features, Tensor) or features.shape != (count, spec.tokens, spec.width):
                got = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
                first = "a class token and " if spec.class_token else ""
                raise broken(
                    part,
                    f"build: returns {got} for {count} images; spec declares {first}{spec.grid.rows} x "
                    f"{spec.grid.columns} patches, so expected [{count}, {spec.tokens}, {spec.width}]; "
                    "declare the grid of its output",
                )
            if not features.isfinite().all():
                raise broken(part, "build: a feature is not finite; initialise every parameter")
