"""What is said of cells: means, intervals, paired differences, and when nothing can be said."""

import math
from collections.abc import Callable
from typing import TypeAlias

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_rel

from remgcl.core.grid.results import CellResult, GridResults
from remgcl.core.grid.statistics import CellSummary, compare, estimate, holm, measured, summarize

Result: TypeAlias = Callable[..., CellResult]
Grid: TypeAlias = Callable[..., GridResults]

BASELINE = {0: 0.50, 1: 0.52, 2: 0.55, 3: 0.51}
BETTER = {0: 0.60, 1: 0.63, 2: 0.64, 3: 0.62}
SHARES = st.floats(0, 1, allow_nan=False)


def by_label(results: GridResults) -> dict[str, CellSummary]:
    """Summarize a grid by label."""
    return {cell.label: cell for cell in summarize(results)}


def test_a_mean_and_its_interval_are_those_of_student() -> None:
    """By hand: mean 4, standard deviation 2, t of 0.975 at 2 degrees of freedom 4.302653."""
    found = estimate([2.0, 4.0, 6.0])
    assert found.mean == 4.0
    assert found.half == pytest.approx(4.302653 * 2 / math.sqrt(3), rel=1e-6)
    assert found.bounds == (found.mean - (found.half or 0), found.mean + (found.half or 0))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8))
def test_an_interval_is_scipys(values: list[float]) -> None:
    found = estimate(values)
    mean = sum(values) / len(values)
    scale = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    assert found.count == len(values)
    assert found.bounds == pytest.approx(
        (mean, mean) if scale == 0 else t.interval(0.95, len(values) - 1, mean, scale), abs=1e-6
    )


def test_one_seed_has_no_interval_and_no_seed_no_mean() -> None:
    one, none = estimate([0.5]), estimate([])
    assert (one.mean, one.half, one.bounds, one.count) == (0.5, None, None, 1)
    assert math.isnan(none.mean)
    assert (none.half, none.bounds, none.count) == (None, None, 0)


def test_a_difference_is_that_of_the_paired_test() -> None:
    found = compare(BETTER, BASELINE)
    true = ttest_rel(list(BETTER.values()), list(BASELINE.values()))
    assert found.p == pytest.approx(true.pvalue)
    assert found.estimate.mean == pytest.approx(0.1025)
    assert found.estimate.bounds == pytest.approx(tuple(true.confidence_interval(0.95)))


@given(st.lists(st.tuples(SHARES, SHARES), min_size=3, max_size=7))
def test_the_paired_test_is_scipys_where_differences_vary(pairs: list[tuple[float, float]]) -> None:
    differences = [one - other for one, other in pairs]
    found = compare(*(dict(enumerate(side)) for side in zip(*pairs, strict=True)))
    if max(differences) - min(differences) > 1e-6:
        assert found.p == pytest.approx(ttest_rel(*zip(*pairs, strict=True)).pvalue, rel=1e-6, abs=1e-12)


def test_only_seeds_that_both_have_are_paired() -> None:
    found = compare(BETTER | {9: 0.0}, BASELINE | {8: 1.0})
    assert found == compare(BETTER, BASELINE)
    assert found.estimate.count == 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_paired_seeds_give_no_verdict(count: int, grid: Grid) -> None:
    some = {seed: BETTER[seed] for seed in range(count)} | {7: 0.9}
    found = by_label(grid({"none": BASELINE, "some": some}))["some"].differences["exact_match"]
    assert found.estimate.count == count
    assert (found.p, found.corrected, found.distinguishable) == (None, None, None)
    assert found.verdict == f"too few seeds to tell ({count} of at least 3)"


def test_equal_results_are_not_distinguishable(grid: Grid) -> None:
    found = by_label(grid({"none": BASELINE, "same": BASELINE}))["same"].differences["exact_match"]
    assert (found.estimate.mean, found.estimate.half) == (0.0, 0.0)
    assert (found.p, found.distinguishable, found.verdict) == (1.0, False, "no")


def test_the_same_difference_in_each_seed_is_judged_by_the_sign_test(grid: Grid) -> None:
    """Rounding makes 0.4 - 0.3 another number than 0.2 - 0.1; that is no spread."""
    values = {0: 0.1, 1: 0.3, 2: 0.6, 3: 0.7}
    shifted = {seed: value + 0.1 for seed, value in values.items()}
    assert len({shifted[seed] - values[seed] for seed in values}) > 1
    found = by_label(grid({"none": values, "shifted": shifted}))["shifted"].differences["exact_match"]
    assert not found.spread
    assert found.p == 2**-3
    assert found.distinguishable is None
    assert found.verdict == "undecided: the same in every seed"


def test_the_same_difference_in_many_seeds_is_distinguishable(grid: Grid) -> None:
    values = {seed: 0.01 * seed for seed in range(6)}
    shifted = {seed: value + 0.25 for seed, value in values.items()}
    found = by_label(grid({"none": values, "shifted": shifted}))["shifted"].differences["exact_match"]
    assert found.corrected == 2**-5
    assert found.verdict == "yes"


