"""The files of a run: data, where they come from, and a report; each whole or as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from remgcl.core.data.surrogates import without_half_pairs
from remgcl.core.elicitation.file import ElicitFile
from remgcl.core.elicitation.report import as_html, as_markdown
from remgcl.core.elicitation.results import Results
from remgcl.core.elicitation.sources import PICTURES, folder_of
from remgcl.core.files.whole import as_json, read, write, writing
from remgcl.core.ocr.cache import Origin
from remgcl.core.ocr.writer import OcrWriter, Row, packed
from remgcl.core.parts import Evidence
from remgcl.core.runs.provenance import provenance

FORMAT = 1
"""Of `about.json`."""

REGIONS = "regions"
"""The OCR cache, in the folder of the data, for the text of images that are in no file."""


def write_all(results: Results, file: ElicitFile, table: Mapping[str, Any], out: Path) -> None:
    """Write every file of the data's folder but the ledger.

    Args:
        results: What came of the run.
        file: The file.
        table: The file as tables, with all defaults.
        out: The folder.

    Raises:
        RunError: It cannot be written.
    """
    folder = folder_of(file, out)
    with writing(out):
        if file.data is not None:
            _write_pictures(results, out)
        write(out / "provenance.jsonl", _lines(results.lines()))
        write(out / "data.json", _listed(results.records()))
        write(out / "questions.jsonl", _lines(results.questions()))
        write(out / "questions.toml", _described(folder))
        write(out / "report.md", _encoded(as_markdown(file.name, results)))
        write(out / "report.html", _encoded(as_html(file.name, results)))
        about = {
            "format": FORMAT,
            "file": table,
            "images": str(folder),
            "numbers": results.numbers,
            **provenance(),
        }
        write(out / "about.json", as_json(about))


def changed_keys(out: Path, table: Mapping[str, Any]) -> list[str]:
    """Name the keys of a file that have changed since the data were last written.

    Args:
        out: The folder of the data.
        table: The file as tables, with all defaults.
    """
    about = read(out / "about.json")
    if about is None:
        return []
    before, now = dict(_flat(about.get("file", {}))), dict(_flat(json.loads(json.dumps(table))))
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))


def _flat(value: object, key: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for name, below in value.items():
            yield from _flat(below, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _write_pictures(results: Results, out: Path) -> None:
    """Write the images of kept pairs that are in no file, and an OCR cache of their text, which training can name."""
    wanted = {outcome.digest for outcome in results.chosen}
    images = [image for image in results.images if image.digest in wanted]
    (out / PICTURES).mkdir(exist_ok=True)
    writer = OcrWriter(out / REGIONS, Origin(engine="dataset", version="as the dataset knows them"))
    rows = {}
    for image in images:
        path = out / PICTURES / image.name
        if not path.exists():
            write(path, _png(image))
        content = _content(path)
        if content not in writer.known:
            rows[content] = Row(content=content, name=image.name, size=image.size, regions=image.regions)
    if rows:
        writer.add(packed(*rows.values()))
        writer.flush()


def _png(image: Evidence) -> bytes:
    from io import BytesIO

    held = BytesIO()
    # a copy: an image that is read stays with its evidence
    evolve(image).image.save(held, "png")
    return held.getvalue()


def _content(path: Path) -> str:
    """Name an image as datasets that read its file do."""
    from remgcl.core.files.images import ImageFolder

    return ImageFolder(path=path.parent).load(path.name)[1]


def _described(images: Path) -> bytes:
    """Describe the questions to the benchmark `own`."""
    import tomli_w

    protocol = {"metric": "exact", "max_new_tokens": 32}
    described = {"questions": "questions.jsonl", "images": str(images.absolute()), "protocols": {"short": protocol}}
    return tomli_w.dumps(described).encode()


def _lines(objects: Iterable[object]) -> Iterator[bytes]:
    return (_encoded(json.dumps(each, ensure_ascii=False) + "\n") for each in objects)


def _listed(objects: Iterable[object]) -> Iterator[bytes]:
    """Write a list in JSON, an object at a time."""
    before = "["
    for each in objects:
        text = json.dumps(each, ensure_ascii=False, indent=1).replace("\n", "\n ")
        yield _encoded(f"{before}\n {text}")
        before = ","
    yield b"[]\n" if before == "[" else b"\n]\n"


def _encoded(text: str) -> bytes:
    return without_half_pairs(text).encode()
