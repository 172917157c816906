"""Text filters that break one promise each."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from attrs import frozen

from remgcl import TextFilter
from remgcl.testing import conformance

Ids = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def keep(ids: Ids, broken: str) -> Mask:
    """Keep the even tokens, or do something wrong."""
    mask: Any = ids % 2 == 0
    if broken == "Numbers":
        return mask.astype(np.int64)  # type: ignore[no-any-return]
    if broken == "Writes":
        ids[:] = 0
    if broken == "Chance":
        return np.random.default_rng().random(len(ids)) < 0.5  # type: ignore[no-any-return]
    return mask  # type: ignore[no-any-return]


@frozen(kw_only=True)
class Good(TextFilter):
    """Keep the even tokens."""

    def build(self, tokenizer: Any) -> Callable[[Ids], Mask]:  # noqa: ANN401 - as in the contract
        """Make the function."""
        del tokenizer
        return partial(keep, broken=type(self).__name__)


@frozen(kw_only=True)
class Numbers(Good):
    """Answer numbers."""


@frozen(kw_only=True)
class Writes(Good):
    """Write into the ids."""


@frozen(kw_only=True)
class Chance(Good):
    """Keep tokens at random."""


@frozen(kw_only=True)
class Nameless(Good):
    """Answer a function that no other process can find."""

    def build(self, tokenizer: Any) -> Callable[[Ids], Mask]:  # noqa: ANN401 - as in the contract
        """Make it."""
        del tokenizer
        return lambda ids: keep(ids, "")


TestGood = conformance(Good())
TestNumbers = conformance(Numbers())
TestWrites = conformance(Writes())
TestChance = conformance(Chance())
TestNameless = conformance(Nameless())
