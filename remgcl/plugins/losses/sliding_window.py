"""The granularity between image and line: windows of patches and of tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import and_, ge, gt, le

from remgcl import Features
from remgcl.plugins.losses.contrastive import ContrastiveLoss, cosine, masked_mean, same_rows

if TYPE_CHECKING:
    from torch import Tensor


@frozen(kw_only=True)
class SlidingWindow(ContrastiveLoss):
    """Windows of patches against windows of an answer's tokens.

    A text window's similarity to an image is that of its best window there (a
    soft maximum); the similarity of an answer and an image is the mean over the
    answer's windows.

    Attributes:
        weight: What the loss is multiplied by in the total.
        objective: What is made of the similarities.
        temperature: What similarities are divided by.
        bias: Added to every pair's logit by ``sigmoid``; no other uses it.
        patches: Height and width of an image window in patches.
        patch_stride: Patches from one image window to the next.
        tokens: Tokens in a text window.
        token_stride: Tokens from one text window to the next.
        content: Least share of an image window that must not be padding.
        sharpness: Temperature of the soft maximum; near 0 it is the maximum.
    """

    patches: int = field(default=3, validator=ge(1))
    patch_stride: int = field(default=1, validator=ge(1))
    tokens: int = field(default=4, validator=ge(1))
    token_stride: int = field(default=2, validator=ge(1))
    content: float = field(default=0.5, validator=and_(ge(0), le(1)))
    sharpness: float = field(default=0.05, validator=gt(0))

    def compare(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Compare the windows of both sides."""
        windows, whole = self._image_windows(features)  # [N, Wi, D], [N, Wi]
        phrases, spoken = self._text_windows(features)  # [B, Wt, D], [B, Wt]
        similarity = cosine(phrases.flatten(0, 1), windows.flatten(0, 1))  # [B * Wt, N * Wi]
        similarity = similarity.view(*spoken.shape, *whole.shape)  # [B, Wt, N, Wi]
        weights = (similarity / self.sharpness).masked_fill(~whole, float("-inf")).softmax(dim=-1)
        best = (weights * similarity).sum(dim=-1)  # [B, Wt, N]
        pairs = masked_mean(best, spoken)[features.image_sample]  # [N, N], text by image
        answers = masked_mean(features.answer, features.answer_mask)[features.image_sample]
        valid = features.patch_mask.any(dim=1) & spoken.any(dim=1)[features.image_sample]
        return pairs.T, valid, same_rows(answers)

    def _image_windows(self, features: Features) -> tuple[Tensor, Tensor]:
        """Average the content of each window of patches; tell which hold enough of it."""
        from torch.nn.functional import avg_pool2d

        count, _, width = features.patches.shape
        rows, columns = features.grid
        size = (min(self.patches, rows), min(self.patches, columns))
        mask = features.patch_mask
        masked = (features.patches * mask[:, :, None]).transpose(1, 2).reshape(count, width, rows, columns)
        means = avg_pool2d(masked, size, self.patch_stride).flatten(2).transpose(1, 2)  # [N, Wi, D]
        share = avg_pool2d(mask.float().view(count, 1, rows, columns), size, self.patch_stride).flatten(1)  # [N, Wi]
        # an image that fills no window that far keeps its fullest ones
        return means, share >= share.amax(dim=1, keepdim=True).clamp(max=self.content)

    def _text_windows(self, features: Features) -> tuple[Tensor, Tensor]:
        """Average each window of kept tokens; tell which are whole, or the only one of a short answer."""
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
