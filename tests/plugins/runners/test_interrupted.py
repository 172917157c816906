"""Processes that are killed or asked to end: the same command goes on, to the same bits."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "data" / "interrupted.py"

SETTINGS = """
batch_size = 4
save_steps = 2
learning_rate = 1e-2
epochs = 2"""


@pytest.fixture(scope="module")
def ended(small: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the interrupted trainings, and how each of them ended."""
    folder = tmp_path_factory.mktemp("interrupted")
    stage = small.partition("[stages.second]")[0].replace("batch_size = 4", SETTINGS.strip(), 1)
    (folder / "small.toml").write_text(stage)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    subprocess.run([sys.executable, SCRIPT, "small.toml", folder], env=environment, check=True)  # noqa: S603 - our own
    return folder, json.loads((folder / "ended.json").read_text())


def outcome(folder: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """Give all that was learned, and the metrics without the speed."""
    files = {path.name: path.read_bytes() for path in (folder / "first" / "model").iterdir()}
    lines = [json.loads(line) for line in (folder / "first" / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("samples_per_second")
    return files, lines


def test_a_training_that_is_killed_three_times_ends_with_the_same_bits(ended: tuple[Path, dict[str, Any]]) -> None:
    folder, how = ended
    assert how["whole"]["code"] == 0, how["whole"]["told"]
    assert [each["code"] for each in how["killed"]] == [-signal.SIGKILL] * 3 + [0], how["killed"]
    assert outcome(folder / "killed") == outcome(folder / "whole")


@pytest.mark.parametrize("kind", ["sigterm", "sigint"])
def test_a_training_that_is_asked_to_end_saves_says_so_and_goes_on(
    ended: tuple[Path, dict[str, Any]], kind: str
) -> None:
    folder, how = ended
    stopped, again = how[kind]
    assert stopped["code"] == 2, stopped["told"]
    assert "error: stage 'first': interrupted at step 4; run it again to resume" in stopped["told"]
    assert "Traceback" not in stopped["told"]
    assert again["code"] == 0, again["told"]
    assert "first: resumes from step 4" in again["told"]
    assert outcome(folder / kind) == outcome(folder / "whole")
