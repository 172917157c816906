"""The engine: plugins in; recipes, plans and runs out, and no state beside them."""

import json
from collections.abc import Callable
from importlib.metadata import entry_points, version
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
import tomli_w
from attrs import field, frozen
from attrs.validators import ge
from rich.console import Console

from remgcl import (
    Census,
    Dataset,
    Engine,
    FaultsError,
    Features,
    Job,
    Loss,
    PluginError,
    RecipeError,
    RunError,
    RunFolder,
    Runner,
    Sample,
    Samples,
)

Plugin = Callable[..., Any]


@frozen(kw_only=True)
class HardNegative(Loss):
    """A loss from elsewhere.

    Attributes:
        margin: Taken off.
    """

    margin: float = field(default=0.1, validator=ge(0))

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - torch is not needed here
        """Give nothing."""
        return features.zero()


@frozen(kw_only=True)
class OtherNegative(Loss):
    """Another loss of the same name."""

    def __call__(self, features: Features) -> Any:  # noqa: ANN401 - torch is not needed here
        """Give nothing."""
        return features.zero()


@frozen(kw_only=True)
class Noting(Runner):
    """A runner that trains nothing, but notes its jobs and finishes their stages."""

    jobs: ClassVar[list[Job]] = []
    fails: str = ""

    def run(self, job: Job) -> None:
        """Finish the stage."""
        self.jobs.append(job)
        job.folder.metrics.write_text(f"{job.name}\n")
        if job.name == self.fails:
            raise RunError(f"stage {job.name!r}: the objective is not finite")
        job.folder.finish(job.inputs, {})


class Unread:
    """A sample that nobody reads."""

    def __len__(self) -> int:
        """Count it."""
        return 1

    def __getitem__(self, index: int) -> Sample:
        """Fail: no test of this module reads samples."""
        raise AssertionError(index)

    def modality_lengths(self) -> list[int]:
        """Give its length."""
        return [-1]


@frozen(kw_only=True)
class Changing(Dataset):
    """A dataset whose records may change under its settings."""

    digests: ClassVar[dict[str, str]] = {}
    name: str = "a"

    def census(self) -> Census:
        """Count one record."""
        return Census(samples=1, images=0, digest=self.digests.get(self.name, "0f"))

    def build(self) -> Samples:
        """Give one sample, which no test of this module reads."""
        return Unread()


def built_in() -> dict[str, object]:
    """Load the built-in plugins."""
    return {point.name: point.load() for point in entry_points(group="remgcl") if point.name.startswith("remgcl.")}


@pytest.fixture
def noting(plugin: Plugin) -> Engine:
    """An engine of the built-in plugins and of a runner that only notes its jobs."""
    Noting.jobs.clear()
    Changing.digests.clear()
    return Engine.of({**built_in(), "noting": plugin(runners={"noting": Noting}, datasets={"changing": Changing})})


@pytest.fixture
def run(noting: Engine, file: Path, tmp_path: Path) -> Callable[..., str]:
    """Run the small recipe with overrides; what was printed is given back."""

    def run(*overrides: str, folder: str = "run", restart: bool = False) -> str:
        recipe = noting.read(file, ["runner.use=noting", *overrides])
        console = Console(file=StringIO(), width=300)
        Noting.jobs.clear()
        noting.run(recipe, RunFolder(tmp_path / folder), console, str(file), restart=restart)
        printed = console.file
        assert isinstance(printed, StringIO)
        return printed.getvalue()

    return run


