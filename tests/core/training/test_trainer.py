"""What the trainers take from the Trainer of transformers; a name that it does not have would never be called."""

import inspect
import re

import pytest
from transformers import Trainer

from remgcl.plugins.runners.deepspeed_trainer import DeepSpeedTrainer
from remgcl.training import StageTrainer

OWN = {
    StageTrainer: {
        "where",
        "whole_parameters",
        "validate",
        "groups",
        "clip",
        "counts",
        "_fill",
        "_fill_learned",
        "_load_optimizer",
    },
    DeepSpeedTrainer: {"zero", "_guard_step"},
}
"""What each trainer adds; all else that it defines overrides something."""


@pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.__name__)
def test_every_method_that_a_trainer_overrides_is_there_to_be_overridden(cls: type[Trainer]) -> None:
    defined = {name for name, value in vars(cls).items() if callable(value) or isinstance(value, property)}
    base = cls.__bases__[0]
    assert OWN[cls] <= defined
    assert [name for name in defined - OWN[cls] if not hasattr(base, name)] == []
    assert [name for name in OWN[cls] if hasattr(base, name)] == []


def test_the_trainer_of_transformers_reads_whether_the_loss_is_scaled() -> None:
    """Else it would divide by the number of accumulated batches once more."""
    assert "self.loss_is_scaled_for_ga" in inspect.getsource(Trainer.training_step)


@pytest.mark.parametrize("cls", OWN, ids=lambda cls: cls.__name__)
def test_the_trainer_of_transformers_calls_every_method_that_is_overridden(cls: type[Trainer]) -> None:
    source = inspect.getsource(Trainer)
    overridden = {name for name in vars(cls) if not name.startswith("__") and hasattr(Trainer, name)}
    assert len(overridden) > 4
    assert [name for name in overridden if not re.search(rf"self\.{name}\b", source)] == []
