"""The built-in OCR engine that needs no download promises what every OCR engine does."""

from remgcl.plugins.ocr_engines import RapidOcr
from remgcl.testing import conformance

TestRapidOcr = conformance(RapidOcr())