def files_of(folder: Path) -> dict[str, bytes]:
    """Read every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ran() -> list[str]:
    """Name the stages that ran."""
    return [job.name for job in Noting.jobs]


def test_an_engine_of_no_plugins_knows_no_parts() -> None:
    assert list(Engine.of([]).registry) == []
    assert list(Engine.of({}).registry) == []


def test_an_engine_of_the_built_in_modules_knows_what_is_installed(engine: Engine) -> None:
    some = Engine.of(list(built_in().values()))
    installed = [entry for entry in engine.registry if entry.plugin.startswith("remgcl.")]
    assert [(each.kind, each.name, each.part) for each in some.registry] == [
        (each.kind, each.name, each.part) for each in installed
    ]


def test_a_module_is_named_after_itself_and_an_object_after_its_class(plugin: Plugin) -> None:
    from remgcl.plugins import projectors

    registry = Engine.of([projectors, plugin(losses={"hard": HardNegative})]).registry
    assert {entry.plugin for entry in registry} == {"remgcl.plugins.projectors", "SimpleNamespace"}


def test_names_in_a_mapping_are_kept(plugin: Plugin) -> None:
    (entry,) = Engine.of({"mine": plugin(losses={"hard": HardNegative})}).registry
    assert entry.plugin == "mine"


def test_two_plugins_of_one_name_are_an_error_that_tells_both(plugin: Plugin) -> None:
    """Neither is left out without a word."""
    one, other = plugin(losses={"hard": HardNegative}), plugin(losses={"soft": OtherNegative})
    with pytest.raises(PluginError) as raised:
        Engine.of([one, other])
    assert str(raised.value) == (
        f"plugin 'SimpleNamespace' is given twice; {one!r} and {other!r}; give each its name in a mapping"
    )
    assert Engine.of({"one": one, "other": other}).registry.names("losses") == ("hard", "soft")


def test_one_plugin_given_twice_is_an_error(plugin: Plugin) -> None:
    given = plugin(losses={"hard": HardNegative})
    with pytest.raises(PluginError, match="plugin 'SimpleNamespace' is given twice"):
        Engine.of([given, given])


def test_engines_of_different_plugins_live_side_by_side(plugin: Plugin, file: Path) -> None:
    """One name means another part in each, and neither sees the other's."""
    one = Engine.of({**built_in(), "a": plugin(losses={"hard": HardNegative})})
    other = Engine.of({**built_in(), "b": plugin(losses={"hard": OtherNegative})})
    neither = Engine.of(built_in())
    named = ["stages.tune.losses.hard={}"]
    assert type(one.read(file, named).stages["tune"].losses["hard"]) is HardNegative
    assert type(other.read(file, named).stages["tune"].losses["hard"]) is OtherNegative
    with pytest.raises(RecipeError, match="no part 'hard' among the losses"):
        neither.read(file, named)
    assert type(one.read(file, named).stages["tune"].losses["hard"]) is HardNegative


def test_making_an_engine_leaves_the_installed_one_as_it_is(plugin: Plugin) -> None:
    before = list(Engine.installed().registry)
    Engine.of({**built_in(), "a": plugin(losses={"hard": HardNegative})})
    assert list(Engine.installed().registry) == before


def test_a_part_of_another_engine_is_not_taken_for_ones_own(plugin: Plugin, file: Path, engine: Engine) -> None:
    recipe = Engine.of({**built_in(), "a": plugin(losses={"hard": HardNegative})}).read(
        file, ["stages.tune.losses.hard={}"]
    )
    with pytest.raises(PluginError, match=r"HardNegative: no plugin of this engine registers it"):
        engine.table(recipe)


def test_a_loss_from_elsewhere_is_used_like_one_of_ours(plugin: Plugin, file: Path) -> None:
    """Two steps for its user: install the plugin, and name the part in a recipe."""
    engine = Engine.of({**built_in(), "hard-negative": plugin(losses={"hard-negative": HardNegative})})
    recipe = engine.read(
        file,
        [
            "stages.tune.losses.hard-negative.margin=0.5",
            "stages.tune.losses.again={ use = 'hard-negative', weight = 0.1 }",
        ],
    )
    losses = recipe.stages["tune"].losses
    assert losses["hard-negative"] == HardNegative(margin=0.5)
    assert losses["again"] == HardNegative(weight=0.1)
    assert engine.check(recipe, "a.toml").stages["tune"].steps == 2
    table = engine.table(recipe)["stages"]["tune"]["losses"]
    assert table["again"] == {
        "use": "hard-negative",
        "weight": 0.1,
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "text_layer": 0,
        "margin": 0.1,
    }
    with pytest.raises(RecipeError, match=r"losses\.hard-negative\.margin: must be >= 0: -1\.0"):
        engine.read(file, ["stages.tune.losses.hard-negative.margin=-1"])


