"""A published model becomes a run folder with one finished stage.

Tower and language model become folders of their own inside the saved model, in
transformers' layout, and the recipe names them; the projector is saved as after
a training. Tensors pass one at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from attrs import evolve, frozen

from remgcl.core.errors import RunError, WeightsError
from remgcl.core.exchange.source import format_of, local
from remgcl.core.files.manifest import sealed
from remgcl.core.files.tensors import StoredTensor, write_file
from remgcl.core.files.whole import as_json, write, writing
from remgcl.core.model.saved import PARTS_FILE
from remgcl.core.parts import Published, PublishedPart
from remgcl.core.recipe.document import Document
from remgcl.core.recipe.recipe import PARTS, Recipe
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry.registry import Registry
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.provenance import provenance
from remgcl.core.runs.stage import StageFolder

STAGE = "import"
"""The stage of an imported run."""

DTYPES = ("float32", "bfloat16", "float16")
"""Types that tensors can be stored in."""


@frozen(kw_only=True)
class Wanted:
    """What a user may say about a source.

    Attributes:
        format: The name of its format, where it is not to be found out.
        base: The model that it was trained on top of.
        tower: Its vision tower.
        template: The name of the template of its conversations.
        dtype: The type that its tensors are stored in; as they are without it.
    """

    format: str | None = None
    base: str | None = None
    tower: str | None = None
    template: str | None = None
    dtype: str | None = None


@frozen(kw_only=True, eq=False)
class Source:
    """A published model that was found and understood, before any tensor is read.

    Attributes:
        name: As the user named it.
        format: The name of its format.
        published: What it holds.
    """

    name: str
    format: str
    published: Published


def understand(source: str | Path, registry: Registry, wanted: Wanted | None = None) -> Source:
    """Find a published model, and account for every one of its tensors.

    Args:
        source: A path or hub id.
        registry: The formats there are.
        wanted: What the user says about it.

    Raises:
        WeightsError: It cannot be found or read, or is not supported.
    """
    wanted = wanted or Wanted()
    if wanted.dtype is not None and wanted.dtype not in DTYPES:
        raise WeightsError(f"dtype: cannot be {wanted.dtype!r}; there is {', '.join(DTYPES)}")
    path = local(source)
    name, chosen = format_of(path, registry, wanted.format)
    published = chosen.read(path, base=wanted.base, tower=wanted.tower)
    if wanted.template is not None:
        published = evolve(published, stage={**published.stage, "template": wanted.template}, notes=())
    return Source(name=str(source), format=name, published=published)


def import_model(source: Source, out: RunFolder, registry: Registry, wanted: Wanted | None = None) -> Recipe:
    """Write a published model as a run with one finished stage.

    Args:
        source: The model.
        out: The run's folder; it must be new or empty.
        registry: The parts there are.
        wanted: What the user says about it; the stored type.

    Returns:
        The run's recipe.

    Raises:
        RecipeError: The model cannot be written as a recipe.
        RunError: The folder is not empty, or cannot be written.
        WeightsError: A tensor cannot be read, or the source lacks a part.
    """
    published = source.published
    parts: Mapping[str, PublishedPart | None] = {name: getattr(published, name) for name in PARTS}
    lacking = [name for name, part in parts.items() if part is None]
    if lacking:
        raise WeightsError(
            f"{source.name}: holds no {' and no '.join(lacking)}; name the model that it was trained on with --base, "
            "the vision tower with --tower"
        )
    if "template" not in published.stage:
        raise WeightsError(f"{source.name}: {'; '.join(published.notes)}; choose a template with --template")
    if out.path.exists() and (not out.path.is_dir() or any(out.path.iterdir())):
        raise RunError(f"{out.path}: is there already; name another folder with --out")
    read = _read(_recipe(published, out), out, registry)  # before anything is written
    write_run(source, out, wanted)
    return read


def write_run(source: Source, out: RunFolder, wanted: Wanted | None = None) -> None:
    """Write the parts that a published model holds as a run; it can be read as a recipe if they are all there.

    Args:
        source: The model.
        out: The run's folder.
        wanted: What the user says about it; the stored type.

    Raises:
        RunError: The folder cannot be written.
        WeightsError: A tensor cannot be read.
    """
    recipe, stage = _recipe(source.published, out), out.stage(STAGE)
    with writing(out.path):
        out.path.mkdir(parents=True, exist_ok=True)
        tables: dict[str, Any] = {name: recipe[name] for name in PARTS if name in recipe}
        write_parts(
            {name: getattr(source.published, name) for name in tables}, tables, stage, getattr(wanted, "dtype", None)
        )
        out.describe(tomli_w.dumps(recipe), provenance())
        facts = {"source": source.name, "format": source.format, "notes": list(source.published.notes)}
        given = {key: value for key in ("base", "tower") if (value := getattr(wanted, key, None))}
        stage.finish({"imported": facts | given, **tables}, {"imported": facts | given})


def write_parts(
    parts: Mapping[str, PublishedPart], tables: Mapping[str, Any], stage: StageFolder, dtype: str | None = None
) -> None:
    """Write parts as a stage's saved model, sealed.

    Args:
        parts: The parts.
        tables: Their tables, for the record.
        stage: The stage's folder.
        dtype: The type to store floating-point tensors in; as they are without it.
    """
    record: dict[str, Any] = {}
    with sealed(stage.model) as folder:
        for name, part in parts.items():
            tensors = {key: _typed(tensor, dtype) for key, tensor in part.tensors.items()}
            record[name] = {"recipe": tables.get(name), "file": None}
            if part.files:
                inner = folder / name
                inner.mkdir()
                for file, held in part.files.items():
                    (inner / file).write_bytes(held)
                write_file(inner / "model.safetensors", tensors)
            elif "weights" not in part.table:
                record[name]["file"] = f"{name}.safetensors"
                write_file(folder / f"{name}.safetensors", tensors)
        write(folder / PARTS_FILE, as_json(record))


def _typed(tensor: StoredTensor, dtype: str | None) -> StoredTensor:
    return evolve(tensor, dtype=dtype) if dtype and tensor.dtype in {*DTYPES, "float64"} else tensor


def _recipe(published: Published, out: RunFolder) -> dict[str, Any]:
    """Write the recipe's tables; the folders of parts lie beside the recipe, wherever that is moved to."""
    tables: dict[str, Any] = {}
    for name in PARTS:
        part: PublishedPart | None = getattr(published, name)
        if part is None:
            continue
        weights = {"weights": f"{{paths.here}}/{STAGE}/model/{name}"} if part.files else {}
        tables[name] = {**part.table, **weights}
    title = re.sub(r"[^A-Za-z0-9._-]", "-", out.path.absolute().name).lstrip("._-") or STAGE
    return {"name": title, **tables, "runner": dict(published.runner), "stages": {STAGE: dict(published.stage)}}


def _read(recipe: dict[str, Any], out: RunFolder, registry: Registry) -> Recipe:
    """Verify that the tables are a recipe."""
    return Structure(registry).read(Document(str(out.recipe), recipe), Recipe)
