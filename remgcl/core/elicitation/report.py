"""The report of a run, as Markdown and as one HTML page that needs nothing beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

from attrs import evolve, frozen

from remgcl.core.elicitation.jobs import Outcome
from remgcl.core.elicitation.results import Results
from remgcl.core.errors import DataError
from remgcl.core.parts import Evidence

SAMPLES = 20
"""Pairs that are shown."""

SHOWN = 360
"""Longer edge of a picture in pixels."""

LARGEST_SCALE = 3.0
"""How many times larger a small image is shown."""

TEMPLATE = Path(__file__).with_name("report.html.jinja")

REASONS = {
    "reply": "reply without a pair",
    "failed": "no reply",
    "budget": "budget spent",
    "alike": "nearly the question of another pair",
    "selector": "not chosen",
}
"""What is said of a rejection that no judge made."""


@frozen
class Table:
    """A table of the report.

    Attributes:
        title: What it shows.
        heads: Names of the columns.
        rows: The rows, as texts.
    """

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@frozen
class Shown:
    """A pair that is shown.

    Attributes:
        outcome: The pair, or what refused it.
        picture: The image with its regions as a data URL; empty if it cannot be read.
        scores: What the judges gave it.
    """

    outcome: Outcome
    picture: str
    scores: str


def sentences(results: Results) -> list[str]:
    """Say in sentences what came of a run.

    Args:
        results: What came of it.
    """
    numbers, images, money = results.numbers, results.numbers["images"], results.numbers["money"]
    facts = [
        f"{numbers['kept']:,} pairs of {numbers['candidates']:,} candidates, about {images['looked at']:,} images.",
        f"{images['without text']:,} images are without text, {images['without a candidate']:,} without a candidate.",
        f"{images['repeated']:,} more are the same as another; {len(images['unreadable']):,} cannot be read.",
    ]
    if images["not in the OCR cache"]:
        facts.append(f"{images['not in the OCR cache']:,} images are not in the OCR cache, and count as without text.")
    if money["calls"]:
        cost = "no price is known" if money["cost"] is None else f"they cost {money['cost']:.6g}"
        each = money["cost of a kept pair"]
        facts.append(
            f"{money['calls']:,} calls of chat models with {money['tokens in']:,} tokens in and "
            f"{money['tokens out']:,} out; {cost}{f', {each:.4g} a kept pair' if each is not None else ''}."
        )
    left = {kind: often for kind, often in numbers["unmade"].items() if often}
    if left:
        facts.append(
            "Not made or not judged: " + ", ".join(f"{REASONS[kind]} {often:,}" for kind, often in left.items()) + "."
        )
    return facts


def tables(results: Results) -> Iterator[Table]:
    """Return the tables of a run.

    Args:
        results: What came of it.
    """
    numbers = results.numbers
    if numbers["judges"]:
        yield Table(
            "Acceptance by judge",
            ("judge", "judged", "passed", "share", "most frequent reasons"),
            [
                (
                    key,
                    f"{tally['judged']:,}",
                    f"{tally['passed']:,}",
                    _share(tally["passed"], tally["judged"]),
                    "; ".join(f"{why} ({often:,})" for why, often in tally["reasons"].items()) or "-",
                )
                for key, tally in numbers["judges"].items()
            ],
        )
    yield Table("By type of question", ("type", "made", "kept", "share"), list(_kept(numbers["types"])))
    yield Table("By generator", ("generator", "made", "kept", "share"), list(_kept(numbers["generators"])))
    yield Table(
        "Left out otherwise",
        ("reason", "pairs"),
        [(REASONS["alike"], f"{numbers['alike']:,}"), (REASONS["selector"], f"{numbers['not chosen']:,}")],
    )
    yield Table(
        "Pairs kept of an image",
        ("pairs", "images"),
        [(often, f"{count:,}") for often, count in numbers["kept of an image"].items()],
    )


def as_markdown(name: str, results: Results) -> str:
    """Write the report as Markdown.

    Args:
        name: The name of the data.
        results: What came of the run.
    """
    lines = [f"# {_escaped(name)}", "", *(f"* {sentence}" for sentence in sentences(results))]
    for table in tables(results):
        lines += ["", f"## {table.title}", "", _row(table.heads), _row(["---", *["---:"] * (len(table.heads) - 1)])]
        lines += [_row(row) for row in table.rows]
    lines += ["", "## Samples", "", "`report.html` shows them with their images."]
    for outcome in _sampled(results):
        if outcome.candidate is not None:
            question, answer = _escaped(outcome.candidate.question), _escaped(outcome.candidate.answer)
            lines += ["", f"`{outcome.id}` {_escaped(outcome.image)}, {outcome.candidate.type or '-'}", ""]
            lines += [f"> **{question}**", ">", f"> {answer}"]
    return "\n".join(lines) + "\n"


def as_html(name: str, results: Results) -> str:
    """Write the report as HTML.

    Args:
        name: The name of the data.
        results: What came of the run.
    """
    from jinja2 import Environment, StrictUndefined

    images = {image.digest: image for image in results.images}
    refused = [
        outcome
        for outcome in results.outcomes
        if outcome.candidate is not None and outcome.rejected in results.numbers["judges"]
    ]
    some = Random(0).sample(refused, min(SAMPLES // 2, len(refused)))
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        name=name,
        sentences=sentences(results),
        tables=list(tables(results)),
        samples=[_shown(outcome, images[outcome.digest]) for outcome in _sampled(results)],
        refused=[_shown(outcome, images[outcome.digest]) for outcome in some],
    )


def _sampled(results: Results) -> list[Outcome]:
    """Choose pairs to show, the same ones each time."""
    return Random(0).sample(list(results.chosen), min(SAMPLES, len(results.chosen)))


def _shown(outcome: Outcome, image: Evidence) -> Shown:
    places = outcome.candidate.regions if outcome.candidate else ()
    scores = ", ".join(
        f"{key} {verdict.score:.2f}" for key, verdict in outcome.verdicts.items() if verdict.score is not None
    )
    return Shown(outcome, _picture(image, places), scores)


def _picture(image: Evidence, places: Sequence[int]) -> str:
    """Draw an image with its regions; those that a pair rests on stand out."""
    from PIL import ImageDraw

    try:
        drawn = evolve(image).image
    except DataError:
        return ""
    scale = min(LARGEST_SCALE, SHOWN / max(drawn.size))
    drawn = drawn.resize((max(1, round(drawn.width * scale)), max(1, round(drawn.height * scale))))
    pen = ImageDraw.Draw(drawn)
    for place, region in enumerate(image.regions):
        colour, wide = ((200, 30, 30), 2) if place in places else ((40, 110, 220), 1)
        pen.polygon([(x * scale, y * scale) for x, y in region.quad], outline=colour, width=wide)
    held = BytesIO()
    drawn.save(held, "jpeg", quality=85)
    return f"data:image/jpeg;base64,{b64encode(held.getvalue()).decode()}"


def _kept(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, counts in table.items():
        yield name or "-", f"{counts['made']:,}", f"{counts['kept']:,}", _share(counts["kept"], counts["made"])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    """Write a text so that Markdown shows it as it is: it may come from an image."""
    shown = " ".join(text.split())
    for sign in "\\`*_[]<>|#":
        shown = shown.replace(sign, f"\\{sign}")
    return shown
