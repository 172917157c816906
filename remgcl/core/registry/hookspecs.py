"""The hooks a plugin may implement: one for each kind of part.

This file is the whole extension surface. Register hooks take no arguments,
need no order, and may be called in a test as plain functions. Each returns a
mapping of names, as recipes use them, to classes; the class in the return
annotation is the contract they must meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pluggy

from remgcl.core.parts import (
    Backbone,
    Benchmark,
    ChatModel,
    Dataset,
    Executor,
    Format,
    Generator,
    Judge,
    Loss,
    Metric,
    OcrEngine,
    Projector,
    Runner,
    Selector,
    Template,
    TextFilter,
    TrackedStage,
    Tracker,
    VisionTower,
)

PROJECT = "remgcl"
"""Name of the pluggy project, of the entry-point group and of the hooks' prefix."""

PREFIX = f"{PROJECT}_register_"
"""What the name of every register hook starts with; the kind of part follows."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of its name."""


@hookspec
def remgcl_register_vision_towers() -> Mapping[str, type[VisionTower]]:  # type: ignore[empty-body]
    """Name vision towers: images to patch features."""


@hookspec
def remgcl_register_projectors() -> Mapping[str, type[Projector]]:  # type: ignore[empty-body]
    """Name projectors: patch features to input embeddings of the language model."""


@hookspec
def remgcl_register_backbones() -> Mapping[str, type[Backbone]]:  # type: ignore[empty-body]
    """Name backbones: the language model and its tokenizer."""


@hookspec
def remgcl_register_templates() -> Mapping[str, type[Template]]:  # type: ignore[empty-body]
    """Name templates: conversations to the text that the language model reads."""


@hookspec
def remgcl_register_datasets() -> Mapping[str, type[Dataset]]:  # type: ignore[empty-body]
    """Name datasets: conversations about images."""


@hookspec
def remgcl_register_ocr_engines() -> Mapping[str, type[OcrEngine]]:  # type: ignore[empty-body]
    """Name OCR engines: images to text regions."""


@hookspec
def remgcl_register_text_filters() -> Mapping[str, type[TextFilter]]:  # type: ignore[empty-body]
    """Name text filters: the tokens of an answer that the losses use."""


@hookspec
def remgcl_register_losses() -> Mapping[str, type[Loss]]:  # type: ignore[empty-body]
    """Name losses: the `Features` of a batch to one scalar."""


@hookspec
def remgcl_register_metrics() -> Mapping[str, type[Metric]]:  # type: ignore[empty-body]
    """Name metrics: a prediction and its true answers to a score, as a published scorer does."""


@hookspec
def remgcl_register_benchmarks() -> Mapping[str, type[Benchmark]]:  # type: ignore[empty-body]
    """Name benchmarks: published files to questions, and the protocols that they are asked by."""


@hookspec
def remgcl_register_chat_models() -> Mapping[str, type[ChatModel]]:  # type: ignore[empty-body]
    """Name chat models: messages with images to text."""


@hookspec
def remgcl_register_runners() -> Mapping[str, type[Runner]]:  # type: ignore[empty-body]
    """Name runners: where and how the stages of a recipe are trained."""


@hookspec
def remgcl_register_executors() -> Mapping[str, type[Executor]]:  # type: ignore[empty-body]
    """Name executors: where the stages of a grid are trained."""


@hookspec
def remgcl_register_formats() -> Mapping[str, type[Format]]:  # type: ignore[empty-body]
    """Name formats: models in published layouts, read and written."""


@hookspec
def remgcl_register_trackers() -> Mapping[str, type[Tracker]]:  # type: ignore[empty-body]
    """Name trackers: where a training can be watched."""


@hookspec
def remgcl_register_generators() -> Mapping[str, type[Generator]]:  # type: ignore[empty-body]
    """Name generators: an image and its text to questions with answers."""


@hookspec
def remgcl_register_judges() -> Mapping[str, type[Judge]]:  # type: ignore[empty-body]
    """Name judges: whether a generated question with its answer may stay."""


@hookspec
def remgcl_register_selectors() -> Mapping[str, type[Selector]]:  # type: ignore[empty-body]
    """Name selectors: which of the generated pairs go into the data."""


# Listening hooks. They are called in the first process of a training; whatever one raises is printed with the
# plugin's name, and the training continues without it.


@hookspec
def remgcl_stage_begins(stage: TrackedStage, step: int) -> None:
    """Listen to the begin of a stage, or to its resumption from an optimizer step above 0."""


@hookspec
def remgcl_step_logged(stage: TrackedStage, step: int, line: Mapping[str, Any]) -> None:
    """Listen to a log step: its line of ``metrics.jsonl``."""


@hookspec
def remgcl_checkpoint_saved(stage: TrackedStage, step: int, folder: Path) -> None:
    """Listen to a checkpoint that was written and sealed in a folder."""


@hookspec
def remgcl_stage_ends(stage: TrackedStage, results: Mapping[str, Any] | None) -> None:
    """Listen to the end of a stage: its results, or None if it was interrupted or failed."""
