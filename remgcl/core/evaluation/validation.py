"""A model's answers to held-out samples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING

from remgcl.core.data.collate import Collator
from remgcl.core.data.encode import Encoder
from remgcl.core.data.ending import ending_of
from remgcl.core.evaluation.answers import Answered
from remgcl.core.model.answering import Answering

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
    ending, padding = ending_of(encoder.template, encoder.tokenizer), encoder.tokenizer.pad_token_id
    for start in range(0, len(samples), settings.batch_size):
        asked = [samples[i] for i in range(start, min(start + settings.batch_size, len(samples)))]
        prompts = [encoder.prompt(sample) for sample in asked]
        batch = collate(prompts)
        batch = {name: tensor.to(device) for name, tensor in batch.items()}  # type: ignore[assignment, attr-defined]
        ids = model.generate(batch, settings.max_new_tokens, eos_token_id=list(ending.ids), pad_token_id=padding)
        for sample, prompt, row in zip(asked, prompts, ids.tolist(), strict=True):
            answer = Answering(encoder.tokenizer, ending, len(row))
            for token in takewhile(lambda token: token != padding, row):
                answer.add(token)
            yield Answered(sample, answer.text, prompt.tokens.cut)
