"""The rule of MultimodalOCR in June 2023: an answer occurs in the prediction as whole words."""

from __future__ import annotations

from functools import lru_cache

from attrs import frozen

from remgcl import Answer, Metric
from remgcl.plugins.metrics.normalise import on_one_line, with_digits, without_marks


@frozen(kw_only=True)
class MultimodalOcr2023(Metric):
    """1 if a true answer is found between word boundaries of the prediction, both normalised as for VQA.

    The rule behind the tables of LLaVAR and REMGCL. An answer that normalises to nothing is found in any
    prediction that has a word.

    Source: MultimodalOCR at e22b12b, `eval.py`, class `VQAEval`.
    """

    def score(self, answer: Answer) -> float:
        """Look for each answer."""
        prediction = _normalised(answer.prediction)
        return float(any(_has_word(prediction, _normalised(each)) for each in answer.answers))


@lru_cache(maxsize=1 << 16)
def _normalised(text: str) -> str:
    return with_digits(without_marks(on_one_line(text)))


def _has_word(text: str, word: str) -> bool:
    """Search as a pattern of the word between two boundaries of words does."""
    if not word:
        return any(map(_in_word, text))
    at = text.find(word)
    while at >= 0:
        if _boundary(text, at) and _boundary(text, at + len(word)):
            return True
        at = text.find(word, at + 1)
    return False


def _boundary(text: str, at: int) -> bool:
    before = at > 0 and _in_word(text[at - 1])
    after = at < len(text) and _in_word(text[at])
    return before != after


def _in_word(character: str) -> bool:
    return character == "_" or character.isalnum()
