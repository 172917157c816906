"""The report of a comparison: an HTML page, Markdown, LaTeX and CSV, from the same tables."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from remgcl.core.evaluation.comparison.compare import Column, Comparison
from remgcl.core.evaluation.comparison.tables import method_of, tables_of
from remgcl.core.evaluation.scored import Item, Scored
from remgcl.core.evaluation.view.cards import Card, FindRegions, as_script
from remgcl.core.evaluation.view.images import Frame, Shown
from remgcl.core.evaluation.view.view import FOLDER as CARDS
from remgcl.core.evaluation.view.view import FindPictures, Watch, not_found, shown_of
from remgcl.core.files.whole import write, writing
from remgcl.core.parts.benchmark import Picture
from remgcl.core.tables.csv import csv_of
from remgcl.core.tables.latex import PACKAGES
from remgcl.core.tables.latex import table_lines as latex_lines
from remgcl.core.tables.markdown import escaped, table_lines
from remgcl.core.tables.page import page

TEMPLATE = Path(__file__).with_name("comparison.html.jinja")
PAGE = "comparison.html"

MOST = 50
"""Most questions that the Markdown shows of a benchmark; the page and the CSV hold all."""


@frozen(kw_only=True)
class Report:
    """A comparison that was written.

    Attributes:
        files: The files.
        missing: Why images are missing, by name.
    """

    files: tuple[Path, ...]
    missing: Mapping[str, str]


def write_comparison(  # noqa: PLR0913 - what is shown, and how
    comparison: Comparison,
    folder: Path,
    find: FindPictures,
    *,
    frame: Frame,
    regions: FindRegions | None = None,
    watch: Watch | None = None,
) -> Report:
    """Write the report of a comparison, each file whole or not at all.

    Args:
        comparison: The comparison.
        folder: Where to; it is made.
        find: Finds the images of an evaluation.
        frame: How images are shown.
        regions: Finds regions of images whose predictions carry none.
        watch: Sees the progress of the images.

    Raises:
        RunError: The folder cannot be written.
    """
    pictures: dict[str, Picture] = {}
    cards = [card for column in comparison.columns for card in _cards(column, find, pictures)]
    shown, missing = shown_of(pictures, frame, watch)
    for card in cards:
        first = next(iter(card.replies.values()))
        if first.image and not card.picture:
            missing[f"{card.benchmark}/{first.image}"] = not_found(first)
    files = dict(_files(comparison, cards, shown, regions))
    with writing(folder):
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write(folder / name, content)
    return Report(files=tuple(folder / name for name in files if "/" not in name), missing=missing)


def _files(
    comparison: Comparison, cards: Sequence[Card], shown: Mapping[str, Shown], regions: FindRegions | None
) -> Iterator[tuple[str, bytes]]:
    """Make the content of each file."""
    title = f"{', '.join(comparison.labels)} compared"
    tables, method = tables_of(comparison), list(method_of(comparison))
    data = as_script(cards, shown, regions)
    yield PAGE, page(TEMPLATE, CARDS, title=title, tables=tables, method=method, count=len(cards), data=data).encode()
    embedded = {name: each for name, each in shown.items() if each.url.startswith("data:")}
    names = {name: f"pictures/{place}.webp" for place, name in enumerate(embedded)}
    links = {name: names.get(name, each.url) for name, each in shown.items()}
    lines = [f"# {escaped(title)}"]
    for table in tables:
        lines += ["", f"## {escaped(table.title)}", "", *table_lines(table)]
    lines += ["", "## How to read the tables", "", *(f"* {escaped(each)}" for each in method)]
    yield "comparison.md", "\n".join([*lines, *_changed(comparison, cards, links)]).encode(errors="replace") + b"\n"
    tex = [
        line for table in tables for line in latex_lines(table, table.heads, f"{table.title}. {' '.join(method[:2])}")
    ]
    yield "comparison.tex", "\n".join([PACKAGES, *tex, ""]).encode(errors="replace")
    yield "scores.csv", _scores(comparison).encode(errors="replace")
    yield "questions.csv", _questions(comparison, cards).encode(errors="replace")
    used = {card.picture for card in _first(cards)}
    for name, file in names.items():
        if name in used:
            yield file, base64.b64decode(embedded[name].url.partition(",")[2])


def _cards(column: Column, find: FindPictures, pictures: dict[str, Picture]) -> Iterator[Card]:
    """Make a card of each question that changed, and collect its image."""
    having = {entrant.label: entrant.scored for entrant in column.entrants if entrant.scored is not None}
    changed = column.changed
    if not changed:
        return
    first = next(iter(having.values()))
    images = find(first)
    for place in changed:
        replies = {label: scored.items[place] for label, scored in having.items()}
        picture, name = images.get(first.items[place].id), ""
        if picture is not None:
            name = str(picture.file) if picture.file is not None else f"{first.benchmark}/{picture.name}"
            pictures.setdefault(name, picture)
        yield Card(benchmark=column.title, replies=replies, picture=name, tags=tuple(_tags(replies)))


def _tags(replies: Mapping[str, Item]) -> Iterator[str]:
    """Say which models are better and worse than the first."""
    (_, first), *others = replies.items()
    for label, item in others:
        if first.score is not None and item.score is not None and first.score != item.score:
            yield f"{label} is {'better' if item.score > first.score else 'worse'}"


def _first(cards: Sequence[Card]) -> list[Card]:
    """Keep the first cards of each benchmark."""
    counts: dict[str, int] = {}
    kept = []
    for card in cards:
        counts[card.benchmark] = counts.get(card.benchmark, 0) + 1
        if counts[card.benchmark] <= MOST:
            kept.append(card)
    return kept


def _changed(comparison: Comparison, cards: Sequence[Card], links: Mapping[str, str]) -> Iterator[str]:
    """List the questions that changed, in Markdown."""
    shown = _first(cards)
    for column in comparison.columns:
        count = len(column.changed)
        if not count:
            continue
        yield from ("", f"## {escaped(column.title)}: {count:,} questions changed", "")
        if count > MOST:
            yield from (f"The first {MOST} of them; `{PAGE}` and `questions.csv` hold all.", "")
        for card in (card for card in shown if card.benchmark == column.title):
            first = next(iter(card.replies.values()))
            yield f"* **{escaped(first.id)}** {escaped(str(first.line.get('prompt', first.line.get('question', ''))))}"
            if card.picture in links:
                yield from ("", f"  ![{escaped(first.image)}]({links[card.picture]})", "")
            for label, item in card.replies.items():
                score = item.line.get("score") if item.score is None else f"{item.score:.3g}"
                yield f"    * {escaped(label)} ({score}): {escaped(item.prediction)}"
            yield f"    * truth: {escaped(' | '.join(dict.fromkeys(first.answers)))}"


def _scores(comparison: Comparison) -> str:
    """Write a row for each benchmark and model, in full precision."""
    head = ["benchmark", "rule", "questions", "model", "score", "low", "high"]
    head += ["difference", "difference_low", "difference_high", "better", "worse", "p", "digest"]
    rows = []
    for column in comparison.columns:
        for entrant in column.entrants:
            scored, against = entrant.scored, entrant.against
            if scored is None:
                continue
            row: list[object] = [column.title, column.rule, column.count, entrant.label, scored.headline]
            row += entrant.interval or (None, None)
            row += [None] if against is None else [against.difference]
            row += (against and against.interval) or (None, None)
            row += [None] * 3 if against is None else [against.better, against.worse, against.p]
            rows.append([*row, _digest(scored)])
    return csv_of(head, rows)


def _digest(scored: Scored) -> object:
    questions = scored.protocol.get("questions", {})
    return scored.protocol.get("digest") or (questions.get("sha256") if isinstance(questions, Mapping) else None)


def _questions(comparison: Comparison, cards: Sequence[Card]) -> str:
    """Write a row for each question that changed."""
    head = ["benchmark", "id", "type", "image", "prompt", "answers"]
    head += [f"{what} {label}" for label in comparison.labels for what in ("score", "reply")]
    rows = []
    for card in cards:
        first = next(iter(card.replies.values()))
        row: list[object] = [card.benchmark, first.id, first.type, first.image, first.line.get("prompt")]
        row.append(" | ".join(first.answers))
        for label in comparison.labels:
            item = card.replies.get(label)
            row += [None, None] if item is None else [item.score, item.prediction]
        rows.append(row)
    return csv_of(head, rows)
