"""The built-in trackers promise what every tracker does."""

from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from remgcl.plugins.trackers import TensorBoard, Wandb
from remgcl.testing import conformance, trackers

TestTensorBoard = conformance(TensorBoard())


class TestWandb(trackers.Checks):
    """Weights & Biases, with a stand-in for the service."""

    @pytest.fixture
    def part(self, monkeypatch: pytest.MonkeyPatch) -> Wandb:
        """The tracker."""

        class Sent:
            def log(self, numbers: dict[str, float], step: int) -> None:
                del numbers, step

            def finish(self) -> None:
                pass

        module = ModuleType("wandb")
        module.__spec__ = ModuleSpec("wandb", None)
        module.init = lambda **given: given and Sent()  # type: ignore[attr-defined]
        monkeypatch.setitem(__import__("sys").modules, "wandb", module)
        return Wandb(project="tests")
