"""The state of a training: what is saved comes back bit for bit, and nothing is a pickle."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from remgcl.core.training import state


def test_a_nested_state_comes_back_as_it_was(tmp_path: Path) -> None:
    held = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(2, 3)}, 1: {}},
        "param_groups": [{"lr": 0.1 + 0.2, "betas": [0.9, 0.999], "params": [0, 1], "fused": None}],
        "half": torch.randn(4).to(torch.bfloat16),
        "count": torch.tensor(2**40),
        "text": "größe",
        "yes": True,
    }
    state.save(tmp_path, "some", held)
    again = state.load(tmp_path, "some")
    assert {path.name for path in tmp_path.iterdir()} == {"some.json", "some.safetensors"}
    for key in ("exp_avg", "step"):
        assert torch.equal(again["state"][0].pop(key), held["state"][0].pop(key))
    for key in ("half", "count"):
        one, other = again.pop(key), held.pop(key)
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    assert again == held


def test_a_state_without_tensors_is_one_file(tmp_path: Path) -> None:
    state.save(tmp_path, "some", {"step": 3, "scaler": None})
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]
    assert state.load(tmp_path, "some") == {"step": 3, "scaler": None}


def test_a_table_that_looks_like_a_tensor_is_a_table(tmp_path: Path) -> None:
    held = {"tensor": "0", "table": [["a", 1]]}
    state.save(tmp_path, "some", held)
    assert state.load(tmp_path, "some") == held


def test_an_optimizer_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    def make() -> tuple[nn.Parameter, torch.optim.Optimizer]:
        parameter = nn.Parameter(torch.ones(5))
        return parameter, torch.optim.AdamW([parameter], lr=0.1)

    def step(parameter: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        parameter.grad = parameter.detach() * torch.arange(5)
        optimizer.step()

    whole, optimizer = make()
    step(whole, optimizer)
    state.save(tmp_path, "optimizer", optimizer.state_dict())
    resumed, other = make()
    resumed.data.copy_(whole.data)
    other.load_state_dict(state.load(tmp_path, "optimizer"))
    for _ in range(3):
        step(whole, optimizer)
        step(resumed, other)
    assert torch.equal(whole, resumed)


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [
            random.random(),
            random.gauss(),
            float(np.random.rand()),  # noqa: NPY002
            float(np.random.randn()),  # noqa: NPY002
            float(torch.rand(())),
        ]

    before = state.random_state()
    try:
        draw()
        random.gauss()
        np.random.randn()  # noqa: NPY002 - leaves a second number behind
        state.save(tmp_path, "random", state.random_state())
        expected = [draw(), draw()]
        state.set_random_state(state.load(tmp_path, "random"))
        assert [draw(), draw()] == expected
    finally:
        state.set_random_state(before)


class Parts(nn.Module):
    """What learns, what does not, and buffers of each."""

    def __init__(self) -> None:
        """Draw weights."""
        super().__init__()
        self.frozen = nn.BatchNorm1d(3).requires_grad_(requires_grad=False)
        self.norm = nn.BatchNorm1d(3)
        self.norm.register_buffer("scratch", torch.zeros(2), persistent=False)
        self.table = nn.Embedding(4, 3)
        self.head = nn.Linear(3, 4, bias=False)
        self.head.weight = self.table.weight


def test_what_is_learned_is_what_training_changes() -> None:
    """Tied parameters once, running statistics of what learns, and nothing that is not saved with a model."""
    assert state.learned(Parts()).keys() == {
        "norm.weight",
        "norm.bias",
        "norm.running_mean",
        "norm.running_var",
        "norm.num_batches_tracked",
        "table.weight",
    }


def test_what_was_learned_is_given_to_another_objective(tmp_path: Path) -> None:
    one, other = Parts(), Parts()
    one.norm(torch.randn(8, 3))
    frozen = other.frozen.weight.clone()
    state.save(tmp_path, "objective", state.learned(one))
    state.restore(other, state.load(tmp_path, "objective"))
    learned = state.learned(one)
    for name, value in state.learned(other).items():
        assert torch.equal(value, learned[name]), name
    assert other.head.weight is other.table.weight
    assert torch.equal(other.frozen.weight, frozen)


def test_a_state_that_lacks_something_is_no_state(tmp_path: Path) -> None:
    one = Parts()
    held = state.learned(one)
    del held["table.weight"]
    state.save(tmp_path, "objective", held)
    with pytest.raises(KeyError, match=r"table\.weight"):
        state.restore(Parts(), state.load(tmp_path, "objective"))


def test_no_file_is_a_pickle(tmp_path: Path) -> None:
    state.save(tmp_path, "some", {"a": torch.zeros(2), "b": [1, 2]})
    json.loads((tmp_path / "some.json").read_text())
    size = int.from_bytes((tmp_path / "some.safetensors").read_bytes()[:8], "little")
    assert json.loads((tmp_path / "some.safetensors").read_bytes()[8 : 8 + size])
