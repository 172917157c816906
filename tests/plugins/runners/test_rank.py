"""One process of several: it tells why it ended, and ends when it hangs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HANGING = """
import sys, threading
from pathlib import Path
from remgcl.plugins.runners.deepspeed import DeepSpeed
from remgcl.plugins.runners.rank import Watchdog

how, error = sys.argv[1:]
runner = DeepSpeed(first_timeout=0.2 if how == "first" else 60.0, timeout=0.2)
watchdog = Watchdog(runner, Path(error), 1)
if how == "never":
    watchdog.beat(7)
    threading.Event().wait(1.5)  # not watched: nothing has begun
    with watchdog.awake(), watchdog.asleep():
        threading.Event().wait(1.5)  # nor while something takes long
    raise SystemExit(0)
with watchdog.awake():
    if how == "later":
        watchdog.beat(7)
    threading.Event().wait(60)
"""


@pytest.mark.parametrize(("how", "step"), [("first", 0), ("later", 7)])
def test_a_process_that_hangs_tells_its_step_and_ends(tmp_path: Path, how: str, step: int) -> None:
    error = tmp_path / "rank-1.error"
    ended = subprocess.run([sys.executable, "-c", HANGING, how, error], check=False, timeout=50)  # noqa: S603 - our own
    assert ended.returncode == 75
    assert error.read_text() == f"no progress for 0.2 s at step {step}; another rank may have failed"


def test_what_may_take_long_is_not_watched(tmp_path: Path) -> None:
    error = tmp_path / "rank-1.error"
    ended = subprocess.run([sys.executable, "-c", HANGING, "never", error], check=False)  # noqa: S603 - our own
    assert ended.returncode == 0
    assert not error.exists()


@pytest.mark.parametrize(
    ("made", "code", "told"),
    [
        ((), 2, "run: stage 'first' was not begun"),
        (("recipe.toml",), 2, "recipe.toml: "),
    ],
)
def test_a_rank_that_cannot_begin_tells_why(
    tmp_path: Path, small: str, made: tuple[str, ...], code: int, told: str
) -> None:
    run = tmp_path / "run"
    (run / "first" / "ranks").mkdir(parents=True)
    (run / "recipe.toml").write_text(
        "name = 3" if made else small.replace('"local"', '"deepspeed"').replace(", threads = 1", "")
    )
    command = [sys.executable, "-m", "remgcl.plugins.runners.rank", run, "first"]
    ended = subprocess.run(command, env={**os.environ, "RANK": "1"}, check=False)  # noqa: S603 - our own
    assert ended.returncode == code
    assert told in (run / "first" / "ranks" / "rank-1.error").read_text()
    assert not (run / "first" / "ranks" / "rank-1.pid").exists()
