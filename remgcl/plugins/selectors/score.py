"""The best pairs, as far as they are not alike."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from math import prod
from random import Random
from typing import TYPE_CHECKING

from attrs import field, frozen
from attrs.validators import and_, gt, le

from remgcl import Scored, Selector

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HASHES, BAND = 128, 4
"""Values of a signature, and how many of them in a row two texts must share to be compared."""

PRIME = 2**31 - 1


@frozen(kw_only=True)
class ScoreSelector(Selector):
    """Choose the pairs with the highest scores, each unlike all that were chosen before.

    The score is complexity times quality (deita: Liu et al., "What Makes Good Data for Alignment?", section 3): the
    product of what the judges gave; a pair that no judge scored has 1. Pairs are alike where their words overlap, by
    MinHash, in place of deita's embeddings.

    Attributes:
        alike: Share of common words (Jaccard) from which a pair is left out; 1 keeps all that differ.
    """

    alike: float = field(default=0.9, validator=and_(gt(0.0), le(1.0)))

    def __call__(self, pool: Sequence[Scored], count: int, seed: int) -> Sequence[int]:
        """Go through the pairs from the best to the worst; equal ones by chance."""
        chance = Random(seed).sample(range(len(pool)), len(pool))
        order = sorted(range(len(pool)), key=lambda place: (-_score(pool[place]), chance[place]))
        signatures = _signatures([f"{scored.candidate.question} {scored.candidate.answer}" for scored in pool])
        buckets: dict[tuple[int, bytes], list[int]] = {}
        chosen: list[int] = []
        for place in order:
            if len(chosen) == count:
                break
            keys = list(_bands(signatures[place]))
            near = {other for key in keys for other in buckets.get(key, ())}
            if any(float((signatures[place] == signatures[other]).mean()) >= self.alike for other in near):
                continue
            chosen.append(place)
            for key in keys:
                buckets.setdefault(key, []).append(place)
        return chosen


def _score(scored: Scored) -> float:
    verdicts = scored.verdicts.values()
    return prod(score for verdict in verdicts for score in (verdict.score, verdict.complexity) if score is not None)


def _signatures(texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
    """Compute the MinHash signature of each text's words `[HASHES]`."""
    import numpy as np

    random = np.random.default_rng(0)
    factor = random.integers(1, PRIME, HASHES, dtype=np.int64)[:, None]
    offset = random.integers(0, PRIME, HASHES, dtype=np.int64)[:, None]
    signatures = []
    for text in texts:
        words = np.array([zlib.crc32(word.encode()) % PRIME for word in {*text.casefold().split(), ""}], dtype=np.int64)
        signatures.append(((factor * words + offset) % PRIME).min(axis=1))
    return signatures


def _bands(signature: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
    """Cut a signature into bands: texts that are alike share at least one, nearly always."""
    for place in range(0, HASHES, BAND):
        yield place, signature[place : place + BAND].tobytes()
