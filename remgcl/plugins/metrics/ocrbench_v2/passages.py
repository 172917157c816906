"""Passages: the mean of BLEU, METEOR, F measure and edit similarity."""

from __future__ import annotations

import re
import warnings

from rapidfuzz.distance import Levenshtein

from remgcl import DataError

CHINESE = re.compile("[\u4e00-\u9fa5]")


def closeness(prediction: str, truth: str) -> float:
    """Compare two passages: words between spaces, or those that jieba finds where one is Chinese.

    Args:
        prediction: The text of the model.
        truth: The true text.

    Raises:
        DataError: WordNet, which METEOR needs, is not there.
    """
    from nltk.metrics import f_measure
    from nltk.translate import bleu
    from nltk.translate.meteor_score import meteor_score

    reference, given = _words(truth, prediction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of n-grams without any overlap
        precise = bleu([reference], given)
    try:
        meteor = meteor_score([reference], given)
    except LookupError as error:
        raise DataError("METEOR needs WordNet; get it once with: python -m nltk.downloader wordnet omw-1.4") from error
    shared = f_measure(set(reference), set(given))
    distance = Levenshtein.distance(prediction, truth) / max(len(prediction), len(truth))
    return float((precise or 0.0) + (meteor or 0.0) + (shared or 0.0) + 1 - distance) / 4


def _words(truth: str, prediction: str) -> tuple[list[str], list[str]]:
    if CHINESE.search(truth) or CHINESE.search(prediction):
        import jieba

        return jieba.lcut(truth), jieba.lcut(prediction)
    return truth.split(), prediction.split()
