"""The contract of text filters: the tokens that the losses use."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.parts.checked import CheckedFilter
from remgcl.core.parts.part import Part
from remgcl.core.parts.promise import returns, that

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@frozen(kw_only=True)
class TextFilter(Part):
    """Select the tokens of an answer that the contrastive losses use."""

    @abstractmethod
    @returns("a function of token ids", that(callable), held=CheckedFilter)
    def build(self, tokenizer: Any) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:  # noqa: ANN401 - transformers' tokenizers are untyped
        """Make the function: token ids `[T]` to True where a token is kept `[T]`.

        It runs in loader workers, so it is picklable, and it leaves the ids as
        they are.

        Args:
            tokenizer: The backbone's tokenizer.
        """
