"""The contract of vision towers: images to patch features."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, TypeAlias

from attrs import frozen

from remgcl.core.parts.part import Pretrained
from remgcl.core.parts.promise import instance, is_a, module, number, returns, several, that, whole

if TYPE_CHECKING:
    from torch import nn

Aspect: TypeAlias = Literal["pad", "crop", "stretch"]
"""How an image is made to fit a tower."""

Resampling: TypeAlias = Literal["exact", "fast"]
"""Whether an image is resized exactly as the tower's image processor does with Pillow, or nearly so and faster."""

Interpolation: TypeAlias = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]
"""How the pixels of a resized image are made, by Pillow's names."""


@frozen(kw_only=True)
class PatchGrid:
    """The patches of a tower on its input image.

    Attributes:
        rows: Rows of patches.
        columns: Columns of patches.
        patch: Height and width of a patch in input pixels. Rows times height
            may fall short of the input: what is left over is seen by no patch.
    """

    rows: int
    columns: int
    patch: tuple[float, float]

    @property
    def patches(self) -> int:
        """The number of patches."""
        return self.rows * self.columns


@frozen(kw_only=True)
class TowerSpec:
    """What a vision tower declares of itself, without loading its weights.

    Attributes:
        width: Width Dv of its features.
        size: Height and width of its input in pixels.
        grid: Its patches on that input.
        class_token: Whether its features start with a class token.
        mean: Mean of the input's colours, from 0 to 1.
        std: Standard deviation of the input's colours.
        interpolation: How an image is resized to its input.
    """

    width: int
    size: tuple[int, int]
    grid: PatchGrid
    class_token: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Interpolation = "bicubic"

    @property
    def tokens(self) -> int:
        """The number of tokens an image takes in the language model."""
        return self.grid.patches + self.class_token


def _above_0(value: object) -> bool:
    return number(value) and value > 0  # type: ignore[operator]


_IS_SPEC = instance(
    TowerSpec,
    {
        "width": whole(1),
        "size": several(whole(1), 2),
        "grid": is_a(PatchGrid),
        "class_token": is_a(bool),
        "mean": several(number, 3),
        "std": several(_above_0, 3),
    },
)
_IS_GRID = instance(PatchGrid, {"rows": whole(1), "columns": whole(1), "patch": several(_above_0, 2)})


def _spec_flaw(spec: object, *_: object, **__: object) -> str | None:
    flaw = _IS_SPEC(spec)
    if flaw is not None or not isinstance(spec, TowerSpec):
        return flaw
    flaw = _IS_GRID(spec.grid)
    return flaw and f"one with a grid that is {flaw}"


@frozen(kw_only=True)
class VisionTower(Pretrained):
    """Turn images into patch features."""

    @abstractmethod
    @returns(
        "a TowerSpec: width of at least 1, a size of two such numbers, a grid with patches of more than 0 pixels, "
        "class_token true or false, three finite numbers as mean, and three above 0 as std",
        _spec_flaw,
    )
    def spec(self) -> TowerSpec:
        """Declare grid, class token, input and width.

        Raises:
            WeightsError: Its configuration cannot be found or read.
        """

    @abstractmethod
    @returns("a torch module", that(module))
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the module: normalised pixels `[N, 3, H, W]` to features `[N, P, Dv]`.

        With a class token, features are `[N, 1 + P, Dv]` and it comes first.
        Patches are in rows from the upper left. In evaluation, an image's
        features do not depend on the others.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: Its weights cannot be found or read.
        """
