"""Plugins in; parts, recipes and runs out. There is no other state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
from attrs import field, frozen, make_class

from remgcl.core.authoring.inspection import Inspection, inspect
from remgcl.core.errors import Fault, FaultsError, Hint, PluginError, RecipeError, RunError
from remgcl.core.evaluation.stage import unaskable, unmeasurable
from remgcl.core.evaluation.task import Task, make_task
from remgcl.core.exchange.keeping import kept
from remgcl.core.exchange.starting import misfits, start_from
from remgcl.core.files.extras import missing
from remgcl.core.files.verified import contents_read
from remgcl.core.model.assembly import Assembly
from remgcl.core.ocr.cache import Origin
from remgcl.core.parts import Census, OcrEngine
from remgcl.core.planning.identity import made_of, moved
from remgcl.core.planning.learning import adapter_notes
from remgcl.core.planning.plan import Plan, make_plan
from remgcl.core.planning.trials import try_data
from remgcl.core.recipe import document
from remgcl.core.recipe.paths import HERE
from remgcl.core.recipe.recipe import Recipe, Stage
from remgcl.core.recipe.structure import Structure
from remgcl.core.registry import loading as plugins
from remgcl.core.registry.culprit import named
from remgcl.core.registry.registry import KINDS, Registry
from remgcl.core.runs.folder import RunFolder
from remgcl.core.runs.provenance import provenance
from remgcl.core.runs.start import start_in
from remgcl.core.training.job import Job

if TYPE_CHECKING:
    from pluggy import PluginManager
    from rich.console import Console


@frozen
class Engine:
    """Everything that a set of plugins provides.

    Attributes:
        registry: All parts.
        broken: Why a plugin could not be loaded, by its name.
        hooks: Knows the plugins that listen to trainings.
    """

    registry: Registry
    broken: Mapping[str, str] = field(factory=dict)
    hooks: PluginManager | None = None

    @classmethod
    def installed(cls) -> Engine:
        """Make an engine of every installed plugin, the built-in ones among them.

        A plugin that cannot be imported is left out, and named in `broken`.

        Raises:
            PluginError: A plugin breaks a rule.
        """
        loaded = plugins.load()
        return cls(Registry(loaded.manager, {**loaded.broken, **loaded.off}), loaded.broken, loaded.manager)

    @classmethod
    def of(cls, given: Sequence[object] | Mapping[str, object]) -> Engine:
        """Make an engine of some plugins and no others.

        Args:
            given: Modules or objects with hook implementations; with their
                names, or named after their modules or classes.

        Raises:
            PluginError: A plugin breaks a rule.
        """
        if isinstance(given, Mapping):
            return cls._of(plugins.manage(given))
        named: dict[str, object] = {}
        for plugin in given:
            name = getattr(plugin, "__name__", type(plugin).__qualname__)
            if name in named:
                raise PluginError(
                    f"plugin {name!r} is given twice; {named[name]!r} and {plugin!r}; give each its name in a mapping"
                )
            named[name] = plugin
        return cls._of(plugins.manage(named))

    @classmethod
    def _of(cls, manager: pluggy.PluginManager) -> Engine:
        return cls(Registry(manager), hooks=manager)

    def read(self, path: Path, overrides: Sequence[str] = ()) -> Recipe:
        """Read a recipe.

        Args:
            path: The TOML file.
            overrides: ``key=value`` each, laid over the file.

        Raises:
            RecipeError: All faults of the recipe.
        """
        return self.read_document(document.read(path, overrides))

    def read_document(self, given: document.Document) -> Recipe:
        """Read a recipe that is tables already, without the parts of plugins that it switches off.

        Args:
            given: The tables, and where they come from.

        Raises:
            RecipeError: All faults of the recipe.
        """
        named = given.table.get("without")
        off = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
        faults = [
            given.fault(("without",), f"there is no plugin {name!r}; {Hint(name, self.registry.plugins)}")
            for name in off
            if name not in self.registry.plugins
        ]
        started, unknown = given, False
        try:
            started = start_from(given, self.registry)
        except RecipeError as error:
            faults, unknown = [*faults, *error.faults], True
        try:
            recipe = Structure(self.registry.without(off)).read(started, Recipe)
        except RecipeError as error:
            found = _without_new_stages(given, error.faults)
            faults += [fault for fault in found if not (unknown and fault.what == "is missing")]
        if faults:
            raise RecipeError(faults)
        return recipe

    def ocr_engine(self, name: str, settings: Sequence[str] = ()) -> tuple[OcrEngine, Origin]:
        """Choose an OCR engine.

        Args:
            name: The name of the part.
            settings: ``key=value`` each, its fields.

        Returns:
            The engine, and the origin that a cache records.

        Raises:
            RecipeError: All faults of the name and the settings, or what it
                needs is not installed.
            RemgclError: It does not know its settings.
        """
        engine: OcrEngine = self.part("ocr_engines", name, settings, "--engine-set")
        return engine, self.ocr_origin(engine)

    def ocr_origin(self, engine: OcrEngine) -> Origin:
        """Return the origin that a cache records of an OCR engine.

        Args:
            engine: The engine.

        Raises:
            RemgclError: It does not know its settings.
        """
        table = Structure(self.registry).write(engine)
        fields = {key: value for key, value in table.items() if key != document.USE}
        return Origin(engine=self.registry.entry(engine).name, version=engine.version, settings=fields)

    def part(self, kind: str, name: str, settings: Sequence[str] = (), option: str = "--set") -> Any:  # noqa: ANN401 - of any kind
        """Choose a part outside a recipe.

        Args:
            kind: A kind, such as ``metrics``.
            name: The name of the part.
            settings: ``key=value`` each, its fields.
            option: The command line option that gave them, for errors.

        Raises:
            RecipeError: All faults of the name and the settings, or what it
                needs is not installed.
        """
        key = kind.removesuffix("s")
        given = document.Document("", {key: {document.USE: name}})
        document.override(given, settings, option, (key,))
        part = getattr(Structure(self.registry).read(given, make_class("Chosen", {key: field(type=KINDS[kind])})), key)
        faults = [given.fault((key,), what) for what in missing(part.requires)]
        if faults:
            raise RecipeError(faults)
        return part

    def table(self, recipe: Recipe) -> dict[str, Any]:
        """Write a recipe as tables, with all defaults.

        Args:
            recipe: The recipe.
        """
        return Structure(self.registry).write(recipe)

    def check(self, recipe: Recipe, name: str, *, contents: bool = False) -> Plan:
        """Verify weights, data and images, and plan what a run will do.

        Args:
            recipe: The recipe.
            name: The recipe's file, for errors.
            contents: Whether to read and decode every image, instead of
                trusting those whose size and time of change are known.

        Raises:
            FaultsError: All that would stop the run.
        """
        with contents_read() if contents else nullcontext():
            plan = self._plan(recipe, name)
        try_data(recipe, _counted(plan, recipe.stages), name, read=True)
        return plan

    def inspect(self, recipe: Recipe, stage: str | None, sample: int, name: str) -> Inspection:
        """Encode one sample as a stage would, with all intermediate results.

        No model is built and nothing is written.

        Args:
            recipe: The recipe.
            stage: The stage's key; the last stage without it.
            sample: The sample's index in the stage's data.
            name: The recipe's file, for errors.

        Raises:
            RecipeError: There is no such stage.
            DataError: There is no such sample, or it cannot be read or encoded.
            WeightsError: Tower or tokenizer cannot be found or read.
        """
        key = list(recipe.stages)[-1] if stage is None else stage
        if key not in recipe.stages:
            raise RecipeError([Fault(name, "stages", f"no stage {key!r}; {Hint(key, tuple(recipe.stages))}")])
        return inspect(Assembly(recipe=recipe, stage=key), sample)

    def run(  # noqa: PLR0913 - a recipe, its folder, and its output
        self,
        recipe: Recipe,
        folder: RunFolder,
        console: Console,
        name: str,
        *,
        restart: bool = False,
        finished_stage: Callable[[str], None] | None = None,
    ) -> None:
        """Train every stage that is not finished yet.

        Args:
            recipe: The recipe.
            folder: Where the run's files go.
            console: Where to tell how it goes.
            name: The recipe's file, for errors.
            restart: Whether interrupted stages start over.
            finished_stage: Is called with the key of each stage once it is
                finished, now or earlier; `remgcl run` evaluates it then.

        Raises:
            RemgclError: The recipe cannot be run, or a stage failed. Nothing
                that was finished is touched.
        """
        import tomli_w
        from rich.markup import escape

        plan = self._plan(recipe, name, counted=False)
        with folder.alone():
            recipe = kept(recipe, self.table(recipe), folder, self.registry, console, restart=restart)
            inputs = self.inputs(recipe, plan)
            finished = {stage: folder.finished(stage, inputs[stage]) for stage in recipe.stages}
            if not all(finished.values()):
                left = [stage for stage, done in finished.items() if not done]
                try_data(recipe, _counted(plan, left), name, read=False)
                if any("backbone" in recipe.stages[stage].train for stage in left):
                    for note in adapter_notes(recipe.backbone):
                        console.print(note, style="yellow", markup=False)
                own = moved(self.table(recipe), str(folder.sources), f"{HERE}/{folder.sources.name}")
                folder.describe(tomli_w.dumps(own), provenance())
            for key in recipe.stages:
                if finished[key]:
                    folder.stage(key).verify_model()
                    console.print(f"[bold]{key}[/]: finished already, in {escape(str(folder.stage(key).path))}")
                else:
                    folder.stage(key).begin(inputs[key], restart=restart)
                    folder.stage(key).keep_drawn(plan.stages[key].train, plan.stages[key].held_out)
                    recipe.runner.run(self.job(recipe, key, folder, console))
                    if folder.stage(key).finished() is None:
                        raise PluginError(f"{named(recipe.runner)}: run returned without finishing stage {key!r}")
                if finished_stage is not None:
                    finished_stage(key)

    def evaluations(self, stage: Stage) -> dict[str, Task]:
        """Read the questions of the benchmarks that a stage is evaluated on, by their keys.

        Args:
            stage: The stage.

        Raises:
            RemgclError: Questions cannot be read, asked or scored.
        """
        named = {key: (self.registry.entry(benchmark).name, benchmark) for key, benchmark in stage.evaluation.items()}
        return {
            key: make_task(name, benchmark, partial(self.part, "metrics")) for key, (name, benchmark) in named.items()
        }

    def _plan(self, recipe: Recipe, name: str, *, counted: bool = True) -> Plan:
        """Plan a run, and make sure that what its stages start from fits."""
        plan = make_plan(recipe, name, counted=counted)
        faults = [
            *misfits(recipe, name),
            *unaskable(recipe, name, self.evaluations),
            *unmeasurable(recipe, name, self.table(recipe)["stages"]),
        ]
        if faults:
            raise FaultsError(faults)
        return plan

    def inputs(self, recipe: Recipe, plan: Plan) -> dict[str, dict[str, Any]]:
        """List what decides the results of each stage: parts, settings, data, plugins, and the stages before it.

        Args:
            recipe: The recipe.
            plan: Its plan, for the digests of the data.
        """
        return made_of(recipe, self.table(recipe), plan)

    def job(self, recipe: Recipe, stage: str, folder: RunFolder, console: Console) -> Job:
        """Make the job of a stage that was begun; in whatever process a runner wants it.

        Args:
            recipe: The recipe.
            stage: The stage's key.
            folder: The run's folder.
            console: Where to tell how it goes.

        Raises:
            RunError: The stage was not begun there.
        """
        record = folder.stage(stage).begun()
        if record is None:
            raise RunError(f"{folder.path}: stage {stage!r} was not begun")
        after, source = recipe.stages[stage].after, recipe.stages[stage].source
        return Job(
            recipe=recipe,
            name=stage,
            run=folder,
            start=folder.stage(after) if after else start_in(Path(source)) if source else None,
            inputs=record["inputs"],
            console=console,
            hooks=self.hooks,
        )


def _counted(plan: Plan, stages: Iterable[str]) -> dict[str, tuple[Census, Census | None]]:
    return {key: (plan.stages[key].train, plan.stages[key].held_out) for key in stages}


def _without_new_stages(given: document.Document, faults: Sequence[Fault]) -> list[Fault]:
    """Say of a stage that an option began, and that lacks its data, that there is no such stage."""
    held = given.table.get("stages")
    stages: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
    made = {
        name
        for name, stage in stages.items()
        if given.origins.get(("stages", name), "").startswith("--set ")
        and isinstance(stage, Mapping)
        and "data" not in stage
    }
    there = tuple(name for name in stages if name not in made)
    kept = [fault for fault in faults if not any(f"{fault.key}.".startswith(f"stages.{name}.") for name in made)]
    unknown = [
        given.fault(("stages", name), f"there is no stage {name!r}; {Hint(name, there)}") for name in sorted(made)
    ]
    return [*unknown, *kept]
