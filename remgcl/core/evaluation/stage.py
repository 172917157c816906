"""The benchmarks that the stages of a recipe are evaluated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from remgcl.core.errors import Fault, RemgclError
from remgcl.core.evaluation.task import Task
from remgcl.core.recipe.recipe import Recipe, Stage

FOLDER = "evaluation"
"""The folder of a stage that holds a folder of results for each of its benchmarks."""


def unaskable(recipe: Recipe, name: str, tasks: Callable[[Stage], Mapping[str, Task]]) -> list[Fault]:
    """Find benchmarks that the finished stages of a recipe could not be asked.

    Args:
        recipe: The recipe.
        name: Its file, for errors.
        tasks: Reads the questions of a stage's benchmarks.
    """
    faults = []
    for key, stage in recipe.stages.items():
        try:
            judged = [each for each, task in tasks(stage).items() if task.protocol.judge]
        except RemgclError as error:
            faults.append(Fault(name, f"stages.{key}.{FOLDER}", str(error)))
            continue
        what = "is scored by a judge, which no recipe names; evaluate the run by remgcl eval --judge"
        faults += [Fault(name, f"stages.{key}.{FOLDER}.{each}", what) for each in judged]
    return faults
