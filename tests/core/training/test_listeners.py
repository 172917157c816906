"""Those who follow a training: what they hear, in which order, and that none can end it."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from remgcl import Engine, Recipe, RunError, RunFolder, TrackedStage, Tracker, hookimpl
from remgcl.core.registry.loading import load
from remgcl.core.training.listeners import Listeners
from remgcl.core.training.loop import StageTrainer

Told = list[tuple[str, Any]]


class Ear:
    """A plugin that listens, and raises where it is asked to."""

    def __init__(self, raises: str = "", error: BaseException | None = None) -> None:
        """Begin with nothing heard."""
        self.heard: Told = []
        self._raises, self._error = raises, error or ValueError("deaf")

    def _hear(self, event: str, what: object) -> None:
        self.heard.append((event, what))
        if event == self._raises:
            raise self._error

    @hookimpl
    def remgcl_stage_begins(self, stage: TrackedStage, step: int) -> None:
        """Hear it."""
        self._hear("begins", (stage.run, stage.stage, step))

    @hookimpl
    def remgcl_step_logged(self, step: int, line: dict[str, Any]) -> None:
        """Hear it."""
        self._hear("logged", (step, sorted(line["terms"])))

    @hookimpl
    def remgcl_checkpoint_saved(self, step: int, folder: Path) -> None:
        """Hear it, while the checkpoint is there."""
        self._hear("saved", (step, (folder / "manifest.json").exists()))

    @hookimpl
    def remgcl_stage_ends(self, stage: TrackedStage, results: dict[str, Any] | None) -> None:
        """Hear it."""
        self._hear("ends", (stage.stage, results and sorted(results)[:2]))


@pytest.fixture
def hear(small: str, tmp_path: Path) -> Callable[..., tuple[Told, str]]:
    """Train the small recipe's first stage before a listener; give what it heard, and what was printed."""

    def go(ear: Ear, *overrides: str) -> tuple[Told, str]:
        engine = Engine.of({**dict(load().manager.list_name_plugin()), "ear": ear})
        path = tmp_path / "small.toml"
        path.write_text(small)
        recipe = engine.read(path, ["stages.first.save_steps=2", *overrides])
        printed = StringIO()
        engine.run(recipe, RunFolder(tmp_path / "run"), Console(file=printed, width=300), "small.toml")
        return ear.heard, printed.getvalue()

    return go


def test_a_listener_hears_every_event_in_its_order(hear: Callable[..., tuple[Told, str]]) -> None:
    heard, printed = hear(Ear())
    terms = ["global", "language", "refined-local"]
    assert heard[:6] == [
        ("begins", ("small", "first", 0)),
        ("logged", (2, terms)),
        ("saved", (2, True)),
        ("logged", (4, terms)),
        ("saved", (4, True)),
        ("ends", ("first", heard[5][1][1])),
    ]
    assert heard[5][1][1] is not None
    assert sorted(event for event, _ in heard[6:]) == ["begins", "ends", "logged", "saved"]
    assert "not called again" not in printed


@pytest.mark.parametrize("event", ["begins", "logged", "saved", "ends"])
@pytest.mark.parametrize("error", [ValueError("deaf"), SystemExit(3)], ids=["exception", "exit"])
def test_a_listener_that_raises_is_named_once_and_ends_no_training(
    hear: Callable[..., tuple[Told, str]], event: str, error: BaseException
) -> None:
    heard, printed = hear(Ear(event, error))
    hook = {"begins": "stage_begins", "logged": "step_logged", "saved": "checkpoint_saved", "ends": "stage_ends"}[event]
    assert printed.count(f"first: plugin 'ear': remgcl_{hook}: raised {error!r}; it is not called again") == 1
    assert [name for name, _ in heard].count("ends") == 2


def test_an_interrupted_stage_ends_without_results(
    hear: Callable[..., tuple[Told, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise RunError("the power is gone")

    monkeypatch.setattr(StageTrainer, "compute_loss", failing)
    ear = Ear()
    with pytest.raises(RunError, match="the power is gone"):
        hear(ear)
    assert ear.heard == [("begins", ("small", "first", 0)), ("ends", ("first", None))]


def test_a_tracker_that_cannot_be_opened_is_named_and_the_others_still_track(tmp_path: Path) -> None:
    added: list[int] = []

    class Silent:
        def open(self, stage: TrackedStage, step: int) -> None:
            raise OSError(f"no network for {stage.stage} at {step}")

    class Open:
        def open(self, stage: TrackedStage, step: int) -> SimpleNamespace:
            del stage, step
            return SimpleNamespace(add=lambda step, numbers: added.append((step, numbers)), close=lambda: None)  # type: ignore[arg-type]

    printed = StringIO()
    stage = TrackedStage(run="a", stage="first", folder=tmp_path, id="0", inputs={})
    trackers: Any = [Silent(), Open()]
    listeners = Listeners(stage, trackers, None, Console(file=printed, width=300))
    listeners.stage_begins(7)
    listeners.step_logged(8, {"step": 8, "terms": {"language": {"loss": 0.5}}})
    listeners.stage_ends(None)
    assert added == [(8, {"language/loss": 0.5})]
    assert "raised OSError('no network for first at 7')" in printed.getvalue()


def test_a_third_partys_tracker_needs_nothing_private(read: Callable[..., Recipe], tmp_path: Path) -> None:
    plugin = ModuleType("lines")
    source = (
        "from attrs import frozen\n"
        "from remgcl import Tracker, hookimpl\n"
        "@frozen(kw_only=True)\n"
        "class Lines(Tracker):\n"
        "    name: str = 'lines.txt'\n"
        "    def open(self, stage, step):\n"
        "        self_file = (stage.folder / self.name).open('a')\n"
        "        class Tracking:\n"
        "            def add(self, step, numbers): self_file.write(f'{step} {len(numbers)}\\n')\n"
        "            def close(self): self_file.close()\n"
        "        return Tracking()\n"
        "@hookimpl\n"
        "def remgcl_register_trackers(): return {'lines': Lines}\n"
    )
    exec(source, vars(plugin))  # noqa: S102 - our own source
    assert issubclass(vars(plugin)["Lines"], Tracker)
    engine = Engine.of({**dict(load().manager.list_name_plugin()), "lines": plugin})
    read()
    recipe = engine.read(tmp_path / "small.toml", ['runner.trackers=[{use="lines", name="mine.txt"}]'])
    engine.run(recipe, RunFolder(tmp_path / "run"), Console(file=StringIO()), "small.toml")
    rows = (tmp_path / "run" / "first" / "mine.txt").read_text().splitlines()
    assert [row.split()[0] for row in rows] == ["2", "4"]
