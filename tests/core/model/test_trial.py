"""The trial of a backbone: what fails from embeddings is told, whatever the model is called."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertLMHeadModel

from remgcl import RunError
from remgcl.core.model.trial import try_backbone
from remgcl.plugins.backbones.tiny import TinyBackbone


def small() -> Any:  # noqa: ANN401 - transformers' models are untyped
    """Build a small Llama."""
    return TinyBackbone(width=16, layers=1, heads=2, mlp=16).build()


def test_a_model_that_needs_embeddings_alone_passes() -> None:
    try_backbone(small())


def test_a_model_that_looks_tokens_up_once_more_is_refused() -> None:
    model = small()
    forward, second = model.forward, nn.Embedding(model.config.vocab_size, 1)

    def looks_up(*args: object, input_ids: Tensor | None = None, **options: Any) -> Any:  # noqa: ANN401 - as the model's
        output = forward(*args, input_ids=input_ids, **options)
        if input_ids is not None:
            output.logits = output.logits + second(input_ids)
        return output

    model.forward = looks_up
    with pytest.raises(RunError, match=r"^computes other logits from embeddings than from the ids that they stand for"):
        try_backbone(model)


def test_a_model_that_looks_at_later_tokens_is_refused() -> None:
    """As BERT does, unless its configuration says that it is a decoder."""
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    both = (BertLMHeadModel(BertConfig(vocab_size=64, is_decoder=decodes, **shape)) for decodes in (True, False))
    decoder, encoder = both
    try_backbone(decoder)
    with pytest.raises(RunError, match=r"^is not causal: what it predicts depends on later tokens; choose a causal"):
        try_backbone(encoder)


@pytest.mark.parametrize(
    ("method", "what"),
    [("generate", "cannot generate from embeddings; no way"), ("forward", "cannot run from embeddings")],
)
def test_what_fails_from_embeddings_is_told_with_its_reason(method: str, what: str) -> None:
    model = small()
    own = getattr(model, method)

    def fails(*args: object, inputs_embeds: Tensor | None = None, **options: Any) -> Any:  # noqa: ANN401 - as the model's
        if inputs_embeds is not None:
            raise ValueError("no way\nat all")
        return own(*args, **options)

    setattr(model, method, fails)
    with pytest.raises(RunError, match=rf"^{re.escape(what)}"):
        try_backbone(model)


def test_a_model_that_fails_from_ids_too_is_judged_only_in_its_own_shape() -> None:
    model = small()
    model.forward = lambda **_: 1 / torch.zeros(0)[0]
    try_backbone(model)
    with pytest.raises(RunError, match=r"^cannot run; index 0 is out of bounds"):
        try_backbone(model, whole=True)


def test_a_small_model_that_cannot_generate_from_ids_either_is_not_judged() -> None:
    model = small()

    def fails(**_: object) -> None:
        raise ValueError("no layer of attention")

    model.generate = fails
    try_backbone(model)
    with pytest.raises(RunError, match=r"^cannot run; no layer of attention"):
        try_backbone(model, whole=True)
