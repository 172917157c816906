"""The training loop, for authors of runners: `train` runs a stage with the trainer that a runner builds.

A runner starts processes and chooses a strategy; the loop, its checkpoints, its guard against NaN and its progress
are the same for every runner. A runner of several processes starts them with `launch_ranks`; each of them enters
`as_rank`, and trains with a `StageTrainer` of its own that shards what the stage holds.
"""

from remgcl.core.training.arguments import arguments
from remgcl.core.training.loop import train
from remgcl.core.training.ranks import Rank, as_rank, launch_ranks
from remgcl.core.training.state import learned
from remgcl.core.training.trainer import StageTrainer

__all__ = ["Rank", "StageTrainer", "arguments", "as_rank", "launch_ranks", "learned", "train"]
