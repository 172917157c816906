"""What the stages of a recipe are evaluated on: benchmarks, and held-out samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from remgcl.core.errors import Fault, RemgclError
from remgcl.core.evaluation.measure import measure_in, unscorable
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


def unmeasurable(recipe: Recipe, name: str, stages: Mapping[str, Mapping[str, Any]]) -> list[Fault]:
    """Find metrics that cannot score held-out samples, and evaluations whose results have the name of one.

    Args:
        recipe: The recipe.
        name: Its file, for errors.
        stages: Its stages as tables, with all defaults.
    """
    faults = []
    for key, stage in recipe.stages.items():
        if stage.validation is None:
            continue
        metric, measure = stage.validation.metric, measure_in(stages[key])
        what = None if metric is None else unscorable(metric)
        if what is not None:
            wrong = f"{measure!r} cannot score held-out samples; {what}"
            faults.append(Fault(name, f"stages.{key}.validation.metric", wrong))
        if measure in stage.evaluation:
            wrong = "is the name of what the validation measures; take another key, and name the benchmark with 'use'"
            faults.append(Fault(name, f"stages.{key}.{FOLDER}.{measure}", wrong))
    return faults
