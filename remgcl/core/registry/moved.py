"""Modules of earlier releases that plugins imported although they were private, and where their contents are now."""

from __future__ import annotations

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


def new_place(error: BaseException) -> str:
    """Say where the contents of a missing module are now.

    Args:
        error: What importing a plugin raised.

    Returns:
        Words to put behind the error; empty if no moved module is missing.
    """
    old = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    new = MOVED.get(old)
    return f"; {old} is now {new}; only remgcl, remgcl.training and remgcl.testing are public" if new else ""
