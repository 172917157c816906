"""``remgcl check``: report what a recipe will do, and what would stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from attrs import asdict

from remgcl.cli import output
from remgcl.cli.options import Overrides, RecipeFile
from remgcl.core.exchange.origins import named, origins
from remgcl.core.planning.estimate import A100, TOKENS_A_WORD, USED

if TYPE_CHECKING:
    from rich.table import Table

    from remgcl import Engine, Recipe, Stage
    from remgcl.core.parts import Layout
    from remgcl.core.planning.estimate import Estimate
    from remgcl.core.planning.plan import Plan, StagePlan

Tflops = Annotated[
    float,
    typer.Option(metavar="TFLOPS", min=1e-6, help="Speed of a GPU in TFLOP/s; by default 24 % of an A100's peak."),
]


def check(
    recipe: RecipeFile,
    overrides: Overrides = [],  # noqa: B006 - typer copies it
    tflops: Tflops = A100 * USED,
    *,
    contents: Annotated[
        bool, typer.Option("--contents", help="Read and decode every image, even if its file has not changed.")
    ] = False,
) -> None:
    """Read a recipe, verify its parts, weights, data and images, and print what a run will do and cost.

    Nothing is trained, and nothing is written except a cache of verified
    images, which are not opened again until their files change.
    """
    from remgcl import Engine

    engine = Engine.installed()
    read = engine.read(recipe, overrides)
    plan = engine.check(read, str(recipe), contents=contents)
    console = output.console()
    console.print(f"[bold]{read.name}[/], seed {read.seed}, run by {engine.registry.entry(read.runner).name}")
    console.print(_parts(engine, read, plan))
    console.print(_stages(engine, read, plan))
    for name, found in origins(read, engine.table(read)).items():
        table = _table(f"what {name} starts from", "", "use", "from")
        for what, (use, whence) in found.items():
            table.add_row(what, use, whence)
        console.print(table)
    console.print(_costs(plan, tflops))
    for note in plan.notes:
        console.print(note, style="yellow", markup=False)
    for stage in plan.stages.values():
        for note in (*stage.train.notes, *(stage.held_out.notes if stage.held_out else ()), *stage.notes):
            console.print(note, style="yellow", markup=False)


def _parts(engine: Engine, recipe: Recipe, plan: Plan) -> Table:
    """List the parts, their parameters, and the stages in which they learn."""
    table = _table("parts", "part", "uses", "parameters", *recipe.stages)
    for part, count in plan.parameters.items():
        learning = "trainable" if plan.learnable[part] == count else f"{plan.learnable[part]:,} trainable"
        learns = (learning if part in stage.train else "frozen" for stage in recipe.stages.values())
        table.add_row(part, engine.registry.entry(getattr(recipe, part)).name, f"{count:,}", *learns)
    trainable = (sum(plan.learnable[part] for part in stage.train) for stage in recipe.stages.values())
    table.add_section()
    table.add_row("all", "", f"{sum(plan.parameters.values()):,}", *(f"{count:,}" for count in trainable))
    return table


def _stages(engine: Engine, recipe: Recipe, plan: Plan) -> Table:
    """List what each stage will do, a column each."""
    table = _table("stages", "", *recipe.stages)
    rows = [_facts(engine, recipe.stages[name], stage, plan.layout) for name, stage in plan.stages.items()]
    for fact in rows[0]:
        table.add_row(fact, *(row[fact] for row in rows))
    table.add_row("tokens of an image", *(str(plan.image_tokens) for _ in rows))
    return table


def _costs(plan: Plan, tflops: float) -> Table:
    """List what each stage costs, a column each."""
    table = _table("estimates", "", *plan.stages)
    table.caption = (
        f"By formula, not measured; a word is {TOKENS_A_WORD:.2f} tokens. Time is at {tflops:.3g} TFLOP/s a GPU, "
        f"{100 * tflops / A100:.0f} % of an A100's {A100:g}; with offloading it takes longer."
    )
    table.caption_justify = "left"
    rows = [_cost(stage.estimate, plan.layout, tflops) for stage in plan.stages.values()]
    for fact in next(filter(None, rows), {}):
        table.add_row(fact, *(row.get(fact, "unknown") for row in rows))
    return table


def _cost(cost: Estimate | None, layout: Layout, tflops: float) -> dict[str, str]:
    """Tell what a stage costs, if that was estimated."""
    if cost is None:
        return {}
    processes = layout.processes or 1
    return {
        "tokens of image + text": f"{cost.image_tokens:.0f} + {cost.text_tokens:.0f}",
        "work of a sample": scaled(cost.flops, "FLOP"),
        f"time on {processes} GPU" + "s" * (processes > 1): _time(cost.hours(processes, tflops)),
        "memory of each GPU": scaled(cost.gpu.total, "B"),
        **{f"  {kind}": scaled(size, "B") for kind, size in asdict(cost.gpu).items()},
        "memory of the CPUs": scaled(cost.host.total, "B"),
        "saved model": scaled(cost.model, "B"),
        "checkpoints": f"{cost.checkpoints} x {scaled(cost.checkpoint, 'B')}",
    }


def scaled(number: float, unit: str) -> str:
    """Write a number with three digits and the prefix that fits.

    Args:
        number: The number.
        unit: Its unit.
    """
    prefixes = iter(("", "k", "M", "G", "T", "P"))
    prefix = next(prefixes)
    while number >= 999.5:  # noqa: PLR2004 - it would be written with four digits
        number, prefix = number / 1000, next(prefixes)
    return f"{number:.3g} {prefix}{unit}"


def _time(hours: float) -> str:
    """Write a time in hours, or in minutes where it is short."""
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{60 * hours:.0f} min" if 60 * hours >= 1 else "under 1 min"


def _facts(engine: Engine, stage: Stage, plan: StagePlan, layout: Layout) -> dict[str, str]:
    name = engine.registry.entry
    losses = (f"{key} x {loss.weight:g}" for key, loss in stage.losses.items())
    return {
        "starts from": stage.after or (named(stage.source) if stage.source else "the parts"),
        "data": name(stage.data).name,
        "template": name(stage.template).name,
        "samples": f"{plan.train.samples:,} ({plan.train.images:,} with image)",
        "held out": f"{plan.held_out.samples:,}" if plan.held_out else "none",
        "regions": _regions(plan),
        "losses": "\n".join(["language x 1", *losses]),
        "samples a step": _taken(stage, layout),
        "steps": f"{plan.steps:,} ({stage.epochs:g} epoch{'s' * (stage.epochs != 1)})",
        "learning rate": f"{stage.learning_rate:g}, {stage.schedule}",
    }


def _taken(stage: Stage, layout: Layout) -> str:
    """Tell batch size and accumulation, and the processes where there are several."""
    own = f"{stage.batch_size} x {stage.gradient_accumulation_steps}"
    if layout.processes is None:
        return f"{own} on each GPU"
    whole = stage.batch_size * stage.gradient_accumulation_steps * layout.processes
    return own if layout.processes == 1 else f"{own} on each of {layout.processes}, {whole} in all"


def _regions(plan: StagePlan) -> str:
    """Tell which OCR cache gives text regions, and how much of the data it covers."""
    if plan.ocr is None:
        return "those of the records"
    lines = [f"of the records, else by {plan.ocr.origin.engine}", plan.ocr.origin.version]
    for name, coverage in (("data", plan.ocr.train), ("held out", plan.ocr.held_out)):
        if coverage is not None and coverage.images:
            share = 100 * coverage.covered / coverage.images
            lines.append(f"covers {share:.1f} % of {coverage.images:,} checked images ({name})")
        elif coverage is not None:
            lines.append(f"no checked image needs it ({name})")
    return "\n".join(lines)


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column == "parameters" else "left")
    return table
