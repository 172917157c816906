"""``remgcl answer``: answer a file of questions, as LLaVA's `model_vqa` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from remgcl.cli.asking import (
    Base,
    Conv,
    Device,
    Dtype,
    MaxNewTokens,
    Run,
    Seed,
    Stage,
    Temperature,
    TopP,
    Tower,
    loaded,
)


def answer(  # noqa: PLR0913 - the options of a command
    run: Run,
    *,
    questions: Annotated[Path, typer.Option(metavar="Q.jsonl", help="Lines with question_id, image and text.")],
    out: Annotated[Path, typer.Option(metavar="A.jsonl", help="The file of answers; continued if it exists.")],
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="The folder of the images.")] = Path(),
    batch_size: Annotated[int, typer.Option(metavar="N", min=1, help="Questions answered at once.")] = 8,
    part: Annotated[
        str | None, typer.Option(metavar="I/N", help="Answer the I-th of N parts only, for several machines.")
    ] = None,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes that divide the questions, each with its own GPU.")
    ] = 1,
    stage: Stage = None,
    conv: Conv = None,
    base: Base = None,
    tower: Tower = None,
    max_new_tokens: MaxNewTokens = None,
    temperature: Temperature = 0.0,
    top_p: TopP = 1.0,
    seed: Seed = None,
    device: Device = None,
    dtype: Dtype = None,
) -> None:
    """Answer a file of questions about images, in order; the same command resumes an interrupted file.

    If an image cannot be read, its answer is empty and its metadata holds the error.
    """
    from attrs import asdict

    from remgcl import ImageFolder
    from remgcl.cli.answer_parts import answer_in_parts, parsed
    from remgcl.core.inference.answer_all import answer_questions
    from remgcl.core.inference.answer_file import AnswerFile, part_of, read_questions
    from remgcl.inference import Decoding

    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed)
    which, parts = parsed(part)
    every = read_questions(questions)
    if processes > 1:
        answer_in_parts(out, processes, sys.argv[1:], whole=part is None)
        return
    model = loaded(run, stage=stage, template=conv, base=base, tower=tower, device=device, dtype=dtype)
    settings = {name: value for name, value in asdict(decoding).items() if name != "stop"}
    metadata = {"stage": model.stage, "template": repr(model.template), "decoding": settings}
    chosen = part_of(every, which, parts)
    failed = answer_questions(
        model,
        chosen,
        images=ImageFolder(path=images, follow_links=True),
        file=AnswerFile(out, model.name, metadata),
        decoding=decoding,
        batch_size=batch_size,
        report=lambda done, bad: typer.echo(f"{done} of {len(chosen)} answered, {bad} of them with an error", err=True),
    )
    typer.echo(f"{len(chosen)} answers are in {out}")
    if failed:
        typer.secho(f"{failed} questions could not be answered; their metadata say why", fg="yellow", err=True)
