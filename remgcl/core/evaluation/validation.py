"""Held-out samples answered by a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder
from remgcl.core.data.ending import ending_of
from remgcl.core.evaluation.answers import Answered

if TYPE_CHECKING:
    from remgcl.core.model.model import Model
    from remgcl.core.parts import Samples
    from remgcl.core.recipe.recipe import Validation


def answer_all(model: Model, samples: Samples, encoder: Encoder, settings: Validation) -> Iterator[Answered]:
    """Answer the last turn of every sample, greedily.

    Args:
        model: The model; it is put in evaluation mode.
        samples: Samples that end with the assistant's turn.
        encoder: Makes prompts of them.
        settings: How many at once, and how long an answer may be.
    """
    model.eval()
    device = next(model.parameters()).device
    collate = Collator(encoder.tower, left=True)
    ending = ending_of(encoder.template, encoder.tokenizer)
    stop = list(ending.ids)
    for start in range(0, len(samples), settings.batch_size):
        asked = [samples[i] for i in range(start, min(start + settings.batch_size, len(samples)))]
        prompts = [encoder.prompt(sample) for sample in asked]
        batch = collate(prompts)
        batch = {name: tensor.to(device) for name, tensor in batch.items()}  # type: ignore[assignment, attr-defined]
        ids = model.generate(
            batch, settings.max_new_tokens, eos_token_id=stop, pad_token_id=encoder.tokenizer.pad_token_id
        )
        for sample, prompt, text in zip(asked, prompts, encoder.tokenizer.batch_decode(ids), strict=True):
            yield Answered(sample, _clean(text, ending.text, encoder.tokenizer), prompt.tokens.cut)


def _clean(text: str, ending: str, tokenizer: Any) -> str:  # noqa: ANN401 - transformers' tokenizers are untyped
    """Cut a generated text where the answer ends."""
    for end in (ending, tokenizer.eos_token, tokenizer.pad_token):
        if end:
            text = text.partition(end)[0]
    return text.strip()
