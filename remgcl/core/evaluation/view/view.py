"""One page of the predictions of evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from remgcl.core.errors import DataError
from remgcl.core.evaluation.scored import SCORES, Item, Scored, items_of, read_lines, read_scored
from remgcl.core.evaluation.view.cards import Card, FindRegions, as_script, tags_of
from remgcl.core.evaluation.view.images import Frame, Shown, show_all
from remgcl.core.parts.benchmark import BenchmarkQuestion, Picture
from remgcl.core.tables.page import page

FOLDER = Path(__file__).parent
"""The folder of the templates of cards."""

TEMPLATE = FOLDER / "view.html.jinja"

FindPictures: TypeAlias = Callable[[Scored], Mapping[str, Picture]]
"""Gives the image of each question of an evaluation that is there, by the question's id."""

Watch: TypeAlias = Callable[[int, int], None]
"""Is called with how many images are done, and how many there are."""


def read_predictions_to_view(path: Path) -> list[Scored]:
    """Read what a page shows: evaluations, or a file of predictions that perhaps was never scored.

    Args:
        path: A folder of `remgcl eval`, a file of scores, or a file of predictions.

    Raises:
        DataError: There are none, or they were changed since they were scored.
    """
    if path.is_dir() or path.name == SCORES:
        return read_scored(path)
    if path.is_file() and path.with_name(SCORES).exists():
        beside = read_scored(path.with_name(SCORES))
        if beside[0].predictions.resolve() == path.resolve():
            return beside
    if not path.exists():
        raise DataError(f"{path}: does not exist; a folder of remgcl eval or a file of predictions is due")
    lines = read_lines(path)
    if len(lines) == 1 and isinstance(lines[0].get("predictions"), Mapping):
        return read_scored(path)
    if not lines:
        raise DataError(f"{path}: holds no prediction")
    return [
        Scored(
            path=path,
            predictions=path,
            benchmark=path.stem,
            protocol={},
            model="",
            identity=None,
            headline=None,
            items=items_of(lines),
        )
    ]


def is_question(question: BenchmarkQuestion, item: Item) -> bool:
    """Return whether a benchmark's question is the one that was asked; with other settings it may only have its id.

    Args:
        question: The question, as the benchmark reads it now.
        item: What was asked.
    """
    own = item.line.get("regions") or []
    regions = [{"text": region.text, "quad": [list(corner) for corner in region.quad]} for region in question.regions]
    asked = item.line.get("question", question.text), item.line.get("answers", []), own
    return asked == (question.text, list(question.answers), regions)


def not_found(item: Item) -> str:
    """Say that there is no image of a question.

    Args:
        item: The question.
    """
    return f"image {item.image!r}: was not found; name its folder by --data, or the benchmark's --benchmark-set"


def pictures_of(
    evaluations: Sequence[Scored], find: FindPictures
) -> tuple[dict[str, Picture], dict[tuple[int, str], str]]:
    """Find the images of questions, each once.

    Args:
        evaluations: The evaluations.
        find: Finds the images of one.

    Returns:
        The images by name, and the name of each question's, by the place of the evaluation and the question's id.
    """
    pictures: dict[str, Picture] = {}
    names: dict[tuple[int, str], str] = {}
    for place, scored in enumerate(evaluations):
        for id_, picture in find(scored).items():
            name = str(picture.file) if picture.file is not None else f"{scored.benchmark}/{picture.name}"
            pictures.setdefault(name, picture)
            names[place, id_] = name
    return pictures, names


def shown_of(
    pictures: Mapping[str, Picture], frame: Frame, watch: Watch | None
) -> tuple[dict[str, Shown], dict[str, str]]:
    """Show images and report the progress.

    Args:
        pictures: The images.
        frame: How they are shown.
        watch: Sees the progress.
    """
    done = 0

    def found() -> None:
        nonlocal done
        done += 1
        if watch is not None:
            watch(done, len(pictures))

    return show_all(pictures, frame, found)


def view(
    evaluations: Sequence[Scored],
    find: FindPictures,
    frame: Frame,
    *,
    regions: FindRegions | None = None,
    watch: Watch | None = None,
) -> tuple[str, dict[str, str]]:
    """Write the page of predictions.

    Args:
        evaluations: What the page shows.
        find: Finds the images of an evaluation.
        frame: How images are shown.
        regions: Finds regions of images whose predictions carry none.
        watch: Sees the progress of the images.

    Returns:
        The page, and why images are missing from it.
    """
    pictures, names = pictures_of(evaluations, find)
    shown, missing = shown_of(pictures, frame, watch)
    for place, scored in enumerate(evaluations):
        unknown = [item for item in scored.items if item.image and (place, item.id) not in names]
        missing |= {f"{scored.benchmark}/{item.image}": not_found(item) for item in unknown}
    several = len({scored.model for scored in evaluations}) > 1
    cards = [
        Card(
            benchmark=f"{scored.model} · {scored.title}" if several else scored.title,
            replies={scored.model: item},
            picture=names.get((place, item.id), ""),
            tags=tags_of(item),
        )
        for place, scored in enumerate(evaluations)
        for item in scored.items
    ]
    title = ", ".join(dict.fromkeys(scored.model or scored.title for scored in evaluations))
    text = page(TEMPLATE, title=title, about=list(_about(evaluations)), data=as_script(cards, shown, regions))
    return text, missing


def _about(evaluations: Sequence[Scored]) -> Iterator[str]:
    """Say what is shown, and by which protocol it was scored."""
    for scored in evaluations:
        if not scored.protocol:
            yield f"{scored.path.name}: {len(scored.items):,} predictions, not scored by remgcl eval."
            continue
        score = "no score" if scored.headline is None else f"score {scored.headline:.4g}"
        rule = scored.protocol.get("metric", {}).get("use")
        named = f"{scored.model}, " if scored.model else ""
        yield f"{named}{scored.title}: {score} by rule {rule}, {len(scored.items):,} questions."
