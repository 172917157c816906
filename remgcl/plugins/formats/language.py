"""The language model of a published model: configuration, tensors and tokenizer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from remgcl import PublishedPart, StoredTensor, WeightsError
from remgcl.plugins.formats.accounting import account, language_model
from remgcl.plugins.formats.tokenizers import tokenizer_length

TABLES = ("model.embed_tokens.weight", "lm_head.weight")
"""The tensors with a row for each token."""

MARKERS = (b"<im_start>", b"<im_end>")


def backbone_part(
    config: Mapping[str, Any],
    tensors: Mapping[str, StoredTensor],
    tokenizer: dict[str, bytes],
    where: Path,
    *,
    markers: bool = False,
) -> PublishedPart:
    """Read a language model.

    Args:
        config: Its configuration, with `model_type`.
        tensors: Its tensors, by the names of transformers.
        tokenizer: The files of its tokenizer.
        where: What is read, for errors.
        markers: Whether the image is enclosed in two tokens of its own.

    Raises:
        WeightsError: A tensor is missing, unknown or of another shape.
    """
    embeddings = tensors.get(TABLES[0])
    if embeddings is None:
        raise WeightsError(f"{where}: lacks the tensor {TABLES[0]!r} of its language model")
    known = tokenizer_length(tokenizer)
    rows = max(embeddings.shape[0], known)
    tensors = {name: grown(tensor, rows) if name in TABLES else tensor for name, tensor in tensors.items()}
    config = {**config, "vocab_size": rows, "torch_dtype": embeddings.dtype}
    tied = bool(config.get("tie_word_embeddings", False))
    due = language_model(config, str(where))
    held = account(f"{where}: language model", tensors, due, lambda name: tied and name == TABLES[1])
    if markers and not all(any(marker in held for held in tokenizer.values()) for marker in MARKERS):
        raise WeightsError(
            f"{where}: mm_use_im_start_end: its tokenizer does not know <im_start> and <im_end>; take the tokenizer "
            "that was saved with the model"
        )
    return PublishedPart(
        table={"use": "causal_lm", "image_markers": markers},
        tensors=held,
        files={"config.json": (json.dumps(config, indent=2) + "\n").encode(), **tokenizer},
    )


def grown(tensor: StoredTensor, rows: int) -> StoredTensor:
    """Append rows to a table, each the mean of all others: a mean never wins against the best of them.

    Args:
        tensor: The table.
        rows: How many rows it should have; it is left as it is if it has them.
    """
    lacking = rows - tensor.shape[0]
    if lacking <= 0:
        return tensor

    def read() -> Any:  # noqa: ANN401 - a tensor
        import torch

        held = tensor.read()
        mean = held.float().mean(dim=0, keepdim=True).to(held.dtype)
        return torch.cat([held, mean.expand(lacking, -1)])

    return StoredTensor(shape=(rows, *tensor.shape[1:]), dtype=tensor.dtype, read=read)


def cut(tensor: StoredTensor, rows: int) -> StoredTensor:
    """Cut a table to its first rows.

    Args:
        tensor: The table.
        rows: How many are kept.
    """
    if tensor.shape[0] <= rows:
        return tensor

    def read() -> Any:  # noqa: ANN401 - a tensor
        return tensor.read()[:rows].contiguous()

    return StoredTensor(shape=(rows, *tensor.shape[1:]), dtype=tensor.dtype, read=read)
