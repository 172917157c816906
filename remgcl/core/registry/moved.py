"""Modules of earlier releases that plugins imported although they were private, and where their contents are now."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "remgcl.core.answers": "remgcl.core.evaluation.answers",
    "remgcl.core.checkpoint": "remgcl.core.model.saved",
    "remgcl.core.collate": "remgcl.core.data.collate",
    "remgcl.core.contract": "remgcl.core.registry.contract",
    "remgcl.core.culprit": "remgcl.core.registry.culprit",
    "remgcl.core.document": "remgcl.core.recipe.document",
    "remgcl.core.encode": "remgcl.core.data.encode",
    "remgcl.core.estimate": "remgcl.core.planning.estimate",
    "remgcl.core.extras": "remgcl.core.files.extras",
    "remgcl.core.geometry": "remgcl.core.data.geometry",
    "remgcl.core.gradients": "remgcl.core.model.gradients",
    "remgcl.core.hookspecs": "remgcl.core.registry.hookspecs",
    "remgcl.core.image_file": "remgcl.core.files.images",
    "remgcl.core.inspection": "remgcl.core.authoring.inspection",
    "remgcl.core.job": "remgcl.core.training.job",
    "remgcl.core.manifest": "remgcl.core.files.manifest",
    "remgcl.core.markers": "remgcl.core.data.markers",
    "remgcl.core.objective": "remgcl.core.model.objective",
    "remgcl.core.ocr_cache": "remgcl.core.ocr.cache",
    "remgcl.core.ocr_sources": "remgcl.core.ocr.sources",
    "remgcl.core.ocr_writer": "remgcl.core.ocr.writer",
    "remgcl.core.order": "remgcl.core.data.order",
    "remgcl.core.overlay": "remgcl.core.authoring.overlay",
    "remgcl.core.paths": "remgcl.core.recipe.paths",
    "remgcl.core.picture": "remgcl.core.evaluation.picture",
    "remgcl.core.pixels": "remgcl.core.data.pixels",
    "remgcl.core.plan": "remgcl.core.planning.plan",
    "remgcl.core.plugins": "remgcl.core.registry.loading",
    "remgcl.core.probe": "remgcl.core.model.probe",
    "remgcl.core.provenance": "remgcl.core.runs.provenance",
    "remgcl.core.ranks": "remgcl.core.model.ranks",
    "remgcl.core.reference": "remgcl.core.authoring.reference",
    "remgcl.core.run_folder": "remgcl.core.runs.folder",
    "remgcl.core.scaffold": "remgcl.core.authoring.scaffold",
    "remgcl.core.schema": "remgcl.core.recipe.schema",
    "remgcl.core.sheet": "remgcl.core.authoring.sheet",
    "remgcl.core.structure": "remgcl.core.recipe.structure",
    "remgcl.core.tokens": "remgcl.core.data.tokens",
    "remgcl.core.validation": "remgcl.core.evaluation.validation",
    "remgcl.core.weights": "remgcl.core.files.weights",
    "remgcl.plugins.runners.arguments": "remgcl.training",
    "remgcl.plugins.runners.guard": "remgcl.core.training.guard",
    "remgcl.plugins.runners.progress": "remgcl.core.training.progress",
    "remgcl.plugins.runners.state": "remgcl.core.training.state",
    "remgcl.plugins.runners.trackers": "remgcl.core.parts.tracker",
    "remgcl.plugins.runners.train": "remgcl.training",
    "remgcl.plugins.runners.trainer": "remgcl.training",
}
"""The present module by that of an earlier release."""


class _Moved(MetaPathFinder, Loader):
    """Gives the present module for the name of an earlier one, with a warning."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = MOVED[spec.name]
        warnings.warn(
            f"{spec.name} is now {new}; the old name goes with the next release; "
            "only remgcl, remgcl.training and remgcl.testing are public",
            FutureWarning,
            stacklevel=2,
        )
        return import_module(new)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the present module is imported already."""


def keep_old_names() -> None:
    """Let the names of earlier modules work for one more release."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
