"""The command line as a whole: quick help, and errors without a traceback."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from remgcl import RemgclError
from remgcl.cli import app

HEAVY = (
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "open_clip",
    "deepspeed",
    "accelerate",
    "numpy",
    "PIL",
    "safetensors",
    "scipy",
    "matplotlib",
)
COMMANDS = {command.name for command in app.registered_commands}


def imported_by(code: str, folder: Path) -> set[str]:
    """Run code in a process of its own, and tell the heavy libraries it has imported."""
    told = f"import sys\n{code}\nprint('imported', *(name for name in {HEAVY!r} if name in sys.modules))"
    command = [sys.executable, "-c", told]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603 - our own code
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.splitlines()[-1].split()[1:])


def called(*arguments: str) -> str:
    """Write code that calls the command line and goes on."""
    return f"""
from remgcl.cli import main
sys.argv = ["remgcl", *{arguments!r}]
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
"""


@pytest.mark.parametrize(
    "code",
    [
        "import remgcl",
        called("--help"),
        *(called(command, "--help") for command in sorted(str(name) for name in COMMANDS)),
        called("parts"),
        "from pathlib import Path\nfrom remgcl import Engine\nEngine.installed().read(Path('small.toml'))",
    ],
    ids=["import", "help", *(f"{name} help" for name in sorted(str(name) for name in COMMANDS)), "parts", "read"],
)
def test_what_must_answer_at_once_imports_no_heavy_library(recipe: Path, tmp_path: Path, code: str) -> None:
    assert recipe.is_file()
    assert imported_by(code, tmp_path) <= {"numpy"}


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_typo_in_a_recipe_is_refused_without_importing_a_heavy_library(
    command: str, recipe: Path, tmp_path: Path
) -> None:
    refused = called(command, str(recipe), "--set", "name2=1").replace("not left.code", "left.code == 2")
    assert imported_by(refused, tmp_path) <= {"numpy"}


def test_deepspeed_says_nothing_of_a_missing_gpu_where_it_is_only_imported(tmp_path: Path) -> None:
    made = "logging.getLogger('DeepSpeed').makeRecord('DeepSpeed', 30, '', 0, {!r}, (), None)"
    code = called("--help") + "import logging\n"
    for told, shown in (("Setting accelerator to CPU. If you have GPU", False), ("Another warning", True)):
        code += f"assert bool(logging.getLogger('DeepSpeed').filter({made.format(told)})) == {shown}\n"
    imported_by(code, tmp_path)


def test_a_check_of_small_parts_imports_no_library_of_other_parts(recipe: Path, tmp_path: Path) -> None:
    """It tries tokenizer and losses, so it needs torch and transformers; it measures letters, so it needs Pillow."""
    imported = imported_by(called("check", str(recipe)), tmp_path)
    assert not imported & {"timm", "open_clip", "deepspeed", "peft", "tensorboard", "ray"}


def test_a_recipe_that_names_every_heavy_part_is_read_without_importing_it(recipe: Path, tmp_path: Path) -> None:
    code = """
from pathlib import Path
from remgcl import Engine
engine = Engine.installed()
for tower in engine.registry.names("vision_towers"):
    settings = {"tiny": "", "timm": ", model = 'x'", "open_clip": ", model = 'x'"}.get(tower, ", weights = 'x'")
    recipe = engine.read(Path("small.toml"), [f"vision_tower={{ use = '{tower}'{settings} }}",
                                              "backbone={ use = 'causal_lm', weights = 'x' }"])
    assert engine.table(recipe)["vision_tower"]["use"] == tower
