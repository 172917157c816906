"""Elicitation against a scripted server: speed, kills, a busy server, a budget; composed questions, planted faults.

    python -m bench.elicitation [--quick]

Writes the sections "Elicitation" of `docs/performance.md` and `docs/reliability.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve, frozen
from PIL import Image
from rich.console import Console

from bench.chat_server import ChatServer, Said, Script
from bench.report import section
from remgcl import Candidate, ChatReply, ChatRequest, Engine, Evidence

DOCS = Path(__file__).parents[1] / "docs"

RECIPE = Path(__file__).parents[1] / "recipes" / "elicit" / "quickstart.toml"

CONCURRENCY = 64
PER_IMAGE = 10

FILE = """
name = "bench"
{budget}
images = "{images}"

[models.writer]
use = "openai"
model = "scripted"
base_url = "{url}"
concurrency = {concurrency}
images = false

[prices.writer]
input = 1.0
output = 2.0

[generators.reasoning]
per_image = {per_image}
least_lines = 0

[judges.form]
"""


@frozen
class Playing:
    """What a server in a process of its own does.

    Attributes:
        seconds: Time of a reply, 40 % more or less.
        busy: Share of 429, up to a moment.
        until: When that ends, in seconds of the clock.
        failing: Share of 500.
        dropped: Share of dropped connections.
    """

    seconds: float = 0.05
    busy: float = 0.0
    until: float = float("inf")
    failing: float = 0.0
    dropped: float = 0.0

    def __call__(self, body: dict[str, Any], _: int) -> Said:
        """Reply by chance."""
        chance = random.random()
        seconds = self.seconds * random.uniform(0.6, 1.4)
        if chance < self.busy and time.time() < self.until:
            return Said(status=429, body="{}", headers=(("retry-after", "0.5"),))
        if chance > 1 - self.failing:
            return Said(status=500, body="{}", seconds=seconds)
        if chance > 1 - self.failing - self.dropped:
            return Said(drop=True, seconds=seconds)
        asked = body["seed"]
        text = (
            f"Question: How much do {asked} and {asked + 1} of these cost?\nAnswer: They cost {2 * asked + 1} together."
        )
        return Said(text=text, seconds=seconds)


@contextmanager
def server(script: Script) -> Iterator[tuple[str, Any]]:
    """Serve in a process of its own.

    Args:
        script: What it does.

    Yields:
        The endpoint, and the number of requests that were replied to with a pair.
    """
    context = multiprocessing.get_context("spawn")
    port, count = context.Queue(), context.Value("q", 0)
    process = context.Process(target=_serve, args=(script, port, count), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port.get(timeout=60)}/v1", count
    finally:
        process.terminate()
        process.join()


def _serve(script: Script, port: Any, count: Any) -> None:  # noqa: ANN401 - of multiprocessing
    def counting(body: dict[str, Any], number: int) -> Said:
        said = script(body, number)
        count.value += said.status == 200 and not said.drop  # noqa: PLR2004 - the status of a reply
        return said

    served = ChatServer(counting, keep=False)
    asyncio.run(served.serve(lambda: port.put(served.port)))


def written(folder: Path, url: str, calls: int, *, concurrency: int = CONCURRENCY, budget: str = "") -> Path:
    """Write an elicitation file that makes so many calls.

    Args:
        folder: Where.
        url: The endpoint.
        calls: How many.
        concurrency: Calls at once.
        budget: A line with a budget.
    """
    path, pictures = folder / "bench.toml", folder / "pictures"
    pictures.mkdir()
    for place in range(calls // PER_IMAGE):
        Image.new("RGB", (64, 64), (place % 256, place // 256, 90)).save(pictures / f"{place:05}.png")
    settings = {"url": url, "images": pictures, "per_image": PER_IMAGE, "concurrency": concurrency}
    path.write_text(FILE.format(**settings, budget=budget), encoding="utf-8")
    return path


def environment(beside: Path) -> dict[str, str]:
    """Let commands keep compiled modules, as an installed package does; by default they do, some machines forbid it.

    Args:
        beside: A file or folder of a part of the benchmark; all parts share a folder for the modules.
    """
    kept = {"PYTHONPYCACHEPREFIX": str(beside.parents[1] / "compiled")}
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | kept


def run(path: Path, out: Path, *options: str) -> tuple[int, float, float, int]:
    """Run the command to its end.

    Args:
        path: The file.
        out: The folder of the data.
        options: Further options of the command.

    Returns:
        Exit code, seconds, seconds of CPU, and the most memory in bytes.
    """
    begun = time.monotonic()
    command = [sys.executable, "-m", "remgcl", "elicit", str(path), "--out", str(out), *options]
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment(out))  # noqa: S603 - our own
    _, status, used = os.wait4(running.pid, 0)
    running.returncode = os.waitstatus_to_exitcode(status)
    return running.returncode, time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read the provenance that a run wrote.

    Args:
        path: The elicitation file.
    """
    text = (path.parent / "out" / "provenance.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def speed(folder: Path, calls: int) -> dict[str, object]:
    """Run against a server that takes 50 ms, and once more when all is finished.

    Args:
        folder: Where to work.
        calls: How many calls.
    """
    with server(Playing()) as (url, count):
        path = written(folder, url, calls)
        code, seconds, cpu, memory = run(path, path.parent / "out")
        first = (path.parent / "out" / "data.json").read_bytes()
        sent = count.value
        again, quick, idle, _ = run(path, path.parent / "out")
        return {
            "calls, 50 ms ± 40 % each, 64 at once": f"{sent:,}",
            "calls/s": f"{sent / max(seconds - quick, 1e-9):,.0f} (goal: 200)",
            "CPU of a call, start and images aside": f"{1000 * (cpu - idle) / sent:.1f} ms (goal: 4)",
            "memory": f"{memory / 1e6:.0f} MB (goal: 150)",
            "a finished run again, its modules compiled: calls, seconds, seconds of CPU": (
                f"{count.value - sent}, {quick:.1f}, {idle:.1f} (goal: 0, 2)"
            ),
            "the same bytes": first == (path.parent / "out" / "data.json").read_bytes() and code == again == 0,
        }


def large(folder: Path, samples: int) -> dict[str, object]:
    """Compose 15,000 pairs about drawn images, and write the images too.

    Args:
        folder: Where to work.
        samples: How many images.
    """
    settings = (f"data.samples={samples}", f"count={3 * samples}")
    options = [part for setting in settings for part in ("--set", setting)]
    code, seconds, _, memory = run(RECIPE, folder / "out", *options)
    return {
        f"memory at {3 * samples:,} composed records, images written": f"{memory / 1e6:.0f} MB (goal: 150)",
        "their seconds": f"{seconds:.0f}",
        "they ended well": code == 0,
    }


def kills(folder: Path, calls: int, often: int) -> dict[str, object]:
    """Kill a run again and again, and let it end.

    Args:
        folder: Where to work.
        calls: How many calls.
        often: How often it is killed.
    """
    with server(Playing(busy=0.02, failing=0.01, dropped=0.01)) as (url, count):
        path = written(folder, url, calls)
        command = [sys.executable, "-m", "remgcl", "elicit", str(path), "--out", str(path.parent / "out")]
        done = 0
        for _ in range(often):
            before = count.value
            running = subprocess.Popen(  # noqa: S603 - our own command
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(path)
            )
            while running.poll() is None and count.value < before + calls // (often + 2):
                time.sleep(0.002)
            if running.poll() is None:
                os.kill(running.pid, signal.SIGKILL)
                done += 1
            running.wait()
        code, *_ = run(path, path.parent / "out")
        ids = [line["id"] for line in lines_of(path)]
        return {
            "SIGKILLs in as many calls": f"{done} in {calls:,}",
            "candidates lost": calls - len(set(ids)),
            "candidates twice": len(ids) - len(set(ids)),
            "paid twice for each kill": f"{(count.value - calls) / max(done, 1):.1f} (bound: {CONCURRENCY})",
            "the last run ended well": code == 0,
        }


def busy(folder: Path, calls: int, seconds: float) -> dict[str, object]:
    """Run against a server that refuses 30 % of the calls for a while.

    Args:
        folder: Where to work.
        calls: How many calls.
        seconds: For how long.
    """
    with server(Playing(busy=0.3, until=time.time() + seconds)) as (url, count):
        path = written(folder, url, calls)
        code, took, *_ = run(path, path.parent / "out")
        made = sum(bool(line.get("question")) for line in lines_of(path))
        return {
            f"30 % of replies are 429 for {seconds:g} s: candidates lost of {calls:,}": calls - made,
            "calls that were replied to": count.value,
            "seconds": f"{took:.0f}",
            "ended well": code == 0,
        }


def budget(folder: Path, calls: int) -> dict[str, object]:
    """Run with a budget of about a half.

    Args:
        folder: Where to work.
        calls: How many calls.
    """
    half = calls / 2 * (100 * 1.0 + 30 * 2.0) / 1e6
    with server(Playing(seconds=0.01)) as (url, count):
        path = written(folder, url, calls, budget=f"budget = {half:.6f}")
        code, *_ = run(path, path.parent / "out")
        spent = count.value * (100 * 1.0 + 30 * 2.0) / 1e6
        return {
            "budget, spent": f"{half:.4f}, {spent:.4f}",
            "exceeded": spent > half,
            "ended with code 2": code == 2,  # noqa: PLR2004 - an error that is told
        }


async def _unasked(request: ChatRequest, draw: int = 0) -> ChatReply:
    raise AssertionError((request, draw))


def composed(images: int) -> dict[str, object]:
    """Compose questions about pages, without drawing them.

    Args:
        images: How many pages.
    """
    engine = Engine.installed()
    pages = engine.part("datasets", "pages", [f"samples={images}"]).build()
    compose = engine.part("generators", "compose", ["per_image=6"])
    known = [pages[place] for place in range(images)]
    evidence = [Evidence(name=sample.id, digest=sample.id, size=(256, 256), regions=sample.regions) for sample in known]

    async def all_of() -> int:
        return sum([len(await compose(each, _unasked)) for each in evidence])

    begun = time.process_time()
    count = asyncio.run(all_of())
    took = time.process_time() - begun
    return {"composed questions": f"{count:,} of {images:,} pages, {images / took:,.0f} pages/s a core (goal: 50)"}


def faults(count: int) -> dict[str, object]:
    """Plant a fault into good pairs, and see what the judges without a model say of both.

    Args:
        count: How many pairs.
    """
    engine = Engine.installed()
    pages = engine.part("datasets", "pages", ["samples=2000", "seed=11"]).build()
    compose = engine.part("generators", "compose")
    judges = [engine.part("judges", name) for name in ("form", "grounded")]
    chance = random.Random(0)
    good: list[tuple[Evidence, Candidate]] = []

    async def passes(evidence: Evidence, candidate: Candidate) -> bool:
        return all([(await judge(evidence, candidate, _unasked)).passed for judge in judges])

    async def all_of() -> tuple[int, int]:
        for place in range(2000):
            sample = pages[place]
            evidence = Evidence(name=sample.id, digest=sample.id, size=(256, 256), regions=sample.regions)
            good.extend((evidence, made) for made in (await compose(evidence, _unasked))[:1])
            if len(good) == count:
                break
        dropped = sum([not await passes(*pair) for pair in good])
        caught = sum([not await passes(evidence, _spoilt(pair, chance)) for evidence, pair in good])
        return dropped, caught

    dropped, caught = asyncio.run(all_of())
    return {
        f"of {len(good)} good pairs dropped by `form` and `grounded`": f"{dropped} (goal: at most 5 %)",
        f"of {len(good)} planted faults caught": f"{caught} (goal: at least 95 %)",
    }


FAULTS: tuple[Callable[[Candidate, random.Random], Candidate], ...] = (
    lambda pair, _: evolve(pair, answer="I'm sorry, but I cannot see the image."),
    lambda pair, _: evolve(pair, answer=f"According to the OCR, {pair.answer}"),
    lambda pair, _: evolve(pair, question=pair.question.rstrip("?") + ". Think."),
    lambda pair, _: evolve(pair, question=f"{pair.question} And why is that?"),
    lambda pair, chance: evolve(pair, answer=f"{pair.answer} There are {chance.randint(500, 9000)} more."),
    lambda pair, _: evolve(pair, answer=f"{pair.answer} It belongs to Disney."),
    lambda pair, _: evolve(pair, answer="It is what everybody knows."),
    lambda pair, chance: evolve(pair, answer=f"{pair.answer} 20 + 30 = {chance.randint(51, 99)}."),
    lambda pair, _: evolve(pair, answer=f"Answer: {pair.answer}"),
    lambda pair, _: evolve(pair, question="\u6700\u5927\u7684\u6570\u5b57\u662f\u4ec0\u4e48?"),
)
"""What can be wrong with a pair: a refusal, the prompt in the answer, no question or two, numbers and names that are
nowhere, no text of the image, a wrong calculation, marks, another language."""


def _spoilt(pair: Candidate, chance: random.Random) -> Candidate:
    return chance.choice(FAULTS)(pair, chance)


def main() -> None:
    """Do all of it."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--quick", action="store_true", help="small, seconds, and no page")
    asked.add_argument("--calls", type=int, default=6000, help="calls of a run")
    options = asked.parse_args()
    quick: bool = options.quick
    small, calls = (20, 300) if quick else (1, options.calls)
    with TemporaryDirectory() as held:
        folders = [Path(held) / name for name in ("kills", "busy", "budget", "speed", "large")]
        for folder in folders:
            folder.mkdir()
        within = budget(folders[2], 1000 // small)
        performance = speed(folders[3], calls) | large(folders[4], 5000 // small) | composed(1000 // small)
        reliability = kills(folders[0], calls, 20 // small) | busy(folders[1], calls, 60 / small)
        reliability |= within | faults(200 // small)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for name, found in (("performance.md", performance), ("reliability.md", reliability)):
        text = section("Elicitation", "python -m bench.elicitation", found)
        console.print(text)
        if not quick:
            page = DOCS / name
            before, _, old = page.read_text(encoding="utf-8").partition("\n## Elicitation")
            _, heading, after = old.partition("\n## ")
            page.write_text(f"{before}\n{text}{heading}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
