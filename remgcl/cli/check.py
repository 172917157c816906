"""``remgcl check``: tell what a recipe will do, and what would stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remgcl.cli.options import Overrides, RecipeFile

if TYPE_CHECKING:
    from rich.table import Table

    from remgcl import Engine, Recipe, Stage
    from remgcl.core.plan import Plan, StagePlan


def check(recipe: RecipeFile, overrides: Overrides = []) -> None:  # noqa: B006 - typer copies it
    """Read a recipe, verify its parts, weights, data and images, and tell what it will do.

    Nothing is trained and nothing is written.
    """
    from rich.console import Console

    from remgcl import Engine

    engine = Engine.installed()
    read = engine.read(recipe, overrides)
    plan = engine.check(read, str(recipe))
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"[bold]{read.name}[/], seed {read.seed}, run by {engine.registry.entry(read.runner).name}")
    console.print(_parts(engine, read, plan))
    console.print(_stages(engine, read, plan))
    for stage in plan.stages.values():
        for note in (*stage.train.notes, *(stage.held_out.notes if stage.held_out else ())):
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
    rows = [_facts(engine, recipe.stages[name], stage) for name, stage in plan.stages.items()]
    for fact in rows[0]:
        table.add_row(fact, *(row[fact] for row in rows))
    table.add_row("tokens of an image", *(str(plan.image_tokens) for _ in rows))
    return table


def _facts(engine: Engine, stage: Stage, plan: StagePlan) -> dict[str, str]:
    name = engine.registry.entry
    losses = (f"{key} x {loss.weight:g}" for key, loss in stage.losses.items())
    return {
        "starts from": stage.after or "the parts",
        "data": name(stage.data).name,
        "template": name(stage.template).name,
        "samples": f"{plan.train.samples:,} ({plan.train.images:,} with image)",
        "held out": f"{plan.held_out.samples:,}" if plan.held_out else "none",
        "regions": _regions(plan),
        "losses": "\n".join(["language x 1", *losses]),
        "samples a step": f"{stage.batch_size} x {stage.accumulation}",
        "steps": f"{plan.steps:,} ({stage.epochs:g} epochs)",
        "learning rate": f"{stage.learning_rate:g}, {stage.schedule}",
    }


def _regions(plan: StagePlan) -> str:
    """Tell which OCR cache gives text regions, and how much of the data it covers."""
    if plan.ocr is None:
        return "those of the records"
    lines = [f"of the records, else by {plan.ocr.origin.engine}", plan.ocr.origin.version]
    for name, coverage in (("data", plan.ocr.train), ("held out", plan.ocr.held_out)):
        if coverage is not None and coverage.images:
            share = 100 * coverage.covered / coverage.images
            lines.append(f"covers {share:.1f} % of {coverage.images:,} images looked at ({name})")
        elif coverage is not None:
            lines.append(f"no image looked at needs it ({name})")
    return "\n".join(lines)


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column == "parameters" else "left")
    return table
