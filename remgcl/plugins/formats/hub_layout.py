"""Writing a model as transformers' `LlavaForConditionalGeneration`, in the layout of the hub."""

from __future__ import annotations

from pathlib import Path

from remgcl import ExportedModel, WeightsError


def write_hub(model: ExportedModel, folder: Path) -> None:
    """Write weights, configurations, tokenizer, processor and chat template.

    Args:
        model: The model.
        folder: An empty folder.

    Raises:
        WeightsError: The layout cannot hold the model.
    """
    del model
    raise WeightsError(f"{folder}: is written later")
