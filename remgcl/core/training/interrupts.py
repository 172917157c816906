"""Signals that let a training end after its step."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

import torch
from transformers import TrainerCallback

from remgcl.core.errors import RunError

KINDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, the end of a job, and a closed terminal."""


class Interrupts(TrainerCallback):
    """Lets a signal end a training after its step, with a checkpoint; before the first step, it ends at once.

    A second one ends it at once too. A signal that the process was set to
    ignore, as `nohup` does, stays ignored.

    Attributes:
        caught: Whether there was one.
    """

    def __init__(self, stage: str) -> None:
        """Begin without any.

        Args:
            stage: The stage's key, for errors.
        """
        self.caught = False
        self._stage = stage
        self._stepping = False

    def __enter__(self) -> Self:
        """Catch signals from now on."""
        kinds = [kind for kind in KINDS if signal.getsignal(kind) is not signal.SIG_IGN] if _in_main_thread() else []
        self._before = {kind: signal.signal(kind, self._catch) for kind in kinds}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave signals to whom they were before."""
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Let signals wait for the end of a step from now on."""
        del args, state, control
        self._stepping = True

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Save and stop, if there was a signal on any rank."""
        del state
        if _any_rank(self.caught, args.device):
            self.caught = control.should_save = control.should_training_stop = True

    def _catch(self, kind: int, frame: FrameType | None) -> None:
        if self.caught:
            signal.default_int_handler(kind, frame)
        self.caught = True
        if not self._stepping:
            raise RunError(f"stage {self._stage!r}: interrupted before its first step; run it again to start it")


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _any_rank(flag: bool, device: torch.device) -> bool:  # noqa: FBT001 - private
    """Return whether a flag is up on any rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return flag
    up = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(up)
    return bool(up)
