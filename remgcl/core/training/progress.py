"""How a training is shown while it runs: a progress bar, and a line for each log step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from torch import Tensor, distributed
from transformers import TrainerCallback

from remgcl.core.model.gradients import GradientNorms
from remgcl.core.training.job import Job

PAIRS = "pairs"
"""What a loss calls, in its diagnosis, the number of pairs that it compared; without any, it has no value."""

PRINTED = 10
"""Lines that are printed of a stage where there is no terminal to draw a bar on."""


class Progress(TrainerCallback):
    """Averages the terms between two log steps, shows them and writes them down.

    Attributes:
        logged: The averaged terms of each log step.
        samples: Samples seen so far.
        seconds: Duration of the training so far.
        norms: The last measurement of gradients since the last log step.
    """

    def __init__(self, job: Job) -> None:
        """Begin with nothing.

        Args:
            job: The stage.
        """
        self.logged: list[dict[str, float | None]] = []
        self._told: set[str] = set()
        self.samples = 0
        self.seconds = 0.0
        self.norms: GradientNorms | None = None
        self._job = job
        self._sums: dict[str, dict[str, Tensor]] = {}
        self._new_samples = self._printed = self._step = self._lines = 0
        self._begun = 0.0
        self._bar = Bar(
            TextColumn(f"[bold]{job.name}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=job.console,
            disable=not job.console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None)

    def add(self, terms: Mapping[str, Mapping[str, Tensor]], samples: int) -> None:
        """Add the terms of a batch, without waiting for the accelerator.

        Args:
            terms: Scalars of each term by name; `loss` is a mean over `count`.
            samples: Samples of the batch.
        """
        for name, term in terms.items():
            finite = term["loss"].isfinite()  # what is not is left out of the mean: its step is skipped
            count = term["count"] * finite
            sums_of = {**term, "sum": term["loss"].nan_to_num(0, 0, 0) * count, "count": count}
            del sums_of["loss"]
            sums = self._sums.setdefault(name, {})
            for key, value in sums_of.items():
                new = key in {"sum", "count"} and key in sums
                sums[key] = sums[key] + value if new else value
        self._new_samples += samples

    def state(self) -> dict[str, Any]:
        """Return the state that a resumed training needs."""
        return {
            "logged": [self.logged[0], self.logged[-1]] if self.logged else [],
            "step": self._step,
            "samples": self.samples,
            "seconds": self.seconds,
            "sums": {name: dict(sums) for name, sums in self._sums.items()},
            "new_samples": self._new_samples,
            "printed": self._printed,
            "lines": self._lines,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on.

        Args:
            state: What `state` gave.
        """
        self.logged = list(state["logged"])
        self.samples, self.seconds = state["samples"], state["seconds"]
        self._sums = {name: dict(sums) for name, sums in state["sums"].items()}
        self._new_samples, self._printed = state["new_samples"], state["printed"]
        self._step, self._lines = state["step"], state.get("lines", 0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Start the clock, the listeners and the bar; forget what an interrupted training logged after this step."""
        del args, control
        if state.is_world_process_zero:
            if damage := self._job.folder.rewind(self._step, self._lines):
                self._job.console.print(damage, style="yellow", markup=False)
            self._job.listeners.stage_begins(state.global_step)
        self._begun = time.monotonic() - self.seconds
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Move the bar."""
        del args, control
        self._bar.update(self._task, completed=state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Average, write down and show the terms since the last log step."""
        del args
        interrupted = control.should_training_stop and state.global_step < state.max_steps
        early = interrupted and state.global_step % self._job.stage.logging_steps
        if not self._new_samples or early:  # what was not logged goes into the checkpoint
            return
        self._add_other_ranks()
        now = time.monotonic() - self._begun
        speed = self._new_samples / max(now - self.seconds, 1e-9)
        terms = self._terms((state.global_step - 1) / state.max_steps)  # as the last step weighed them
        line = {
            "step": state.global_step,
            "epoch": state.epoch,
            **self._rates(logs.get("learning_rate")),
            "gradient_norm": logs.get("grad_norm"),
            "samples_per_second": speed,
            "terms": terms,
        }
        if state.is_world_process_zero:
            self._job.folder.log(line)
            self._warn(state, terms)
            self._job.listeners.step_logged(state.global_step, line)
        losses = {name: term["loss"] for name, term in terms.items()}
        shown = [*(f"{name} {written(value, 3)}" for name, value in losses.items()), f"{speed:.0f} samples/s"]
        self._show(state, "  ".join(shown))
        self.logged.append(losses)
        self._step = state.global_step
        self._lines += 1
        self.samples += self._new_samples
        self.seconds = now
        state.log_history.clear()  # the file of metrics holds it
        self._sums, self._new_samples, self.norms = {}, 0, None

    def _add_other_ranks(self) -> None:
        """Add up losses, counts and samples of all ranks; diagnoses stay this rank's own."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return
        own = [sums[key] for sums in self._sums.values() for key in ("sum", "count")]
        total = torch.stack([*own, own[0].new_tensor(self._new_samples)])
        distributed.all_reduce(total)
        *parts, samples = total.unbind()
        for sums, loss, count in zip(self._sums.values(), parts[::2], parts[1::2], strict=True):
            sums["sum"], sums["count"] = loss, count
        self._new_samples = int(samples)

    def _rates(self, first: float | None) -> dict[str, Any]:
        """Return the learning rate, or one for each part if they differ; `first` is that of the first part."""
        stage, own = self._job.stage, self._job.stage.learning_rates.given()
        if first is None or not own:
            return {"learning_rate": first}
        height = first / stage.rate(stage.train[0])
        return {
            "learning_rate": height * stage.learning_rate,
            "learning_rates": {name: height * rate for name, rate in own.items()},
        }

    def _terms(self, progress: float) -> dict[str, dict[str, float | None]]:
        """Return each term's mean loss, or None if it saw nothing, its weight, share of the gradient, and diagnosis."""
        shares = self.norms.shares() if self.norms else {}
        terms = {}
        for name, sums in self._sums.items():
            count, total = float(sums["count"]), float(sums["sum"])
            means = {key: float(value) for key, value in sums.items() if key not in {"count", "sum"}}
            unseen = means.get(PAIRS) == 0  # in the last batch, the only one that is diagnosed
            blind = count == 0 or (unseen and total == 0)
            loss = self._job.stage.losses.get(name)
            terms[name] = {
                "loss": None if blind else total / count,
                "weight": loss.weight_at(progress) if loss else 1.0,
                **({"gradient_share": shares.get(name, 0.0)} if shares else {}),
                **{key: None if (blind or unseen) and key != PAIRS else value for key, value in means.items()},
            }
        return terms

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401 - the signature of transformers
        """Take the bar down."""
        del args, state, control
        self._bar.stop()

    def _warn(self, state: Any, terms: Mapping[str, Mapping[str, float | None]]) -> None:  # noqa: ANN401 - the state of transformers
        """Say once of each loss that it has had nothing to compare since the training began."""
        blind = [name for name, term in terms.items() if term["loss"] is None and name not in self._told]
        self._told.update(terms)  # of those that have seen pairs, nothing is said later
        for name in blind:
            warning = (
                f"{self._job.name}: loss {name!r} has had no pair up to step {state.global_step}, so it trains nothing"
            )
            self._job.console.print(f"{warning}; see its batch size, text regions and text filter", style="yellow")

    def _show(self, state: Any, text: str) -> None:  # noqa: ANN401 - the state of transformers
        self._bar.update(self._task, description=text)
        tenth = state.global_step * PRINTED // state.max_steps
        if not self._job.console.is_terminal and tenth > self._printed:
            self._printed = tenth
            self._job.console.print(f"{self._job.name}  {state.global_step}/{state.max_steps}  {text}")


def written(value: float | None, digits: int) -> str:
    """Write a loss, or a dash where there was nothing to compute it of.

    Args:
        value: The loss.
        digits: Digits behind the point.
    """
    return "-" if value is None else f"{value:.{digits}f}"
