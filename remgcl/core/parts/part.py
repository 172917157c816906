"""What every kind of part is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from attrs import frozen

from remgcl.core.parts.promise import is_a, module, returns, that, whole

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class Part(ABC):  # noqa: B024 - each kind has its own abstract methods
    """What every kind of part is: settings, and how to make the real thing.

    A part that needs a library which not every installation has names it in
    `requires`: the requirements for pip, by the name the library is imported by, such
    as ``{"timm": "remgcl[timm]"}``. `remgcl parts` shows whether it is there,
    and a recipe that uses the part without it is refused with the command.
    """

    requires: ClassVar[Mapping[str, str]] = MappingProxyType({})

    table: ClassVar[str] = ""
    """The table of a recipe that holds a part of the kind, such as ``stages.NAME.data``; with a dot at its end, a table
    for each part; in brackets of its own, a list of tables. Empty: one that is called like a part of the kind."""

    command: ClassVar[str] = ""
    """The command that takes a part of the kind by its ``{name}``, where no recipe holds one."""

    setting: ClassVar[str] = ""
    """The option of the command that takes ``KEY=VALUE`` of a part."""


@frozen(kw_only=True)
class Pretrained(Part):
    """A part whose weights may be loaded from somewhere."""

    @abstractmethod
    @returns("a torch module", that(module))
    def build(self, *, pretrained: bool = True) -> nn.Module:
        """Make the module.

        Args:
            pretrained: Whether to load weights; otherwise they are random, and
                nothing is read but a configuration.

        Raises:
            WeightsError: The weights cannot be found or read.
        """

    @property
    @returns("true or false", that(is_a(bool)))
    def restorable(self) -> bool:
        """Whether `build` returns the same weights each time, so that none need be saved."""
        return False

    def verify(self) -> None:
        """Verify that the weights exist, without reading them.

        Raises:
            WeightsError: They do not; the error says how to get them.
        """

    @returns("a whole number of parameters", that(whole()))
    def parameters(self) -> int:
        """Count the parameters; override where that needs no heavy library."""
        return count(lambda: self.build(pretrained=False))

    def counts(self) -> tuple[int, int]:
        """Count the parameters that `build` makes: all of them, and those that it does not freeze itself."""
        return count_learnable(lambda: self.build(pretrained=False))


def count(build: Callable[[], nn.Module]) -> int:
    """Count the parameters of a module without making its tensors.

    Args:
        build: Makes the module.
    """
    return count_learnable(build)[0]


def count_learnable(build: Callable[[], nn.Module]) -> tuple[int, int]:
    """Count the parameters of a module, and those that it did not freeze itself, without making its tensors.

    Args:
        build: Makes the module.
    """
    import torch

    with torch.device("meta"):
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in build().parameters()]
    return sum(size for size, _ in sizes), sum(size for size, learns in sizes if learns)
