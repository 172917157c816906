"""Names of tensors that training wrapped: prefixes of PEFT and of LLaVA's own modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

WRAPPED = "base_model."


def unwrapped(tensors: Mapping[str, T]) -> dict[str, T]:
    """Take PEFT's prefix off, as LLaVA's loader does: `base_model.`, then one `model.` if any name has two.

    Args:
        tensors: Anything by name.
    """
    names = {name: name.removeprefix(WRAPPED) for name in tensors}
    doubled = any(name.startswith("model.model.") for name in names.values())
    return {(name.removeprefix("model.") if doubled else name): tensors[old] for old, name in names.items()}
