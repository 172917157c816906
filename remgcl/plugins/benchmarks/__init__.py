"""Benchmarks: published ones from local files, own ones by a description, and samples of any dataset."""

from collections.abc import Mapping

from remgcl import Benchmark, hookimpl
from remgcl.plugins.benchmarks.binary import Mme, Pope
from remgcl.plugins.benchmarks.charts import ChartQa
from remgcl.plugins.benchmarks.documents import DocVqa, InfoVqa, OcrVqa, StVqa
from remgcl.plugins.benchmarks.judged import LlavaBench, MmVet, Qa90
from remgcl.plugins.benchmarks.ocrbench import OcrBench, OcrBenchV2
from remgcl.plugins.benchmarks.own import Own
from remgcl.plugins.benchmarks.samples import Samples
from remgcl.plugins.benchmarks.scenes import Gqa, VqaV2
from remgcl.plugins.benchmarks.textvqa import TextVqa


@hookimpl
def remgcl_register_benchmarks() -> Mapping[str, type[Benchmark]]:
    """Name the built-in benchmarks."""
    return {
        "chartqa": ChartQa,
        "docvqa": DocVqa,
        "gqa": Gqa,
        "infovqa": InfoVqa,
        "llava-bench": LlavaBench,
        "mm-vet": MmVet,
        "mme": Mme,
        "ocr-vqa": OcrVqa,
        "ocrbench": OcrBench,
        "ocrbench-v2": OcrBenchV2,
        "own": Own,
        "pope": Pope,
        "qa90": Qa90,
        "samples": Samples,
        "st-vqa": StVqa,
        "textvqa": TextVqa,
        "vqav2": VqaV2,
    }
