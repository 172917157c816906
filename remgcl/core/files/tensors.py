"""Tensors of weight files, read one at a time, and written one at a time.

A file of any size passes through the memory of its largest tensor; of a pickle, at most one shard is mapped at once.
Pickles are read with `weights_only`, so they run no code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from remgcl.core.errors import WeightsError, listed
from remgcl.core.files.whole import writing

if TYPE_CHECKING:
    from torch import Tensor, dtype

CODES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""The codes of safetensors, and torch's names of the same types."""

NAMES = {name: code for code, name in CODES.items()}

STEMS = ("model", "pytorch_model")
"""How the files are called that hold a model, by convention of transformers."""


@frozen(eq=False, kw_only=True)
class StoredTensor:
    """A tensor that is read when it is needed.

    Attributes:
        shape: Its shape.
        dtype: The name of its type, such as `float16`.
        read: Reads it.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Tensor]

    @property
    def size(self) -> int:
        """Its size in bytes."""
        import torch

        kind: dtype = getattr(torch, self.dtype)
        return int(torch.Size(self.shape).numel()) * kind.itemsize


def stored(tensor: Tensor) -> StoredTensor:
    """Wrap a tensor that is in memory.

    Args:
        tensor: The tensor.
    """
    return StoredTensor(shape=tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."), read=lambda: tensor)


def read_folder(folder: Path) -> dict[str, StoredTensor]:
    """List the tensors of a model's folder: safetensors before pickles, sharded or not.

    Args:
        folder: The folder.

    Raises:
        WeightsError: It holds no tensors, a shard is missing, or a file cannot be read.
    """
    for stem, suffix in ((stem, suffix) for suffix in (".safetensors", ".bin") for stem in STEMS):
        index = folder / f"{stem}{suffix}.index.json"
        if index.is_file():
            return _sharded(index)
        if (folder / f"{stem}{suffix}").is_file():
            return read_file(folder / f"{stem}{suffix}")
    shards = sorted(folder.glob("*-of-*.safetensors")) or sorted(folder.glob("pytorch_model-*-of-*.bin"))
    if shards:
        raise WeightsError(f"{folder}: holds shards without their index; there is {listed(map(_name, shards[:3]))}")
    raise WeightsError(
        f"{folder}: holds no tensors; expected model.safetensors or pytorch_model.bin, or shards with their index"
    )


def read_file(file: Path) -> dict[str, StoredTensor]:
    """List the tensors of a safetensors file or of a pickle.

    Args:
        file: The file; all but ``*.safetensors`` are taken for pickles.

    Raises:
        WeightsError: It is missing or damaged, holds something else than tensors, or carries code.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: there is no such file")
    return _safetensors(file) if file.suffix == ".safetensors" else _pickle(file)


def write_file(file: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Write a safetensors file, one tensor after the other.

    Args:
        file: Where to.
        tensors: The tensors, by name.

    Raises:
        RunError: The file cannot be written.
        WeightsError: A tensor cannot be read.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.size
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with writing(file), file.open("wb") as to:
        to.write(len(text).to_bytes(8, "little") + text)
        for name, tensor in tensors.items():
            _append(to, name, tensor)
        to.flush()
        os.fsync(to.fileno())


def _append(to: Any, name: str, tensor: StoredTensor) -> None:  # noqa: ANN401 - an open file
    import torch

    held = tensor.read().detach().to(getattr(torch, tensor.dtype)).contiguous()
    if tuple(held.shape) != tensor.shape:
        raise WeightsError(f"tensor {name!r}: has shape {tuple(held.shape)}; {tensor.shape} was declared")
    to.write(held.reshape(-1).view(torch.uint8).numpy().data)  # bytes, whatever the type


def _sharded(index: Path) -> dict[str, StoredTensor]:
    """List the tensors of all shards that an index names, shard by shard."""
    try:
        held = json.loads(index.read_text(encoding="utf-8"))
        where = dict(held["weight_map"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{index}: is no index of shards; {error}") from None
    names = sorted(set(where.values()))
    absent = [name for name in names if not (index.parent / name).is_file()]
    if absent:
        raise WeightsError(f"{index.parent}: lacks shards that {index.name} names; there is no {listed(absent)}")
    tensors: dict[str, StoredTensor] = {}
    for name in names:
        if Path(name).name != name:
            raise WeightsError(f"{index}: names a shard outside its folder, {name!r}")
        tensors |= read_file(index.parent / name)
    lost = sorted(where.keys() - tensors.keys())
    if lost:
        raise WeightsError(f"{index.parent}: its shards lack tensors that {index.name} names; {short(lost)}")
    return tensors


def _safetensors(file: Path) -> dict[str, StoredTensor]:
    from safetensors import SafetensorError, safe_open

    def read(name: str) -> Tensor:
        with safe_open(file, "pt") as opened:  # opened anew, so that no other tensor stays mapped
            return opened.get_tensor(name)  # type: ignore[no-any-return]

    try:
        with safe_open(file, "pt") as opened:
            parts = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
            return {
                name: StoredTensor(
                    shape=tuple(part.get_shape()), dtype=_named(file, part.get_dtype()), read=partial(read, name)
                )
                for name, part in parts.items()
            }
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file}: cannot be read; {error}") from None


def _named(file: Path, code: str) -> str:
    if code not in CODES:
        raise WeightsError(f"{file}: holds tensors of type {code!r}, as quantized weights do; there is {listed(CODES)}")
    return CODES[code]


class _Shard:
    """The pickle that was read last; only one is held at a time."""

    file: Path | None = None
    held: Mapping[str, Tensor] = {}


def _loaded(file: Path) -> Mapping[str, Tensor]:
    if _Shard.file != file:
        _Shard.file, _Shard.held = None, {}
        _Shard.held, _Shard.file = _unpickled(file), file
    return _Shard.held


def _pickle(file: Path) -> dict[str, StoredTensor]:
    try:
        return {
            name: StoredTensor(
                shape=tuple(tensor.shape),
                dtype=str(tensor.dtype).removeprefix("torch."),
                read=partial(lambda name: _loaded(file)[name], name),
            )
            for name, tensor in _loaded(file).items()
        }
    finally:
        _Shard.file, _Shard.held = None, {}


def _unpickled(file: Path) -> Mapping[str, Tensor]:
    """Read a pickle of tensors, mapped where its layout allows."""
    import warnings
    from pickle import UnpicklingError
    from zipfile import is_zipfile

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of unusual protocols, which are read or refused anyway
            held = torch.load(file, map_location="cpu", weights_only=True, mmap=is_zipfile(file))
    except UnpicklingError as error:
        if "Unsupported" in str(error) or "GLOBAL" in str(error) or "Weights only load failed" in str(error):
            raise WeightsError(
                f"{file}: is a pickle that holds more than tensors, such as code, and is not read; "
                "ask its author for safetensors"
            ) from None
        raise WeightsError(f"{file}: cannot be read; {_first(error)}") from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise WeightsError(f"{file}: cannot be read; {_first(error)}") from None
    if not isinstance(held, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in held.values()):
        raise WeightsError(f"{file}: is no table of tensors by name")
    return held


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def short(names: list[str]) -> str:
    """List names for an error, the first five of them, and how many there are.

    Args:
        names: The names.
    """
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""  # noqa: PLR2004 - as many as are listed
    return f"{listed(names[:5])}{more}"


def _name(path: Path) -> str:
    return path.name
