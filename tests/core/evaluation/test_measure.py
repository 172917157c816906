"""What is measured on held-out samples, and which metrics can."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from remgcl import Answer, Answered, DataError, Engine, FaultsError, Metric, Recipe, Sample
from remgcl.core.evaluation.measure import Measure, measure_in, unscorable
from remgcl.core.evaluation.picture import GREEN, RED, draw
from remgcl.core.evaluation.stage import unmeasurable
from tests.small_recipe import RECIPE

Ask = Callable[..., Sample]


@pytest.fixture
def anls(engine: Engine) -> Measure:
    """A measure by the rule of a metric."""
    return Measure(name="anls", metric=engine.part("metrics", "anls"))


@pytest.fixture
def small(engine: Engine, tmp_path: Path) -> Callable[..., Recipe]:
    """Read the small recipe, whose first stage has held-out samples, with overrides."""
    file = tmp_path / "small.toml"
    file.write_text(RECIPE)
    return lambda *overrides: engine.read(file, overrides)


def answered(ask: Ask, *said: str) -> list[Answered]:
    """Answer "harbour" in several ways."""
    return [Answered(ask("harbour", size=None), each) for each in said]


def test_without_a_metric_it_is_exact_match(ask: Ask) -> None:
    assert Measure().of(answered(ask, "harbour", "Harbour", "harbor", " harbour\n")) == 0.5
    assert Measure().right(answered(ask, "harbour")[0])
    assert not Measure().right(answered(ask, "Harbour")[0])


def test_with_a_metric_it_is_the_metrics_headline(anls: Measure, ask: Ask) -> None:
    said = answered(ask, " Harbour\n", "harbor", "x")
    assert anls.of(said) == pytest.approx((1 + 6 / 7) / 3)
    assert [anls.right(each) for each in said] == [True, False, False]


@pytest.mark.parametrize("with_metric", [False, True])
def test_nothing_answered_measures_nothing(anls: Measure, *, with_metric: bool) -> None:
    assert (anls if with_metric else Measure()).of([]) is None


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0.25, 1, "25.0% before, [bold]100.0%[/] after"),
        (None, 0.5, "an unknown score before, [bold]50.0%[/] after"),
        (0.5, 133.333, "0.5 before, [bold]133.3[/] after"),
        (-0.5, 1.0, "-0.5 before, [bold]1[/] after"),
    ],
)
def test_shares_are_told_in_percent_and_other_values_as_they_are(
    before: float | None, after: float, told: str, anls: Measure
) -> None:
    record = {"held_out": 6, "before": before, "after": after}
    assert anls.told(record) == f"anls on 6 held-out samples: {told}"
    assert Measure().told(record) == f"exact match on 6 held-out samples: {told}"


def test_its_name_is_read_off_the_stage() -> None:
    assert measure_in({}) == measure_in({"validation": {"data": {}}}) == "exact_match"
    assert measure_in({"validation": {"metric": {"use": "anls", "threshold": 0.5}}}) == "anls"


def test_what_a_picture_shows_in_green_is_right_by_the_metric(anls: Measure, ask: Ask) -> None:
    sample = Answered(ask("harbour"), "HARBOUR")
    pictures = [draw([sample], right) for right in (anls.right, Measure().right)]
    colours = [{colour for _, colour in picture.getcolors(1 << 20)} & {GREEN, RED} for picture in pictures]  # type: ignore[arg-type]
    assert colours == [{GREEN}, {RED}]


@pytest.mark.parametrize(
    "name",
    [
        "anls",
        "anls-m4c",
        "exact",
        "gqa",
        "multimodalocr-2023",
        "ocrbench",
        "pope",
        "relaxed",
    ],
)
def test_rules_that_need_a_text_and_its_truth_can_score_held_out_samples(name: str, engine: Engine) -> None:
    assert unscorable(engine.part("metrics", name)) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("judge", "review: must be the text of a judge; there is none"),
        ("ocrbench-v2", "question_type: must be a type of OCRBench v2; it is 'None', there is "),
        ("vqa-evalai", "answers: must be 10 texts; there are 1"),
        ("vqa-official", "with one true answer, right and wrong ones both score 0"),
        ("mme", "image 0: must have two questions; there are 1"),
    ],
)
def test_rules_that_need_more_are_refused_with_the_reason(
    name: str, why: str, engine: Engine, small: Callable[..., Recipe]
) -> None:
    recipe = small(f"stages.first.validation.metric={name}")
    assert (unscorable(engine.part("metrics", name)) or "").startswith(why)
    with pytest.raises(FaultsError) as raised:
        engine.check(recipe, "small.toml")
    start = f"small.toml: stages.first.validation.metric: {name!r} cannot score held-out samples; {why}"
    assert str(raised.value).startswith(start)


def test_an_unknown_metric_is_refused_with_the_nearest_name(small: Callable[..., Recipe]) -> None:
    with pytest.raises(FaultsError, match=r"no part 'anl' among the metrics; did you mean 'anls'\?"):
        small("stages.first.validation.metric=anl")


def test_an_evaluation_may_not_have_the_name_of_the_metric(engine: Engine, small: Callable[..., Recipe]) -> None:
    evaluation = 'stages.first.evaluation={ anls = { use = "synthetic", samples = 1 } }'
    recipe = small("stages.first.validation.metric=anls", evaluation)
    (fault,) = unmeasurable(recipe, "small.toml", engine.table(recipe)["stages"])
    assert str(fault) == (
        "small.toml: stages.first.evaluation.anls: is the name of what the validation measures; "
        "take another key, and name the benchmark with 'use'"
    )
    other = small("stages.first.validation.metric=exact", evaluation)
    assert unmeasurable(other, "small.toml", engine.table(other)["stages"]) == []


@frozen(kw_only=True)
class Odd(Metric):
    """A metric that refuses a truth, and sums up to no number."""

    def fault(self, answer: Answer) -> str | None:
        """Refuse one truth."""
        return "answers: must not be 'harbour'" if "harbour" in answer.answers else None

    def score(self, answer: Answer) -> float:
        """Return the same for all."""
        del answer
        return 1.0

    def summary(self, answers: Sequence[Answer], scores: Sequence[Any]) -> Mapping[str, Any]:
        """Return no headline."""
        del answers
        return {"count": len(scores)}


def test_a_sample_that_the_metric_refuses_is_named(ask: Ask) -> None:
    sample = answered(ask, "harbour")[0]
    with pytest.raises(
        DataError,
        match=rf"^held-out sample {sample.sample.id!r}: metric 'odd' cannot score it; answers: must not be 'harbour'$",
    ):
        Measure(name="odd", metric=Odd()).of([sample])


def test_a_metric_without_a_headline_is_refused() -> None:
    assert unscorable(Odd()) == "score: must be a number; the summary holds None"