"""
    assert recipe.is_file()
    assert imported_by(code, tmp_path) <= {"numpy"}


def test_the_help_lists_every_command_with_its_purpose(remgcl: Callable[..., Any]) -> None:
    ended = remgcl("--help")
    assert ended.code == 0
    assert "Build, train and study vision-language models on text-rich images." in ended.out
    assert {"run", "check", "inspect", "ocr", "parts", "schema"} <= COMMANDS
    for command in app.registered_commands:
        assert command.callback is not None
        purpose = (command.callback.__doc__ or "").splitlines()[0]
        assert any(line.split()[:1] == [command.name] and purpose[:40] in line for line in ended.out.splitlines())


def test_without_arguments_there_is_help(remgcl: Callable[..., Any]) -> None:
    ended = remgcl()
    assert "[OPTIONS] COMMAND [ARGS]..." in ended.out + ended.err
    assert "Train the stages of a recipe" in ended.out + ended.err


ARGUMENTS = {
    "answer": " {RUN}",
    "ask": " {RUN} {IMAGE} {QUESTION}",
    "chat": " {RUN} [[IMAGE]]",
    "compare": " {SCORES}...",
    "export": " {RUN}",
    "import": " {SOURCE}",
    "score": " {RULE} {PREDICTIONS.json}",
    "serve": " {RUN...}...",
    "new-plugin": " {NAME}",
    "ocr": " {SOURCE}",
    "parts": " [KIND[.NAME]]",
    "view": " {PREDICTIONS}...",
    "elicit": " {FILE}",
    "eval": " {MODEL}",
    "schema": " [OPTIONS]",
}
"""How the usage of a command ends; that of all others names a recipe."""


@pytest.mark.parametrize("command", sorted(str(name) for name in COMMANDS))
def test_the_help_of_a_command_tells_its_arguments(remgcl: Callable[..., Any], command: str) -> None:
    ended = remgcl(command, "--help")
    assert ended.code == 0
    usage, *_ = ended.out.strip().splitlines()
    assert f"remgcl {command} [OPTIONS]" in usage
    assert usage.endswith(ARGUMENTS.get(command, " {RECIPE}"))
    if command in {"run", "check"}:
        assert "RECIPE" in ended.out
        assert "The recipe, a TOML file." in ended.out
        assert "--set KEY=VALUE" in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chek"], "No such command 'chek'"),
        (["check"], "Missing argument 'RECIPE'"),
        (["run"], "Missing argument 'RECIPE'"),
        (["check", "a.toml", "b.toml"], "unexpected extra argument"),
        (["check", "--sett", "a=1", "a.toml"], "No such option: --sett"),
        (["check", "small.toml", "--set"], "Option '--set' requires an argument"),
        (["parts", "losses", "runners"], "unexpected extra argument"),
    ],
)
def test_a_command_that_is_misused_says_how_to_use_it(
    remgcl: Callable[..., Any], recipe: Path, arguments: list[str], told: str
) -> None:
    assert recipe.is_file()
    ended = remgcl(*arguments)
    assert ended.code == 2
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.toml"], "error: none.toml: cannot be read; no such file or directory"),
        (["."], "error: .: cannot be read; is a directory"),
        (["broken.toml"], "error: broken.toml: is not TOML; "),
        (["bytes.toml"], "error: bytes.toml: is not TOML; it is not even UTF-8 text"),
        (["empty.toml"], "error: empty.toml: name: is missing"),
        (["loop.toml"], "error: loop.toml: extends: 'loop.toml' extends itself"),
        (["orphan.toml"], "error: orphan.toml: extends: 'none.toml' cannot be read; no such file or directory"),
        (["small.toml", "--set", "seed"], "error: --set: seed: is not key=value"),
        (["small.toml", "--set", "sed=1"], "error: --set sed=1: sed: is not a key here; did you mean 'seed'?"),
        (["small.toml", "--set", "seed=-1"], "error: --set seed=-1: seed: must be >= 0: -1"),
        (["small.toml", "--set", "seed='1'"], "error: --set seed='1': seed: must be a whole number; it is '1'"),
        (
            ["small.toml", "--set", "projector=liner"],
            "error: --set projector=liner: projector: no part 'liner' among the projectors; did you mean 'linear'?",
        ),
        (
            ["small.toml", "--set", "stages.tune.after=last"],
            "error: --set stages.tune.after=last: stages.tune.after: no stage 'last' comes before 'tune'; there is",
        ),
        (
            ["small.toml", "--set", "stages.tune.epochs=inf"],
            "error: --set stages.tune.epochs=inf: stages.tune.epochs: must be finite; it is inf",
        ),
        (
            ["small.toml", "--set", "backbone.width=17"],
            "error: small.toml: backbone: width 17 is no multiple of twice the heads; there are 2",
        ),
        (
            ["small.toml", "--set", "stages.tune.max_length=4"],
            "error: small.toml: stages.tune.max_length: 4 leaves no room for text; an image takes 4 tokens",
        ),
        (
            ["small.toml", "--set", "vision_tower={ use = 'clip', weights = '/nowhere/tower' }"],
            "error: small.toml: vision_tower: weights '/nowhere/tower': there is no such folder",
        ),
        (
            ["small.toml", "--set", "backbone={ use = 'causal_lm', weights = 'no/such-model' }"],
            "error: small.toml: backbone: weights 'no/such-model': neither a folder nor in the hub's cache",
        ),
        (
            ["small.toml", "--set", "stages.tune.data={ use = 'llava_json', path = 'none.json' }"],
            "error: none.json: cannot be read; no such file or directory",
        ),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, list) else "",
)
def test_every_mistake_of_the_user_is_told_in_words_with_exit_code_2(
    remgcl: Callable[..., Any], recipe: Path, command: str, arguments: list[str], told: str
) -> None:
    recipe.with_name("broken.toml").write_text("name = ")
    recipe.with_name("bytes.toml").write_bytes(b"\xff\xfe")
    recipe.with_name("empty.toml").write_text("")
    recipe.with_name("loop.toml").write_text("extends = 'loop.toml'")
    recipe.with_name("orphan.toml").write_text("extends = 'none.toml'")
    before = set(Path().iterdir())
    ended = remgcl(command, *arguments)
    assert ended.code == 2
    assert any(line.startswith(told) for line in ended.err.splitlines()), ended.err
    assert all(line.startswith("error: ") for line in ended.err.splitlines())
    assert "Traceback" not in ended.err
    assert ended.out == ""
    assert set(Path().iterdir()) == before


def test_all_faults_are_told_at_once_a_line_each(remgcl: Callable[..., Any], recipe: Path) -> None:
    ended = remgcl("check", recipe, "--set", "seed=true", "--set", "projector=lin", "--set", "stages.tune.epochs=0")
    assert ended.code == 2
    assert ended.err.splitlines() == [
        "error: --set projector=lin: projector: no part 'lin' among the projectors; did you mean 'linear'?",
        "error: --set stages.tune.epochs=0: stages.tune.epochs: must be > 0: 0.0",
        "error: --set seed=true: seed: must be a whole number; it is True",
    ]


def test_a_plugin_that_breaks_a_rule_is_told_by_every_command_but_help_and_can_be_left_out(
    remgcl: Callable[..., Any], recipe: Path, install_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("broken", "")
    monkeypatch.setenv("REMGCL_WITHOUT", "")
    for arguments in (["parts"], ["check", recipe], ["run", recipe]):
        ended = remgcl(*arguments)
        assert ended.code == 2
        assert ended.err.startswith("error: plugin 'broken': implements no hook with @hookimpl; there is ")
    assert remgcl("--help").code == 0
    assert remgcl("--without=broken", "parts", "losses").code == 0


def test_a_mistake_of_the_program_keeps_its_traceback(remgcl: Callable[..., Any], monkeypatch: Any) -> None:  # noqa: ANN401 - pytest's
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("remgcl.core.registry.loading.load", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        remgcl("parts")


def test_an_error_of_several_lines_is_marked_line_by_line(remgcl: Callable[..., Any], monkeypatch: Any) -> None:  # noqa: ANN401 - pytest's
    def fail(*_: object) -> None:
        raise RemgclError("first\nsecond")

    monkeypatch.setattr("remgcl.core.registry.loading.load", fail)
    ended = remgcl("parts")
    assert (ended.code, ended.out, ended.err) == (2, "", "error: first\nerror: second\n")


def test_the_program_is_called_as_a_module_too() -> None:
    command = [sys.executable, "-m", "remgcl", "check", "none.toml"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: none.toml: cannot be read; no such file or directory\n"


def test_no_command_has_markup_that_a_message_could_break() -> None:
    assert isinstance(app, typer.Typer)
    assert app.rich_markup_mode is None
    assert app.pretty_exceptions_enable is False
