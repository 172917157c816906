"""One door to any model: a run, a stage, a checkpoint, or a folder in a published format."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from attrs import evolve

from remgcl.core.engine import Engine
from remgcl.core.errors import Hint, RequestError
from remgcl.core.exchange.importing import Wanted, import_model, understand
from remgcl.core.exchange.source import formats_of
from remgcl.core.inference.loaded import LoadedModel
from remgcl.core.inference.source import Source, from_run, is_run, nothing
from remgcl.core.model.assembly import Assembly
from remgcl.core.parts import Template
from remgcl.core.runs.folder import RunFolder

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
"""Types that a model can be loaded in."""


def load(  # noqa: PLR0913 - all that can be chosen
    what: str | Path,
    *,
    stage: str | None = None,
    template: str | Template | None = None,
    base: str | None = None,
    tower: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    engine: Engine | None = None,
) -> LoadedModel:
    """Load a model to answer questions.

    Args:
        what: A run folder, a stage's folder, a checkpoint of an interrupted stage, or a folder or hub id in a
            published format, which is imported to a temporary folder first.
        stage: The stage of a run; the last one that has a model by default.
        template: A template in place of the stage's, or its name.
        base: The model that a published LoRA or projector was trained on top of.
        tower: The vision tower of a published model, where the one that it names cannot be found.
        device: Where it runs; a GPU if there is one.
        dtype: `float32`, `bfloat16` or `float16`; on a CPU float32, on a GPU the stage's precision.
        engine: The plugins to use; all that are installed by default.

    Raises:
        RemgclError: There is no such model, or it cannot be read; nothing is ever filled with random weights instead.
    """
    engine = engine or Engine.installed()
    with ExitStack() as stack:
        named = template if isinstance(template, str) else None
        source = _found(what, engine, stage, Wanted(base=base, tower=tower, template=named), stack)
        return _built(source, engine, template=template, device=device, dtype=dtype)


def _found(what: str | Path, engine: Engine, stage: str | None, wanted: Wanted, stack: ExitStack) -> Source:
    """Find a run, or import a published model to a folder that is deleted once the model is built."""
    path = Path(what)
    published = (
        path.exists() and not is_run(path) and any(known.detect(path) for _, known in formats_of(engine.registry))
    )
    hub = not path.exists() and str(what).count("/") == 1 and not str(what).startswith(("/", ".", "~"))
    if not published and not hub:
        given = [f"--{name}" for name in ("base", "tower") if getattr(wanted, name) is not None]
        if given and path.is_dir() and is_run(path):
            raise RequestError(f"{what}: is a run, which has all its parts; leave {' and '.join(given)} out")
        return find(what, engine, stage)
    out = RunFolder(Path(stack.enter_context(TemporaryDirectory(prefix="remgcl-"))) / path.name)
    understood = understand(what, engine.registry, wanted)
    import_model(understood, out, engine.registry, wanted)
    provenance = {"source": str(what), "format": understood.format, "notes": list(understood.published.notes)}
    return evolve(from_run(out.path, engine.read, stage), provenance=provenance)


def _built(
    source: Source, engine: Engine, *, template: str | Template | None, device: str | None, dtype: str | None
) -> LoadedModel:
    """Build what was found."""
    assembly = Assembly(recipe=source.recipe, stage=source.stage)
    chosen = _template(template, engine)
    place, kind = _device(device), _dtype(dtype)
    model = assembly.build_model(source.saved)
    if source.fill is not None:
        source.fill(model)
    encoder = evolve(assembly.encoder, keep=None, template=chosen or assembly.settings.template)
    precision = kind or (assembly.settings.precision if place != "cpu" else "float32")
    longest = source.recipe.backbone.spec().max_length
    return LoadedModel(
        name=source.recipe.name,
        recipe=source.recipe,
        stage=source.stage,
        model=model.requires_grad_(requires_grad=False).to(place, _torch_dtype(precision)).eval(),
        encoder=encoder,
        context=longest or assembly.settings.max_length,
        provenance=source.provenance,
    )


def find(what: str | Path, engine: Engine, stage: str | None = None) -> Source:
    """Find what a path names.

    Args:
        what: A run folder, a stage's folder, or a checkpoint.
        engine: The plugins to use.
        stage: The stage of a run.

    Raises:
        RemgclError: There is no model.
    """
    path = Path(what)
    if path.is_dir() and is_run(path):
        return from_run(path, engine.read, stage)
    raise nothing(path)


def _template(given: str | Template | None, engine: Engine) -> Template | None:
    """Make a template of its name."""
    if given is None or isinstance(given, Template):
        return given
    names = engine.registry.names("templates")
    if given not in names:
        raise RequestError(f"no template {given!r}; {Hint(given, names)}")
    made: Any = engine.registry.find("templates", given)()
    return made  # type: ignore[no-any-return]


def _device(device: str | None) -> str:
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise RequestError(f"device {device!r}: cannot be used; {reason}") from None
    return device


def _dtype(dtype: str | None) -> str | None:
    if dtype is not None and dtype not in DTYPES:
        raise RequestError(f"no dtype {dtype!r}; {Hint(dtype, DTYPES)}")
    return dtype


def _torch_dtype(name: str) -> torch.dtype:
    import torch

    kind: torch.dtype = getattr(torch, name)
    return kind
