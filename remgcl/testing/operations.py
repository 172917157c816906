"""What reaches a device: the operations of a computation, and those that its host must wait for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = frozenset({"_local_scalar_dense", "equal", "item", "masked_select", "nonzero", "unique_consecutive"})
"""Operations whose outcome the host must wait for; those of `unique` too, whose names change with torch."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Write down the operations that reach a device.

    Attributes:
        operations: Their names, in order.
    """

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []

    @property
    def waiting(self) -> list[str]:
        """The operations that the host waits for, sorted."""
        return sorted({name for name in self.operations if name in WAITING or name.startswith("_unique")})

    @property
    def collective(self) -> list[str]:
        """The operations that all ranks take part in, in order."""
        return [name for name in self.operations if name.startswith("c10d.")]

    def __torch_dispatch__(
        self, func: OpOverload, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        """Run an operation, and note its name; an index that is a mask counts as `nonzero`.

        Args:
            func: The operation.
            types: Classes of its tensors.
            args: Its arguments.
            kwargs: Its keywords.
        """
        del types
        name = str(func.overloadpacket).removeprefix("aten.")
        picks = args[1] if name in {"index", "index_put", "index_put_"} else ()
        masked = any(pick is not None and pick.dtype is torch.bool for pick in picks)
        self.operations.append("nonzero" if masked else name)
        return func(*args, **kwargs or {})
