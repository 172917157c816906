"""What every text filter promises: a mask of an answer's tokens, in any loader worker the same."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from remgcl.core.parts import TextFilter
from remgcl.testing.checks import PartChecks, broken
from remgcl.testing.tokenizer import bytewise

TEXTS = ("The sign says 42, and it is red.", "a", "the the the", "\u00e9\u4e2d\u6587", "")


class Checks(PartChecks):
    """What every text filter promises."""

    @pytest.fixture
    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers' tokenizers are untyped
        """The tokenizer to filter with; a subclass may give another."""
        return bytewise()

    def test_it_answers_a_mask_of_the_tokens(self, part: TextFilter, tokenizer: Any) -> None:  # noqa: ANN401
        """Token ids `[T]` become a boolean mask `[T]`; T may be 0."""
        keep = part.build(tokenizer)
        for ids in _answers(tokenizer):
            mask = keep(ids)
            if not isinstance(mask, np.ndarray) or mask.shape != ids.shape or mask.dtype != np.bool_:
                got = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, np.ndarray) else repr(mask)
                raise broken(part, f"returns {got} for {len(ids)} tokens; expected a bool array [{len(ids)}]")

    def test_it_leaves_the_tokens_as_they_are(self, part: TextFilter, tokenizer: Any) -> None:  # noqa: ANN401
        """The ids are not changed, as the language model needs all of them."""
        keep = part.build(tokenizer)
        for ids in _answers(tokenizer):
            before = ids.copy()
            keep(ids)
            if not np.array_equal(ids, before):
                raise broken(part, "changes the token ids; work on a copy")

    def test_it_keeps_the_same_tokens_each_time(self, part: TextFilter, tokenizer: Any) -> None:  # noqa: ANN401
        """The same tokens have the same mask in every build and process."""
        one, other = part.build(tokenizer), part.build(tokenizer)
        for ids in _answers(tokenizer):
            first, again, third = one(ids.copy()), one(ids.copy()), other(ids.copy())
            if not np.array_equal(first, again) or not np.array_equal(first, third):
                raise broken(part, "keeps other tokens of the same text each time; remove randomness")

    def test_it_goes_to_loader_workers(self, part: TextFilter, tokenizer: Any) -> None:  # noqa: ANN401
        """It runs in loader workers, so the result of `build` can be pickled and works the same there."""
        keep = part.build(tokenizer)
        try:
            sent = pickle.loads(pickle.dumps(keep))  # noqa: S301 - of our own making
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise broken(
                part, f"build: its result cannot be pickled: {error}; return an instance of a module's class"
            ) from error
        for ids in _answers(tokenizer):
            if not np.array_equal(keep(ids.copy()), sent(ids.copy())):
                raise broken(part, "build: its result differs once it is pickled; keep all of its state")


def _answers(tokenizer: Any) -> list[npt.NDArray[np.int64]]:  # noqa: ANN401 - transformers' tokenizers are untyped
    return [np.array(tokenizer.encode(text, add_special_tokens=False), dtype=np.int64) for text in TEXTS]
