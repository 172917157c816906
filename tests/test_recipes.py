"""Every shipped recipe can be read, and does what its comments say."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from attrs import evolve

from remgcl import Engine, FaultsError, Recipe, RecipeError
from remgcl.core.grid.plan import plan_grid, read_grid
from tests.tiny_llava import original, tiny

ROOT = Path(__file__).parents[1]
FROM_LLAVA = ROOT / "recipes" / "remgcl-from-llava.toml"
RECIPES = sorted({*(ROOT / "recipes").glob("*.toml")} - {FROM_LLAVA})  # its source must be there
GRIDS = sorted((ROOT / "recipes" / "grids").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_can_be_read_and_written(engine: Engine, path: Path, tmp_path: Path) -> None:
    recipe = engine.read(path)
    again = tmp_path / "again.toml"
    again.write_text(tomli_w.dumps(engine.table(recipe)))
    assert engine.read(again) == recipe


def test_the_quickstart_can_be_checked_without_a_heavy_library() -> None:
    program = (
        "import sys; from pathlib import Path; from remgcl import Engine; engine = Engine.installed();"
        "path = Path('recipes/quickstart.toml'); plan = engine.check(engine.read(path), str(path));"
        "assert sum(plan.parameters.values()) > 100_000;"
        "print(sorted({'timm', 'open_clip', 'deepspeed', 'peft', 'tensorboard'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    assert ran.stdout == "[]\n"


def test_the_quickstart_holds_out_what_it_is_asked_about(engine: Engine) -> None:
    recipe = engine.read(ROOT / "recipes" / "quickstart.toml")
    for stage in recipe.stages.values():
        seen = {sample.turns[-1].text for sample in map(stage.data.build().__getitem__, range(2000))}
        if stage.validation is not None:
            held_out = stage.validation.data.build()
            assert len(held_out) >= 200
            assert seen.isdisjoint(held_out[index].turns[-1].text for index in range(len(held_out)))


def test_the_third_stage_runs_on_a_llava_that_exists(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"remgcl\.from: liuhaotian/llava-v1\.5-7b: .* download it with: hf download"):
        engine.read(FROM_LLAVA)
    llava = original(tiny(), tmp_path / "llava")
    recipe = engine.read(FROM_LLAVA, [f"paths.llava={llava}"])
    third = engine.read(ROOT / "recipes" / "remgcl.toml").stages["remgcl"]
    assert evolve(recipe.stages["remgcl"], source=None, after="finetune") == third


# -- the published run

SHIPPED = ["remgcl-baseline", "remgcl-published", "remgcl"]
STAGES = ["pretrain", "finetune", "remgcl"]


@pytest.fixture(params=SHIPPED)
def shipped(request: pytest.FixtureRequest, engine: Engine) -> Recipe:
    """A recipe of the published three stages."""
    return engine.read(ROOT / "recipes" / f"{request.param}.toml")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("after", (None, "pretrain", "finetune")),
        ("template.use", ("plain", "v1", "v1")),
        ("train", (["projector"], ["projector", "backbone"], ["projector", "backbone"])),
        ("image_aspect", ("crop", "pad", "pad")),
        ("group_by_modality", (False, True, True)),
        ("epochs", (1, 6, 3)),
        ("batch_size", (16, 16, 8)),
        ("learning_rate", (1e-3, 2e-5, 2e-5)),
        ("save_steps", (24_000, None, 50_000)),
        ("save_total_limit", (1, 6, 6)),
        ("data.use", ("llava_json",) * 3),
        (
            "data.path",
            (
                "data/chat_llavar.json",
                "data/llava_instruct_150k_llavar_16k.json",
                "data/gptqa_15k_llavar_5k_random.json",
            ),
        ),
        ("precision", ("bfloat16",) * 3),
        ("tf32", (True,) * 3),
        ("schedule", ("cosine",) * 3),
        ("warmup_ratio", (0.03,) * 3),
        ("weight_decay", (0.0,) * 3),
        ("betas", ([0.9, 0.999],) * 3),
        ("max_grad_norm", (1.0,) * 3),
        ("max_length", (2048,) * 3),
        ("gradient_checkpointing", (True,) * 3),
        ("num_workers", (4,) * 3),
        ("logging_steps", (1,) * 3),
    ],
)
def test_the_stages_are_the_published_ones_value_for_value(
    key: str, values: tuple[Any, ...], shipped: Recipe, engine: Engine
) -> None:
    """AdamW's betas and the norm of gradients are the defaults of the published Trainer."""
    stages = engine.table(shipped)["stages"]
    assert list(stages) == STAGES
    for name, value in zip(STAGES, values, strict=True):
        held = stages[name]
        for part in key.split("."):
            held = held.get(part)
        assert held == value


def test_each_step_takes_as_many_samples_as_the_published_one(shipped: Recipe) -> None:
    gpus, accumulation = (
        {"pretrain": 2, "finetune": 3, "remgcl": 1},
        {"pretrain": 1, "finetune": 1, "remgcl": 6},
    )
    processes: int = shipped.runner.processes  # type: ignore[attr-defined]
    taken = [processes * stage.batch_size * stage.gradient_accumulation_steps for stage in shipped.stages.values()]
    published = [gpus[name] * stage.batch_size * accumulation[name] for name, stage in shipped.stages.items()]
    assert taken == published == [32, 48, 48]


