"""The scripts that measure: they run, and what they compare gives the same numbers."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import __main__ as script
from bench import gpu, local_loss, naive, preprocessing, scoring, stop_words
from bench.comparison import Row, Spread, alternate
from bench.report import page


@pytest.fixture
def _one_thread() -> object:
    """Give torch its threads back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_one_thread")
def test_a_quick_run_measures_everything_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--quick"])
    monkeypatch.setattr(script, "PAGE", tmp_path / "performance.md")

    script.main()

    told = capsys.readouterr().out
    rows = [line for line in told.splitlines() if line.startswith("| ")]
    assert [row.split()[1] for row in rows] == [
        "what",
        "JPEG",
        "JPEG",
        "JPEG",
        "stop-word",
        "step",
        "step",
        "refined-local",
        "scores",
        "scores",
        "scores",
    ]
    assert "wrong positions: naive 0, remgcl 0" in told
    assert not (tmp_path / "performance.md").exists()


@pytest.mark.parametrize("rule", scoring.PLAIN)
def test_the_plain_form_of_a_rule_gives_the_same_scores(rule: str) -> None:
    case = scoring.make(quick=True)
    scores = case.ours(rule)
    assert case.plain(rule) == scores
    assert 0 < sum(scores) < len(scores)


@pytest.mark.slow
def test_every_rule_scores_100_000_predictions_in_10_seconds_of_a_core() -> None:
    case = scoring.make(quick=False)
    assert {rule: took for rule in case.metrics if (took := case.seconds(rule)) > scoring.LIMIT} == {}


def test_both_masks_of_stop_words_are_the_exact_one() -> None:
    """Ids of bytes are small, so that the naive convolution rounds nothing."""
    case = stop_words.make(quick=True)

    exact = case.exact()

    assert exact.any()
    assert not exact.all()
    assert (case.ours() == exact).all()
    assert (case.naive() == exact).all()


def test_the_tokenizer_trained_on_the_spot_gives_a_text_back() -> None:
    text = "The sign is about, however, a cafe; it isn't open. " * 4
    tokenizer = stop_words.trained(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_both_local_losses_and_their_gradients_agree() -> None:
    case = local_loss.make(quick=True)

    slow, slow_gradients = case.naive(), case.gradients()
    fast, fast_gradients = case.ours(), case.gradients()

    assert fast.item() == pytest.approx(slow.item(), abs=1e-5)
    for one, other in zip(fast_gradients, slow_gradients, strict=True):
        assert other.abs().max() > 0
        assert (one - other).norm() <= 1e-4 * other.norm()


def test_both_ways_of_preprocessing_give_the_same_pixels() -> None:
    case = preprocessing.make(quick=True)

    exact = preprocessing.normalise(case.ours("exact"))

    assert exact.shape == (3, 32, 32)
    assert np.abs(exact - case.naive()).max() < 1e-5


def test_ways_are_timed_in_turns_after_a_warm_up() -> None:
    calls: list[str] = []

    times = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, turns=2, warm_up=1)

    assert calls == ["a", "b"] * 3
    assert [len(times[name].values) for name in "ab"] == [2, 2]


def test_the_page_tells_ratios_of_turns_and_whether_goals_are_reached() -> None:
    naive, ours = Spread((2.0, 9.0, 4.0)), Spread((1.0, 3.0, 1.0))
    added = Spread((1.0, 1.0, 1.0)), Spread((1.02, 1.08, 1.04))
    rows = [
        Row(what="reached", naive=naive, ours=ours, goal=3),
        Row(what="short", naive=naive, ours=ours, goal=3.5),
        Row(what="once", naive=Spread((6.0,)), ours=ours, goal=None, differences="measured once"),
        Row(what="added", naive=added[0], ours=added[1], goal=0.05, added=True),
        Row(what="too much", naive=added[0], ours=added[1], goal=0.01, added=True),
    ]

    lines = [line for line in page(rows, 1).splitlines() if line.startswith("| ")][1:]

    assert lines == [
        "| reached | 4 s | 1 s | 3.00 (2.50 to 3.50) | at least 3 | yes |  |",
        "| short | 4 s | 1 s | 3.00 (2.50 to 3.50) | at least 3.5 | no |  |",
        "| once | 6 s | 1 s | 6.00 (4.00 to 6.00) | none |  | measured once |",
        "| added | 1 s | 1.04 s | +4.0% (+3.0% to +6.0%) | at most +5% | yes |  |",
        "| too much | 1 s | 1.04 s | +4.0% (+3.0% to +6.0%) | at most +1% | no |  |",
    ]


def test_the_step_on_a_gpu_runs_small_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.gpu", "--small", "--batch=2", "--steps=1"])
    gpu.main()
    told = capsys.readouterr().out
    assert [line.split()[1] for line in told.splitlines() if line.startswith("│")] == ["none", "three"]
    assert float(told.rpartition("eager against sdpa: logits differ by at most ")[2]) < 1e-5


def test_without_a_gpu_the_large_setting_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench.gpu"])
    with pytest.raises(SystemExit, match="2"):
        gpu.main()
    assert "there is no GPU; --small runs on the CPU" in capsys.readouterr().err


def test_the_naive_filter_is_the_published_one(recorded: Path) -> None:
    """Even where that misses words."""
    words = [entry["llama_ids"] for entry in json.loads((recorded / "stopwords_list.json").read_text())]
    recorded = json.loads((recorded / "p14" / "stopwords.json").read_text())
    labels, used = torch.tensor(recorded["labels"]), torch.tensor(recorded["used"], dtype=torch.bool)
    supervised = labels >= 0
    assert not torch.equal(used, torch.tensor(recorded["exact"], dtype=torch.bool))
    assert torch.equal(naive.stop_mask(labels, words)[supervised], used[supervised])
