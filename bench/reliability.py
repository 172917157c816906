"""Runs that are killed, checkpoints that are damaged, ranks that hold different batches.

    python -m bench.reliability [--kills 50] [--steps 200]

Does all of it with a tiny model, says how it went, and writes
`docs/reliability.md`. Needs DeepSpeed for the last part.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image, ImageDraw
from rich.console import Console

from bench.report import keeping, setting
from remgcl import Engine, RunFolder
from remgcl.core.files.manifest import flaw

REPORT = Path(__file__).parents[1] / "docs" / "reliability.md"

RECIPE = """
name = "reliability"

[vision_tower]
use = "tiny"
size = [32, 32]
channels = [4, 8]
strides = [[4, 4], [4, 4]]

[projector]
use = "mlp2x_gelu"

[backbone]
use = "tiny"
width = 16
layers = 1
heads = 2
mlp = 24

[stages.only]
template = { use = "v1", system = "" }
train = ["vision_tower", "projector", "backbone"]
learning_rate = 1e-3
logging_steps = 5
losses = { global = { learned = true }, sliding-window = {}, refined-local = {} }
"""

KILLED = """
[runner]
use = "local"
cpu = true
threads = 1
"""


def recipe_of(folder: Path, text: str) -> Path:
    """Write a recipe.

    Args:
        folder: Where to.
        text: What is added to the shared part.
    """
    path = folder / "recipe.toml"
    path.write_text(RECIPE + text, encoding="utf-8")
    return path


def result_of(run: Path) -> dict[str, bytes]:
    """Read what a finished run learned.

    Args:
        run: Its folder.
    """
    stage = run / "only"
    files = [*stage.glob("model/*.safetensors"), *stage.glob("losses/*")]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def train(recipe: Path, run: Path) -> None:
    """Run a recipe in this process, quietly.

    Args:
        recipe: Its file.
        run: The run's folder.
    """
    engine = Engine.installed()
    engine.run(engine.read(recipe), RunFolder(run), Console(quiet=True), str(recipe))


def kills(folder: Path, times: int) -> dict[str, object]:
    """Kill a run at random moments until it was killed often enough, and let it finish.

    Each attempt is a fork of this process, so that a kill meets the training
    and not the import of torch.

    Args:
        folder: For its files.
        times: How often to kill.
    """
    data = f"data = {{ use = 'synthetic', samples = {24 * times}, length = 3 }}\nbatch_size = 2\nsave_steps = 1\n"
    recipe = recipe_of(folder, f"{data}{KILLED}")
    train(recipe, folder / "whole")
    moments = random.Random(0)
    run, killed, steps, unresumable = folder / "killed", 0, [0], 0
    while killed < times:
        child = os.fork()
        if child == 0:
            train(recipe, run)
            os._exit(0)
        marks = run / "only" / "checkpoints"
        _wait(partial(_went_on, marks, steps[-1], child), 120)
        time.sleep(moments.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            unresumable += os.WEXITSTATUS(status) != 0
            break
        killed += 1
        steps.append(_newest(marks))
    train(recipe, run)
    return {
        "kills": killed,
        "could not go on": unresumable,
        "steps at the kills": f"{steps[1]} to {steps[-1]} of {12 * times}",
        "result equals that of a run never killed": result_of(run) == result_of(folder / "whole"),
    }


def flaws(run: Path) -> dict[str, object]:
    """Damage every file of a checkpoint in every way, and see whether that is noticed.

    Args:
        run: A folder with a checkpoint.
    """
    stage = RunFolder(run).stage("only")
    checkpoints = stage.checkpoints
    place = checkpoints.at(checkpoints.steps()[0])
    facts = {"run": checkpoints.run, "step": checkpoints.steps()[0]}
    counted: Counter[str] = Counter()
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        flipped = bytes([whole[len(whole) // 2] ^ 1]).join([whole[: len(whole) // 2], whole[len(whole) // 2 + 1 :]])
        damages: dict[str, Callable[[], object]] = {
            "removed": path.unlink,
            "truncated": lambda path=path, whole=whole: path.write_bytes(whole[:-1]),  # type: ignore[misc]
            "flipped": lambda path=path, flipped=flipped: path.write_bytes(flipped),  # type: ignore[misc]
        }
        for how, damage in damages.items():
            damage()
            counted["damages"] += 1
            counted["noticed"] += flaw(place, facts) is not None
            counted[f"files {how}"] += 1
            path.write_bytes(whole)
    return {**counted, "the untouched one is valid": flaw(place, facts) is None}


def hangs(folder: Path, zero: int, steps: int) -> dict[str, object]:
    """Train on 2 ranks that hold different batches: text alone, up to 2 images, up to 60 regions.

    Args:
        folder: For its files.
        zero: The ZeRO stage.
        steps: How many steps.
    """
    _draw_records(folder, 4 * steps)
    data = f"data = {{ use = 'llava_json', path = '{folder}/records.json', images = '{folder}' }}\nbatch_size = 2\n"
    runner = f"[runner]\nuse = 'deepspeed'\nzero = {zero}\ncpu = true\nfirst_timeout = 300\ntimeout = 120\n"
    recipe = recipe_of(folder, data + runner)
    begun = time.monotonic()
    run = folder / f"zero-{zero}"
    ended = subprocess.run(  # noqa: S603 - this program
        [sys.executable, "-m", "remgcl", "run", str(recipe), "--folder", str(run)],
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        sys.stderr.write(ended.stdout + ended.stderr)
    metrics = run / "only" / "metrics.jsonl"
    done = json.loads(metrics.read_text(encoding="utf-8").splitlines()[-1])["step"] if metrics.exists() else 0
    return {"exit code": ended.returncode, "steps done": done, "seconds": round(time.monotonic() - begun)}


def _draw_records(folder: Path, count: int) -> None:
    """Write records of every kind: a third without an image, others with none to 60 regions."""
    draw = random.Random(1)
    records = []
    for place in range(count):
        said = " ".join(draw.choice(["one", "two", "three", "four", "the", "of"]) for _ in range(draw.randint(1, 20)))
        record: dict[str, object] = {"id": f"r{place}"}
        asked = "Read."
        if draw.random() < 2 / 3:
            asked = "<image>\nRead."
            name = f"{place % 50}.png"
            if not (folder / name).exists():
                image = Image.new("RGB", (60, 40), "white")
                ImageDraw.Draw(image).text((5, 10), str(place), fill="black")
                image.save(folder / name)
            record["image"] = name
            record["regions"] = [_region(draw) for _ in range(draw.choice([0, 0, 1, 5, 60]))]
        record["conversations"] = [{"from": "human", "value": asked}, {"from": "gpt", "value": said}]
        records.append(record)
    (folder / "records.json").write_text(json.dumps(records), encoding="utf-8")


def _region(draw: random.Random) -> dict[str, object]:
    left, top = draw.uniform(0, 40), draw.uniform(0, 25)
    right, low = left + draw.uniform(1, 20), top + draw.uniform(1, 15)
    quad = [[left, top], [right, top], [right, low], [left, low]]
    return {"text": draw.choice(["one", "two", "", "a longer line"]), "quad": quad, "confidence": draw.random()}


def _newest(checkpoints: Path) -> int:
    steps = [path.name.removeprefix("step-") for path in checkpoints.glob("step-*")]
    return max((int(step) for step in steps if step.isdecimal()), default=0)


def _gone(child: int) -> bool:
    """Return whether a process has ended, without taking its status."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _went_on(checkpoints: Path, step: int, child: int) -> bool:
    return _newest(checkpoints) > step or _gone(child)


