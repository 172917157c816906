"""``remgcl parts``: every part there is, with what its recipe can set."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import pytest

from remgcl import Engine
from remgcl.core.authoring.reference import markdown
from remgcl.core.registry.registry import KINDS

Call = Callable[..., Any]

ROOT = Path(__file__).parents[2]
VERSION = f"remgcl {version('remgcl')}"


def test_every_kind_and_every_part_is_listed(remgcl: Call, engine: Engine) -> None:
    ended = remgcl("parts")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == list(KINDS)
    assert [line.strip() for line in lines if line.startswith("  ") and line[2] != " "] == [
        f"{entry.name}  ({entry.plugin}, {VERSION})" for entry in engine.registry
    ]


def test_each_part_is_told_with_its_purpose_and_all_its_fields(remgcl: Call, engine: Engine) -> None:
    lines = remgcl("parts").out.splitlines()
    for entry in engine.registry:
        place = lines.index(f"  {entry.name}  ({entry.plugin}, {VERSION})", lines.index(entry.kind))
        told = [line.strip() for line in lines[place + 1 :]]
        assert told[0] == (entry.part.__doc__ or "").partition("\n")[0]
        names = [attribute.name for attribute in attrs.fields(entry.part)]
        assert [line.partition(":")[0] for line in told[1 : len(names) + 1]] == names


def test_one_kind_can_be_asked_for(remgcl: Call, engine: Engine) -> None:
    ended = remgcl("parts", "losses")
    headings = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert headings == ["losses"]
    for name in engine.registry.names("losses"):
        assert f"  {name}  (remgcl.losses, {VERSION})" in ended.out.splitlines()


def test_a_field_is_told_with_type_and_default(remgcl: Call) -> None:
    out = remgcl("parts", "losses").out
    assert "      objective: Literal['alignment', 'infonce', 'sigmoid'] = 'infonce'\n" in out
    assert "      temperature: float = 0.07\n" in out


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("loss", "error: no kind of part 'loss'; did you mean 'losses'?"),
        ("xyz", "error: no kind of part 'xyz'; there is 'backbones', 'benchmarks', "),
        ("", "error: no kind of part ''; there is 'backbones', "),
    ],
)
def test_a_kind_that_is_not_known_is_met_with_what_there_is(remgcl: Call, kind: str, told: str) -> None:
    ended = remgcl("parts", kind)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(told)


SHARP = '''
from attrs import frozen
from remgcl import TextFilter, hookimpl

@frozen(kw_only=True)
class Sharp(TextFilter):
    """Keep what is [sharp].

    And more.
    """

    edges: tuple[str, ...] = ("[a]",)

    def build(self, tokenizer):
        return None

@hookimpl
def remgcl_register_text_filters():
    return {"sharp": Sharp}
'''


def test_an_installed_plugin_appears_with_its_parts(remgcl: Call, install_plugin: Call) -> None:
    install_plugin("remgcl-sharp", SHARP, point="sharp", version="1.0")
    assert remgcl("parts", "text_filters").out.splitlines()[:4] == [
        "text_filters",
        "  sharp  (sharp, remgcl-sharp 1.0)",
        "      Keep what is [sharp].",
        "      edges: tuple[str, ...] = ('[a]',)",
    ]


def test_a_part_of_a_plugin_whose_library_is_missing_is_shown_and_refused_with_the_command(
    remgcl: Call, install_plugin: Call, tmp_path: Path
) -> None:
    needy = SHARP.replace("    edges:", '    requires = {"no_such": "remgcl-sharp[more]"}\n    edges:')
    install_plugin("remgcl-sharp", needy, point="sharp", version="1.0")
    told = "needs no_such, which is not installed; install it with: pip install 'remgcl-sharp[more]'"
    assert f"      {told}" in remgcl("parts", "text_filters").out.splitlines()
    assert told in remgcl("parts", "text_filters.sharp").out.splitlines()
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'extends = "{ROOT / "recipes/quickstart.toml"}"\ntext_filter = "sharp"\n')
    assert remgcl("check", str(recipe)).err == f"error: {recipe}: text_filter: {told}\n"


def test_all_is_told_about_one_part(remgcl: Call) -> None:
    ended = remgcl("parts", "losses.sliding-window")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "losses.sliding-window"
    assert lines[1].startswith("of plugin remgcl.losses, remgcl ")
    assert "Windows of patches against windows of an answer's tokens." in lines
    place = lines.index("  temperature: float = 0.07")
    assert lines[place + 1 : place + 3] == ["      Divisor of the similarities.", "      > 0"]
    assert "[stages.NAME.losses.sliding-window]" in lines
    assert 'objective = "infonce"' in lines


def test_the_example_of_every_part_names_what_must_be_given(remgcl: Call, engine: Engine) -> None:
    for entry in engine.registry:
        text = remgcl("parts", f"{entry.kind}.{entry.name}").out
        due = [each.name for each in attrs.fields(entry.part) if each.default is attrs.NOTHING]
        if entry.part.command and not entry.part.table:  # a field that is an argument of the command is no option
            words = entry.part.command.split()
            assert [name for name in due if name.upper() not in words and f" {name}=..." not in text] == []
        else:
            assert [line for line in text.splitlines() if line.endswith(" = ...")] == [f"{name} = ..." for name in due]


def test_plugins_that_are_left_out_are_listed_at_the_end_with_the_reason(
    remgcl: Call, install_plugin: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin("broken", "import nowhere")
    install_plugin("off", "import nowhere")
    monkeypatch.setenv("REMGCL_WITHOUT", "")
    assert remgcl("--without=off", "parts").out.splitlines()[-3:] == [
        "left out",
        (
            "  plugin 'broken' of broken 1.2 (broken): cannot be imported; "
            "ModuleNotFoundError(\"No module named 'nowhere'\")"
        ),
        "  plugin 'off' of off 1.2 (off): is switched off by --without or REMGCL_WITHOUT",
    ]


def test_the_reference_of_all_parts_is_written_as_a_page(remgcl: Call, engine: Engine) -> None:
    ended = remgcl("parts", "--markdown")
    assert (ended.code, ended.out, ended.err) == (0, markdown(engine.registry), "")
    assert remgcl("parts", "losses", "--markdown").err == "error: --markdown: writes every part; leave out 'losses'\n"


def test_the_nearest_part_is_offered(remgcl: Call) -> None:
    ended = remgcl("parts", "losses.globel")
    assert ended.code == 2
    assert "no part 'globel' among the losses; did you mean 'global'?" in ended.err
