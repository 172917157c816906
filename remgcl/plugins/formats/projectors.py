"""Projectors by LLaVA's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from remgcl import PublishedPart, StoredTensor, WeightsError
from remgcl.plugins.formats.accounting import account

MLP = re.compile(r"mlp(\d+)x_gelu")


def projector_part(
    kind: str, tensors: Mapping[str, StoredTensor], widths: tuple[int, int], where: str
) -> PublishedPart:
    """Read a projector.

    Args:
        kind: Its `mm_projector_type`.
        tensors: Its tensors, by the names inside it.
        widths: Width of tower and language model.
        where: What is read, for errors.

    Raises:
        WeightsError: There is no such projector here, or its tensors are not those of its kind.
    """
    table, due = _declared(kind, widths, where)
    return PublishedPart(table=table, tensors=account(f"{where}: projector {kind!r}", tensors, due))


def kind_of(tensors: Mapping[str, StoredTensor], where: str) -> str:
    """Infer the kind of a projector from the names of its tensors.

    Args:
        tensors: Its tensors, by the names inside it.
        where: What is read, for errors.

    Raises:
        WeightsError: They are those of no kind that is known.
    """
    if {*tensors} == {"weight", "bias"}:
        return "linear"
    places = sorted({int(name.partition(".")[0]) for name in tensors if name.partition(".")[0].isdecimal()})
    if places and places == [2 * place for place in range(len(places))]:
        return f"mlp{len(places)}x_gelu"
    raise WeightsError(f"{where}: holds no projector that is known; its tensors are {sorted(tensors)[:6]}")


def name_of(table: Mapping[str, Any]) -> str | None:
    """Return LLaVA's name of a recipe's projector, or None if LLaVA has no such projector.

    Args:
        table: The projector's table.
    """
    if table["use"] == "mlp2x_gelu":
        return f"mlp{table.get('depth', 2)}x_gelu"
    return table["use"] if table["use"] in ("linear", "identity") else None


def _declared(kind: str, widths: tuple[int, int], where: str) -> tuple[dict[str, Any], dict[str, tuple[int, ...]]]:
    """Return a projector's table, and the names and shapes of its tensors."""
    seen, width = widths
    mlp = MLP.fullmatch(kind)
    if kind == "linear":
        return {"use": "linear"}, {"weight": (width, seen), "bias": (width,)}
    if kind == "identity":
        return {"use": "identity"}, {}
    if mlp is None or not int(mlp[1]):
        raise WeightsError(
            f"{where}: mm_projector_type: {kind!r} is not supported; there is 'linear', 'mlp2x_gelu' (of any depth), "
            "'identity'"
        )
    depth = int(mlp[1])
    due: dict[str, tuple[int, ...]] = {}
    for place in range(depth):
        due |= {f"{2 * place}.weight": (width, width if place else seen), f"{2 * place}.bias": (width,)}
    return {"use": "mlp2x_gelu", "depth": depth}, due