def test_the_parts_are_the_published_ones(shipped: Recipe, engine: Engine) -> None:
    table = engine.table(shipped)
    assert {key: table["vision_tower"][key] for key in ("use", "weights", "layer", "select")} == {
        "use": "clip",
        "weights": "openai/clip-vit-large-patch14",
        "layer": -2,
        "select": "patch",
    }
    assert table["projector"]["use"] == "mlp2x_gelu"
    assert (table["backbone"]["use"], table["backbone"]["weights"]) == ("causal_lm", "lmsys/vicuna-7b-v1.5")
    assert table["text_filter"] == {"use": "stopwords"}
    runner = {key: table["runner"][key] for key in ("use", "zero", "offload_optimizer", "offload_parameters")}
    assert runner == {"use": "deepspeed", "zero": 3, "offload_optimizer": True, "offload_parameters": True}


def test_the_published_losses_are_those_of_the_third_stage_alone(engine: Engine) -> None:
    stages = engine.table(engine.read(ROOT / "recipes" / "remgcl-published.toml"))["stages"]
    assert [list(stages[name]["losses"]) for name in STAGES] == [[], [], ["global", "refined-local"]]
    shared = {"objective": "alignment", "temperature": 0.5, "weight": 0.01, "schedule": "constant", "text_layer": 0}
    losses = stages["remgcl"]["losses"]
    for name, own in {"global": {"padding": True}, "refined-local": {"confidence": "equal"}}.items():
        wanted = {"use": name, **shared, "warmup_ratio": 0.0, "learned": False, **own}
        assert {key: losses[name][key] for key in wanted} == wanted
    assert (stages["remgcl"]["region_grid"], stages["remgcl"]["ocr"]) == (14, "data/ocr")


def test_the_corrected_losses_are_of_three_granularities_with_negatives(engine: Engine) -> None:
    recipe = engine.read(ROOT / "recipes" / "remgcl.toml")
    stage = engine.table(recipe)["stages"]["remgcl"]
    assert list(stage["losses"]) == ["global", "sliding-window", "refined-local"]
    assert {loss["objective"] for loss in stage["losses"].values()} == {"infonce"}
    assert not stage["losses"]["global"]["padding"]
    assert "region_grid" not in stage
    assert not any(recipe.stages[name].losses for name in ("pretrain", "finetune"))


def test_the_recipes_of_the_three_stages_differ_in_name_and_losses_only(engine: Engine) -> None:
    tables = [engine.table(engine.read(ROOT / "recipes" / f"{name}.toml")) for name in SHIPPED]
    for table in tables:
        del table["name"], table["stages"]["remgcl"]["losses"]
        for key in ("ocr", "region_grid"):
            table["stages"]["remgcl"].pop(key, None)
        published = table is tables[list(SHIPPED).index("remgcl-published")]
        for stage in table["stages"].values():
            assert stage["data"].pop("decoding") == ("published" if published else "display")
    assert tables[0] == tables[1] == tables[2]


def test_data_and_weights_move_with_one_setting_each(engine: Engine) -> None:
    overrides = ["paths.data=/elsewhere", "paths.vicuna=/weights/vicuna", "paths.clip=/weights/clip"]
    recipe = engine.read(ROOT / "recipes" / "remgcl.toml", overrides)
    table = engine.table(recipe)
    assert all(stage["data"]["path"].startswith("/elsewhere/") for stage in table["stages"].values())
    assert all(stage["data"]["images"].startswith("/elsewhere/") for stage in table["stages"].values())
    assert table["stages"]["remgcl"]["ocr"] == "/elsewhere/ocr"
    assert (table["backbone"]["weights"], table["vision_tower"]["weights"]) == ("/weights/vicuna", "/weights/clip")


def test_everything_that_a_bare_machine_lacks_is_told_at_once(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FaultsError, match="hf download") as raised:
        engine.check(engine.read(ROOT / "recipes" / "remgcl.toml"), "remgcl.toml")
    told = str(raised.value)
    for missing in (
        "hf download openai/clip-vit-large-patch14",
        "hf download lmsys/vicuna-7b-v1.5",
        "data/chat_llavar.json: cannot be read; no such file",
        "data/llava_instruct_150k_llavar_16k.json: cannot be read; no such file",
        "data/gptqa_15k_llavar_5k_random.json: cannot be read; no such file",
        "stages.remgcl.ocr: data/ocr: is no OCR cache; there is no about.json, which remgcl ocr writes",
    ):
        assert missing in told


# -- grids


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_a_shipped_grid_can_be_read(engine: Engine, path: Path) -> None:
    grid = read_grid(engine, path)
    assert grid.baseline == grid.cells[0].label
    assert len(grid.file.seeds) == 3
    assert grid.file.name == path.stem


def test_the_grid_of_the_quickstart_adds_one_loss_after_the_other(engine: Engine) -> None:
    plan = plan_grid(engine, read_grid(engine, ROOT / "recipes" / "grids" / "quickstart-losses.toml"))
    assert [cell.label for cell in plan.grid.cells] == [
        "losses=none",
        "losses=global",
        "losses=global+sliding-window",
        "losses=global+sliding-window+refined-local",
    ]
    assert (len(plan.members), len(plan.units)) == (12, 12)


def test_the_grid_of_the_whole_run_varies_losses_objective_stop_words_and_tower(engine: Engine) -> None:
    grid = read_grid(engine, ROOT / "recipes" / "grids" / "remgcl.toml")
    assert {axis.label: len(axis.choices) for axis in grid.axes} == {
        "losses": 4,
        "text_filter": 2,
        "vision_tower": 2,
        "objective": 3,
    }
    tables = [engine.table(recipe) for recipe in grid.recipes.values()]
    assert len(tables) == 2 + 3 * 2 * 2 * 3
    assert all(tables.count(table) == 1 for table in tables)
    assert not any(table["stages"][name]["losses"] for table in tables for name in ("pretrain", "finetune"))
    assert {loss["objective"] for table in tables for loss in table["stages"]["remgcl"]["losses"].values()} == {
        "alignment",
        "infonce",
        "sigmoid",
    }
