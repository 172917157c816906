"""The input of a loss: the features of one batch, and every shape.

Letters, used in every docstring of the project: N images, P patches of an
image, B samples, T tokens of a sample, A supervised tokens of a sample,
D width of the language model, Dv width of the vision tower, R text regions.

This module knows no model, tokenizer, image file or OCR engine.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from torch import Tensor


@frozen(eq=False, kw_only=True)
class Regions:
    """The text regions of all images of a batch; R may be 0.

    Attributes:
        image: Index of each region's image, int64 `[R]`.
        patch_weights: Share of each patch in its region, float `[R, P]`; each
            row sums to 1.
        text: Mean of the region's text tokens `[R, D]`: of their input
            embeddings, or of the language model's states at the loss's `text_layer`.
        text_key: Equal for equal texts, int64 `[R]`; such regions are not
            negatives of one another.
        confidence: Certainty of the recognised text, from 0 to 1, `[R]`.
        of_image: Places of each image's regions, R on padding, int64 `[N, M]`,
            M the most regions of an image. It saves looking at every region
            with every image; a loss can do without.
    """

    image: Tensor
    patch_weights: Tensor
    text: Tensor
    text_key: Tensor
    confidence: Tensor
    of_image: Tensor | None = None


@frozen(eq=False, kw_only=True)
class Features:
    """The two sides of a batch that a loss compares: patches and text.

    Any of N, A and R may be 0; a loss then returns a zero that keeps the graph
    connected, never NaN.

    Attributes:
        patches: Projected patches, without a class token, `[N, P, D]`.
        patch_mask: False on patches that show only padding, bool `[N, P]`.
        grid: Rows and columns of the patches; their product is P.
        image_sample: Index of each image's sample, int64 `[N]`.
        image_key: Equal for equal images, int64 `[N]`.
        answer: The supervised tokens, in order `[B, A, D]`: their input
            embeddings, or the language model's states at the loss's `text_layer`.
        answer_mask: True on the tokens that the text filter kept, bool `[B, A]`.
        answer_key: Equal for equal kept tokens, int64 `[B]`.
        regions: The text regions of the images.
    """

    patches: Tensor
    patch_mask: Tensor
    grid: tuple[int, int]
    image_sample: Tensor
    image_key: Tensor
    answer: Tensor
    answer_mask: Tensor
    answer_key: Tensor
    regions: Regions

    def zero(self) -> Tensor:
        """Make a zero `[]` that depends on patches, answers and region texts.

        Added to a loss it changes nothing, and keeps every rank's graph the
        same whatever its batch holds.
        """
        return self._zero

    @cached_property
    def _zero(self) -> Tensor:
        """Sum up nothing, so that no value of the features, however large, can turn it into NaN.

        Its gradient is as large as the features: losses share one.
        """
        import torch

        sides = (self.patches, self.answer, self.regions.text)
        return torch.stack([side[:0].sum(dtype=torch.float32) for side in sides]).sum()
