"""Train on the GPUs of one machine or of several, with DeepSpeed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from attrs import field, frozen
from attrs.validators import ge, gt, in_, lt, optional

from remgcl import Fault, FaultsError, Job, Layout, Recipe, RunError, Runner
from remgcl.plugins.runners.hosts import count
from remgcl.plugins.runners.zero import GATHERED, SHARDED, merged, read_config, zero_config

if TYPE_CHECKING:
    from remgcl import Stage

PORTS = 65536


@frozen(kw_only=True)
class DeepSpeed(Runner):
    """Train on the GPUs of one machine or of several, with DeepSpeed.

    DeepSpeed's own launcher starts one process for each GPU. With a hostfile it
    starts them on other machines too, over ssh; the run's folder must be at the
    same path on all of them.

    Attributes:
        trackers: Trackers of the training, each in the extra of its name; by default TensorBoard, if it is installed.
        zero: ZeRO stage: 1 shards optimizer state, 2 also gradients, 3 also parameters.
        offload_optimizer: Whether the optimizer's state and step are on the CPU.
        offload_parameters: Whether parameters are kept on the CPU; needs stage 3.
        processes: Processes on each machine; by default one for each GPU.
        include: GPUs to use, as DeepSpeed writes them: ``localhost:3,4``.
        hostfile: File of machines and their GPUs, as DeepSpeed reads it.
        port: Port through which the processes connect; by default a free one.
        config: JSON file of DeepSpeed that is merged into the generated configuration.
        environment: Environment variables of every process on every machine.
        first_timeout: Longest time in seconds without progress until the first step is done.
        timeout: The same for every later step.
        cpu: Whether to train on the CPU, by default with two processes.
    """

    requires: ClassVar[Mapping[str, str]] = {"deepspeed": "remgcl[deepspeed]"}

    zero: int = field(default=2, validator=in_((0, 1, 2, 3)))
    offload_optimizer: bool = False
    offload_parameters: bool = False
    processes: int | None = field(default=None, validator=optional(ge(1)))
    include: str | None = None
    hostfile: str | None = None
    port: int | None = field(default=None, validator=optional([gt(0), lt(PORTS)]))
    config: str | None = None
    environment: dict[str, str] = field(factory=dict)
    first_timeout: float = field(default=300.0, validator=gt(0))
    timeout: float = field(default=120.0, validator=gt(0))
    cpu: bool = False

    def __attrs_post_init__(self) -> None:
        """Verify that the settings go together."""
        if self.offload_parameters and self.zero != SHARDED:
            raise ValueError(f"offload_parameters: needs zero = {SHARDED}; it is {self.zero}")
        if self.offload_optimizer and self.zero == 0:
            raise ValueError("offload_optimizer: needs zero = 1, 2 or 3; it is 0")
        if self.processes and self.include:
            raise ValueError("processes: cannot be given together with include")

    def verify(self, recipe: Recipe) -> None:
        """Read the hostfile and the configuration, and hold the latter against every stage."""
        if self.hostfile is not None and not Path(self.hostfile).is_file():
            raise RunError(f"hostfile: there is no file {self.hostfile!r}")
        own = read_config(self.config)
        faults: list[Fault] = []
        for stage in recipe.stages.values():
            try:
                merged(self._generated(stage, 1), own, self.config or "")
            except FaultsError as error:
                faults += error.faults
        if faults:
            raise FaultsError(list(dict.fromkeys(faults)))

    def layout(self) -> Layout:
        """Return what ZeRO shards and offloads, and the processes that settings or hostfile name.

        A configuration file of the user is not considered.
        """
        optimizer = ("optimizer", "gradients") if self.offload_optimizer else ()
        return Layout(
            processes=self._processes(),
            sharded=("optimizer", "gradients", "weights")[: self.zero],
            offloaded=(*optimizer, "weights") if self.offload_parameters else optimizer,
            gathered=GATHERED if self.zero == SHARDED else 0,
            casts=True,
        )

    def _processes(self) -> int | None:
        """Count the processes over all machines, as far as anything names them."""
        named = count(self.include, self.hostfile, self.processes)
        return named or (2 if self.cpu and self.hostfile is None else None)

    def configuration(self, stage: Stage, width: int) -> dict[str, object]:
        """Write the configuration of a stage.

        Args:
            stage: The stage.
            width: Width D of the language model.

        Raises:
            RunError: The user's own cannot be read.
            FaultsError: It contradicts the recipe.
        """
        return merged(self._generated(stage, width), read_config(self.config), self.config or "")

    def run(self, job: Job) -> None:
        """Start DeepSpeed's launcher, and wait for all processes."""
        from remgcl.plugins.runners.launch import launch

        launch(self, job)

    def _generated(self, stage: Stage, width: int) -> dict[str, object]:
        return zero_config(self, stage, width)
