"""``remgcl elicit``: what it prints, what it refuses, and that a killed run loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from bench.chat_server import Said, chat_server

ROOT = Path(__file__).parents[2]


def elicit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    command = [sys.executable, "-m", "remgcl", "elicit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - our own


def written(folder: Path, **settings: Any) -> Path:  # noqa: ANN401 - any TOML value
    """Write a file."""
    table = {
        "name": "made",
        "data": {"use": "pages", "samples": 8, "size": 128, "rows": [2, 3]},
        "generators": {"compose": {}},
        **settings,
    }
    path = folder / "elicit.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def model(url: str) -> dict[str, Any]:
    """Describe the server's model."""
    return {"writer": {"use": "openai", "model": "scripted", "base_url": url, "concurrency": 4}}


def test_the_shipped_quickstart_makes_data(tmp_path: Path) -> None:
    done = elicit(tmp_path, str(ROOT / "recipes" / "elicit" / "quickstart.toml"), "--limit", "20")
    assert done.returncode == 0, done.stderr
    assert "about 20 images." in done.stdout
    out = tmp_path / "elicited" / "quickstart"
    data = json.loads((out / "data.json").read_text())
    assert len(data) > 40
    assert all((out / "images" / record["image"]).is_file() for record in data)
    names = {path.name for path in out.iterdir()} - {"ledger.sqlite-wal", "ledger.sqlite-shm"}
    assert names == {
        *(
            "about.json",
            "data.json",
            "images",
            "ledger.sqlite",
            "lock",
            "provenance.jsonl",
            "questions.jsonl",
            "questions.toml",
            "regions",
        ),
        *("report.html", "report.md"),
    }


def test_a_dry_run_tells_the_cost_and_writes_nothing(tmp_path: Path) -> None:
    settings = {"generators": {"reasoning": {}}, "models": model("http://127.0.0.1:9/v1")}
    path = written(tmp_path, **settings, prices={"writer": {"input": 2.5, "output": 10.0}})
    done = elicit(tmp_path, str(path), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "8 images, repeated ones among them; at most 8 candidates" in done.stdout
    assert "reasoning" in done.stdout
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_budget_without_a_price_is_refused(tmp_path: Path) -> None:
    settings = {"generators": {"reasoning": {}}, "models": model("http://127.0.0.1:9/v1")}
    done = elicit(tmp_path, str(written(tmp_path, **settings)), "--budget", "1")
    assert done.returncode == 2
    assert "elicit.toml: prices.writer: is missing; --budget needs its input and output" in done.stderr


def test_a_typo_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    done = elicit(tmp_path, str(written(tmp_path, generators={"composse": {}})))
    assert done.returncode == 2
    assert "generators.composse: no part 'composse' among the generators; did you mean 'compose'?" in done.stderr


def test_a_budget_that_is_spent_ends_with_an_error_after_what_it_paid_for_is_written(tmp_path: Path) -> None:
    with chat_server(lambda *_: Said()) as server:
        settings = {"generators": {"reasoning": {}}, "models": model(server.url)}
        path = written(tmp_path, **settings, prices={"writer": {"input": 1000.0, "output": 2000.0}})
        out = tmp_path / "elicited" / "made"
        assert elicit(tmp_path, str(path), "--budget", "0").returncode == 2
        worst = max(
            float(json.loads(line)["why"].rpartition(" ")[2])
            for line in (out / "provenance.jsonl").read_text().splitlines()
        )
        done = elicit(tmp_path, str(path), "--budget", f"{worst + 3 * 0.16:.3f}")
    assert done.returncode == 2
    assert "elicited/made: the budget of " in done.stderr
    data = json.loads((out / "data.json").read_text())
    assert 0 < len(data) < 8


def test_changed_keys_are_told(tmp_path: Path) -> None:
    assert elicit(tmp_path, str(written(tmp_path))).returncode == 0
    done = elicit(tmp_path, str(written(tmp_path, seed=3)))
    assert "changed since the last run: seed; replies to equal calls are kept" in done.stdout


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_loses_no_reply(kind: signal.Signals, tmp_path: Path) -> None:
    with chat_server(lambda *_: Said(seconds=0.05), keep=False) as server:
        settings = {"generators": {"reasoning": {}}, "models": model(server.url)}
        path = written(tmp_path, **settings)
        path.write_text(path.read_text().replace("samples = 8", "samples = 60"))
        command = [sys.executable, "-m", "remgcl", "elicit", str(path)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        running = subprocess.Popen(  # noqa: S603 - our own command
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 60
        while server.count < 12 and time.monotonic() < deadline:
            time.sleep(0.01)
        running.send_signal(kind)
        _, told = running.communicate(timeout=60)
        before = server.count
        assert 12 <= before < 60
        if kind is signal.SIGTERM:
            assert running.returncode == 2
            assert "elicited/made: interrupted; what was replied is kept: run the command again to resume" in told
        assert elicit(tmp_path, str(path)).returncode == 0
        paid_twice = server.count - 60
        assert paid_twice <= (4 if kind is signal.SIGKILL else 0)
    data = json.loads((tmp_path / "elicited" / "made" / "data.json").read_text())
    assert len({record["id"] for record in data}) == len(data) == 60
