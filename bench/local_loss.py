"""The refined local loss, forward and backward, down to the embedding table."""

from __future__ import annotations

from typing import Any

import torch
from attrs import evolve, frozen
from torch import Tensor
from torch.nn import functional

from bench import naive
from bench.comparison import Row, Spread, alternate
from remgcl import Engine, Features, Loss, Regions

TAU = 0.5


@frozen(eq=False, kw_only=True)
class Case:
    """Images with text regions; patches and embedding table learn.

    Attributes:
        patches: Projected patches `[N, P, D]`.
        table: The input embeddings `[V, D]`.
        owned: For each image, the places of each region's patches.
        texts: For each image, the token ids of each region's text.
        loss: remgcl's loss, as a recipe makes it.
        patch_weights: Share of each patch in each region `[R, P]`, as a loader worker makes it.
    """

    patches: Tensor
    table: Tensor
    owned: list[list[Tensor]]
    texts: list[list[Tensor]]
    loss: Loss
    patch_weights: Tensor

    def naive(self) -> Tensor:
        """Compute the loss `[]` and the gradients, a region at a time."""
        return self._learn(naive.local_loss(self.patches, self.table, self.owned, self.texts, TAU))

    def ours(self) -> Tensor:
        """Compute the loss `[]` and the gradients, with one look-up for all regions as in a model."""
        lines = [line for lines in self.texts for line in lines]
        lengths = torch.tensor([len(line) for line in lines])
        region = torch.arange(len(lines)).repeat_interleave(lengths)
        looked_up = functional.embedding(torch.cat(lines), self.table)
        sums = looked_up.new_zeros(len(lines), looked_up.shape[1]).index_add(0, region, looked_up)
        return self._learn(self.loss(self._features(sums / lengths[:, None])))

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Return what the last call left: of the patches `[N, P, D]` and of the table `[V, D]`."""
        assert self.patches.grad is not None  # noqa: S101 - both ways reach them
        assert self.table.grad is not None  # noqa: S101 - both ways reach them
        return self.patches.grad, self.table.grad

    def _features(self, text: Tensor) -> Features:
        images, patches, width = self.patches.shape
        counts = torch.tensor([len(lines) for lines in self.texts])
        edge = int(patches**0.5)
        return Features(
            patches=self.patches,
            patch_mask=torch.ones(images, patches, dtype=torch.bool),
            grid=(edge, edge),
            image_sample=torch.arange(images),
            image_key=torch.arange(images),
            answer=self.table.new_zeros(images, 1, width),
            answer_mask=torch.ones(images, 1, dtype=torch.bool),
            answer_key=torch.arange(images),
            regions=Regions(
                image=torch.arange(images).repeat_interleave(counts),
                patch_weights=self.patch_weights,
                text=text,
                text_key=torch.arange(len(text)),
                confidence=torch.ones(len(text)),
                of_image=torch.arange(len(text)).view(images, -1),
            ),
        )

    def _learn(self, loss: Tensor) -> Tensor:
        self.patches.grad = self.table.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()


def make(*, quick: bool) -> Case:
    """Draw images, boxes of 1 to 3 rows of patches, and texts of 1 to 8 tokens.

    Args:
        quick: Whether to draw a small case.
    """
    images, regions, edge, width, size = (2, 5, 4, 16, 50) if quick else (8, 60, 24, 4096, 32000)
    torch.manual_seed(0)
    places = torch.arange(edge * edge).view(edge, edge)

    def box() -> Tensor:
        (top, left), (down, across) = torch.randint(edge - 3, (2,)).tolist(), torch.randint(1, 4, (2,)).tolist()
        return places[top : top + down, left : left + across].flatten()

    owned = [[box() for _ in range(regions)] for _ in range(images)]
    lengths = torch.randint(1, 9, (images, regions)).tolist()
    weights = torch.zeros(images * regions, edge * edge)
    for row, place in zip(weights, (place for places in owned for place in places), strict=True):
        row[place] = 1 / len(place)
    loss: Any = Engine.installed().registry.find("losses", "refined-local")
    return Case(
        patches=torch.randn(images, edge * edge, width, requires_grad=True),
        table=torch.randn(size, width, requires_grad=True),
        owned=owned,
        texts=[[torch.randint(size, (length,)) for length in row] for row in lengths],
        loss=loss(objective="alignment", temperature=TAU),
        patch_weights=weights,
    )


def measure(case: Case, *, quick: bool) -> list[Row]:
    """Time both ways; the naive one on a tenth of the regions, as it takes minutes.

    Args:
        case: What to compute.
        quick: Whether to time as little as possible.
    """
    regions = len(case.texts[0])
    few = max(regions // 10, 1)
    tenth = evolve(case, owned=[each[:few] for each in case.owned], texts=[each[:few] for each in case.texts])
    ours = alternate({"ours": case.ours}, 2 if quick else 9, warm_up=2)["ours"]
    slow = alternate({"naive": tenth.naive}, 2, warm_up=int(quick))["naive"]
    (images, patches, width), size = case.patches.shape, case.table.shape[0]
    return [
        Row(
            what=f"refined-local loss, forward and backward: {images} images x {regions} regions, "
            f"{patches} patches, D = {width}, table {size} x {width}",
            naive=Spread(tuple(taken * regions / few for taken in slow.values)),
            ours=ours,
            goal=200,
            differences=f"naive: {few} regions an image measured, times {regions / few:g}",
        )
    ]
