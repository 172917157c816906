"""PaddleOCR: the PP-OCR models on PaddlePaddle, which downloads them when they are first used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

from attrs import field, frozen
from attrs.validators import and_, ge, le

from remgcl import OcrEngine, Region, RemgclError
from remgcl.plugins.ocr_engines.lines import regions

if TYPE_CHECKING:
    from PIL.Image import Image

share = and_(ge(0.0), le(1.0))


@frozen(kw_only=True)
class PaddleOcr(OcrEngine):
    """PP-OCR on PaddlePaddle, on a CPU or a GPU.

    Attributes:
        models: The generation of models, such as ``PP-OCRv5``.
        language: The language of the texts, as PaddleOCR names it.
        device: Where to compute, such as ``cpu`` or ``gpu:0``.
        least_confidence: Lines whose text has a lower confidence are left out.
        upside_down: Whether to rotate upside-down lines.
    """

    requires: ClassVar[Mapping[str, str]] = {"paddleocr": "remgcl[paddleocr]", "paddle": "remgcl[paddleocr]"}

    models: str = "PP-OCRv5"
    language: str = "en"
    device: str = "cpu"
    least_confidence: float = field(default=0.5, validator=share)
    upside_down: bool = True

    @property
    def version(self) -> str:
        """Name PaddleOCR, PaddlePaddle and the models."""
        libraries = f"paddleocr {_installed('paddleocr')}, {_paddle()}"
        return f"{libraries}, {self.models} {self.language}"

    def build(self) -> Reader:
        """Load the models; they are downloaded if they are not there."""
        return Reader(self)


class Reader:
    """Reads images, on one thread."""

    def __init__(self, engine: PaddleOcr) -> None:
        """Load the models.

        Args:
            engine: The settings.

        Raises:
            RemgclError: PaddleOCR is not installed, or does not know the settings.
        """
        try:
            from paddleocr import PaddleOCR
        except ImportError as error:
            raise _missing("paddleocr", error) from error
        try:
            self._reader = PaddleOCR(
                ocr_version=engine.models,
                lang=engine.language,
                device=engine.device,
                cpu_threads=1,
                text_rec_score_thresh=engine.least_confidence,
                use_textline_orientation=engine.upside_down,
                use_doc_orientation_classify=False,  # it would turn the page, and with it the places
                use_doc_unwarping=False,
            )
        except ValueError as error:
            raise RemgclError(f"paddleocr: cannot be built; {error}") from error

    def __call__(self, image: Image) -> list[Region]:
        """Find the lines of an image.

        Args:
            image: In RGB.
        """
        import numpy as np

        (found,) = self._reader.predict(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))  # it reads BGR
        return regions(found["rec_polys"], found["rec_texts"], found["rec_scores"])


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError as error:
        raise _missing(name, error) from None


def _paddle() -> str:
    """Name PaddlePaddle, whose distribution for GPUs has another name."""
    try:
        return f"paddlepaddle-gpu {version('paddlepaddle-gpu')}"
    except PackageNotFoundError:
        return f"paddlepaddle {_installed('paddlepaddle')}"


def _missing(name: str, error: ImportError) -> RemgclError:
    return RemgclError(f'paddleocr: needs {name}; pip install "remgcl[paddleocr]" installs it; {error}')
