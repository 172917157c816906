"""Answers of a batch of prompts, each decoded by its own settings.

Prompts are padded on the left and rows do not see each other, so an answer is
the same whatever else is in the batch. Each sampled row has its own generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen
from torch import Tensor

from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Example
from remgcl.core.data.ending import Ending
from remgcl.core.errors import RunError
from remgcl.core.model.answering import Answering
from remgcl.core.model.decoding import Decoding

if TYPE_CHECKING:
    from remgcl.core.model.model import Model

Watch = Callable[[int, Answering], None]
"""Is called with the place and the state of an answer after each of its tokens."""


@frozen(eq=False, kw_only=True)
class Prompt:
    """An encoded conversation that waits for its answer.

    Attributes:
        example: The conversation up to where the answer begins.
        decoding: How the answer is decoded.
        limit: Longest answer in tokens.
    """

    example: Example
    decoding: Decoding
    limit: int


def generate(
    model: Model,
    prompts: Sequence[Prompt],
    tokenizer: Any,  # noqa: ANN401 - transformers' tokenizers are untyped
    ending: Ending,
    watch: Watch | None = None,
) -> list[Answering]:
    """Answer prompts in one batch.

    Args:
        model: The model, in evaluation mode.
        prompts: At least one.
        tokenizer: The backbone's tokenizer.
        ending: How the template ends an answer.
        watch: Sees each answer after each of its tokens, and may cancel it.

    Returns:
        The answers, in the order of the prompts.

    Raises:
        RunError: The logits are NaN.
    """
    answers = [Answering(tokenizer, ending, prompt.limit, prompt.decoding.stop) for prompt in prompts]
    device = next(model.parameters()).device
    collated = Collator(model.tower, left=True)([prompt.example for prompt in prompts])
    batch = {name: tensor.to(device) for name, tensor in collated.items()}  # type: ignore[attr-defined]
    model.generate(
        batch,  # type: ignore[arg-type]
        max(prompt.limit for prompt in prompts),
        logits_processor=[_Choice([prompt.decoding for prompt in prompts])],
        stopping_criteria=[_Progress(answers, watch)],
        eos_token_id=list(ending.ids) or [-1],
        pad_token_id=_padding(tokenizer),
    )
    return answers


class _Choice:
    """Chooses the next token of rows that are sampled: all its rivals get no probability."""

    def __init__(self, decodings: Sequence[Decoding]) -> None:
        self.decodings = decodings
        self.generators = [_generator(decoding) for decoding in decodings]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        del input_ids
        if scores.isnan().any():
            raise RunError("the logits are NaN; load the model with dtype 'float32' or 'bfloat16'")
        for row, (decoding, generator) in enumerate(zip(self.decodings, self.generators, strict=True)):
            if generator is None:
                continue
            probabilities = torch.softmax(scores[row].double().cpu() / decoding.temperature, dim=-1)  # [V]
            token = int(_nucleus(probabilities, decoding.top_p).multinomial(1, generator=generator))
            scores[row] = -torch.inf
            scores[row, token] = 0
        return scores


def _generator(decoding: Decoding) -> torch.Generator | None:
    """Make the random numbers of a row; a greedy one needs none."""
    if decoding.temperature == 0:
        return None
    generator = torch.Generator()
    if decoding.seed is None:
        generator.seed()
    else:
        generator.manual_seed(decoding.seed)
    return generator


def _nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """Keep the most probable tokens that together reach a share of the probability `[V]`."""
    if top_p >= 1:
        return probabilities
    ordered, order = probabilities.sort(descending=True, stable=True)
    before = ordered.cumsum(dim=-1) - ordered  # the first token always stays
    return probabilities.index_fill(0, order[before >= top_p], 0)


class _Progress:
    """Hands each new token to its answer, and says which rows are over."""

    def __init__(self, answers: Sequence[Answering], watch: Watch | None) -> None:
        self.answers = answers
        self.watch = watch

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Tensor:  # noqa: ANN401 - the signature of transformers
        del scores
        for row, (answer, token) in enumerate(zip(self.answers, input_ids[:, -1].tolist(), strict=True)):
            if answer.over:
                continue
            answer.add(token)
            if self.watch is not None:
                self.watch(row, answer)
        return torch.tensor([answer.over for answer in self.answers], device=input_ids.device)


def _padding(tokenizer: Any) -> int:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Return the id that follows an answer that ended before the others of its batch."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((token for token in known if token is not None), 0)
