"""Plans of grids: every cell checked first, every different stage found once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from remgcl import Engine, FaultsError, RecipeError, RunError
from remgcl.core.grid.plan import GridPlan, plan_grid, read_grid
from remgcl.plugins.datasets.synthetic import Synthetic

Read = Callable[..., GridPlan]


@pytest.fixture
def plan(engine: Engine, write_grid: Callable[[str], Path]) -> Read:
    """Plan a grid of the small recipe."""
    return lambda text, *overrides: plan_grid(engine, read_grid(engine, write_grid(text), overrides))


def told(plan: Read, text: str) -> list[str]:
    """Tell the faults of a grid, without its folder."""
    with pytest.raises(FaultsError) as raised:
        plan(text)
    return [line.rpartition("/")[2] for line in str(raised.value).splitlines()]


def test_cells_with_one_seed_share_the_stages_that_do_not_differ(plan: Read) -> None:
    planned = plan('seeds = [0, 1]\n[axes]\nlosses = [[], ["global"], ["sliding-window"]]')
    assert [member.label for member in planned.members][2:4] == ["losses=sliding-window, seed 0", "losses=none, seed 1"]
    assert len(planned.units) == 2 + 6
    assert len({member.units["pretrain"] for member in planned.members}) == 2
    assert len({member.last for member in planned.members}) == 6
    places = list(planned.units)
    assert all(
        unit.before is None or places.index(unit.before) < places.index(key) for key, unit in planned.units.items()
    )


def test_the_seed_is_that_of_the_base_where_the_grid_has_none(plan: Read) -> None:
    assert [member.seed for member in plan("").members] == [3]


def test_a_stage_has_the_recipe_that_leads_to_it_alone(plan: Read) -> None:
    for unit in plan("").units.values():
        assert list(unit.recipe.stages)[-1] == unit.stage


def test_stages_that_no_cell_needs_are_not_trained(plan: Read, file: Path) -> None:
    stage = '[stages.aside]\ntemplate = "plain"\ntrain = ["projector"]\nmax_length = 128\ndata = "synthetic"\n'
    file.write_text(file.read_text().replace("[stages.tune]", f"{stage}[stages.tune]"))
    assert [unit.stage for unit in plan("").units.values()] == ["pretrain", "tune"]


def test_stop_words_are_no_reason_to_train_a_stage_without_losses_again(plan: Read) -> None:
    planned = plan('[axes]\nwords = [{ label = "all" }, { label = "some", set = { text_filter = "stopwords" } }]')
    assert [unit.stage for unit in planned.units.values()] == ["pretrain", "tune", "tune"]


def test_another_runner_or_number_of_processes_is_another_stage(plan: Read) -> None:
    planned = plan('[axes]\nrunner = ["local", "deepspeed", { use = "deepspeed", processes = 4 }]')
    assert len({member.last for member in planned.members}) == 3


@pytest.mark.parametrize(
    ("axes", "keys"),
    [
        ('"name" = ["a", "b"]\nlosses = [[], ["global"]]', ["axes.name"]),
        ('"runner.trackers" = [[], ["tensorboard"]]\n"name" = ["a", "b"]', ["axes.runner.trackers", "axes.name"]),
    ],
)
def test_an_axis_that_changes_nothing_is_told(plan: Read, axes: str, keys: list[str]) -> None:
    assert told(plan, f"[axes]\n{axes}") == [
        f"grid.toml: {key}: changes no input of a stage, so all its cells are the same; leave it out" for key in keys
    ]


def test_an_axis_may_change_some_cells_alone_or_have_one_value(plan: Read) -> None:
    planned = plan('[axes]\nlosses = [[], ["global"]]\n"losses.global.weight" = [0.5, 1.0]\n"name" = ["a"]')
    assert len({member.last for member in planned.members}) == 3


def test_data_that_cells_share_are_looked_at_once(plan: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    census = Synthetic.census
    monkeypatch.setattr(Synthetic, "census", lambda data: asked.append(data) or census(data))
    plan('[axes]\nlosses = [[], ["global"], ["sliding-window"]]')
    assert len(asked) == 2


def test_a_cell_that_cannot_be_built_is_told_before_any_is_trained(plan: Read) -> None:
    assert told(plan, '[axes]\n"projector.use" = "*"\nepochs = [1, 2]') == [
        (
            "grid.toml: cell 'projector=identity, epochs=1' and 1 more: projector: projector: identity needs "
            "one width; the tower has 8, the backbone 16"
        )
    ]


def test_faults_of_all_cells_are_told_at_once_and_each_once(plan: Read) -> None:
    faults = told(plan, '[axes]\nlosses = [["globl"], ["global"]]\nepochs = [0, 1]\nbatch_size = [0]')
    assert sorted(faults) == [
        "grid.toml: cell 'losses=globl, epochs=0, batch_size=0' and 1 more: stages.tune.epochs: must be > 0: 0.0",
        (
            "grid.toml: cell 'losses=globl, epochs=0, batch_size=0' and 1 more: stages.tune.losses.globl: "
            "no part 'globl' among the losses; did you mean 'global'?"
        ),
        "grid.toml: stages.tune.batch_size: must be >= 1: 0",
    ]


def test_exact_match_needs_held_out_samples(plan: Read) -> None:
    assert told(plan, 'metrics = ["exact_match"]') == [
        "grid.toml: metrics: 'exact_match' needs held-out samples; stage 'tune' has no validation"
    ]


BY_ANLS = """[set."stages.tune.validation"]
data = { use = "synthetic", samples = 2, size = 32, font = [8, 10], split = "held_out" }
metric = "anls"
"""


def test_a_grid_names_the_metric_of_held_out_samples(plan: Read) -> None:
    measured = ("anls", "anls.before", "anls.after")
    assert plan(f"metrics = {list(measured)}\n{BY_ANLS}").grid.file.metrics == measured
    assert told(plan, f'metrics = ["anl"]\n{BY_ANLS}') == [
        "grid.toml: metrics.0: 'anl' is not measured; did you mean 'anls'?"
    ]


def test_exact_match_is_not_measured_where_another_metric_is(plan: Read) -> None:
    (fault,) = told(plan, f'metrics = ["exact_match"]\n{BY_ANLS}')
    assert fault.startswith("grid.toml: metrics.0: 'exact_match' is not measured; ")
    both = '[axes]\n"stages.tune.validation.metric" = ["anls", "exact"]\n'
    assert len(plan(f'metrics = ["anls", "exact"]\n{BY_ANLS}{both}').units) == 3


def test_a_metric_that_cannot_score_held_out_samples_is_told_before_any_cell_is_trained(plan: Read) -> None:
    assert told(plan, f'metrics = ["seconds"]\n{BY_ANLS.replace("anls", "judge")}') == [
        (
            "grid.toml: stages.tune.validation.metric: 'judge' cannot score held-out samples; "
            "review: must be the text of a judge; there is none"
        )
    ]


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        ("terms.langauge", "did you mean 'terms.language'?"),
        ("sample_per_second", "did you mean 'samples_per_second'?"),
        ("seconds.first", "did you mean 'seconds'?"),
        ("terms.refined-local", "did you mean 'terms.global'?"),
        ("ocrbench.score", "there is "),
    ],
)
def test_a_metric_that_no_cell_measures_is_told_before_any_is_trained(plan: Read, metric: str, hint: str) -> None:
    (fault,) = told(plan, f'metrics = ["seconds", "{metric}"]\n[axes]\nlosses = [[], ["global"]]')
    assert fault.startswith(f"grid.toml: metrics.1: {metric!r} is not measured; {hint}")


def test_the_scores_of_the_last_stages_benchmarks_are_metrics(plan: Read) -> None:
    evaluated = '[set."stages.tune.evaluation.signs"]\nuse = "synthetic"\n[axes]\nlosses = [[], ["global"]]'
    assert (
        plan(f'metrics = ["signs.score", "signs.by.type.x.score"]\n{evaluated}').grid.file.metrics[0] == "signs.score"
    )
    (fault,) = told(plan, f'metrics = ["sign.score"]\n{evaluated}')
    assert fault.startswith("grid.toml: metrics.0: 'sign.score' is not measured; did you mean 'signs.score'?")


def test_a_metric_that_some_cell_measures_is_taken(plan: Read) -> None:
    metrics = '["terms.language", "terms.global", "terms.global.first", "samples", "seconds"]'
    assert plan(f'metrics = {metrics}\n[axes]\nlosses = [[], ["global"]]').grid.file.metrics[1] == "terms.global"


def test_a_base_that_is_not_there_is_told(plan: Read) -> None:
    with pytest.raises(RecipeError, match=r"gone\.toml: cannot be read; no such file or directory"):
        plan('base = "gone.toml"')


def test_an_executor_that_cannot_be_used_is_told(plan: Read, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(_: Any) -> None:  # noqa: ANN401 - an executor
        raise RunError("executor: needs moon, which is not installed; install it with: pip install 'remgcl[moon]'")

    monkeypatch.setattr(engine.registry.find("executors", "local"), "verify", verify)
    with pytest.raises(RunError, match=r"^executor: needs moon, which is not installed; install it with: pip install"):
        plan("")