@pytest.fixture
def two(plugin: Plugin) -> Engine:
    """An engine of the built-in plugins and two others."""
    others = {"one": plugin(losses={"hard": HardNegative}), "other": plugin(losses={"soft": OtherNegative})}
    return Engine.of({**built_in(), **others})


def test_a_part_of_a_plugin_that_the_recipe_switches_off_is_told(two: Engine, file: Path) -> None:
    off = "without=['one']"
    with pytest.raises(RecipeError) as raised:
        two.read(file, [off, "stages.tune.losses.hard={}"])
    assert str(raised.value).endswith(
        "stages.tune.losses.hard: no part 'hard' among the losses; "
        "plugin 'one', which is switched off by the recipe, has one"
    )
    with pytest.raises(RecipeError, match="no part 'har' among the losses; there is 'global', 'refined-local', 's"):
        two.read(file, [off, "stages.tune.losses.har={}"])
    assert "soft" in two.read(file, [off, "stages.tune.losses.soft={}"]).stages["tune"].losses
    assert "hard" in two.read(file, ["stages.tune.losses.hard={}"]).stages["tune"].losses


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ("['ones']", "without: there is no plugin 'ones'; did you mean 'one'?"),
        ("['xyz']", "without: there is no plugin 'xyz'; there is 'one', 'other', 'remgcl.backbones', "),
        ("'one'", "without: must be a list; it is 'one'"),
        ("[1]", "without.0: must be a string; it is 1"),
    ],
)
def test_what_cannot_be_switched_off_is_told_with_the_other_faults(
    two: Engine, file: Path, without: str, told: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        two.read(file, [f"without={without}", "seed=-1"])
    faults = [fault.partition(": ")[2] for fault in str(raised.value).splitlines()]
    assert len(faults) == 2
    assert any(fault.startswith(told) for fault in faults)
    assert any(fault.startswith("seed: must be >= 0") for fault in faults)


def test_what_a_recipe_switches_off_composes_and_is_written_back(two: Engine, file: Path, tmp_path: Path) -> None:
    above = tmp_path / "above.toml"
    above.write_text(f"extends = {str(file)!r}\nwithout = ['one']\n")
    recipe = two.read(above)
    assert recipe.without == ("one",)
    assert two.read(above, ["without=[]"]).without == ()
    written = tmp_path / "written.toml"
    written.write_text(tomli_w.dumps(two.table(recipe)))
    assert two.read(written) == recipe
    assert two.read(written).without == ("one",)


def test_what_one_recipe_switches_off_is_there_for_the_next(two: Engine, file: Path) -> None:
    two.read(file, ["without=['one', 'other']"])
    assert two.registry.names("losses")[-1] == "soft"
    assert two.read(file, ["stages.tune.losses.soft={}"]).without == ()


def test_a_plugin_that_is_left_out_already_may_be_switched_off_too(file: Path, monkeypatch: Any) -> None:  # noqa: ANN401 - pytest's
    monkeypatch.setenv("REMGCL_WITHOUT", "remgcl.ocr_engines")
    assert Engine.installed().read(file, ["without=['remgcl.ocr_engines']"]).without == ("remgcl.ocr_engines",)


def test_a_recipe_is_equal_to_itself_read_again_and_to_nothing_else(engine: Engine, file: Path) -> None:
    assert engine.read(file) == engine.read(file)
    assert engine.read(file) != engine.read(file, ["seed=4"])


def test_the_written_recipe_reads_back_equal(engine: Engine, file: Path, tmp_path: Path) -> None:
    recipe = engine.read(
        file,
        [
            "text_filter=stopwords",
            "stages.tune.validation={ data = { use = 'synthetic', split = 'held_out' }, pictures = 0 }",
            "stages.tune.losses.mine={ use = 'sliding-window', patches = 2 }",
        ],
    )
    written = tmp_path / "written.toml"
    written.write_text(tomli_w.dumps(engine.table(recipe)))
    again = engine.read(written)
    assert again == recipe
    assert engine.table(again) == engine.table(recipe)
    assert list(again.stages) == ["pretrain", "tune"]


def test_every_table_of_a_part_in_the_written_recipe_carries_all_its_fields(engine: Engine, file: Path) -> None:
    """So that a new default in a later release changes no old run."""
    import attrs

    recipe = engine.read(file, ["text_filter={ use = 'stopwords' }"])
    table = engine.table(recipe)
    found = 0

    def compare(value: Any, written: Any) -> None:  # noqa: ANN401 - any value of a recipe
        nonlocal found
        if isinstance(value, dict):
            for name, below in value.items():
                compare(below, written[name])
        if not attrs.has(type(value)):
            return
        found += "use" in written
        for attribute in attrs.fields(type(value)):
            below = getattr(value, attribute.name)
            assert (below is None) != (attribute.name in written), attribute
            compare(below, written.get(attribute.name))

    compare(recipe, table)
    assert found == 10


def test_checking_is_planning(engine: Engine, file: Path) -> None:
    plan = engine.check(engine.read(file), str(file))
    assert [(name, stage.steps) for name, stage in plan.stages.items()] == [("pretrain", 3), ("tune", 2)]
    assert plan.parameters.keys() == {"vision_tower", "projector", "backbone"}


def test_a_fault_of_a_check_names_the_recipes_file(engine: Engine, file: Path) -> None:
    with pytest.raises(FaultsError, match=r"^mine\.toml: stages\.tune\.max_length: 4 leaves no room"):
        engine.check(engine.read(file, ["stages.tune.max_length=4"]), "mine.toml")


def test_stages_run_in_order_each_from_the_one_it_names(run: Callable[..., str], tmp_path: Path) -> None:
    run()
    first, second = Noting.jobs
    folder = RunFolder(tmp_path / "run")
    assert (first.name, first.folder, first.start) == ("pretrain", folder.stage("pretrain"), None)
    assert (second.name, second.folder, second.start) == ("tune", folder.stage("tune"), folder.stage("pretrain"))
    assert first.recipe == second.recipe


def test_a_run_folder_holds_the_resolved_recipe(run: Callable[..., str], noting: Engine, tmp_path: Path) -> None:
    run("seed=9")
    again = noting.read(tmp_path / "run" / "recipe.toml")
    assert again == Noting.jobs[0].recipe
    assert again.seed == 9


def test_a_run_folder_tells_what_it_was_made_with(run: Callable[..., str], tmp_path: Path) -> None:
    run()
    about = json.loads((tmp_path / "run" / "about.json").read_text())
    assert about.keys() == {"python", "platform", "libraries", "plugins", "commit"}
    assert about["libraries"]["remgcl"] == version("remgcl")
    assert about["libraries"]["torch"] == version("torch")
    assert about["plugins"]["remgcl.losses"].startswith(f"remgcl {version('remgcl')} ")


def test_a_run_says_what_adapters_do_not_reach_unless_it_trains_nothing(
    run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remgcl.core.engine.adapter_notes", lambda part: (f"{type(part).__name__}: not all [of it]",))
    assert run("stages.tune.train=['backbone']").count("TinyBackbone: not all [of it]\n") == 1
    assert "not all" not in run("stages.tune.train=['backbone']")


def test_a_finished_stage_is_not_run_again(run: Callable[..., str], tmp_path: Path) -> None:
    assert run() == ""
    before = files_of(tmp_path / "run")
    printed = run()
    assert ran() == []
    assert printed == (
        f"pretrain: finished already, in {tmp_path / 'run' / 'pretrain'}\n"
        f"tune: finished already, in {tmp_path / 'run' / 'tune'}\n"
    )
    assert files_of(tmp_path / "run") == before


def test_a_run_that_trains_nothing_is_described_as_it_was_trained(
    run: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    trained = json.loads((tmp_path / "run" / "about.json").read_text())
    before = files_of(tmp_path / "run")
    monkeypatch.setattr("remgcl.core.engine.provenance", lambda: {"python": "of another day"})
    run("name=other")
    assert files_of(tmp_path / "run") == before
    assert json.loads((tmp_path / "run" / "tune" / "stage.json").read_text())["about"] == trained


def test_a_folder_whose_name_looks_like_markup_is_told_as_it_is(run: Callable[..., str], tmp_path: Path) -> None:
    run(folder="[/red] [bold]")
    assert str(tmp_path / "[/red] [bold]" / "tune") in run(folder="[/red] [bold]")


def test_a_stage_that_failed_runs_again_and_those_before_it_do_not(run: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="stage 'tune': the objective is not finite"):
        run("runner.fails=tune")
    assert ran() == ["pretrain", "tune"]
    before = files_of(tmp_path / "run" / "pretrain")
    run()
    assert ran() == ["tune"]
    assert files_of(tmp_path / "run" / "pretrain") == before


def test_a_stage_that_is_added_runs_alone(run: Callable[..., str]) -> None:
    run()
    more = ["stages.more.template=plain", "stages.more.train=['projector']", "stages.more.data=synthetic"]
    run(*more, "stages.more.max_length=128", "stages.more.after=tune")
    assert ran() == ["more"]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed=4", "stage 'pretrain': seed was 3 and is 4"),
        ("stages.pretrain.epochs=2", "stage 'pretrain': stages.pretrain.epochs was 1.0 and is 2.0"),
        ("stages.tune.losses.global.weight=1", "stage 'tune': stages.tune.losses.global.weight was 0.5 and is 1.0"),
        ("stages.tune.losses.global.bias=1", "stage 'tune': stages.tune.losses.global.bias was -10.0 and is 1.0"),
        (
            "projector.use=linear",
            "stage 'pretrain': projector.depth was 2 and is None; projector.use was 'mlp2x_gelu' and is 'linear'",
        ),
        ("text_filter=stopwords", "stage 'tune': text_filter.use was None and is 'stopwords'"),
        (
            "stages.tune.template.use=plain",
            "stage 'tune': stages.tune.template.system was '' and is None; stages.tune.template.use was 'v1'",
        ),
        (
            "stages.pretrain.losses.mine.use=refined-local",
            "stage 'pretrain': stages.pretrain.losses.mine.across_ranks was None",
        ),
    ],
    ids=lambda text: text.partition("=")[0],
)
def test_changed_inputs_are_refused_with_the_key_and_nothing_is_lost(
    run: Callable[..., str], tmp_path: Path, override: str, told: str
) -> None:
    run()
    before = files_of(tmp_path / "run")
    with pytest.raises(RunError) as raised:
        run(override)
    stage, _, keys = told.partition(": ")
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'run'}: {stage} is finished with another recipe: {keys}")
    assert message.endswith("; name another folder with --folder, or delete this one")
    assert ran() == []
    assert files_of(tmp_path / "run") == before


