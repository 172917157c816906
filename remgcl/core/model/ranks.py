"""Rows of all ranks, with gradient: what in-batch negatives across ranks need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_CALLS: ContextVar[list[int] | None] = ContextVar("calls", default=None)


@contextmanager
def gatherings() -> Iterator[list[int]]:
    """Note each call of `gather`: how many tensors it joins."""
    calls: list[int] = []
    token = _CALLS.set(calls)
    try:
        yield calls
    finally:
        _CALLS.reset(token)


def gather(*tensors: Tensor) -> tuple[list[Tensor], slice]:
    """Join the rows of all ranks; ranks may hold different numbers of rows.

    Every rank must call this equally often, with as many tensors of as many
    dimensions. Dimensions after the first are padded with zeros to the largest
    of any rank. Shapes are exchanged between the hosts, so none waits for its
    accelerator. In the backward pass each row gets the gradients of all ranks,
    added up. Without other ranks the tensors are returned as they are.

    Args:
        tensors: Tensors with the same number of rows.

    Returns:
        The tensors with the rows of all ranks in order, and the place of this
        rank's own rows among them.
    """
    import torch
    from torch import distributed

    if (calls := _CALLS.get()) is not None:
        calls.append(len(tensors))
    if not (distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1):
        return list(tensors), slice(0, len(tensors[0]))
    sizes = [size for tensor in tensors for size in tensor.shape]
    sizes_by_rank = [torch.zeros(len(sizes), dtype=torch.int64) for _ in range(distributed.get_world_size())]
    distributed.all_gather(sizes_by_rank, torch.tensor(sizes), group=_hosts())
    shapes = [tuple(part.numpy().tolist()) for part in sizes_by_rank]
    rows = [shape[0] for shape in shapes]
    largest = [max(each) for each in zip(*shapes, strict=True)]
    joined, at = [], 0
    for tensor in tensors:
        joined.append(_join(tensor, largest[at : at + tensor.dim()], rows))
        at += tensor.dim()
    start = sum(rows[: distributed.get_rank()])
    return joined, slice(start, start + len(tensors[0]))


def _join(tensor: Tensor, largest: list[int], rows: list[int]) -> Tensor:
    """Pad a tensor, gather it, and cut the padding rows of each rank."""
    import torch
    from torch.nn.functional import pad

    missing = [most - size for most, size in zip(largest, tensor.shape, strict=True)]
    sent = tensor.to(torch.uint8) if tensor.dtype is torch.bool else tensor
    padded = pad(sent, [side for more in reversed(missing) for side in (0, more)])
    everyone = _all_gather()(padded.contiguous())
    return torch.cat([part[:count] for part, count in zip(everyone.unbind(), rows, strict=True)]).to(tensor.dtype)


@cache
def _hosts() -> Any:  # noqa: ANN401 - a group of torch, which is imported late
    """Make the group in which hosts talk to each other; the usual one where that is on hosts anyway."""
    from torch import distributed

    return None if distributed.get_backend() == "gloo" else distributed.new_group(backend="gloo")


@cache
def _all_gather() -> Any:  # noqa: ANN401 - a function of autograd, made late because torch is imported late
    """Make the gathering that adds up gradients: equal shapes `[...]` to `[ranks, ...]`."""
    import torch
    from torch import distributed

    class AllGather(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - the signature of torch
            del ctx
            parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
            distributed.all_gather(parts, tensor)
            return torch.stack(parts)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - the signature of torch
            del ctx
            total = gradient.contiguous()
            distributed.all_reduce(total)
            return total[distributed.get_rank()]

    return AllGather.apply
