"""The state of a training between two steps, as safetensors and JSON.

Everything that the next step depends on: what has been learned, the optimizer,
the schedule, the scaler, the random numbers, and what was logged so far.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from remgcl.core.errors import RunError

TENSORS = "{}.safetensors"
FACTS = "{}.json"


def save(folder: Path, name: str, state: Any) -> None:  # noqa: ANN401 - a state is nested lists, tables, numbers and tensors
    """Save a nested state: its tensors as safetensors, the rest as JSON.

    Args:
        folder: Where to.
        name: Of the files.
        state: Tables, lists, numbers, texts and tensors.
    """
    tensors: dict[str, Tensor] = {}
    facts = _without_tensors(state, tensors)
    (folder / FACTS.format(name)).write_text(json.dumps(facts), encoding="utf-8")
    if tensors:
        save_file(tensors, folder / TENSORS.format(name))


def load(folder: Path, name: str) -> Any:  # noqa: ANN401 - as in `save`
    """Load what `save` saved.

    Args:
        folder: Where from.
        name: Of the files.
    """
    file = folder / TENSORS.format(name)
    tensors = load_file(file) if file.exists() else {}
    return _with_tensors(json.loads((folder / FACTS.format(name)).read_text(encoding="utf-8")), tensors)


def learned(objective: nn.Module) -> dict[str, Tensor]:
    """Name everything that training changes: parameters that learn, and buffers of modules with such.

    Args:
        objective: The objective.
    """
    tensors: dict[str, Tensor] = {name: value for name, value in objective.named_parameters() if value.requires_grad}
    for path, module in objective.named_modules():
        if any(parameter.requires_grad for parameter in module.parameters()):
            kept = dict(module.named_buffers(path, recurse=False))
            lost = module._non_persistent_buffers_set  # noqa: SLF001 - torch has no public name for it
            tensors |= {key: value for key, value in kept.items() if key.rpartition(".")[2] not in lost}
    return tensors


@torch.no_grad()
def restore(objective: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load learned parameters into an objective.

    Args:
        objective: The objective.
        tensors: What `learned` named.
    """
    for name, value in learned(objective).items():
        value.copy_(tensors[name])


@torch.no_grad()
def restore_model(model: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Load the learned parameters of an objective into its model.

    Args:
        model: The model, built as the stage built it.
        tensors: What `learned` named of the objective.
        folder: Where they come from, for errors.

    Raises:
        RunError: The model has no such tensor, or of another shape.
    """
    held = model.state_dict()
    for name, value in tensors.items():
        own, key = name.startswith("model."), name.removeprefix("model.")
        if not own:
            continue  # what a loss learned
        if key not in held or held[key].shape != value.shape:
            raise RunError(f"{folder}: {key}: does not fit the model of the recipe")
        held[key].copy_(value)


def random_state() -> dict[str, Any]:
    """Return the state of every generator of random numbers."""
    version, numbers, gauss = random.getstate()
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - whatever a dataset uses
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put every generator of random numbers where it was.

    Args:
        state: What `random_state` gave.
    """
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _without_tensors(state: Any, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401 - nested
    """Take the tensors out; keys of tables that are numbers are marked as such."""
    if isinstance(state, Tensor):
        name = str(len(tensors))
        tensors[name] = state.detach().contiguous()
        return {"tensor": name}
    if isinstance(state, Mapping):
        return {"table": [[key, _without_tensors(value, tensors)] for key, value in state.items()]}
    if isinstance(state, list | tuple):
        return [_without_tensors(part, tensors) for part in state]
    return state


def _with_tensors(facts: Any, tensors: Mapping[str, Tensor]) -> Any:  # noqa: ANN401 - nested
    if isinstance(facts, list):
        return [_with_tensors(part, tensors) for part in facts]
    if not isinstance(facts, dict):
        return facts
    if "tensor" in facts:
        return tensors[facts["tensor"]]
    return {key: _with_tensors(value, tensors) for key, value in facts["table"]}
