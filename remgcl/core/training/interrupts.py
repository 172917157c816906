"""Signals that let a training end after its step."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

import torch
from transformers import TrainerCallback


class Interrupts(TrainerCallback):
    """Lets Ctrl-C and SIGTERM end a training after its step, with a checkpoint.

    A second one ends it at once.

    Attributes:
        caught: Whether there was one.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.caught = False

    def __enter__(self) -> Self:
        """Catch signals from now on."""
        kinds = (signal.SIGINT, signal.SIGTERM)
        self._before = {kind: signal.signal(kind, self._catch) for kind in kinds} if _in_main_thread() else {}
        return self

    def __exit__(self, *_: object) -> None:
        """Leave signals to whom they were before."""
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Save and stop, if there was a signal on any rank."""
        del state
        if _any_rank(self.caught, args.device):
            self.caught = control.should_save = control.should_training_stop = True

    def _catch(self, kind: int, frame: FrameType | None) -> None:
        if self.caught:
            signal.default_int_handler(kind, frame)
        self.caught = True


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _any_rank(flag: bool, device: torch.device) -> bool:  # noqa: FBT001 - private
    """Tell whether a flag is up on any rank."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return flag
    up = torch.tensor(float(flag), device=device)
    torch.distributed.all_reduce(up)
    return bool(up)
