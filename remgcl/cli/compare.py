"""``remgcl compare``: models side by side, and question by question."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from remgcl.cli import output
from remgcl.cli.view import Data, Link, Ocr, Settings, Size


def compare(  # noqa: PLR0913 - the options of a command
    scores: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCORES", help="A folder of remgcl eval or a file of remgcl score --out, for each model."
        ),
    ],
    *,
    draws: Annotated[int, typer.Option(metavar="N", min=100, help="How often questions are drawn.")] = 5000,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the draws.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where HTML, Markdown, LaTeX and CSV go, with all changes.")
    ] = None,
    data: Data = None,
    ocr: Ocr = None,
    image_size: Size = 512,
    link: Link = False,
    benchmark_set: Settings = [],  # noqa: B006 - typer copies it
) -> None:
    """Compare models on benchmarks: scores with 95 % intervals, and differences to the first on the same questions."""
    from remgcl import Engine, verify_installed
    from remgcl.cli.evaluate_table import progress
    from remgcl.cli.tables import shown
    from remgcl.cli.view import finder, regions_of, warn
    from remgcl.core.evaluation.comparison.compare import compare as compared
    from remgcl.core.evaluation.comparison.report import PAGE, write_comparison
    from remgcl.core.evaluation.comparison.tables import method_of, tables_of
    from remgcl.core.evaluation.view.images import Frame

    verify_installed("scipy", "remgcl compare", "remgcl[report]")
    engine = Engine.installed()

    def find(use: str, settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a metric
        given = [f"{key}={json.dumps(value)}" for key, value in settings.items() if value is not None]
        return engine.part("metrics", use, given, "metric.settings")

    comparison = compared(scores, find, draws=draws, seed=seed)
    console = output.console(soft_wrap=False)
    for table in tables_of(comparison):
        console.print(shown(table, light=True))
    for line in method_of(comparison):
        console.print(line, markup=False)
    if out is None:
        return
    frame = Frame(page=out / PAGE, size=image_size, link=link)
    with progress("images") as seen:
        report = write_comparison(
            comparison, out, finder(engine, data, benchmark_set), frame=frame, regions=regions_of(ocr), watch=seen
        )
    warn(report.files, report.missing)
