"""The granularity between image and line: windows of patches and of tokens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import and_, ge, gt, le

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, Pairs, cosine, masked_mean

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class SlidingWindow(ContrastiveLoss):
    """Windows of patches against windows of an answer's tokens.

    The similarity of a text window to an image is that to its best image window (a soft maximum);
    the similarity of an answer and an image is the mean over the answer's windows.

    Attributes:
        patches: Height and width of an image window in patches.
        patch_stride: Patches from one image window to the next.
        tokens: Tokens in a text window.
        token_stride: Tokens from one text window to the next.
        content: Share of an image window that must at least be image, not padding.
        sharpness: Temperature of the soft maximum; near 0 it is the maximum.
    """

    patches: int = field(default=3, validator=ge(1))
    patch_stride: int = field(default=1, validator=ge(1))
    tokens: int = field(default=4, validator=ge(1))
    token_stride: int = field(default=2, validator=ge(1))
    content: float = field(default=0.5, validator=and_(ge(0), le(1)))
    sharpness: float = field(default=0.05, validator=gt(0))

    def weights(self, features: Features) -> Tensor:
        """Count the images with content whose answer has a token."""
        answered = features.answer_mask.any(dim=1)[features.image_sample]
        return (features.patch_mask.any(dim=1) & answered).float()

    def pairs(self, features: Features) -> Pairs:
        """Take the windows of both sides, each with a mask."""
        phrases, spoken = self._text_windows(features)
        of = features.image_sample
        return Pairs(
            images=self._image_windows(features),  # [N, Wi, D], [N, Wi]
            texts=(phrases.index_select(0, of), spoken[of]),  # [N, Wt, D], [N, Wt]
            weight=self.weights(features),
            keys=(features.image_key, features.answer_key[of]),
        )

    def similarity(self, images: tuple[Tensor, ...], texts: tuple[Tensor, ...]) -> Tensor:
        """Average, over the windows of a text, that of its best window in the image `[M, K]`."""
        (windows, whole), (phrases, spoken) = images, texts
        table = cosine(phrases.flatten(0, 1), windows.flatten(0, 1))  # [K * Wt, M * Wi]
        table = table.view(*spoken.shape, *whole.shape)  # [K, Wt, M, Wi]
        weights = whole.log().add(table, alpha=1 / self.sharpness).softmax(dim=-1)  # the logarithm is 0, or -inf
        best = (weights * table).sum(dim=-1)  # [K, Wt, M]
        return masked_mean(best, spoken).T

    def _image_windows(self, features: Features) -> tuple[Tensor, Tensor]:
        """Average the content of each window of patches; also return which windows have enough of it."""
        from torch.nn.functional import avg_pool2d

        count, _, width = features.patches.shape
        rows, columns = features.grid
        size = (min(self.patches, rows), min(self.patches, columns))
        means = features.patches * features.patch_mask[:, :, None]  # [N, P, D]
        share = features.patch_mask.float()  # [N, P]
        if size != (1, 1) or self.patch_stride > 1:
            pool = partial(avg_pool2d, kernel_size=size, stride=self.patch_stride)
            means = pool(means.transpose(1, 2).reshape(count, width, rows, columns)).flatten(2).transpose(1, 2)
            share = pool(share.view(count, 1, rows, columns)).flatten(1)  # [N, Wi]
        # an image that fills no window that far keeps its fullest ones
        return means, share >= share.amax(dim=1, keepdim=True).clamp(max=self.content)

    def _text_windows(self, features: Features) -> tuple[Tensor, Tensor]:
        """Average each window of kept tokens; also return which are complete, or the only one of a short answer."""
        import torch
        from torch.nn.functional import avg_pool1d, pad

        mask = features.answer_mask
        order = mask.int().argsort(dim=1, descending=True, stable=True)  # kept tokens first, in order
        tokens = torch.where(mask[:, :, None], features.answer, 0).gather(
            1, order[:, :, None].expand_as(features.answer)
        )
        short = max(self.tokens - mask.shape[1], 0)
        tokens = pad(tokens, (0, 0, 0, short)).transpose(1, 2)  # [B, D, A]
        held = pad(mask.gather(1, order), (0, short)).float()[:, None]  # [B, 1, A]
        share = avg_pool1d(held, self.tokens, self.token_stride)[:, 0]  # [B, Wt]
        sums = avg_pool1d(tokens, self.tokens, self.token_stride).transpose(1, 2)  # [B, Wt, D]
        first = torch.arange(share.shape[1], device=share.device) == 0
        return sums, (share > 1 - 0.5 / self.tokens) | (first & (share > 0))
