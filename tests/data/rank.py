"""One of two ranks: computes what a test asks for, and saves it for the test to judge.

Called with a folder; the environment says which rank this is.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import evolve
from torch import Tensor, distributed
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from remgcl import Batch, Features, Loss, gather
from remgcl.core.model.model import Model
from remgcl.core.model.objective import Objective
from remgcl.plugins.backbones.tiny import TinyBackbone
from remgcl.plugins.projectors.mlp_gelu import MlpGelu
from remgcl.plugins.vision_towers.tiny import TinyTower


class Recorder(TorchDispatchMode):
    """Write down the operations that reach a device."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.operations: set[str] = set()

    def __torch_dispatch__(
        self, func: OpOverload, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        """Run an operation, and note its name."""
        del types
        self.operations.add(str(func.overloadpacket).removeprefix("aten."))
        return func(*args, **kwargs or {})


def added_up(tensor: Tensor) -> Tensor:
    """Add up a tensor over the ranks."""
    total = tensor.detach().clone()
    distributed.all_reduce(total)
    return total


def of_loss(loss: Loss, features: Features) -> dict[str, Any]:
    """Give this rank's part of a loss, and its gradients: averaged over ranks, they are those of all pairs."""
    leaves = [each.clone().requires_grad_() for each in (features.patches, features.answer, features.regions.text)]
    patches, answer, text = leaves
    features = evolve(features, patches=patches, answer=answer, regions=evolve(features.regions, text=text))
    module = loss.build(features.patches.shape[-1])
    learned = list(module.parameters()) if isinstance(module, torch.nn.Module) else []
    count = loss.count(features)
    total = added_up(count) / 2
    with Recorder() as recorder:
        value = module(features) * count / total.clamp(min=1e-6)
        value.backward()  # type: ignore[no-untyped-call]
    return {
        "value": added_up(value) / 2,
        "gradients": [None if leaf.grad is None else leaf.grad / 2 for leaf in leaves],
        "learned": [added_up(each.grad) / 2 for each in learned if each.grad is not None],
        "operations": recorder.operations,
    }


def of_gather(tensors: list[Tensor], factor: Tensor) -> dict[str, Any]:
    """Give what is gathered, and the gradients of its numbers times factors."""
    leaves = [each.clone().requires_grad_(each.is_floating_point()) for each in tensors]
    joined, own = gather(*leaves)
    sum((each * factor).sum() for each in joined if each.requires_grad).backward()
    return {
        "joined": [each.detach() for each in joined],
        "own": (own.start, own.stop),
        "gradients": [each.grad for each in leaves if each.requires_grad],
    }


def build(losses: Mapping[str, Loss]) -> Objective:
    """Build a small model, everywhere the same, and its objective."""
    torch.manual_seed(0)
    tower = TinyTower(size=(32, 32), channels=(8, 16), strides=((4, 4), (2, 2)))
    backbone = TinyBackbone(width=32, layers=2, heads=2, mlp=32, deviation=0.3)
    model = Model(tower.build(), MlpGelu().build(tower.spec().width, 32), backbone.build(), tower.spec())
    return Objective(model.eval(), losses)


def of_objective(losses: Mapping[str, Loss], parts: list[Batch]) -> dict[str, Any]:
    """Give the gradients of this rank's batches, averaged over ranks as a runner does."""
    objective = build(losses)
    counts = [objective.counts(part) for part in parts]
    totals = {name: added_up(torch.stack([count[name] for count in counts]).sum()) / 2 for name in counts[0]}
    value = torch.zeros(())
    for part in parts:
        total, _ = objective(part, totals)
        total.backward()
        value += total.detach()
    gradients = {name: added_up(each.grad) / 2 for name, each in objective.named_parameters()}
    return {"value": added_up(value) / 2, "gradients": gradients}


def main(folder: Path) -> None:
    """Compute all that is asked for, in one order on both ranks."""
    rank = int(os.environ["RANK"])
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    asked = torch.load(folder / "asked.pt", weights_only=False)
    compute = {"losses": of_loss, "gathers": of_gather, "objectives": of_objective}
    answers = {
        kind: {name: compute[kind](*(each[rank] for each in arguments)) for name, arguments in cases.items()}
        for kind, cases in asked.items()
    }
    torch.save(answers, folder / f"{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
