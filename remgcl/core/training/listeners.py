"""Everyone who follows a training: the trackers of the recipe, and plugins with listening hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pluggy
from rich.console import Console

from remgcl.core.parts import TrackedStage, Tracker, Tracking
from remgcl.core.registry.culprit import named


class Listeners:
    """Calls those who follow a training, in the first process only.

    Whatever a listener raises is printed with its name; it is not called again
    in this stage, and the training continues.
    """

    def __init__(
        self, stage: TrackedStage, trackers: Sequence[Tracker], hooks: pluggy.PluginManager | None, console: Console
    ) -> None:
        """Join those who follow a stage.

        Args:
            stage: The stage.
            trackers: The trackers of the recipe.
            hooks: Knows the plugins with listening hooks.
            console: Where a listener that fails is reported.
        """
        self._stage, self._trackers, self._hooks, self._console = stage, trackers, hooks, console
        self._open: dict[str, Tracking] = {}
        self._failed: set[str] = set()

    def stage_begins(self, step: int) -> None:
        """Open the trackers, and call the hooks.

        Args:
            step: The optimizer step that the training starts from.
        """
        for place, tracker in enumerate(self._trackers):
            name = f"tracker {named(tracker)}" if place == 0 else f"tracker {place + 1}, {named(tracker)}"
            opened = self._call(name, tracker.open, self._stage, step)
            if opened is not None:
                self._open[name] = opened
        self._call_hooks("stage_begins", step=step)

    def step_logged(self, step: int, line: Mapping[str, Any]) -> None:
        """Hand on the line of a log step.

        Args:
            step: The optimizer step.
            line: The line of the file of metrics.
        """
        for name, tracking in self._open.items():
            self._call(name, tracking.add, step, dict(numbers_of(line)))
        self._call_hooks("step_logged", step=step, line=line)

    def checkpoint_saved(self, step: int, folder: Path) -> None:
        """Hand on where a checkpoint was saved.

        Args:
            step: Its optimizer step.
            folder: Its folder; it is removed when newer ones take its place.
        """
        self._call_hooks("checkpoint_saved", step=step, folder=folder)

    def stage_ends(self, results: Mapping[str, Any] | None) -> None:
        """Close the trackers, and call the hooks.

        Args:
            results: What came out; None if the stage was interrupted or failed.
        """
        for name, tracking in self._open.items():
            self._call(name, tracking.close)
        self._open = {}
        self._call_hooks("stage_ends", results=results)

    def _call_hooks(self, event: str, **given: object) -> None:
        if self._hooks is None:
            return
        values = {"stage": self._stage, **given}
        for hook in getattr(self._hooks.hook, f"remgcl_{event}").get_hookimpls():
            asked = {name: values[name] for name in hook.argnames}
            self._call(f"plugin {hook.plugin_name!r}: {hook.function.__name__}", hook.function, **asked)

    def _call(self, who: str, function: Callable[..., Any], *args: object, **given: object) -> Any:  # noqa: ANN401 - whatever it returns
        if who in self._failed:
            return None
        try:
            return function(*args, **given)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a listener may raise anything, SystemExit too
            self._failed.add(who)
            self._console.print(
                f"{self._stage.stage}: {who}: raised {error!r}; it is not called again in this stage, which continues",
                style="yellow",
                markup=False,
            )
            return None


def numbers_of(line: Mapping[str, Any], name: str = "") -> Iterator[tuple[str, float]]:
    """Name every number of a line of metrics but its step: ``global/loss``.

    Args:
        line: The line, or a table in it.
        name: What the names of its numbers start with.
    """
    for key, value in line.items():
        if isinstance(value, Mapping):
            yield from numbers_of(value, "" if key == "terms" else f"{name}{key}/")
        elif value is not None and key != "step":
            yield f"{name}{key}", value