def test_holms_correction_by_hand() -> None:
    """4 x 0.01, 3 x 0.03, then never less than what stands before."""
    assert holm([0.04, 0.01, 0.03, 0.05]) == pytest.approx([0.09, 0.04, 0.09, 0.09])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(SHARES, max_size=8))
def test_holms_correction_keeps_order_and_lies_between_none_and_bonferronis(values: list[float]) -> None:
    corrected = holm(values)
    ordered = [after for _, after in sorted(zip(values, corrected, strict=True))]
    assert ordered == sorted(ordered)
    for before, after in zip(values, corrected, strict=True):
        assert min(before, 1.0) <= after <= min(1.0, len(values) * before)


def test_a_verdict_is_that_after_the_correction_over_all_cells_compared(grid: Grid) -> None:
    doubtful = {0: 0.55, 1: 0.60, 2: 0.59, 3: 0.60}
    alone = by_label(grid({"none": BASELINE, "a": doubtful}))["a"].differences["exact_match"]
    values = {"none": BASELINE, "a": doubtful} | {f"b{i}": {0: 0.4, 1: 0.7, 2: 0.3, 3: 0.6 + i / 99} for i in range(4)}
    among = by_label(grid(values))["a"].differences["exact_match"]
    assert alone.p == alone.corrected
    assert alone.verdict == "yes"
    assert among.p == alone.p
    assert among.corrected == pytest.approx(5 * (alone.p or 0))
    assert among.verdict == "no"


def test_cells_with_too_few_seeds_do_not_count_in_the_correction(grid: Grid) -> None:
    found = by_label(grid({"none": BASELINE, "a": BETTER, "few": {0: 0.9}}))["a"].differences["exact_match"]
    assert found.corrected == found.p


def test_cells_that_are_trained_once_count_once_and_those_equal_to_the_baseline_not_at_all(grid: Grid) -> None:
    plain = grid({"none": BASELINE, "a": BETTER, "b": {seed: value / 2 for seed, value in BETTER.items()}})
    twice = grid(
        {"none": BASELINE, "none again": BASELINE, "a": BETTER, "a again": BETTER}
        | {"b": {seed: value / 2 for seed, value in BETTER.items()}}
    )
    named = evolve(
        twice,
        cells=tuple(evolve(run, digest=f"{run.label.partition(' ')[0]}{run.seed}") for run in twice.cells),
    )
    once = {label: cell.differences.get("exact_match") for label, cell in by_label(plain).items()}
    found = {label: cell.differences.get("exact_match") for label, cell in by_label(named).items()}
    same = found["none again"]
    assert (found["a"], found["a again"], found["b"]) == (once["a"], once["a"], once["b"])
    assert same is not None
    assert (same.verdict, same.corrected, same.estimate.mean) == ("the same cell", 1.0, 0.0)
    assert by_label(twice)["a"].differences["exact_match"] != once["a"]


def test_the_baseline_and_a_grid_without_one_have_no_differences(grid: Grid) -> None:
    assert by_label(grid({"none": BASELINE, "a": BETTER}))["none"].differences == {}
    cells = summarize(grid({"none": BASELINE, "a": BETTER}, baseline=None))
    assert [cell.differences for cell in cells] == [{}, {}]


@given(st.randoms(use_true_random=False))
def test_the_order_of_cells_and_seeds_does_not_matter(losses: GridResults, random: object) -> None:
    runs = list(losses.cells)
    random.shuffle(runs)  # type: ignore[attr-defined]
    assert by_label(evolve(losses, cells=tuple(runs))) == by_label(losses)


def test_only_finite_values_of_finished_seeds_are_measured(result: Result) -> None:
    runs = [
        result("a", 0, metrics={"exact_match": 0.5}),
        result("a", 1, metrics={"exact_match": math.nan}),
        result("a", 2, metrics={}),
        *(
            result("a", 3 + i, metrics={"exact_match": 0.9}, state=state)
            for i, state in enumerate(("failed", "running"))
        ),
    ]
    assert measured(runs, "exact_match") == {0: 0.5}


def test_costs_are_means_over_the_runs_that_finished(result: Result, grid: Grid) -> None:
    runs = (
        result("a", 0, seconds=10.0, samples_per_second=4.0),
        result("a", 1, seconds=20.0),
        result("a", 2, seconds=99.0, samples_per_second=99.0, state="failed"),
        result("b", 0, state="missing"),
    )
    first, second = summarize(grid({}, cells=runs))
    assert (first.seconds, first.samples_per_second) == (15.0, 4.0)
    assert (second.seconds, second.samples_per_second) == (None, None)


def test_states_are_counted(result: Result, grid: Grid) -> None:
    states = {"a": ("finished", "finished"), "b": ("finished", "failed", "running", "failed"), "c": ("missing",)}
    runs = tuple(result(label, seed, state=state) for label, held in states.items() for seed, state in enumerate(held))
    told = [cell.states for cell in summarize(grid({}, cells=runs))]
    assert told == ["2", "1 of 4 (2 failed, 1 running)", "0 of 1 (1 missing)"]
