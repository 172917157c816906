"""The quickstart really learns, and a killed run goes on: minutes, so only where slow tests are asked for."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "remgcl", "run", "recipes/quickstart.toml"]

pytestmark = pytest.mark.slow


def test_it_reads_numbers_it_has_never_seen(tmp_path: Path) -> None:
    begun = time.monotonic()
    command = [*COMMAND, "--folder", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert ran.returncode == 0, ran.stderr
    results = json.loads((tmp_path / "remgcl" / "stage.json").read_text())["results"]
    print(f"\n{ran.stdout}\n{time.monotonic() - begun:.0f} s in all")  # noqa: T201 - for the reader of the log
    assert results["exact_match"]["held_out"] >= 200
    assert results["exact_match"]["after"] >= 0.75
    first = json.loads((tmp_path / "pretrain" / "stage.json").read_text())["results"]
    assert first["exact_match"]["before"] < 0.05
    scores = json.loads((tmp_path / "remgcl" / "evaluation" / "synthetic" / "scores.json").read_text())
    table = {cell: group["score"] for cell, group in scores["by"]["type x height"].items()}
    assert len(table) == 16
    learned = [table[f"digits, 3 long x {height}"] for height in (20, 25, 30)]
    assert sum(learned) / 3 >= 0.7
    assert all(table[f"words, 3 long x {height}"] < 0.2 for height in (14, 20, 25, 30))  # it has learned digits only
    with Image.open(tmp_path / "remgcl" / "answers.png") as picture:
        assert picture.format == "PNG"


def test_a_killed_run_goes_on_behind_its_finished_stages(tmp_path: Path) -> None:
    small = [f"--set=stages.{stage}.data.samples=64" for stage in ("pretrain", "finetune")]
    command = [*COMMAND, *small, "--set=stages.remgcl.data.samples=96", "--folder", str(tmp_path)]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)  # noqa: S603 - our own program
    finished = tmp_path / "finetune" / "stage.json"
    deadline = time.monotonic() + 300
    while not finished.exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    before = (tmp_path / "finetune" / "model" / "projector.safetensors").read_bytes()
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert ran.returncode == 0, ran.stderr
    assert "finetune: finished already" in ran.stdout
    assert "remgcl: 96 samples" in ran.stdout
    assert (tmp_path / "finetune" / "model" / "projector.safetensors").read_bytes() == before
