"""RapidOCR: the PP-OCR models on ONNX Runtime, without a download."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen
from attrs.validators import and_, ge, le

from remgcl import OcrEngine, Region
from remgcl.plugins.ocr_engines.lines import regions

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST = 2
"""Longest edge of what is read, in shorter edges. The library enlarges a short edge to 736 pixels, whatever the other
becomes: a strip of 2000 x 3 takes five minutes, and of small words it enlarges the text until it is not found."""

share = and_(ge(0.0), le(1.0))


@frozen(kw_only=True)
class RapidOcr(OcrEngine):
    """PP-OCR on ONNX Runtime, with the models in RapidOCR's wheel.

    Attributes:
        least_confidence: Lines whose text has a lower confidence are left out.
        least_line: Least confidence, from 0 to 1, that there is a line at all.
        longest_side: Longest side in pixels; a larger image is scaled down first.
        upside_down: Whether to rotate upside-down lines.
    """

    requires: ClassVar[Mapping[str, str]] = dict.fromkeys(("rapidocr", "onnxruntime", "cv2", "yaml"), "remgcl[ocr]")

    least_confidence: float = field(default=0.5, validator=share)
    least_line: float = field(default=0.5, validator=share)
    longest_side: int = field(default=2000, validator=ge(32))
    upside_down: bool = True

    @property
    def version(self) -> str:
        """Name RapidOCR, ONNX Runtime and the models that the wheel chooses."""
        import yaml

        wheel = distribution("rapidocr")
        models = yaml.safe_load(Path(str(wheel.locate_file("rapidocr/config.yaml"))).read_text(encoding="utf-8"))
        detection, recognition = (
            f"{models[task]['ocr_version']} {models[task]['model_type']} {models[task]['lang_type']}"
            for task in ("Det", "Rec")
        )
        return (
            f"rapidocr {wheel.version}, onnxruntime {distribution('onnxruntime').version}, "
            f"lines by {detection}, texts by {recognition}"
        )

    def build(self) -> Reader:
        """Load the models."""
        return Reader(self)


class Reader:
    """Reads images, on one thread."""

    def __init__(self, engine: RapidOcr) -> None:
        """Load the models.

        Args:
            engine: The settings.
        """
        import cv2
        from rapidocr import RapidOCR

        cv2.setNumThreads(1)
        runtime = "EngineConfig.onnxruntime"
        settings: dict[str, Any] = {
            "Global.log_level": "error",
            "Global.text_score": engine.least_confidence,
            "Global.max_side_len": engine.longest_side,
            "Global.use_cls": engine.upside_down,
            "Det.box_thresh": engine.least_line,
            f"{runtime}.intra_op_num_threads": 1,
            f"{runtime}.inter_op_num_threads": 1,
        }
        self._read = RapidOCR(params=settings)

    def __call__(self, image: Image) -> list[Region]:
        """Find the lines of an image.

        Args:
            image: In RGB.
        """
        found: Any = self._read(_widened(image))  # its type depends on settings
        if found.boxes is None or found.txts is None:
            return []
        return regions(found.boxes, found.txts, found.scores)


def _widened(image: Image) -> Image:
    """Put a narrow image at the upper left of a wider one, so that places stay."""
    import PIL.Image

    least = -(-max(image.size) // LONGEST)
    if min(image.size) >= least:
        return image
    wider = PIL.Image.new("RGB", (max(image.width, least), max(image.height, least)), image.getpixel((0, 0)))
    wider.paste(image)
    return wider
