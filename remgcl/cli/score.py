"""``remgcl score``: score predictions from any source by a published rule."""

from __future__ import annotations

import json
import os
import sys
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

RuleSettings = Annotated[
    list[str],
    typer.Option("--metric-set", metavar="KEY=VALUE", help="Set a field of the rule, such as threshold=0.5."),
]


def score(  # noqa: PLR0913 - the options of a command
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule; remgcl parts metrics lists them.")],
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS.json", help="A JSON list, or JSON lines, of objects with prediction and answers."
        ),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="SCORES.json", help="The file for the scores of all items.")
    ] = None,
    settings: RuleSettings = [],  # noqa: B006 - typer copies it
    benchmark: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take the true answers from this benchmark's files.")
    ] = None,
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder of the benchmark.")] = Path(),
) -> None:
    """Score predictions by a published rule; print the summary, or all scores."""
    from attrs import asdict

    from remgcl import Engine
    from remgcl.core.evaluation.joined import join
    from remgcl.core.evaluation.score import score_answers, score_file
    from remgcl.core.evaluation.task import make_task
    from remgcl.core.files.whole import write, writing

    engine = Engine.installed()
    metric = engine.part("metrics", rule, settings, "--metric-set")
    if benchmark is None:
        report = score_file(rule, metric, predictions)
    else:
        part = engine.part("benchmarks", benchmark)
        task = make_task(benchmark, part, lambda *_: metric, data, shown=False)
        report = score_answers(rule, metric, join(predictions, part, task.questions))
    if out is None:
        sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
        return
    with writing(out):
        source = {
            "file": os.path.relpath(predictions.resolve(), out.resolve().parent),
            "sha256": sha256(predictions.read_bytes()).hexdigest(),
        }
        text = json.dumps({**report, "settings": asdict(metric), "predictions": source}, ensure_ascii=False, indent=1)
        write(out, f"{text}\n".encode())
    sys.stdout.write(json.dumps({"rule": rule, "summary": report["summary"]}, ensure_ascii=False, indent=1) + "\n")
