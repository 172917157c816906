"""Weights by path or hub id: where they are, and clear errors where they are not.

A name that is a folder is read from there; any other is a hub id, which
`huggingface_hub` finds in its cache or fetches.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from remgcl.core.errors import WeightsError

TENSORS = ("*.safetensors", "pytorch_model*.bin")
"""Patterns of the files that hold tensors."""


@contextmanager
def reading_weights(weights: str) -> Iterator[None]:
    """Turn what a library raises on bad weights into one kind of error.

    Args:
        weights: The folder or hub id that is read inside.

    Raises:
        WeightsError: The library could not find or read something there.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    broken = (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError)
    try:
        yield
    except (*broken, SafetensorError, StrictDataclassError, UnpicklingError) as error:
        first, *more = str(error).splitlines() or [type(error).__name__]
        reason = f"{first} {more[0].strip()}" if first.endswith(":") and more else first
        raise WeightsError(f"weights {weights!r}: cannot be read; {reason}; {_kind(weights)}") from error


def verify_weights(weights: str) -> None:
    """Verify that there are tensors under a name, without reading them.

    Args:
        weights: A folder or hub id.

    Raises:
        WeightsError: There are none; the error says how to get them.
    """
    folder = Path(weights)
    if folder.is_dir():
        if not any(any(folder.glob(pattern)) for pattern in TENSORS):
            raise WeightsError(f"weights {weights!r}: the folder holds no tensors; expected {' or '.join(TENSORS)}")
        return
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        if isinstance(try_to_load_from_cache(weights, "config.json"), str):
            return
        HfApi().model_info(weights, timeout=10)
    except HFValidationError:
        raise WeightsError(f"weights {weights!r}: {_kind(weights)}") from None
    except Exception as error:  # any failure of the network or the hub means the same to the user
        raise WeightsError(
            f"weights {weights!r}: neither a folder nor in the hub's cache, and the hub does not answer for it; "
            f"download it with: hf download {weights}"
        ) from error


def read_json(weights: str, file: str) -> dict[str, Any] | None:
    """Read a JSON file that lies beside weights.

    Args:
        weights: A folder or hub id.
        file: The file's name.

    Returns:
        What it holds, or None if there is no such file.

    Raises:
        WeightsError: It is not a JSON object.
    """
    path: str | Path | None = Path(weights) / file
    if not Path(weights).is_dir():
        from transformers.utils.hub import cached_file

        with reading_weights(weights):
            path = cached_file(weights, file, _raise_exceptions_for_missing_entries=False)
    if path is None or not Path(path).is_file():
        return None
    with reading_weights(str(path)):
        held = json.loads(Path(path).read_text(encoding="utf-8-sig"))
        if not isinstance(held, dict):
            raise TypeError("it is not a JSON object")
        return held


def _kind(weights: str) -> str:
    """Say what a name was taken for."""
    if Path(weights).is_dir():
        return "it is a folder"
    if Path(weights).is_file():
        return "it is a file"
    if weights.startswith(("/", ".", "~")) or weights.count("/") > 1:
        return "there is no such folder"
    return f"there is no such folder, and the hub has none of that name; download it with: hf download {weights}"
