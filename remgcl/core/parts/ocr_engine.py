"""The contract of OCR engines: images to text regions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from remgcl.core.parts.checked import CheckedReader
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import returns, text, that
from remgcl.core.samples import Region

if TYPE_CHECKING:
    from PIL.Image import Image


@frozen(kw_only=True)
class OcrEngine(Part):
    """Find the lines of text in an image.

    Many processes run one engine each, so an engine should keep to one thread.
    """

    command: ClassVar[str] = "remgcl ocr IMAGES --out CACHE --engine {name}"
    setting: ClassVar[str] = "--engine-set"

    @property
    @abstractmethod
    @returns("a text that is not empty", that(text))
    def version(self) -> str:
        """Name the library and the models, each with its version, without loading them.

        A cache of regions belongs to one version: another may read otherwise.

        Raises:
            RemgclError: The library is not installed; the error says how to get it.
        """

    @abstractmethod
    @returns("a function of an image", that(callable), held=CheckedReader)
    def build(self) -> Callable[[Image], Sequence[Region]]:
        """Make the function: an image in RGB to its lines, in pixels of that image.

        The same image has the same lines, and stays as it is.

        Raises:
            RemgclError: The library or its models cannot be found.
        """