@pytest.mark.parametrize("override", ["name=other", "runner.fails=nothing"])
def test_what_changes_no_model_is_no_reason_to_refuse(run: Callable[..., str], override: str) -> None:
    run()
    run(override)
    assert ran() == []


def test_a_text_filter_is_no_reason_to_refuse_a_stage_without_losses(run: Callable[..., str]) -> None:
    with pytest.raises(RunError, match="not finite"):
        run("runner.fails=tune")
    run("text_filter=stopwords", restart=True)
    assert ran() == ["tune"]


def test_a_run_folder_in_which_another_process_trains_is_refused(run: Callable[..., str], tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run").alone(), pytest.raises(RunError, match=r"run: another process trains here"):
        run()
    assert ran() == []
    run()


def test_a_change_of_a_later_stage_is_no_reason_to_refuse_an_earlier_one(run: Callable[..., str]) -> None:
    with pytest.raises(RunError, match="not finite"):
        run("runner.fails=tune")
    run("stages.tune.epochs=2", restart=True)
    assert ran() == ["tune"]


def test_an_interrupted_stage_goes_on_with_the_same_recipe_only(run: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not finite"):
        run("runner.fails=tune")
    before = files_of(tmp_path / "run" / "tune")
    with pytest.raises(
        RunError, match=r"stage 'tune' was begun with another recipe: stages\.tune\.epochs was 1\.0 and"
    ):
        run("stages.tune.epochs=2")
    assert ran() == []
    assert files_of(tmp_path / "run" / "tune") == before
    run()
    assert ran() == ["tune"]
    begun = Noting.jobs[0].folder.begun()
    assert begun == json.loads(before["begun.json"])
    assert begun["inputs"] == Noting.jobs[0].inputs


def test_to_restart_begins_an_interrupted_stage_anew_and_no_finished_one(
    run: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="not finite"):
        run("runner.fails=tune")
    before = files_of(tmp_path / "run")
    (tmp_path / "run" / "tune" / "left").touch()
    run(restart=True)
    assert ran() == ["tune"]
    after = files_of(tmp_path / "run")
    assert "tune/left" not in after
    assert after["tune/begun.json"] != before["tune/begun.json"]
    assert {name for name in before if after[name] != before[name]} <= {"tune/begun.json", "recipe.toml"}


def test_a_job_can_be_made_in_another_process_from_the_folder_alone(
    noting: Engine, run: Callable[..., str], tmp_path: Path
) -> None:
    run()
    folder = RunFolder(tmp_path / "run")
    for job in Noting.jobs:
        again = noting.job(noting.read(folder.recipe), job.name, folder, job.console)
        assert (again.recipe, again.name, again.run, again.start) == (job.recipe, job.name, job.run, job.start)
        assert again.inputs == json.loads(json.dumps(job.inputs))


def test_a_stage_that_was_not_begun_has_no_job(noting: Engine, file: Path, tmp_path: Path) -> None:
    recipe = noting.read(file, ["runner.use=noting"])
    with pytest.raises(RunError, match=r"run: stage 'tune' was not begun"):
        noting.job(recipe, "tune", RunFolder(tmp_path / "run"), Console(quiet=True))


def test_changed_records_under_the_same_settings_are_refused(run: Callable[..., str]) -> None:
    data = "stages.pretrain.data.use=changing"
    run(data)
    Changing.digests["a"] = "1e"
    with pytest.raises(RunError, match=r"stage 'pretrain' .*: data\.pretrain was '0f' and is '1e'; "):
        run(data)


def test_another_ocr_cache_under_the_same_name_is_refused(
    run: Callable[..., str], cached: Callable[..., Path], ask: Callable[..., Sample]
) -> None:
    """One that holds more images, too: a training with it is another."""
    path = cached(ask("a"))
    run(f"stages.pretrain.ocr={path}")
    run(f"stages.pretrain.ocr={path}")
    assert ran() == []
    cached(ask("bb"))
    with pytest.raises(RunError, match=r"stage 'pretrain' .*: ocr\.pretrain was '\w{32}' and is '\w{32}'; "):
        run(f"stages.pretrain.ocr={path}")


def test_a_run_waits_for_no_count_of_parameters(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from remgcl.plugins.backbones.tiny import TinyBackbone

    monkeypatch.setattr(TinyBackbone, "parameters", lambda _: 1 / 0)
    run()
    assert ran() == ["pretrain", "tune"]


def test_a_recipe_that_cannot_be_run_leaves_no_folder(run: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="leaves no room for text"):
        run("stages.tune.max_length=4")
    assert not (tmp_path / "run").exists()
    assert ran() == []
