"""Measure everything, and write the page: `python -m bench`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import torch

from bench import local_loss, preprocessing, scoring, stop_words, training_step
from bench.report import keeping, page

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    """Measure, print, and write the page unless it was quick."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure remgcl against the plainest way.")
    parser.add_argument("--quick", action="store_true", help="small sizes, seconds, and no page: do the scripts work?")
    quick: bool = parser.parse_args().quick
    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    torch.set_num_threads(threads)
    rows = []
    for measured in (preprocessing, stop_words, training_step, local_loss, scoring):
        print(measured.__name__, file=sys.stderr)
        rows += measured.measure(measured.make(quick=quick), quick=quick)
    text = page(rows, threads)
    print(text)
    if not quick:
        PAGE.write_text(keeping(PAGE, text), encoding="utf-8")


if __name__ == "__main__":
    main()
