"""LoRA (Hu et al. 2021): a frozen backbone learns by small matrices beside its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen
from attrs.validators import and_, ge, gt, lt, min_len, optional

from remgcl.core.errors import RunError

if TYPE_CHECKING:
    from torch import nn


@frozen(kw_only=True)
class Lora:
    """Adapters of low rank beside a backbone's layers; what stands below them never learns.

    A layer's output gets ``alpha / rank * B A x`` added, with A `[rank, in]`
    and B `[out, rank]`, which begins as zero (Hu et al. 2021, section 4.1).
    Defaults are those of LLaVA's scripts for LoRA.

    Experts that are held as one tensor each, as those of gpt-oss, are no linear
    layers. They get adapters of their own where ``dropout`` is 0 and ``targets``
    is not given; peft adds what such adapters learn to whole experts, which
    takes the memory of a second copy in each step. `remgcl check` names those
    that get none.

    Attributes:
        rank: Rank of the adapters.
        alpha: Scale of what they add, times the rank.
        dropout: Share of their inputs that is dropped in training.
        targets: Ends of the names of the layers that get one; without it, every
            linear layer but the output embeddings.
        bias: Which biases of the backbone learn too: none, all, or those of
            layers with an adapter.
    """

    rank: int = field(default=128, validator=ge(1))
    alpha: float = field(default=256.0, validator=gt(0))
    dropout: float = field(default=0.05, validator=and_(ge(0), lt(1)))
    targets: tuple[str, ...] | None = field(default=None, validator=optional(min_len(1)))
    bias: Literal["none", "all", "lora_only"] = "none"

    def add(self, backbone: nn.Module) -> nn.Module:
        """Put adapters into a backbone; it stays the same object with the same methods.

        Args:
            backbone: A built backbone.

        Raises:
            RunError: It has no layers of these names.
        """
        from peft import LoraConfig, inject_adapter_in_model

        reached = self.targets is None and not self.dropout
        settings = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules="all-linear" if self.targets is None else list(self.targets),
            target_parameters=list(_experts(backbone)) if reached else None,
            bias=self.bias,
        )
        try:
            with (
                warnings.catch_warnings()
            ):  # peft gives experts a rank of their own, and then misses it among the layers
                warnings.filterwarnings("ignore", message="The following (rank|alpha)_pattern keys did not match")
                inject_adapter_in_model(settings, backbone)
        except ValueError as error:
            if "lora_dropout" in str(error):  # of families whose experts were linear layers once, peft takes them too
                raise RunError(
                    f"lora: dropout: must be 0 for this backbone, whose experts are held as one tensor each; "
                    f"it is {self.dropout}"
                ) from error
            raise RunError(f"lora: cannot be added to the backbone; {error}") from error
        return backbone

    @staticmethod
    def merge(backbone: nn.Module) -> None:
        """Add what adapters learned to the weights below them, and take the adapters out.

        Args:
            backbone: A backbone with adapters; without any it stays as it is.
        """
        from peft.tuners.tuners_utils import BaseTunerLayer

        adapted = [(name, each) for name, each in backbone.named_modules() if isinstance(each, BaseTunerLayer)]
        for name, layer in reversed(adapted):  # an adapter inside another is merged first
            layer.merge()
            backbone.set_submodule(name, layer.base_layer)

    def unreached(self, build: Callable[[], nn.Module]) -> tuple[tuple[str, ...], float]:
        """Find experts that are held as one tensor each and get no adapter.

        Args:
            build: Makes the backbone, without adapters.

        Returns:
            Names of the tensors, and their share of the backbone's parameters.
        """
        import torch
        from peft.tuners.lora.layer import ParamWrapper

        with torch.device("meta"):
            model = build()
            every = sum(parameter.numel() for parameter in model.parameters())
            sizes = _experts(model)
            adapted = self.add(model)
        wrappers = {name: each for name, each in adapted.named_modules() if isinstance(each, ParamWrapper)}
        reached = {f"{name.replace('.base_layer', '')}.{each.parameter_name}" for name, each in wrappers.items()}
        left = {name: size for name, size in sizes.items() if name not in reached}
        return tuple(left), sum(left.values()) / every

    def owns(self, name: str) -> bool:
        """Return whether a parameter of a backbone with adapters may learn.

        Args:
            name: The parameter's name.
        """
        biases: dict[str, tuple[str, ...]] = {"none": (), "all": ("bias",), "lora_only": (".base_layer.bias",)}
        return ".lora_" in name or name.endswith(biases[self.bias])

    def counts(self, build: Callable[[], nn.Module]) -> tuple[int, int]:
        """Count parameters without making tensors: all of them, and those that may learn.

        Args:
            build: Makes the backbone, without adapters.
        """
        import torch

        with torch.device("meta"):
            named = dict(self.add(build()).named_parameters())
        learning = (each.numel() for name, each in named.items() if each.requires_grad and self.owns(name))
        return sum(each.numel() for each in named.values()), sum(learning)


def _experts(model: nn.Module) -> dict[str, int]:
    """Return the size of each tensor that holds experts: those of three dimensions that are no convolution."""
    from torch import nn

    return {
        f"{name}.{key}": each.numel()
        for name, module in model.named_modules()
        if not isinstance(module, nn.modules.conv._ConvNd)  # noqa: SLF001 - every convolution
        for key, each in module.named_parameters(recurse=False)
        if each.dim() == 3  # noqa: PLR2004 - experts, rows and columns
    }
