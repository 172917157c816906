"""A model evaluated on a benchmark: asked, perhaps judged, scored, and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from remgcl.core.errors import RequestError, RunError
from remgcl.core.evaluation.asking import Ask, Patience, ask_all
from remgcl.core.evaluation.record import REVIEWS, EvaluationFolder
from remgcl.core.evaluation.score import plain
from remgcl.core.evaluation.task import Task, fields_of, grouped
from remgcl.core.files.images import ImageFolder
from remgcl.core.parts import BenchmarkQuestion, ChatModel, ChatReply, ChatRequest
from remgcl.core.parts.benchmark import filled
from remgcl.core.runs.provenance import provenance

if TYPE_CHECKING:
    from PIL.Image import Image

Watch = Callable[[int, int], None]
"""Is called with how many questions are answered, and how many there are."""

SHOWN = 5
"""Most questions without an answer that an error names."""


@frozen(kw_only=True)
class Share:
    """Which of the questions a process answers.

    Attributes:
        process: Which process this is, from 1.
        processes: How many there are.
    """

    process: int = 1
    processes: int = 1

    def __contains__(self, place: int) -> bool:
        """Return whether the question at a place is this process's."""
        return place % self.processes == self.process - 1


def evaluate(  # noqa: PLR0913 - a model, a task, and how to go about it
    task: Task,
    model: ChatModel,
    folder: EvaluationFolder,
    *,
    judge: ChatModel | None = None,
    watch: Watch | None = None,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """Ask what is not answered yet, and score all answers once there are all.

    Args:
        task: The questions and their protocol.
        model: The chat model.
        folder: Where answers and scores go; a folder that an interrupted evaluation left is resumed.
        judge: The chat model that judges, where the protocol has a judge.
        watch: Sees the progress.
        patience: How long to go on where there is no reply.

    Returns:
        The content of `scores.json`.

    Raises:
        RequestError: The protocol needs a judge, or images of a model that takes none.
        RunError: The folder is of another evaluation, or questions have no answer; what was answered is kept.
    """
    begin(task, model, folder, judge)
    finished = folder.finished()
    if finished is not None:
        return finished
    answer(task, model, folder, watch=watch, patience=patience)
    return score(task, model, folder, judge=judge, watch=watch, patience=patience)


def begin(task: Task, model: ChatModel, folder: EvaluationFolder, judge: ChatModel | None = None) -> None:
    """Verify that a task can be asked, and make or resume its folder.

    Args:
        task: The questions and their protocol.
        model: The chat model.
        folder: Where answers go.
        judge: The chat model that judges.

    Raises:
        RequestError: The protocol needs a judge, or images of a model that takes none.
        RunError: The folder is of another evaluation.
    """
    if task.protocol.judge and judge is None:
        raise RequestError(f"benchmark {task.benchmark!r}: protocol {task.name!r} needs a judge; name it by --judge")
    if not model.sees and any(question.picture for question in task.questions):
        raise RequestError(f"model {model.model!r}: takes no images, and benchmark {task.benchmark!r} shows some")
    folder.begin(task.record, _named(model, judge))


def _named(model: ChatModel, judge: ChatModel | None) -> dict[str, Any]:
    judging = {"judge": judge.identity()} if judge else {}
    return {"name": model.model, "identity": model.identity(), **judging}


def answer(  # noqa: PLR0913 - a model, a task, and how to go about it
    task: Task,
    model: ChatModel,
    folder: EvaluationFolder,
    *,
    share: Share | None = None,
    watch: Watch | None = None,
    patience: Patience | None = None,
) -> None:
    """Ask the questions of a share that are not answered yet, those of similar length together.

    Args:
        task: The questions and their protocol.
        model: The chat model.
        folder: Where answers go; it was begun.
        share: Which of the questions; all by default.
        watch: Sees the progress.
        patience: How long to go on where there is no reply.

    Raises:
        RunError: Questions have no answer; what was answered is kept.
    """
    share = share or Share()
    done = folder.answered(task.prompts)
    mine = [question for place, question in enumerate(task.questions) if place in share]
    left = [question for question in mine if question.id not in done]
    left.sort(key=lambda question: (question.picture is None, len(task.prompts[question.id])))
    by_id = {question.id: question for question in left}
    answered = len(mine) - len(left)

    def heard(id_: str, reply: ChatReply) -> None:
        nonlocal answered
        folder.add(_prediction(task, by_id[id_], reply), share.process)
        answered += 1
        if watch is not None:
            watch(answered, len(mine))

    if watch is not None:
        watch(answered, len(mine))
    if left:
        failed = ask_all(model, (_ask(task, question) for question in left), heard, patience)
        if share.processes == 1:
            folder.fail(failed)
        _raise(failed, len(mine), "answer")


def _raise(failed: Mapping[str, str], count: int, what: str) -> None:
    if failed:
        shown = "\n".join(f"question {id_!r}: {error}" for id_, error in list(failed.items())[:SHOWN])
        raise RunError(
            f"{shown}\n{len(failed):,} of {count:,} questions have no {what}, so nothing is scored; "
            "the same command asks them again"
        )


def _ask(task: Task, question: BenchmarkQuestion) -> Ask:
    def make() -> ChatRequest:
        text = task.prompts[question.id]
        image = image_of(question)
        shown = [{"type": "image", "image": image}] if image is not None else []
        return _request(task, [*shown, {"type": "text", "text": text}])

    return question.id, make


def _request(task: Task, content: Any) -> ChatRequest:  # noqa: ANN401 - a text or parts
    protocol = task.protocol
    system = [{"role": "system", "content": protocol.system}] if protocol.system is not None else []
    return ChatRequest(
        messages=[*system, {"role": "user", "content": content}],
        max_new_tokens=protocol.max_new_tokens,
        temperature=protocol.temperature,
        top_p=protocol.top_p,
        seed=protocol.seed,
        stop=protocol.stop,
    )


def image_of(question: BenchmarkQuestion) -> Image | None:
    """Open the image of a question.

    Args:
        question: The question.

    Raises:
        DataError: It is missing, or no image.
    """
    picture = question.picture
    if picture is None:
        return None
    if picture.file is not None:
        folder = ImageFolder(path=picture.file.parent, follow_links=True)
        return folder.load(picture.file.name)[0]
    return ImageFolder(path=Path()).decode(picture.name, picture.content() if picture.content else b"")


def _prediction(task: Task, question: BenchmarkQuestion, reply: ChatReply) -> dict[str, Any]:
    """Make the line of an answer."""
    regions = [{"text": region.text, "quad": region.quad} for region in question.regions]
    return {
        "id": question.id,
        "prompt": task.prompts[question.id],
        "prediction": reply.text.strip() if task.protocol.strip else reply.text,
        **({"reasoning": reply.reasoning} if reply.reasoning else {}),
        "finish": reply.finish,
        "usage": asdict(reply.usage),
        **fields_of(question),
        **({"regions": regions} if regions else {}),
    }


def score(  # noqa: PLR0913 - a model, a task, and how to go about it
    task: Task,
    model: ChatModel,
    folder: EvaluationFolder,
    *,
    judge: ChatModel | None = None,
    watch: Watch | None = None,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """Score all answers, once there are all, and write them down.

    Args:
        task: The questions and their protocol.
        model: The chat model that answered.
        folder: Where answers and scores are.
        judge: The chat model that judges, where the protocol has a judge.
        watch: Sees the progress of judging.
        patience: How long to go on where there is no reply.

    Raises:
        RunError: Questions have no answer or no review.
        DataError: The answers do not make a whole.
    """
    lines = folder.answered(task.prompts)
    missing = [question.id for question in task.questions if question.id not in lines]
    if missing:
        _raise(dict.fromkeys(missing, "was not asked"), len(task.questions), "answer")
    if task.protocol.judge and judge is not None:
        _review(task, judge, folder, lines, watch=watch, patience=patience)
    answers = [
        task.answer(question, line["prediction"], **{key: line[key] for key in REVIEWED if key in line})
        for question, line in ((question, lines[question.id]) for question in task.questions)
    ]
    scores = [task.metric.score(each) for each in answers]
    summary = task.metric.summary(answers, scores)
    ordered = [lines[question.id] for question in task.questions]
    unparsed = [
        not (line.get("review_finish") == "refused" or task.metric.readable(each))
        for line, each in zip(ordered, answers, strict=True)
    ]
    report = {
        "benchmark": task.benchmark,
        "protocol": task.record,
        "model": _named(model, judge),
        "summary": plain(summary),
        "by": plain(grouped(task, {q.id: s for q, s in zip(task.questions, scores, strict=True)})),
        **_counts(ordered, unparsed),
        "versions": provenance(),
    }
    marks = zip(ordered, scores, unparsed, strict=True)
    return folder.finish(({**line, "score": plain(each), "unparsed": bad} for line, each, bad in marks), report)


def _counts(lines: Iterable[Mapping[str, Any]], unparsed: list[bool]) -> dict[str, Any]:
    """Count answers that could not be parsed, were cut or refused, or that the judge refused, and what they took."""
    held = list(lines)
    return {
        "count": len(held),
        "unparsed": sum(unparsed),
        "cut": sum(line["finish"] == "length" for line in held),
        "refused": sum(line["finish"] == "refused" for line in held),
        "reviews_refused": sum(line.get("review_finish") == "refused" for line in held),
        "usage": {
            name: sum(line["usage"][name] for line in held) for name in ("prompt_tokens", "completion_tokens", "images")
        },
    }


def _review(  # noqa: PLR0913 - a judge, a task, and how to go about it
    task: Task,
    judge: ChatModel,
    folder: EvaluationFolder,
    lines: dict[str, dict[str, Any]],
    *,
    watch: Watch | None,
    patience: Patience | None,
) -> None:
    """Have a judge review every answer, and put the reviews into the lines."""
    prompts = {
        id_: filled(str(task.protocol.judge), {**line, "prompt": line["prompt"]}, "judge")
        for id_, line in lines.items()
    }
    reviews = folder.answered(prompts, REVIEWS)
    left = [id_ for id_ in prompts if id_ not in reviews]

    def heard(id_: str, reply: ChatReply) -> None:
        text = "" if reply.finish == "refused" else reply.text
        line = {"id": id_, "prompt": prompts[id_], "prediction": text, "finish": reply.finish, "model": reply.model}
        folder.add(line, kind=REVIEWS)
        reviews[id_] = line
        if watch is not None:
            watch(len(reviews), len(prompts))

    if left:
        failed = ask_all(judge, ((id_, _judged(prompts[id_])) for id_ in left), heard, patience)
        folder.fail(failed)
        _raise(failed, len(prompts), "review")
    for id_, line in lines.items():
        line |= {"review": reviews[id_]["prediction"], "review_finish": reviews[id_]["finish"]}


REVIEWED = "review", "review_finish"
"""Keys of a line that a judge's review brings."""

REVIEW_TOKENS = 1024
"""Longest review of a judge in tokens."""


def _judged(prompt: str) -> Callable[[], ChatRequest]:
    return lambda: ChatRequest(messages=[{"role": "user", "content": prompt}], max_new_tokens=REVIEW_TOKENS)
