"""remgcl: build, train and study vision-language models on text-rich images.

This is the public API: all that a plugin may import.
"""

from typing import TYPE_CHECKING

from remgcl.core.chat.batches import in_batches
from remgcl.core.chat.images import data_url
from remgcl.core.data.surrogates import half_pair, without_half_pairs
from remgcl.core.data.tokens import token_spans
from remgcl.core.engine import Engine
from remgcl.core.errors import (
    ChatError,
    DataError,
    Fault,
    FaultsError,
    PluginError,
    RecipeError,
    RemgclError,
    ReplyError,
    RequestError,
    RunError,
    WeightsError,
    listed,
)
from remgcl.core.evaluation.answers import Answered, exact_match
from remgcl.core.evaluation.picture import draw
from remgcl.core.features import Features, Regions
from remgcl.core.files.extras import verify_installed
from remgcl.core.files.images import LARGEST_IMAGE, ImageFolder
from remgcl.core.files.regular import read_regular
from remgcl.core.files.tensors import StoredTensor, read_file, read_folder, short, stored, write_file
from remgcl.core.files.weights import read_json, reading_weights, verify_weights
from remgcl.core.inference.identity import identity_of
from remgcl.core.inference.load import load
from remgcl.core.model.gradients import GradientNorms
from remgcl.core.model.ranks import gather
from remgcl.core.parts import (
    Answer,
    Ask,
    Backbone,
    BackboneSpec,
    Benchmark,
    BenchmarkProtocol,
    BenchmarkQuestion,
    Candidate,
    Census,
    Chat,
    ChatModel,
    ChatReply,
    ChatRequest,
    ChatUsage,
    Dataset,
    Evidence,
    Executor,
    ExportedModel,
    Format,
    Generator,
    Interpolation,
    Judge,
    Layout,
    Lora,
    Loss,
    Metric,
    OcrEngine,
    PatchGrid,
    Picture,
    Projector,
    Published,
    PublishedPart,
    Runner,
    Samples,
    Score,
    Scored,
    Selector,
    Submit,
    Task,
    Template,
    TextFilter,
    TextLayout,
    TowerSpec,
    TrackedStage,
    Tracker,
    Tracking,
    Verdict,
    VisionTower,
    mark_of,
    mean,
    quoted,
    showing,
)
from remgcl.core.processes import cores
from remgcl.core.recipe.recipe import Recipe, Stage
from remgcl.core.registry.culprit import culprit
from remgcl.core.registry.hookspecs import hookimpl
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.stage import StageFolder
from remgcl.core.samples import COUNTS, Batch, Piece, Point, Region, Sample, Turn
from remgcl.core.training.job import Job

__all__ = [
    "COUNTS",
    "LARGEST_IMAGE",
    "Answer",
    "Answered",
    "Ask",
    "Backbone",
    "BackboneSpec",
    "Batch",
    "Benchmark",
    "BenchmarkProtocol",
    "BenchmarkQuestion",
    "Candidate",
    "Census",
    "Chat",
    "ChatError",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "ChatUsage",
    "DataError",
    "Dataset",
    "Engine",
    "Evidence",
    "Executor",
    "ExportedModel",
    "Fault",
    "FaultsError",
    "Features",
    "Format",
    "Generator",
    "GradientNorms",
    "ImageFolder",
    "Interpolation",
    "Job",
    "Judge",
    "Layout",
    "Lora",
    "Loss",
    "Metric",
    "OcrEngine",
    "PatchGrid",
    "Picture",
    "Piece",
    "PluginError",
    "Point",
    "Projector",
    "Published",
    "PublishedPart",
    "Recipe",
    "RecipeError",
    "Region",
    "Regions",
    "RemgclError",
    "ReplyError",
    "RequestError",
    "RunError",
    "RunFolder",
    "Runner",
    "Sample",
    "Samples",
    "Score",
    "Scored",
    "Selector",
    "Stage",
    "StageFolder",
    "StoredTensor",
    "Submit",
    "Task",
    "Template",
    "TextFilter",
    "TextLayout",
    "TowerSpec",
    "TrackedStage",
    "Tracker",
    "Tracking",
    "Turn",
    "Verdict",
    "VisionTower",
    "WeightsError",
    "cores",
    "culprit",
    "data_url",
    "draw",
    "exact_match",
    "gather",
    "half_pair",
    "hookimpl",
    "identity_of",
    "in_batches",
    "listed",
    "load",
    "mark_of",
    "mean",
    "quoted",
    "read_file",
    "read_folder",
    "read_json",
    "read_regular",
    "reading_weights",
    "short",
    "showing",
    "stored",
    "token_spans",
    "verify_installed",
    "verify_weights",
    "without_half_pairs",
    "write_file",
]

_RENAMED = {"Grid": "PatchGrid"}
"""Names of the last release, and what each is called now."""

if not TYPE_CHECKING:  # a type checker should know no other names

    def __getattr__(name: str) -> object:
        """Find a name of the last release, with a warning."""
        if name not in _RENAMED:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from warnings import warn

        new = _RENAMED[name]
        warn(f"remgcl.{name} is now remgcl.{new}; the old name goes with the next release", DeprecationWarning, 2)
        return globals()[new]
