"""``remgcl eval``: evaluate a model on benchmarks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from remgcl import ChatModel, Engine
    from remgcl.core.evaluation.evaluate import Watch
    from remgcl.core.evaluation.record import EvaluationFolder
    from remgcl.core.evaluation.task import Task

OWN = "own"
"""The benchmark of a path."""


def evaluate(  # noqa: PLR0913 - the options of a command
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A run, a folder, a hub id, or a name for --chat.")],
    *,
    benchmark: Annotated[
        list[str],
        typer.Option(metavar="NAME[:PROTOCOL]", help="A benchmark, or a file of questions; may be repeated."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go, a folder for each benchmark.")],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Holds a folder for each benchmark, named after it.")
    ] = None,
    chat: Annotated[str, typer.Option(metavar="KIND", help="How the model is asked; see remgcl parts chat_models.")] = (
        "remgcl"
    ),
    chat_set: Annotated[
        list[str], typer.Option("--chat-set", metavar="KEY=VALUE", help="Set a field of the chat model.")
    ] = [],  # noqa: B006 - typer copies it
    benchmark_set: Annotated[
        list[str], typer.Option("--benchmark-set", metavar="KEY=VALUE", help="Set a field of the benchmarks.")
    ] = [],  # noqa: B006 - typer copies it
    judge: Annotated[
        str | None, typer.Option(metavar="KIND:MODEL", help="The chat model that judges, where a protocol needs one.")
    ] = None,
    judge_set: Annotated[
        list[str], typer.Option("--judge-set", metavar="KEY=VALUE", help="Set a field of the judge.")
    ] = [],  # noqa: B006 - typer copies it
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Ask the first N questions only; a protocol of its own.")
    ] = None,
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Processes that share the questions, each on a GPU of its own.")
    ] = 1,
    share: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Evaluate a model on benchmarks; the same command resumes where it was stopped.

    A benchmark's folder in DIR holds predictions.jsonl and, once all questions are answered, scores.json.
    """
    from remgcl import Engine
    from remgcl.cli.answer_parts import parsed
    from remgcl.cli.evaluate_table import progress, show
    from remgcl.core.evaluation.evaluate import Share, answer, begin, score
    from remgcl.core.evaluation.record import EvaluationFolder

    engine = Engine.installed()
    asked: ChatModel = engine.part("chat_models", chat, [_model(model), *chat_set], "--chat-set")
    judging = _judge(engine, judge, judge_set)
    alone = len(benchmark) == 1
    tasks = [_task(engine, named, data, benchmark_set, limit, alone=alone) for named in benchmark]
    which, parts = parsed(share)
    for named, task in zip(benchmark, tasks, strict=True):
        folder = EvaluationFolder(out / f"{task.benchmark}-{task.name}")
        if share is not None:
            answer(task, asked, folder, share=Share(process=which, processes=parts))
            continue
        begin(task, asked, folder, judging)
        scores = folder.finished()
        if scores is None:
            with progress(f"{task.benchmark}:{task.name}") as watch:
                if processes > 1:
                    again = ["eval", model, "--benchmark", named, "--out", str(out), "--chat", chat]
                    again += _repeated("--chat-set", chat_set) + _repeated("--benchmark-set", benchmark_set)
                    again += _repeated("--data", [] if data is None else [str(data)])
                    again += _repeated("--limit", [] if limit is None else [str(limit)])
                    _in_processes(processes, again, task, folder, watch)
                else:
                    answer(task, asked, folder, watch=watch)
                scores = score(task, asked, folder, judge=judging, watch=watch)
        show(scores, folder)


def _model(model: str) -> str:
    """Set the field `model`, whatever the text looks like."""
    return f"model={json.dumps(model)}"


def _repeated(option: str, values: list[str]) -> list[str]:
    return [each for value in values for each in (option, value)]


def _task(  # noqa: PLR0913 - a name, and where its parts come from
    engine: Engine, named: str, data: Path | None, settings: list[str], limit: int | None, *, alone: bool
) -> Task:
    """Make the task of a benchmark that is named on the command line."""
    from remgcl.core.evaluation.task import make_task

    path, _, protocol = named.rpartition(":") if ":" in named else (named, "", "")
    own = Path(path).suffix in {".toml", ".jsonl"}
    name = Path(path).stem if own else path
    given = [f"path={json.dumps(path)}"] if own else []
    given += [f"protocol={json.dumps(protocol)}"] if protocol else []
    given += [] if limit is None else [f"limit={limit}"]
    part: Any = engine.part("benchmarks", OWN if own else path, [*given, *settings], "--benchmark-set")
    rule = partial(engine.part, "metrics", option=f"benchmark {name!r}")
    if data is None or part.folder:
        return make_task(name, part, rule)
    return make_task(name, part, rule, data if alone and not (data / name).is_dir() else data / name)


def _judge(engine: Engine, named: str | None, settings: list[str]) -> ChatModel | None:
    from remgcl.core.errors import RequestError

    if named is None:
        return None
    kind, colon, model = named.partition(":")
    if not colon:
        raise RequestError(f"--judge: must be KIND:MODEL, such as openai:gpt-4o; it is {named!r}")
    made: ChatModel = engine.part("chat_models", kind, [_model(model), *settings], "--judge-set")
    return made


def _in_processes(processes: int, command: list[str], task: Task, folder: EvaluationFolder, watch: Watch) -> None:
    """Let processes answer a share each, and follow the files that they write."""
    from remgcl.cli.answer_parts import run_all
    from remgcl.core.errors import RunError

    shares = [[*command, "--share", f"{place}/{processes}"] for place in range(1, processes + 1)]
    codes = run_all(shares, lambda: watch(folder.count(), len(task.questions)))
    failed = [str(place) for place, code in enumerate(codes, 1) if code]
    if failed:
        raise RunError(f"{folder.path}: processes {', '.join(failed)} failed; the same command resumes")
