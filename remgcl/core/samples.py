"""What a dataset yields and what a collator makes.

A `Sample` is a conversation about at most one image; a `Batch` is tensors only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from attrs import frozen

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Point: TypeAlias = tuple[float, float]
"""A place in an image: x to the right and y downwards, in pixels."""

COUNTS = ("conversations cut", "samples replaced", "regions left out")
"""What the `counts` of a batch count."""


@frozen
class Region:
    """A line of text at a place of an image.

    Attributes:
        text: The recognised text.
        quad: Four corners (x, y) in pixels of the original image, clockwise
            from the text's upper left.
        confidence: Certainty of the text, from 0 to 1.
    """

    text: str
    quad: tuple[Point, Point, Point, Point]
    confidence: float = 1.0


@frozen
class Piece:
    """A stretch of a rendered conversation.

    Attributes:
        text: Its text; empty where the image goes.
        learned: Whether the language loss supervises it.
        image: Whether the image goes here.
    """

    text: str = ""
    learned: bool = False
    image: bool = False


@frozen
class Turn:
    """One utterance of a conversation.

    Attributes:
        role: Who speaks.
        text: The text of the turn, without a marker for the image.
        image: Whether the image is shown at the front of this turn.
    """

    role: Literal["user", "assistant"]
    text: str
    image: bool = False

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces of the turn; an image and a line break come first if it shows one."""
        return (Piece(image=True), Piece(f"\n{self.text}")) if self.image else (Piece(self.text),)


@frozen(eq=False)
class Sample:
    """A conversation, its image and the text regions of that image.

    Attributes:
        id: The record's name, for messages.
        turns: The conversation; user and assistant alternate.
        image: The picture, or none; then no turn shows one.
        regions: The text regions of the image.
        stands_in_for: How many unreadable samples this one replaces.
        content: Digest of the image's file, or of its pixels where there is no
            file; empty if nobody computed it.
    """

    id: str
    turns: tuple[Turn, ...]
    image: Image | None = None
    regions: tuple[Region, ...] = ()
    stands_in_for: int = 0
    content: str = ""


class Batch(TypedDict):
    """The tensors of one step; S is the number of supervised tokens, K of region tokens.

    A batch without an image carries one black dummy image, which belongs to no
    sample, so that every rank runs the same modules.

    Attributes:
        pixels: Images as the tower sees them, uint8 `[max(N, 1), 3, H, W]`.
        patch_mask: False on patches that show only padding, bool `[N, P]`.
        image_sample: Index of each image's sample, int64 `[N]`.
        image_key: Equal for equal images, int64 `[N]`.
        image_slots: Places of the image tokens in the flattened ids `[N * I]`,
            I tokens an image (patches, and a class token where there is one).
        ids: Token ids, 0 at image tokens, `[B, T]`.
        attention_mask: 1 on tokens, 0 on padding, int64 `[B, T]`.
        labels: Ids to learn, -100 elsewhere, `[B, T]`.
        label_slots: Places of the supervised tokens in the flattened ids `[S]`.
        answer_slots: The same places a sample a row, 0 on padding, `[B, A]`.
        answer_mask: True where the text filter kept the token, bool `[B, A]`.
        answer_key: Equal for equal kept tokens, int64 `[B]`.
        region_image: Index of each region's image, int64 `[R]`.
        region_of_image: Places of each image's regions, R on padding `[N, M]`.
        region_patch_weights: Share of each patch in its region `[R, P]`.
        region_ids: Token ids of all regions' texts, joined, `[K]`.
        region_of_id: Index of each such token's region `[K]`.
        region_slots: Places of each region's tokens among these, -1 on padding,
            `[max(R, 1), L]`, L the most tokens of a region, at least 1.
        region_text_key: Equal for equal texts, int64 `[R]`.
        region_confidence: Certainty of the texts `[R]`.
        index: Place of each sample in its dataset, for messages, int64 `[B]`.
        counts: How often something was left out of this batch, as `COUNTS`
            names it: conversations longer than the maximal length, samples that
            could not be read, regions without a patch or a text, or too many; int64 `[3]`.
    """

    pixels: Tensor
    patch_mask: Tensor
    image_sample: Tensor
    image_key: Tensor
    image_slots: Tensor
    ids: Tensor
    attention_mask: Tensor
    labels: Tensor
    label_slots: Tensor
    answer_slots: Tensor
    answer_mask: Tensor
    answer_key: Tensor
    region_image: Tensor
    region_of_image: Tensor
    region_patch_weights: Tensor
    region_ids: Tensor
    region_of_id: Tensor
    region_slots: Tensor
    region_text_key: Tensor
    region_confidence: Tensor
    index: Tensor
    counts: Tensor
