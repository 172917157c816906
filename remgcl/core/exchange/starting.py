"""Stages that start from a model that no stage of their recipe made.

The parts that the model holds are laid under those of the recipe, as tables, before the recipe is read: so what follows
knows parts and run folders only. A published model is described in a temporary run folder, with its configuration,
tokenizer and projector, and without the tensors of tower and backbone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, frozen

from remgcl.core.errors import Fault, RecipeError, RemgclError
from remgcl.core.exchange.importing import Source, Wanted, understand, write_run
from remgcl.core.exchange.source import format_of, local
from remgcl.core.files.whole import as_json, read, write
from remgcl.core.model.saved import listed_parts
from remgcl.core.recipe.document import USE, Document
from remgcl.core.recipe.recipe import FROM, PARTS, Recipe
from remgcl.core.registry.registry import Registry
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.start import is_start, start_in, tables_of

UNDERSTOOD = "understood.json"
"""The file of a temporary run folder that names the published model it describes."""

WEIGHTS = "weights"

OF_STAGE = ("template", "image_aspect")
"""Keys of a stage that are those of the model it starts from, unless the recipe gives them."""


@frozen
class _Start:
    """What a stage starts from.

    Attributes:
        name: As the recipe names it.
        path: The folder of the run or stage.
        parts: The tables of the parts that it holds.
        stage: The table of its stage.
        replaced: Parts whose weights in the recipe went into it.
    """

    name: str
    path: Path
    parts: Mapping[str, Mapping[str, Any]]
    stage: Mapping[str, Any]
    replaced: frozenset[str] = frozenset()


def start_from(given: Document, registry: Registry) -> Document:
    """Lay the parts that stages start from under those of a recipe.

    Args:
        given: The recipe; it is not changed.
        registry: The formats there are.

    Returns:
        The recipe with all parts; each `from` names a run folder.

    Raises:
        RecipeError: What a stage starts from cannot be found or read, or is of another family than the recipe's parts.
    """
    held = given.table.get("stages")
    stages: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
    named = {name: stage for name, stage in stages.items() if isinstance(stage, Mapping)}
    named = {name: stage for name, stage in named.items() if isinstance(stage.get(FROM), str)}
    if not named:
        return given
    document, faults = given.copy(), []
    whole = None
    for name, stage in named.items():
        key = ("stages", name, FROM)
        try:
            start = _start(stage[FROM], given, registry)
        except RemgclError as error:
            faults.append(given.fault(key, _in_recipes(str(error))))
            continue
        if whole is not None and len(start.parts) > 1:
            wrong = f"stage {whole!r} starts from a whole model already, which gives all stages their parts"
            faults.append(given.fault(key, f"{wrong}; name this one with 'after'"))
            continue
        whole = name if len(start.parts) > 1 else whole
        faults += _laid(start, document, given)
        document.set(key, str(start.path), given.origin(key))
        for own in OF_STAGE:
            if own not in stage and own in start.stage:
                document.set(("stages", name, own), start.stage[own], start.name)
    if faults:
        raise RecipeError(faults)
    return document


def misfits(recipe: Recipe, name: str) -> list[Fault]:
    """Find projectors that do not fit between the recipe's tower and backbone.

    Args:
        recipe: A recipe whose parts can be built.
        name: Its file, for errors.

    Raises:
        RunError: What a stage starts from has changed or cannot be read.
    """
    if not any(stage.source for stage in recipe.stages.values()):
        return []
    import torch

    from remgcl.core.files.tensors import read_file

    faults = []
    for key, stage in recipe.stages.items():
        file = listed_parts(start_in(Path(stage.source)).model).get("projector") if stage.source else None
        if file is None:
            continue
        with torch.device("meta"):
            built = recipe.projector.build(recipe.vision_tower.spec().width, recipe.backbone.spec().width)
        due = {name: tuple(each.shape) for name, each in built.state_dict().items()}
        there = {name: each.shape for name, each in read_file(file).items()}
        wrong = sorted(name for name in due.keys() | there.keys() if due.get(name) != there.get(name))
        if wrong:
            one = wrong[0]
            what = f"its projector does not fit between this tower and backbone; {one!r} is {there.get(one)} there"
            faults.append(Fault(name, f"stages.{key}.{FROM}", f"{what}, and must be {due.get(one)}"))
    return faults


def understood(path: Path) -> tuple[str, Wanted] | None:
    """Return which published model a temporary run folder describes, or None for other folders.

    Args:
        path: The folder.
    """
    held = read(path / UNDERSTOOD)
    return None if held is None else (held["source"], Wanted(base=held["base"], tower=held["tower"]))


def _in_recipes(told: str) -> str:
    """Name the keys of a recipe in place of the options of a command."""
    return told.replace("--base", "backbone.weights").replace("--tower", "vision_tower.weights")


def _start(name: str, given: Document, registry: Registry) -> _Start:
    path = Path(name)
    replaced: frozenset[str] = frozenset()
    if not is_start(path):
        path, replaced = _described(name, given, registry)
    stage, tables = start_in(path), tables_of(path)
    parts: dict[str, Mapping[str, Any]] = {
        part: tables[part] for part in PARTS if isinstance(tables.get(part), Mapping)
    }
    return _Start(name, path, parts, tables["stages"][stage.path.name], replaced)


def _described(name: str, given: Document, registry: Registry) -> tuple[Path, frozenset[str]]:
    """Describe a published model in a temporary run folder; what it lacks comes from the recipe's weights."""
    wants = format_of(local(name), registry)[1].completed_by
    weights = {part: _table(given, part).get(WEIGHTS) for part in ("backbone", "vision_tower")}
    chosen = {"base": "backbone", "tower": "vision_tower"}
    used = {want: weights[part] for want, part in chosen.items() if want in wants and weights[part]}
    wanted = Wanted(**used)
    content = as_json({"source": name, "base": wanted.base, "tower": wanted.tower})
    out = RunFolder(Path(_scratch().name) / sha256(content).hexdigest()[:16])
    if not (out.path / UNDERSTOOD).exists():
        write_run(_bare(understand(name, registry, wanted)), out, wanted)
        write(out.path / UNDERSTOOD, content)
    return out.path, frozenset(chosen[want] for want in used)


