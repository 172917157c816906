"""``remgcl eval``: what it prints and writes, a kill, several processes, and what it refuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from remgcl.cli.evaluate_table import print_scores

SCRIPT = """
import time, os

def reply(request):
    time.sleep(float(os.environ.get("SLOW", "0")))
    with open(os.environ["ASKED"], "a") as file:
        file.write(request.question + "\\n")
    return "" if request.question.endswith(" 7?") else request.question.split()[-1].strip("?")
"""


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with thirty questions and a script that answers them."""
    (tmp_path / "script_of_eval.py").write_text(SCRIPT)
    lines = ({"id": n, "question": f"What is {n}?", "answers": [str(n)], "type": f"type {n % 2}"} for n in range(30))
    (tmp_path / "numbers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


@pytest.fixture
def command() -> Callable[..., list[str]]:
    """The command, with options."""

    def make(*options: str, out: str = "out") -> list[str]:
        fixed = ["eval", "made-up", "--chat", "scripted", "--chat-set", "function=script_of_eval:reply"]
        named = ["--benchmark", "numbers.jsonl", "--out", out]
        return [sys.executable, "-m", "remgcl", *fixed, *named, *options]

    return make


def environment(desk: Path, **more: str) -> dict[str, str]:
    """Let the script be found, and write down what it was asked."""
    path = os.pathsep.join([str(desk), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "ASKED": str(desk / "asked"), "COLUMNS": "120", **more}


def ran(command: list[str], desk: Path) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    return subprocess.run(command, cwd=desk, env=environment(desk), capture_output=True, text=True, check=False)  # noqa: S603 - our own program


def test_it_prints_scores_and_warns_of_answers_without_one(command: Callable[..., list[str]], desk: Path) -> None:
    first = ran(command(), desk)
    assert first.returncode == 0, first.stderr
    assert "numbers:plain: 0.9667 by rule exact, 30 questions" in first.stdout
    assert "warning: 1 answers hold nothing that the rule can read; they are scored as wrong" in first.stdout
    assert "type 1 " in first.stdout
    assert "answers and scores: out/numbers-plain" in first.stdout
    again = ran(command(), desk)
    assert again.stdout == first.stdout
    assert len((desk / "asked").read_text().splitlines()) == 30
    rescored = ran([sys.executable, "-m", "remgcl", "score", "ocrbench", "out/numbers-plain/predictions.jsonl"], desk)
    assert json.loads(rescored.stdout)["summary"]["score"] == pytest.approx(29 / 30)


@pytest.mark.parametrize("judge", [None, "Grade {prediction}."])
def test_it_warns_of_reviews_that_are_refused_or_cannot_be_read(judge: str | None) -> None:
    told = Console(file=StringIO(), width=120)
    protocol = {"name": "plain", "judge": judge, "metric": {"use": "judge"}}
    counts = {"count": 10, "unparsed": 2, "cut": 0, "refused": 0, "reviews_refused": 3 if judge else 0}
    print_scores(told, {"benchmark": "b", "protocol": protocol, "summary": {"score": 50.0}, "by": {}, **counts})
    assert isinstance(told.file, StringIO)
    _, *warnings = told.file.getvalue().splitlines()
    of_judge = [
        "2 reviews cannot be read; they enter no mean",
        "3 reviews are refusals of the judge; they enter no mean",
    ]
    others = ["2 answers hold nothing that the rule can read; they are scored as wrong"]
    assert warnings == [f"warning: {each}" for each in (of_judge if judge else others)]


def test_a_killed_evaluation_resumes_to_the_same_bytes_and_asks_nothing_twice(
    command: Callable[..., list[str]], desk: Path
) -> None:
    assert ran(command(out="whole"), desk).returncode == 0
    (desk / "asked").unlink()
    slow = environment(desk, SLOW="0.05")
    killed = subprocess.Popen(command(), cwd=desk, env=slow, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own program
    file = desk / "out" / "numbers-plain" / "predictions.jsonl"
    deadline = time.monotonic() + 120
    while (not file.exists() or file.read_bytes().count(b"\n") < 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    kept = file.read_bytes().count(b"\n")
    assert 3 <= kept < 30
    assert not (file.parent / "scores.json").exists()
    assert ran(command(), desk).returncode == 0
    asked = (desk / "asked").read_text().splitlines()
    assert len(asked) - 30 <= 1  # one was under way, and had no answer yet
    whole = desk / "whole" / "numbers-plain"
    for name in ("predictions.jsonl", "scores.json"):
        assert (file.parent / name).read_bytes() == (whole / name).read_bytes()


def test_two_processes_share_the_questions(command: Callable[..., list[str]], desk: Path) -> None:
    assert ran(command(out="whole"), desk).returncode == 0
    (desk / "asked").unlink()
    shared = ran(command("--processes", "2"), desk)
    assert shared.returncode == 0, shared.stderr
    assert len((desk / "asked").read_text().splitlines()) == 30
    files = [desk / out / "numbers-plain" / "predictions.jsonl" for out in ("out", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(path.name for path in files[0].parent.iterdir()) == ["begun.json", "predictions.jsonl", "scores.json"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--benchmark", "ocrbensh"], "no part 'ocrbensh' among the benchmarks"),
        (["--benchmark", "numbers.jsonl:short"], "benchmark 'numbers': no protocol 'short'; there is 'plain'"),
        (["--benchmark-set", "metric=exakt"], "no part 'exakt' among the metrics; did you mean 'exact'?"),
        (["--chat", "openapi"], "no part 'openapi' among the chat_models; did you mean 'openai'?"),
        (["--judge", "gpt"], "--judge: must be KIND:MODEL, such as openai:gpt-4o; it is 'gpt'"),
        (["--benchmark-set", "metric=vqa-evalai"], "question '0': answers: must be 10 texts; there are 1"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is(
    options: list[str], told: str, command: Callable[..., list[str]], desk: Path
) -> None:
    refused = ran(command(*options), desk)
    assert refused.returncode == 2
    assert told in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (desk / "asked").exists()
    assert not (desk / "out").exists()
