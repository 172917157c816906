"""LLaVA's instruction data: a JSON list of conversations, and a folder of images."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen
from attrs.validators import gt

from remgcl import (
    LARGEST_IMAGE,
    Census,
    DataError,
    Dataset,
    Fault,
    FaultsError,
    ImageFolder,
    Sample,
    read_regular,
    without_half_pairs,
)
from remgcl.plugins.datasets.record import faults_of, regions_of, turns_of, words_of

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 20
"""Faults reported one by one; further ones are counted."""

COUNTED = 2000
"""Most records whose words are counted for estimates."""

_log = logging.getLogger("remgcl")


@frozen(kw_only=True)
class LlavaJson(Dataset):
    """LLaVA's JSON: records with conversations, each with at most one image.

    A record may carry ``regions``: a list of ``{"text", "quad", "confidence"}``
    with four corners in pixels of its image.

    Attributes:
        path: The JSON file.
        images: The folder that the records' image names are relative to.
        key: The key of the list of records, if the file holds an object.
        follow_links: Whether an image may be a link that leaves the folder.
        unreadable: Whether an image that cannot be decoded stops the run, or its sample is skipped (reported,
            counted, and replaced by the next).
        max_pixels: Largest image, padded to a square, in pixels.
        decoding: Whether images are decoded as they are displayed (upright by
            their EXIF orientation, 16-bit and float ones scaled, transparent
            ones on white), or as in the published code, which does none of
            these. Regions lie on the image as it is decoded.
    """

    path: str
    images: str = "."
    key: str | None = None
    follow_links: bool = False
    unreadable: Literal["stop", "skip"] = "stop"
    max_pixels: int = field(default=LARGEST_IMAGE, validator=gt(0))
    decoding: Literal["display", "published"] = "display"

    def census(self) -> Census:
        """Read every record, and open every image without decoding it, unless it was opened before.

        If contents are requested, images are decoded as well; those that
        cannot be are faults, or a note where they are to be skipped.
        """
        records, digest = self._read()
        found = [list(faults_of(record)) for record in records]
        verdict = self.folder.verify(
            record["image"] for record, wrong in zip(records, found, strict=True) if not wrong and "image" in record
        )
        bad = verdict.faults if self.unreadable == "skip" else {**verdict.faults, **verdict.broken}
        faults = [
            Fault(self.path, f"record {_name(record, place)}", what)
            for place, (record, wrong) in enumerate(zip(records, found, strict=True))
            for what in (wrong or filter(None, [bad.get(record.get("image", ""))]))
        ]
        if len(faults) > SHOWN:
            faults[SHOWN:] = [Fault(self.path, "", f"{len(faults) - SHOWN} faults more")]
        if faults:
            raise FaultsError(faults)
        return Census(
            samples=len(records),
            images=sum("image" in record for record in records),
            digest=digest,
            notes=self._notes(verdict.broken),
            words=tuple(map(_length, records[:: len(records) // COUNTED + 1])),
        )

    def build(self) -> LlavaSamples:
        """Read the records; images are read when they are needed."""
        return LlavaSamples(self, self._read()[0])

    @property
    def folder(self) -> ImageFolder:
        """The folder of images, and what may be opened there."""
        return ImageFolder(
            path=Path(self.images),
            follow_links=self.follow_links,
            max_pixels=self.max_pixels,
            decoding=self.decoding,
        )

    def _read(self) -> tuple[list[dict[str, Any]], str]:
        """Read the list of records and the digest of its file."""
        try:
            raw = read_regular(Path(self.path))
            held = json.loads(raw)
        except RecursionError:
            raise DataError(f"{self.path}: is no list of records; its lists and objects lie too deep") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read; {(error.strerror or str(error)).lower()}") from None
        except ValueError as error:
            raise DataError(f"{self.path}: is not JSON; {error}") from None
        keys = [key for key, value in held.items() if isinstance(value, list)] if isinstance(held, dict) else []
        if self.key is not None:
            held = held.get(self.key) if isinstance(held, dict) else None
        if not isinstance(held, list):
            where = f"{self.path}: {self.key}" if self.key is not None else self.path
            hint = f"; its key {keys[0]!r} holds one: set key = {keys[0]!r}" if keys else ""
            raise DataError(f"{where}: must be a list of records; it is {type(held).__name__}{hint}")
        if not held:
            raise DataError(f"{self.path}: holds no record")
        return held, hashlib.sha256(raw).hexdigest()

    def _notes(self, broken: Mapping[str, str]) -> tuple[str, ...]:
        """Report how many images will be skipped, as far as that is known."""
        if not broken:
            return ()
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        return (f"{self.path}: {next(iter(broken.values()))}{more}: samples of such images will be skipped",)


class LlavaSamples:
    """The records of a file as samples."""

    def __init__(self, dataset: LlavaJson, records: list[dict[str, Any]]) -> None:
        """Keep the records.

        Args:
            dataset: Where they come from.
            records: Records without fault.
        """
        self._dataset = dataset
        self._records = records

    def __len__(self) -> int:
        """Count the records."""
        return len(self._records)

    def __getitem__(self, index: int) -> Sample:
        """Read a record and its image, or the next record if that image cannot be read.

        Args:
            index: From 0 to the length.

        Raises:
            DataError: The record breaks the format, the image cannot be read and
                such are not skipped, or no image can.
            IndexError: It is not in that range.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        for skipped in range(len(self)):
            place = (index + skipped) % len(self)
            record = self._records[place]
            self._verify(place)
            name = _name(record, place)
            try:
                image, content = self._image(record)
            except DataError as error:
                if self._dataset.unreadable == "stop":
                    raise DataError(f"{self._dataset.path}: record {name}: {error}") from None
                _log.warning("record %s is skipped: %s", name, error)
                continue
            regions = regions_of(record)
            return Sample(name, turns_of(record), image, regions, stands_in_for=skipped, content=content)
        raise DataError(f"{self._dataset.path}: no record has a readable image")

    def modality_lengths(self) -> Sequence[int]:
        """Count the words of each conversation; negative without an image."""
        return [_length(record) for record in self._records]

    def _verify(self, place: int) -> None:
        """Raise if a record breaks the format; nobody may have counted the data before."""
        for what in faults_of(record := self._records[place]):
            name = _name(record, place)
            raise DataError(f"{self._dataset.path}: record {name}: {what}")

    def _image(self, record: dict[str, Any]) -> tuple[Image | None, str]:
        return self._dataset.folder.load(record["image"]) if "image" in record else (None, "")


def _name(record: object, place: int) -> str:
    """Name a record in messages, by what UTF-8 can hold."""
    return without_half_pairs(str(record.get("id", place) if isinstance(record, dict) else place))


def _length(record: dict[str, Any]) -> int:
    """Count the words of a conversation; negative without an image."""
    return words_of(record) * (1 if "image" in record else -1)
