"""Models saved and loaded part by part, as safetensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any, TypeAlias

from remgcl.core.errors import RunError, listed
from remgcl.core.files.manifest import sealed, verify_sealed
from remgcl.core.files.whole import as_json, read, write
from remgcl.core.recipe.recipe import PARTS

if TYPE_CHECKING:
    from torch import nn

PARTS_FILE = "parts.json"
"""The file that lists the parts of a saved model."""

Saved: TypeAlias = Callable[[str], bool]
"""Tells by its name whether a tensor of a part is saved."""


def save_parts(
    modules: Mapping[str, nn.Module], tables: Mapping[str, Any], folder: Path, saved: Mapping[str, Saved] | None = None
) -> None:
    """Save a model part by part, all or nothing, sealed by the digests of its files.

    Args:
        modules: Parts to save, by name.
        tables: The recipe's tables of all parts; those that are not saved are
            built from them again.
        folder: Where to; replaced if it is there.
        saved: Which tensors to save, for parts of which not all are.
    """
    files = {name: f"{name}.safetensors" for name in modules}
    with sealed(folder) as part:
        for name, module in modules.items():
            save_part(module, part / files[name], (saved or {}).get(name))
        parts = {name: {"recipe": table, "file": files.get(name)} for name, table in tables.items()}
        write(part / PARTS_FILE, as_json(parts))


def save_part(module: nn.Module, file: Path, saved: Saved | None = None) -> None:
    """Save the tensors of a module.

    Args:
        module: A part, or what a loss learns.
        file: Where to; its folder is made.
        saved: Which tensors to save; all without it.
    """
    from safetensors.torch import save_file

    every = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    buffers = {name: tensor for name, tensor in module.state_dict().items() if name not in every}
    tensors = {**dict(module.named_parameters()), **buffers}  # tied parameters once
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {name: tensor for name, tensor in tensors.items() if saved is None or saved(name)}
    save_file({name: tensor.detach().contiguous() for name, tensor in kept.items()}, str(file))


def saved_parts(folder: Path) -> dict[str, Path]:
    """Verify a saved model, and name the parts that it holds and their files.

    Args:
        folder: A saved model.

    Raises:
        RunError: It is no saved model, it has changed since it was saved, or another
            software wrote it.
    """
    saved = listed_parts(folder)
    verify_sealed(folder)
    return saved


def listed_parts(folder: Path) -> dict[str, Path]:
    """Name the parts that a saved model lists and their files, without looking at these.

    Args:
        folder: A saved model.

    Raises:
        RunError: It is none, or another software wrote it.
    """
    parts = read(folder / PARTS_FILE)
    if parts is None:
        raise RunError(f"{folder}: holds no saved model; there is no {PARTS_FILE}")
    saved: dict[str, Path] = {}
    for name, part in parts.items():
        file = part.get("file", "") if isinstance(part, dict) else ""
        if name not in PARTS or file not in (None, f"{name}.safetensors"):
            raise RunError(f"{folder / PARTS_FILE}: {name}: is no saved part of a model")
        if file is not None:
            saved[name] = folder / file
    return saved


def load_part(module: nn.Module, file: Path, saved: Saved | None = None) -> None:
    """Load a part's tensors; each must be there and none may be left over.

    Args:
        module: The built part.
        file: Its file, as `saved_parts` returns it.
        saved: Which tensors were saved; all without it.

    Raises:
        RunError: The file is missing or broken, or holds another part.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    try:
        missing, left_over = load_model(module, str(file), strict=saved is None)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RunError(f"{file}: cannot be loaded; {_short(str(error))}") from error
    lacking = filter(saved, missing)  # without `saved`, the library has warned of them
    for what, names in (("lacks", sorted(lacking)), ("holds what is left over:", sorted(left_over))):
        if names:
            raise RunError(f"{file}: cannot be loaded; it {what} {_short(listed(names))}")


def _short(text: str) -> str:
    return shorten(text, 300, placeholder=" ...")
