"""The runner `fsdp`: train on the GPUs of one machine, with weights, gradients and optimizer sharded by torch.

A runner is a launcher and a strategy. Here the launcher is torchrun, and the
strategy is FSDP2 (`torch.distributed.fsdp.fully_shard`); the loop, its
checkpoints and its guard against NaN are those of `remgcl.training`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen
from attrs.validators import ge, optional
from remgcl import Answered, Engine, Fault, FaultsError, Job, Layout, Recipe, RunError, RunFolder, Runner, hookimpl

REMGCL_API = 1


if TYPE_CHECKING:
    from remgcl.training import StageTrainer
    from torch import nn
    from torch.distributed.device_mesh import DeviceMesh

GATHERED = int(1e9)
"""Most parameters that a GPU is expected to hold whole at once: the embeddings and two layers."""


@frozen(kw_only=True)
class Fsdp(Runner):
    """Train on the GPUs of one machine, each of which holds a shard of weights, gradients and optimizer.

    Attributes:
        trackers: Destinations for the numbers of a training.
        processes: Processes, each on its own GPU; one for each GPU without
            it, two on the CPU.
        cpu: Whether to train on the CPU.
    """

    processes: int | None = field(default=None, validator=optional(ge(1)))
    cpu: bool = False

    def layout(self) -> Layout:
        """Return what is sharded over how many processes."""
        processes = self.processes or (2 if self.cpu else None)
        return Layout(processes=processes, sharded=("weights", "gradients", "optimizer"), gathered=GATHERED)

    def verify(self, recipe: Recipe) -> None:
        """Refuse float16: each rank would find a loss scale of its own for what is not sharded."""
        faults = [
            Fault(
                "runner", f"stages.{name}.precision", "cannot be 'float16' with fsdp; there is 'bfloat16' and 'float32'"
            )
            for name, stage in recipe.stages.items()
            if stage.precision == "float16"
        ]
        if faults:
            raise FaultsError(faults)

    def run(self, job: Job) -> None:
        """Start torchrun, and wait for all processes."""
        import torch
        from remgcl.training import launch_ranks

        there = torch.cuda.device_count()
        processes = self.processes or (2 if self.cpu else there)
        if not self.cpu and not 0 < processes <= there:
            raise RunError(f"runner.processes: each needs a GPU of its own; there are {there}")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command += ["--module", __name__, str(job.run.path.resolve()), job.name]
        environment = {"OMP_NUM_THREADS": "1", **os.environ, "TOKENIZERS_PARALLELISM": "false"}
        launch_ranks(job, command, environment, "torchrun")


@hookimpl
def remgcl_register_runners() -> Mapping[str, type[Runner]]:
    """Name the runner."""
    return {"fsdp": Fsdp}


def main() -> None:
    """Train a stage as one rank of several."""
    from remgcl.training import arguments, as_rank, train
    from torch.distributed.device_mesh import init_device_mesh

    def build(job: Job, objective: nn.Module) -> StageTrainer:
        cpu = job.recipe.runner.cpu  # type: ignore[attr-defined]
        args = arguments(job, cpu=cpu, ddp_backend="gloo" if cpu else "nccl")
        shard(objective, init_device_mesh(args.device.type, (args.world_size,)))  # args.device joins the ranks
        return trainer()(job, objective, args)

    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")  # none is changed in place
    run, stage = sys.argv[1:]
    folder = RunFolder(Path(run))
    with as_rank(folder.stage(stage), int(os.environ["RANK"])) as rank:
        engine = Engine.installed()
        train(engine.job(engine.read(folder.recipe), stage, folder, rank.console), build)


def shard(objective: nn.Module, mesh: DeviceMesh) -> None:
    """Shard the parameters of an objective: each layer is a unit, and what is in no layer is one more.

    Scalars, such as a temperature, stay whole on every rank, as FSDP2 shards
    along the first dimension.

    Args:
        objective: The built objective, equal on all ranks.
        mesh: The ranks.
    """
    from torch import nn
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    scalars = {parameter for parameter in objective.parameters() if parameter.ndim == 0}
    for scalar in scalars:
        scalar.data = scalar.data.to(mesh.device_type)
    model: Any = objective.model
    stacks = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    layers = [layer for stack in reversed(stacks) for layer in stack if any(True for _ in layer.parameters())]
    learned: Any = objective.learned
    for unit in (*layers, model, *learned.values()):
        fully_shard(unit, mesh=mesh, ignored_params=scalars)
    for unit, name in ((model, "generate"), *((loss, "diagnose") for loss in learned.values())):
        if hasattr(unit, name):
            register_fsdp_forward_method(unit, name)  # gathers parameters as `forward` does


def trainer() -> type[StageTrainer]:  # noqa: C901 - the methods of a class
    """Make the class of the trainer; inside a function, so that reading a recipe imports no torch."""
    import torch
    from remgcl.training import StageTrainer, learned
    from torch import Tensor, distributed, nn
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
    from torch.distributed.checkpoint.state_dict_loader import load
    from torch.distributed.checkpoint.state_dict_saver import save
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor
    from transformers import TrainingArguments

    class FsdpTrainer(StageTrainer):
        """Trains a sharded objective."""

        def __init__(self, job: Job, objective: nn.Module, args: TrainingArguments) -> None:
            """Keep accelerate from wrapping the objective once more.

            Args:
                job: The stage.
                objective: The objective, sharded.
                args: The stage's settings.
            """
            super().__init__(job, objective, args)
            self.accelerator.prepare_model(objective, device_placement=False, evaluation_mode=True)

        @property
        def where(self) -> str:
            """Say where the training runs."""
            return f"on {self.args.world_size} x {self.args.device.type}, sharded"

        def groups(self) -> list[dict[str, Any]]:
            """Part whole parameters from sharded ones: no optimizer steps both at once."""
            kinds = [
                {**group, "params": [each for each in group["params"] if isinstance(each, DTensor) is sharded]}
                for group in super().groups()
                for sharded in (True, False)
            ]
            return [kind for kind in kinds if kind["params"]]

        def validate(self) -> Sequence[Answered]:
            """Answer the held-out samples, and give back the parameters that were gathered for it."""
            answered = super().validate()
            self._reshard()
            return answered

        def _reshard(self) -> None:
            for module in self.model.modules():
                if isinstance(module, FSDPModule):
                    module.reshard()

        def clip(self, model: nn.Module) -> Tensor:
            """Average the gradients of whole parameters over the ranks, as FSDP2 does with those that it shards."""
            for parameter in model.parameters():
                if parameter.grad is not None and not isinstance(parameter, DTensor):
                    distributed.all_reduce(parameter.grad)
                    parameter.grad /= self.args.world_size
            norm = super().clip(model)
            return norm.full_tensor() if isinstance(norm, DTensor) else norm

        @contextmanager
        def whole_parameters(self) -> Iterator[None]:
            """Gather every parameter on every rank, in the memory of the CPU."""
            self._reshard()
            places = [
                (module, name, parameter)
                for module in self.model.modules()
                for name, parameter in module.named_parameters(recurse=False)
                if isinstance(parameter, DTensor)
            ]
            whole: dict[int, nn.Parameter] = {}  # one for both places of a tied weight
            for _, _, sharded in places:
                if id(sharded) not in whole:
                    full = sharded.full_tensor().cpu()
                    whole[id(sharded)] = nn.Parameter(full, requires_grad=sharded.requires_grad)
            for module, name, sharded in places:
                setattr(module, name, whole[id(sharded)])
            try:
                yield
            finally:
                for module, name, sharded in places:
                    setattr(module, name, sharded)

        def _state(self) -> dict[str, Any]:
            """Return what the ranks hold shards of."""
            optimizer = get_optimizer_state_dict(self.model, self.optimizer.optimizer)
            return {"learned": learned(self.model), "optimizer": optimizer}

        def _fill(self, folder: Path) -> None:
            """Write all that a resumed training needs; each rank writes its shards."""
            super()._fill(folder)
            save(self._state(), checkpoint_id=folder / "shards")

        def _fill_learned(self, folder: Path) -> None:
            """Do nothing: it is in the shards."""

        def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
            """Load what was learned, in place."""
            del model
            with torch.no_grad():
                load({"learned": learned(self.model)}, checkpoint_id=Path(resume_from_checkpoint) / "shards")

        def _load_optimizer(self, folder: Path) -> None:
            held = {"optimizer": self._state()["optimizer"]}
            load(held, checkpoint_id=folder / "shards")
            set_optimizer_state_dict(self.model, self.optimizer.optimizer, held["optimizer"])

    return FsdpTrainer


if __name__ == "__main__":
    main()
