"""Signals: they end a training after its step, or at once before the first."""

import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch

from remgcl import RunError
from remgcl.core.training.interrupts import Interrupts

KINDS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Let no signal be ignored, as it is in a background job of a shell or under nohup."""
    before = {kind: signal.signal(kind, signal.default_int_handler) for kind in KINDS}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


ARGS = SimpleNamespace(device=torch.device("cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_in_a_step_saves_and_stops_at_its_end(kind: signal.Signals) -> None:
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    with Interrupts("a") as interrupts:
        interrupts.on_step_begin(ARGS, None, control)
        os.kill(os.getpid(), kind)
        assert interrupts.caught
        interrupts.on_step_end(ARGS, None, control)
    assert (control.should_save, control.should_training_stop) == (True, True)


def _signalled(kind: signal.Signals, *, step: bool, times: int) -> None:
    with Interrupts("a") as interrupts:
        if step:
            interrupts.on_step_begin(ARGS, None, None)
        for _ in range(times):
            os.kill(os.getpid(), kind)
        raise AssertionError


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_before_the_first_step_ends_at_once(kind: signal.Signals) -> None:
    with pytest.raises(RunError, match=r"^stage 'a': interrupted before its first step; run it again"):
        _signalled(kind, step=False, times=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_signal_ends_at_once(kind: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        _signalled(kind, step=True, times=2)


def test_handlers_are_as_before_and_an_ignored_signal_stays_ignored() -> None:
    before = [signal.getsignal(kind) for kind in KINDS]
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Interrupts("a") as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.caught
    finally:
        signal.signal(signal.SIGHUP, old)
    assert [signal.getsignal(kind) for kind in KINDS] == before
