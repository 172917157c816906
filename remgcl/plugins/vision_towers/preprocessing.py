"""The input that a tower was trained with: size, colours and interpolation, each settable in the recipe."""

from __future__ import annotations

from typing import Any, TypeAlias

from attrs import field, frozen

from remgcl import Interpolation, VisionTower

Colour: TypeAlias = tuple[float, float, float]


@frozen(kw_only=True)
class Preprocessing:
    """How an image becomes a tower's input.

    Attributes:
        size: Height and width in pixels.
        mean: Mean colour, from 0 to 1.
        std: Standard deviation of the colours.
        interpolation: How an image is resized.
    """

    size: tuple[int, int]
    mean: Colour
    std: Colour
    interpolation: Interpolation = "bicubic"


def _positive(_: object, __: object, values: Any) -> None:  # noqa: ANN401 - a size or a colour
    """Refuse zeros: no size, and nothing to divide by."""
    if values is not None and not all(value > 0 for value in values):
        raise ValueError(f"{values!r} must hold positive numbers only")


@frozen(kw_only=True)
class PreprocessedTower(VisionTower):
    """A tower whose weights come with the input that they were trained with.

    Attributes:
        size: Height and width of the input in pixels; by default the size of the weights. Learned positions
            are interpolated to another size.
        mean: Mean of the input's colours, from 0 to 1; by default that of the weights.
        std: Standard deviation of the input's colours; by default that of the weights.
        interpolation: How an image is resized; by default as the weights declare.
    """

    size: tuple[int, int] | None = field(default=None, validator=_positive)
    mean: Colour | None = None
    std: Colour | None = field(default=None, validator=_positive)
    interpolation: Interpolation | None = None

    def chosen(self, own: Preprocessing) -> Preprocessing:
        """Lay the recipe's settings over what the weights come with.

        Args:
            own: What the weights come with.
        """
        return Preprocessing(
            size=self.size or own.size,
            mean=self.mean or own.mean,
            std=self.std or own.std,
            interpolation=self.interpolation or own.interpolation,
        )
