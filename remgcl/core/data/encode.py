"""Encodes a sample for a batch: tokens, pixels and regions, in a loader worker."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen

from remgcl.core.data.geometry import Placement, content_mask, patch_weights
from remgcl.core.data.markers import mark
from remgcl.core.data.pixels import prepare
from remgcl.core.data.prompt import fit_prompt
from remgcl.core.data.surrogates import half_pair
from remgcl.core.data.tokens import IGNORED, Ids, Mask, Tokens, tokenize
from remgcl.core.errors import DataError
from remgcl.core.parts import Aspect, PatchGrid, Resampling, Template, TowerSpec
from remgcl.core.samples import Region, Sample, Turn


@frozen(eq=False, kw_only=True)
class RegionTokens:
    """The regions of one image that own a patch and have a text.

    Attributes:
        places: Index of each region among the sample's `[R]`.
        patch_weights: Share of each patch in each region, float32 `[R, P]`.
        ids: Token ids of each region's text.
        keys: Equal for equal texts `[R]`.
        confidence: Certainty of the texts, float32 `[R]`.
        dropped: Regions left out: outside of the picture, without a text, or
            too many.
    """

    places: Ids
    patch_weights: npt.NDArray[np.float32]
    ids: tuple[Ids, ...]
    keys: Ids
    confidence: npt.NDArray[np.float32]
    dropped: int


@frozen(eq=False, kw_only=True)
class Image:
    """An image as the tower sees it.

    Attributes:
        pixels: Its pixels, uint8 `[3, H, W]`.
        key: Equal for equal pixels.
        patch_mask: False on patches that show only padding `[P]`.
        regions: Its text regions.
    """

    pixels: npt.NDArray[np.uint8]
    key: int
    patch_mask: Mask
    regions: RegionTokens


@frozen(eq=False, kw_only=True)
class Example:
    """A sample, ready to be collated.

    Attributes:
        tokens: The conversation.
        kept: True on learned tokens that the text filter kept `[T]`.
        key: Equal for equal kept tokens.
        image: The picture, if there is one.
        replaced: Number of unreadable samples that this one replaces.
        index: The sample's place in its dataset, for messages.
    """

    tokens: Tokens
    kept: Mask
    key: int
    image: Image | None
    replaced: int
    index: int = -1


@frozen(kw_only=True)
class Encoder:
    """Makes examples of samples; picklable, for loader workers.

    Attributes:
        tokenizer: The backbone's tokenizer.
        template: How a conversation is written.
        tower: What the vision tower declares.
        aspect: How an image is made to fit the tower.
        resampling: How an image is resized.
        max_length: Longest sequence in tokens, image included.
        keep: The built text filter: ids `[T]` to True where kept `[T]`.
        image_markers: Whether the image is enclosed in two tokens of its own.
        max_regions: Most regions of an image; the surest are kept.
        region_grid: Rows and columns that regions are laid on, whatever the
            tower's grid; patch i of it is taken for patch i of the tower's.
    """

    tokenizer: Any
    template: Template
    tower: TowerSpec
    aspect: Aspect = "pad"
    resampling: Resampling = "exact"
    max_length: int = field(default=2048)
    keep: Callable[[Ids], Mask] | None = None
    image_markers: bool = False
    max_regions: int = 256
    region_grid: int | None = None

    def __call__(self, sample: Sample) -> Example:
        """Encode a sample.

        Args:
            sample: A conversation, with its image if it has one.

        Raises:
            DataError: A text holds half of a surrogate pair, image and turns
                disagree, or the image leaves no room for text.
        """
        self._verify(sample)
        return self._example(sample, self._write(sample.turns).fit(self.max_length, self.tower.tokens))

    def prompt(self, sample: Sample) -> Example:
        """Encode a sample without its last answer, for the model to give one.

        A prompt that is too long is shortened from the text of its oldest
        turns, so that it ends where the assistant's answer begins.

        Args:
            sample: A conversation that ends with the assistant's turn.

        Raises:
            DataError: As when it is called.
        """
        asked = evolve(sample, turns=sample.turns[:-1])
        self._verify(asked)
        return self._example(asked, fit_prompt(asked.turns, self._write, self.max_length, self.tower.tokens))

    def _write(self, turns: Sequence[Turn]) -> Tokens:
        pieces = self.template.render(turns, self.tokenizer)
        return tokenize(mark(pieces) if self.image_markers else pieces, self.tokenizer)

    def _example(self, sample: Sample, tokens: Tokens) -> Example:
        kept = tokens.labels != IGNORED
        if self.keep is not None:
            kept[kept] = self.keep(tokens.labels[kept])
        return Example(
            tokens=tokens,
            kept=kept,
            key=_key(tokens.labels[kept].tobytes()),
            image=self._image(sample),
            replaced=sample.stands_in_for,
        )

    def _verify(self, sample: Sample) -> None:
        texts = {f"turn {at + 1}": turn.text for at, turn in enumerate(sample.turns)}
        texts |= {f"region {at + 1}": region.text for at, region in enumerate(sample.regions)}
        faults = [
            f"sample {sample.id!r}: {where}: {half}" for where, text in texts.items() if (half := half_pair(text))
        ]
        if faults:
            raise DataError("\n".join(faults))
        shown = sum(turn.image for turn in sample.turns)
        if shown != (sample.image is not None):
            has = "an image" if sample.image else "no image"
            raise DataError(f"sample {sample.id!r}: has {has}; {shown} of its turns show one")
        if sample.image and self.max_length <= self.tower.tokens:
            raise DataError(
                f"max_length: {self.max_length} leaves no room for text; an image takes {self.tower.tokens} tokens"
            )

    def _image(self, sample: Sample) -> Image | None:
        if sample.image is None:
            return None
        tower = self.tower
        pixels, placement = prepare(
            sample.image, tower.size, self.aspect, tower.mean, self.resampling, tower.interpolation
        )
        return Image(
            pixels=pixels,
            key=_key(pixels.tobytes()),
            patch_mask=content_mask(placement, self.tower.grid),
            regions=self._regions(sample.regions, self._weights(sample.regions, placement)),
        )

    def _weights(self, regions: Sequence[Region], placement: Placement) -> npt.NDArray[np.float32]:
        """Lay regions on the tower's grid, or on the grid that is forced: `[R, P]`."""
        grid, patches = self.tower.grid, self.tower.grid.patches
        if self.region_grid is not None:
            rows, columns = self.tower.size
            edge = self.region_grid
            grid = PatchGrid(rows=edge, columns=edge, patch=(rows / edge, columns / edge))
        weights = patch_weights([region.quad for region in regions], placement, grid)
        return np.pad(weights, ((0, 0), (0, patches - grid.patches))).astype(np.float32)

    def _regions(self, regions: Sequence[Region], weights: npt.NDArray[np.float32]) -> RegionTokens:
        ids = [self.tokenizer.encode(region.text, add_special_tokens=False) for region in regions]
        good = [i for i in range(len(regions)) if ids[i] and weights[i].any()]
        good = sorted(sorted(good, key=lambda i: -regions[i].confidence)[: self.max_regions])
        return RegionTokens(
            places=np.array(good, dtype=np.int64),
            patch_weights=weights[good],
            ids=tuple(np.array(ids[i], dtype=np.int64) for i in good),
            keys=np.array([_key(regions[i].text.encode()) for i in good], dtype=np.int64),
            confidence=np.array([regions[i].confidence for i in good], dtype=np.float32),
            dropped=len(regions) - len(good),
        )


def _key(content: bytes) -> int:
    """Make an int64 of a content, the same in every process."""
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)
