"""The rule of a question by its type, and the groups that types are summed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from remgcl import Answer, DataError, Metric, Score, listed, mean, verify_installed
from remgcl.plugins.metrics.ocrbench_v2 import boxes, containment, documents, pairs, passages, tables

ENGLISH = {
    "text_recognition": ("text recognition en", "fine-grained text recognition en", "full-page OCR en"),
    "text_detection": ("text grounding en", "VQA with position en"),
    "text_spotting": ("text spotting en",),
    "relationship_extraction": ("key information extraction en", "key information mapping en"),
    "element_parsing": ("document parsing en", "chart parsing en", "table parsing en", "formula recognition en"),
    "mathematical_calculation": ("math QA en", "text counting en"),
    "visual_text_understanding": ("document classification en", "cognition VQA en", "diagram QA en"),
    "knowledge_reasoning": ("reasoning VQA en", "science QA en", "APP agent en", "ASCII art classification en"),
}
CHINESE = {
    "text_recognition": ("full-page OCR cn",),
    "relationship_extraction": ("key information extraction cn", "handwritten answer extraction cn"),
    "element_parsing": ("document parsing cn", "table parsing cn", "formula recognition cn"),
    "visual_text_understanding": ("cognition VQA cn",),
    "knowledge_reasoning": ("reasoning VQA cn", "text translation cn"),
}
TYPES = tuple(name for groups in (ENGLISH, CHINESE) for names in groups.values() for name in names)

SHORT = (
    *("APP agent en", "ASCII art classification en", "math QA en", "reasoning VQA en", "science QA en"),
    *("text recognition en", "document classification en", "cognition VQA en", "diagram QA en"),
)
PASSAGES = ("full-page OCR en", "full-page OCR cn", "fine-grained text recognition en", "text translation cn")
ESSAY = "\u7b80\u7b54"
"""Stands in a question whose handwritten answer is a passage."""

WITHOUT_RULE = ("text spotting en",)


@frozen(kw_only=True)
class OcrBenchV2(Metric):
    """The score of a question by its field `question_type` (or `type`), with `eval`, `question` and `bbox` where used.

    The headline is the mean of the groups' means, separately for English and Chinese questions. If
    the published scorer raises an error, the score is 0. Types that are measured by BLEU and METEOR
    need NLTK with WordNet, and jieba for Chinese: ``pip install "remgcl[ocrbench-v2]"``. Text
    spotting has no rule here.

    Source: MultimodalOCR, `OCRBench_v2/eval_scripts/eval.py` and `get_score.py`.
    """

    def fault(self, answer: Answer) -> str | None:
        """Refuse unknown types, and those whose libraries are missing."""
        kind = _kind(answer)
        if kind in WITHOUT_RULE:
            return f"question_type: {kind!r} has no rule here; leave its questions out"
        if kind not in TYPES:
            return f"question_type: must be a type of OCRBench v2; it is {kind!r}, there is {listed(TYPES)}"
        if not answer.answers:
            return "answers: is missing; the rule needs a text or a list"
        return None

    def score(self, answer: Answer) -> float:
        """Score by the type's rule."""
        if _is_passage(answer):
            for library in ("nltk", "jieba"):
                verify_installed(library, f"ocrbench-v2: {_kind(answer)!r}", "remgcl[ocrbench-v2]")
        try:
            return float(_score(_kind(answer), answer))
        except DataError:
            raise
        except Exception:  # noqa: BLE001 - the published scorer stops; the score is 0
            return 0.0

    def summary(self, answers: Sequence[Answer], scores: Sequence[Score]) -> Mapping[str, Any]:
        """Return the mean of each group and the means of these."""
        by_type: dict[str, list[float]] = {}
        for answer, score in zip(answers, scores, strict=True):
            if not _left_out(answer):
                by_type.setdefault(_kind(answer), []).append(score)  # type: ignore[arg-type]
        summary: dict[str, Any] = {
            "count": len(answers),
            "mean": mean(scores)["score"],
            "by_type": {kind: sum(of) / len(of) for kind, of in by_type.items()},
        }
        overall = []
        for language, groups in (("en", ENGLISH), ("cn", CHINESE)):
            lists = {
                group: [each for kind in kinds for each in by_type.get(kind, [])] for group, kinds in groups.items()
            }
            means = {group: sum(of) / len(of) for group, of in lists.items() if of}
            if means:
                overall.append(sum(means.values()) / len(means))
                summary |= {f"groups_{language}": means, f"overall_{language}": overall[-1]}
        return summary | {"score": sum(overall) / len(overall) if overall else 0.0}


def _kind(answer: Answer) -> str:
    return str(answer.fields.get("question_type", answer.fields.get("type")))


def _is_passage(answer: Answer) -> bool:
    essay = _kind(answer) == "handwritten answer extraction cn" and ESSAY in str(answer.fields.get("question"))
    return _kind(answer) in PASSAGES or essay


def _left_out(answer: Answer) -> bool:
    """Return whether the published sum leaves a question out: a translation of nothing, with something predicted."""
    return _kind(answer) == "text translation cn" and bool(answer.prediction) and not answer.answers[0]


def _score(kind: str, answer: Answer) -> float:
    prediction, answers = answer.prediction, answer.fields.get("answers", list(answer.answers))
    if _is_passage(answer):
        return passages.closeness(prediction, answers[0]) if prediction and answers[0] else 0.0
    if kind in (*SHORT, "cognition VQA cn", "reasoning VQA cn"):
        return _short(kind, answer)
    if kind.startswith("key information"):
        (truth,) = answers
        return pairs.best(prediction, pairs.chinese_readings(truth) if kind.endswith("cn") else pairs.readings(truth))
    if kind.startswith("table parsing"):
        return _table(kind, answer)
    if kind.startswith("document parsing"):
        (truth,) = answers
        return documents.outline_similarity(prediction, truth)
    rules = {
        "text counting en": lambda: containment.counting(prediction, answers, answer.fields["eval"]),
        "formula recognition en": lambda: containment.formula(prediction, answers),
        "formula recognition cn": lambda: containment.chinese_formula(prediction, answers),
        "handwritten answer extraction cn": lambda: containment.handwritten(prediction, answers),
        "chart parsing en": lambda: tables.chart(prediction, answers[0]),
        "text grounding en": lambda: boxes.grounding(prediction, answers),
        "VQA with position en": lambda: boxes.with_position(prediction, answers, answer.fields["bbox"]),
    }
    return rules[kind]()


def _short(kind: str, answer: Answer) -> float:
    form, answers = answer.fields.get("eval"), answer.fields.get("answers", list(answer.answers))
    if form == "multiple choice":
        (truth,) = [answers] if isinstance(answers, str) else answers
        return float("".join(filter(str.isalpha, answer.prediction)) == truth)
    if form == "case sensitive":
        return containment.case_sensitive(answer.prediction, answers)
    if form is not None or (kind.endswith("cn") and isinstance(answers, str)):
        return 0.0
    return (containment.chinese if kind.endswith("cn") else containment.english)(answer.prediction, answers)


def _table(kind: str, answer: Answer) -> float:
    truth = answer.answers[0]
    if kind.endswith("cn"):
        return tables.html_table(answer.prediction, truth)
    asked = answer.fields["question"].lower()
    if len(answer.answers) != 1:
        return 0.0
    return (tables.html_table if "html" in asked else tables.markdown_table)(answer.prediction, truth)
