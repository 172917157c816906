"""What reaches a device: the operations of a computation, and those that its host must wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

WAITING = frozenset(
    {"_local_scalar_dense", "bincount", "equal", "item", "masked_select", "nonzero", "repeat_interleave"}
    | {"unique_consecutive"}
)
"""Operations whose outcome the host must wait for; those of `unique` too, whose names change with torch."""

READING = frozenset({"__array__", "cpu", "numpy", "tolist"})
"""Methods that copy a tensor to the host; if it is there already, they run no operation."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Write down the operations that reach a device.

    Attributes:
        operations: Their names, in order.
    """

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[str] = []
        self._reader = _Reader()

    @property
    def waiting(self) -> list[str]:
        """The operations that the host waits for, sorted."""
        waiting = {name for name in self.operations if name in WAITING or name.startswith("_unique")}
        return sorted(waiting | self._reader.reads)

    @property
    def collective(self) -> list[str]:
        """The operations that all ranks take part in, in order."""
        return [name for name in self.operations if name.startswith("c10d.")]

    def __enter__(self) -> Self:
        """Begin to write."""
        self._reader.__enter__()  # type: ignore[no-untyped-call]
        return super().__enter__()  # type: ignore[no-any-return, no-untyped-call]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write no more."""
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._reader.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: OpOverload, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        """Run an operation, and note its name; an index that is a mask counts as `nonzero`.

        Nobody waits for `repeat_interleave` whose size is given.

        Args:
            func: The operation.
            types: Classes of its tensors.
            args: Its arguments.
            kwargs: Its keywords.
        """
        del types
        kwargs = kwargs or {}
        name = str(func.overloadpacket).removeprefix("aten.")
        picks = args[1] if name in {"index", "index_put", "index_put_"} else ()
        masked = any(pick is not None and pick.dtype is torch.bool for pick in picks)
        sized = name == "repeat_interleave" and kwargs.get("output_size") is not None
        self.operations.append("nonzero" if masked else "repeat" if sized else name)
        return func(*args, **kwargs)


class _Reader(TorchFunctionMode):
    """Notes the methods that bring a tensor to the host."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: set[str] = set()

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        del types
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in READING or (name == "to" and "cpu" in [at for at in (*args, *kwargs.values()) if type(at) is str]):
            self.reads.add(name)
        return func(*args, **kwargs)