def _wait(until: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        time.sleep(0.01)


def report(parts: dict[str, dict[str, object]]) -> str:
    """Word what was found, as a page of the documentation.

    Args:
        parts: What was found, by what was done.
    """
    lines = [
        "# Reliability",
        "",
        "Written by `python -m bench.reliability`: runs that are killed, checkpoints that are damaged, and ranks that",
        "hold different batches, all with a tiny model.",
        "",
        setting(("remgcl", "torch", "transformers", "deepspeed")),
        "",
    ]
    for title, found in parts.items():
        lines += [f"## {title}", "", "| what | found |", "|---|---|"]
        lines += [f"| {what} | {_word(value)} |" for what, value in found.items()]
        lines += [""]
    return "\n".join(lines)


def _word(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def main() -> None:
    """Do all of it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--kills", type=int, default=50, help="how often a run is killed")
    asked.add_argument("--steps", type=int, default=200, help="steps on 2 ranks")
    asked.add_argument("--zero", type=int, nargs="*", default=[0, 2, 3], help="ZeRO stages")
    asked.add_argument("--out", type=Path, default=REPORT, help="the page to write")
    options = asked.parse_args()
    with TemporaryDirectory() as held:
        folder = Path(held)
        parts = {f"A run killed {options.kills} times (SIGKILL)": kills(folder, options.kills)}
        parts["Every file of a checkpoint damaged"] = flaws(folder / "whole")
        for zero in options.zero:
            title = f"{options.steps} steps on 2 ranks with unequal batches, ZeRO {zero}"
            parts[title] = hangs(folder, zero, options.steps)
            shutil.rmtree(folder / f"zero-{zero}", ignore_errors=True)
    options.out.write_text(keeping(options.out, report(parts)), encoding="utf-8")
    Console(soft_wrap=True, highlight=False, markup=False).print(options.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
