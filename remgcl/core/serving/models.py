"""The models of a server, each with its own name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from remgcl.core.inference.load import load

if TYPE_CHECKING:
    from remgcl.core.inference.loaded import LoadedModel


def load_all(runs: Sequence[str | Path], **options: str | None) -> list[LoadedModel]:
    """Load models, and rename those whose name an earlier one has: name, name-2, name-3.

    Args:
        runs: What `load` takes.
        **options: Options of `load`, for all of them.

    Raises:
        RemgclError: One of them cannot be loaded.
    """
    from remgcl.core.engine import Engine

    engine = Engine.installed()
    models: list[LoadedModel] = []
    for run in runs:
        model = load(run, engine=engine, **options)
        names = {earlier.name for earlier in models}
        free = (name for name in (model.name, *(f"{model.name}-{n}" for n in range(2, 2 + len(runs)))))
        model.name = next(name for name in free if name not in names)
        models.append(model)
    return models
