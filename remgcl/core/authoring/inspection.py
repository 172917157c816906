"""What the model gets of one sample, and what is left out on the way.

Everything is read off the encoded example; nothing is drawn here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from attrs import frozen

from remgcl.core.data.encode import Encoder, Example
from remgcl.core.data.geometry import Floats, Placement, patch_weights, place
from remgcl.core.data.tokens import IGNORED, IMAGE
from remgcl.core.errors import DataError
from remgcl.core.ocr.cache import with_regions
from remgcl.core.samples import Region, Sample

if TYPE_CHECKING:
    from remgcl.core.model.assembly import Assembly

Mark: TypeAlias = Literal["image", "given", "kept", "filtered"]
"""What becomes of a token: the image's place, not learned, learned, or learned but passed over by the losses."""


@frozen(eq=False, kw_only=True)
class SeenRegion:
    """A text region of the sample, and what became of it.

    Attributes:
        number: Its number among the sample's regions, from 1.
        region: The region.
        quad: Its corners (x, y) in pixels of the tower's input `[4, 2]`.
        patches: Indices of the patches it owns; none if it was left out.
        reason: Why it was left out; empty if it was not.
    """

    number: int
    region: Region
    quad: Floats
    patches: tuple[int, ...]
    reason: str


@frozen(eq=False, kw_only=True)
class Inspection:
    """One sample of a stage, before and after it is encoded.

    Attributes:
        recipe: The recipe's name.
        stage: The stage's key.
        index: The sample's index in the data.
        samples: How many samples there are.
        sample: The sample.
        example: The encoded sample.
        encoder: The encoder.
    """

    recipe: str
    stage: str
    index: int
    samples: int
    sample: Sample
    example: Example
    encoder: Encoder

    def facts(self) -> dict[str, str]:
        """Return the numbers of the sample."""
        tower, grid, tokens = self.encoder.tower, self.encoder.tower.grid, self.example.tokens
        instead = f", in place of {self.sample.stands_in_for} unreadable" if self.sample.stands_in_for else ""
        facts = {
            "recipe": self.recipe,
            "stage": self.stage,
            "sample": f"{self.sample.id} (index {self.index} of {self.samples:,}{instead})",
        }
        image, text, learned = 0, (tokens.ids != IMAGE).sum(), (tokens.labels != IGNORED).sum()
        if self.sample.image is not None and self.example.image is not None:
            (width, height), shown = self.sample.image.size, self.example.image.patch_mask.sum()
            image, regions = tower.tokens, self.example.image.regions
            facts |= {
                "image": f"{width} x {height} pixels",
                "tower's input": f"{tower.size[1]} x {tower.size[0]} pixels ({self.encoder.aspect})",
                "patches": f"{grid.columns} x {grid.rows}, {grid.patches - shown} of them padding",
                "regions": f"{len(regions.places)} used, {regions.dropped} left out",
            }
        return facts | {
            "tokens": f"{image + text}: {image} of the image, {text} of text",
            "learned": str(learned),
            "kept": f"{self.example.kept.sum()} of {learned}",
            "cut": str(tokens.cut),
        }

    def regions(self) -> tuple[SeenRegion, ...]:
        """Return the regions of the sample, including those that were left out."""
        if self.sample.image is None or self.example.image is None:
            return ()
        found = self.example.image.regions
        owned = {int(i): np.flatnonzero(weights) for i, weights in zip(found.places, found.patch_weights, strict=True)}
        placement = place(self.sample.image.size, self.encoder.tower.size, self.encoder.aspect)
        return tuple(
            SeenRegion(
                number=i + 1,
                region=region,
                quad=placement.apply(region.quad),
                patches=tuple(map(int, owned.get(i, ()))),
                reason="" if i in owned else self._reason(region, placement),
            )
            for i, region in enumerate(self.sample.regions)
        )

    def tokens(self) -> tuple[tuple[str, Mark], ...]:
        """Return the tokens of the conversation, each with its text and its role."""
        tokens = self.example.tokens
        texts = {token: self._text(int(token)) for token in {*tokens.ids}}
        held = zip(tokens.ids, tokens.labels, self.example.kept, strict=True)
        return tuple((texts[token], _mark(token, label, kept)) for token, label, kept in held)

    def _reason(self, region: Region, placement: Placement) -> str:
        """Say why the encoder left a region out."""
        if not self.encoder.tokenizer.encode(region.text, add_special_tokens=False):
            return "no text"
        if not patch_weights([region.quad], placement, self.encoder.tower.grid).any():
            return "no patch"
        return "one too many"

    def _text(self, token: int) -> str:
        """Return the text of a token, with the space it starts with; its name if it is not whole characters."""
        if token == IMAGE:
            return f"<image: {self.encoder.tower.tokens} tokens>"
        tokenizer = self.encoder.tokenizer
        before = tokenizer.encode("a", add_special_tokens=False)  # the first token of a text loses its space
        text: str = tokenizer.decode([*before, token])[len(tokenizer.decode(before)) :]
        return text if text and "\N{REPLACEMENT CHARACTER}" not in text else tokenizer.convert_ids_to_tokens(token)


def inspect(assembly: Assembly, index: int) -> Inspection:
    """Encode one sample of a stage's data.

    Args:
        assembly: The parts of the recipe, as the stage joins them.
        index: The sample's index in the data.

    Raises:
        DataError: There is no such sample, or it cannot be read or encoded.
        RunError: The OCR cache cannot be read.
        WeightsError: Tower or tokenizer cannot be found or read.
    """
    samples = with_regions(assembly.settings.data.build(), assembly.settings.ocr)
    if not 0 <= index < len(samples):
        raise DataError(f"stage {assembly.stage!r}: no sample {index}; there is 0 to {len(samples) - 1}")
    sample = samples[index]
    return Inspection(
        recipe=assembly.recipe.name,
        stage=assembly.stage,
        index=index,
        samples=len(samples),
        sample=sample,
        example=assembly.encoder(sample),
        encoder=assembly.encoder,
    )


def _mark(token: Any, label: Any, kept: Any) -> Mark:  # noqa: ANN401 - scalars of numpy
    if token == IMAGE:
        return "image"
    if label == IGNORED:
        return "given"
    return "kept" if kept else "filtered"
