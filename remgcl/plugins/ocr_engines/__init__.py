"""OCR engines: images to text regions."""

from collections.abc import Mapping

from remgcl import OcrEngine, hookimpl
from remgcl.plugins.ocr_engines.paddleocr import PaddleOcr
from remgcl.plugins.ocr_engines.rapidocr import RapidOcr


@hookimpl
def remgcl_register_ocr_engines() -> Mapping[str, type[OcrEngine]]:
    """Name the built-in OCR engines."""
    return {"paddleocr": PaddleOcr, "rapidocr": RapidOcr}
