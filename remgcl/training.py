"""The training loop, for authors of runners: `train` runs a stage with the trainer that a runner builds.

A runner starts processes and chooses a strategy; the loop, its checkpoints, its guard against NaN and its progress
are the same for every runner.
"""

from remgcl.core.training.arguments import arguments
from remgcl.core.training.loop import train
from remgcl.core.training.trainer import StageTrainer

__all__ = ["StageTrainer", "arguments", "train"]
