"""The contract of every kind of part.

A part is a frozen attrs class: its fields are the keys of its table in a
recipe, its docstring is its documentation, and `build` makes the runtime
object (a loss is simply called). Settings live in fields; runtime objects come
as arguments. Reading, checking or comparing parts must not import torch or any
other heavy library: such imports belong inside `build` and its like.
"""

from remgcl.core.parts.asking import Ask, showing
from remgcl.core.parts.backbone import Backbone, BackboneSpec
from remgcl.core.parts.benchmark import Benchmark, BenchmarkProtocol, BenchmarkQuestion, Picture
from remgcl.core.parts.chat_model import Chat, ChatModel, ChatReply, ChatRequest, ChatUsage
from remgcl.core.parts.dataset import Census, Dataset, Samples
from remgcl.core.parts.evidence import Candidate, Evidence, Scored, Verdict
from remgcl.core.parts.executor import Executor, Submit, Task
from remgcl.core.parts.format import ExportedModel, Format, Published, PublishedPart
from remgcl.core.parts.generator import Generator
from remgcl.core.parts.judge import Judge
from remgcl.core.parts.lora import Lora
from remgcl.core.parts.loss import Loss
from remgcl.core.parts.metric import Answer, Metric, Score, mean
from remgcl.core.parts.ocr_engine import OcrEngine
from remgcl.core.parts.part import Part, Pretrained
from remgcl.core.parts.projector import Projector
from remgcl.core.parts.quoted import TextLayout, mark_of, quoted
from remgcl.core.parts.runner import Layout, Runner
from remgcl.core.parts.selector import Selector
from remgcl.core.parts.template import Template
from remgcl.core.parts.text_filter import TextFilter
from remgcl.core.parts.tracker import TrackedStage, Tracker, Tracking
from remgcl.core.parts.vision_tower import Aspect, Interpolation, PatchGrid, Resampling, TowerSpec, VisionTower

__all__ = [
    "Answer",
    "Ask",
    "Aspect",
    "Backbone",
    "BackboneSpec",
    "Benchmark",
    "BenchmarkProtocol",
    "BenchmarkQuestion",
    "Candidate",
    "Census",
    "Chat",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "ChatUsage",
    "Dataset",
    "Evidence",
    "Executor",
    "ExportedModel",
    "Format",
    "Generator",
    "Interpolation",
    "Judge",
    "Layout",
    "Lora",
    "Loss",
    "Metric",
    "OcrEngine",
    "Part",
    "PatchGrid",
    "Picture",
    "Pretrained",
    "Projector",
    "Published",
    "PublishedPart",
    "Resampling",
    "Runner",
    "Samples",
    "Score",
    "Scored",
    "Selector",
    "Submit",
    "Task",
    "Template",
    "TextFilter",
    "TextLayout",
    "TowerSpec",
    "TrackedStage",
    "Tracker",
    "Tracking",
    "Verdict",
    "VisionTower",
    "mark_of",
    "mean",
    "quoted",
    "showing",
]
