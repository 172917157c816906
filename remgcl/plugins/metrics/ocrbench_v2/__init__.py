"""The rules of OCRBench v2: one for each type of question.

Inside: the rule by type and its summary, containment and counting, tables, documents, pairs of keys and values,
boxes, and the measures of long texts. Source of all: MultimodalOCR, `OCRBench_v2/eval_scripts/`.
"""

from remgcl.plugins.metrics.ocrbench_v2.rule import OcrBenchV2

__all__ = ["OcrBenchV2"]