def _bare(source: Source) -> Source:
    """Leave out the tensors of parts that are folders of weights."""
    parts = {name: part for name in PARTS if (part := getattr(source.published, name)) is not None and part.files}
    bare = {name: evolve(part, tensors={}) for name, part in parts.items()}
    return evolve(source, published=evolve(source.published, **bare))


@cache
def _scratch() -> TemporaryDirectory[str]:
    """Make the folder of what is described; it goes with this process."""
    return TemporaryDirectory(prefix="remgcl-from-")


def _laid(start: _Start, document: Document, given: Document) -> Iterator[Fault]:
    """Lay the parts of a model under those of a recipe, and find what contradicts them or is missing in both."""
    for part in PARTS:
        own, held = _table(given, part), start.parts.get(part)
        if held is None:
            if not own:
                yield given.fault((part,), f"is missing; {start.name!r} holds none")
            continue
        if not own:
            document.set((part,), dict(held), start.name)
            continue
        if own.get(USE, held[USE]) != held[USE]:
            yield given.fault((part, USE), f"is {own[USE]!r}; {start.name!r} holds {held[USE]!r}")
            continue
        weights = own.get(WEIGHTS, held.get(WEIGHTS))
        if weights != held.get(WEIGHTS) and part not in start.replaced:
            yield given.fault((part, WEIGHTS), f"is {weights!r}; {start.name!r} holds this part, so leave the key out")
            continue
        if own.get("lora") != held.get("lora") and part in listed_parts(start_in(start.path).model):
            wrong = f"{start.name!r} has a trained {part} with other adapters or none"
            yield given.fault((part, "lora"), f"{wrong}; export it with: remgcl export, and start from that folder")
            continue
        settings = {key: value for key, value in own.items() if key != WEIGHTS}
        document.set((part,), {**held, **settings}, given.origin((part,)))


def _table(given: Document, part: str) -> Mapping[str, Any]:
    """Read the table of a part; one that is given by its name alone has a name alone."""
    held = given.table.get(part)
    return {USE: held} if isinstance(held, str) else held if isinstance(held, Mapping) else {}
