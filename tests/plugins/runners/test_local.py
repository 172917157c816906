"""The local runner: where it trains."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from remgcl import Recipe, RecipeError


@pytest.fixture
def threads() -> int:
    """Torch's threads, set back afterwards."""
    return torch.get_num_threads()


def test_it_limits_the_threads_of_torch(run: Callable[..., str], threads: int) -> None:
    torch.set_num_threads(2)
    try:
        run(
            "stages={only = {template = 'plain', train = ['projector'], data = {use = 'synthetic', samples = 4,"
            " size = 32, font = [8, 10]}}}"
        )
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)


def test_no_threads_at_all_is_a_fault(read: Callable[..., Recipe]) -> None:
    with pytest.raises(RecipeError, match=r"--set runner\.threads=0: runner\.threads: must be >= 1: 0"):
        read("runner.threads=0")


def test_every_stage_is_told_when_it_begins(run: Callable[..., str], tmp_path: Path) -> None:
    told = run()
    assert "first: 16 samples, 17,800 parameters learn, on cpu" in told
    assert "second: 8 samples, 544 parameters learn, on cpu" in told
    assert (tmp_path / "run" / "second" / "stage.json").exists()
