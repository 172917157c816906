"""Metrics: the rules of published scorers, each under its name."""

from collections.abc import Mapping

from remgcl import Metric, hookimpl
from remgcl.plugins.metrics.anls import Anls
from remgcl.plugins.metrics.anls_m4c import AnlsM4c
from remgcl.plugins.metrics.exact import Exact
from remgcl.plugins.metrics.gqa import Gqa
from remgcl.plugins.metrics.judge import Judge
from remgcl.plugins.metrics.mme import Mme
from remgcl.plugins.metrics.multimodalocr_2023 import MultimodalOcr2023
from remgcl.plugins.metrics.ocrbench import OcrBench
from remgcl.plugins.metrics.ocrbench_v2 import OcrBenchV2
from remgcl.plugins.metrics.pope import Pope
from remgcl.plugins.metrics.relaxed import Relaxed
from remgcl.plugins.metrics.vqa_evalai import VqaEvalAi
from remgcl.plugins.metrics.vqa_official import VqaOfficial


@hookimpl
def remgcl_register_metrics() -> Mapping[str, type[Metric]]:
    """Name the built-in metrics."""
    return {
        "anls": Anls,
        "anls-m4c": AnlsM4c,
        "exact": Exact,
        "gqa": Gqa,
        "judge": Judge,
        "mme": Mme,
        "multimodalocr-2023": MultimodalOcr2023,
        "ocrbench": OcrBench,
        "ocrbench-v2": OcrBenchV2,
        "pope": Pope,
        "relaxed": Relaxed,
        "vqa-evalai": VqaEvalAi,
        "vqa-official": VqaOfficial,
    }
