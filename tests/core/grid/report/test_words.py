"""How numbers are written."""

import pytest

from remgcl.core.grid.report.words import Scale, duration, pace
from remgcl.core.grid.statistics import estimate

PERCENT = Scale.of("exact_match", [0.0, 0.5, 1.0])


def test_a_metric_whose_values_all_lie_between_0_and_1_is_written_in_percent() -> None:
    assert Scale(share=True, decimals=1) == PERCENT
    assert (PERCENT.unit, PERCENT.points) == (" (%)", " points")
    assert PERCENT.value(0.6349) == "63.5"
    assert PERCENT.signed(0.031) == "+3.1"
    assert PERCENT.signed(-0.031) == "−3.1"


@pytest.mark.parametrize(
    ("values", "text"),
    [([0.5, 1.5], "1.500"), ([-0.1, 0.5], "0.5000"), ([12.345], "12.35"), ([1234.5], "1,234"), ([0.0, -0.0], "0.0")],
)
def test_another_metric_is_written_with_four_digits_of_its_largest(values: list[float], text: str) -> None:
    assert Scale.of("exact_match", values).value(max(values)) == text


def test_a_metric_without_a_value_has_a_scale() -> None:
    assert Scale.of("exact_match", []) == Scale(share=False, decimals=0)


def test_zero_has_no_minus() -> None:
    assert PERCENT.value(-0.0001) == "0.0"
    assert PERCENT.signed(-0.0001) == "+0.0"


def test_means_and_differences_have_their_interval_where_there_is_one() -> None:
    found = estimate([0.02, 0.04, 0.06])
    assert PERCENT.mean(found) == "4.0 ± 5.0"
    assert PERCENT.difference(found) == "+4.0 [−1.0, +9.0]"
    assert PERCENT.mean(estimate([0.5])) == "50.0"
    assert PERCENT.difference(estimate([0.5])) == "+50.0"
    assert PERCENT.mean(estimate([])) == PERCENT.difference(estimate([])) == "–"


@pytest.mark.parametrize(
    ("seconds", "text"), [(9.96, "10.0 s"), (90, "1.5 min"), (5400, "1.5 h"), (3.6e7, "10,000.0 h")]
)
def test_a_time_has_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("speed", "text"), [(0.1234, "0.123"), (12.34, "12.3"), (1234.5, "1,234")])
def test_a_pace_has_three_digits_at_least(speed: float, text: str) -> None:
    assert pace(speed) == text


@pytest.mark.parametrize("metric", ["terms.language", "seconds", "samples_per_second"])
def test_a_loss_and_a_time_are_no_shares_however_small(metric: str) -> None:
    assert Scale.of(metric, [0.25, 0.5]) == Scale(share=False, decimals=4)
