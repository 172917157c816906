"""What every tracker promises: it takes the numbers of a stage, also of a resumed one, and lets go of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from remgcl.core.parts import TrackedStage, Tracker, Tracking
from remgcl.testing.checks import PartChecks, broken

NUMBERS = {"learning_rate": 1e-3, "global/loss": 2.5, "samples_per_second": 140.0}


class Checks(PartChecks):
    """What every tracker promises."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> TrackedStage:
        """The stage to track; its folder is there."""
        inputs = {"projector": {"use": "linear"}, "stages": {"first": {"batch_size": 2}}}
        return TrackedStage(run="conformance", stage="first", folder=tmp_path, id="0123456789abcdef", inputs=inputs)

    def test_it_takes_numbers_and_is_closed(self, part: Tracker, stage: TrackedStage) -> None:
        """`open` returns an object with `add`, which takes numbers, and `close`."""
        _track(part, stage, 0, [(step, dict(NUMBERS)) for step in (1, 2)])

    def test_it_leaves_the_numbers_as_they_are(self, part: Tracker, stage: TrackedStage) -> None:
        """Other trackers get the same numbers, so `add` does not change them."""
        numbers = dict(NUMBERS)
        _track(part, stage, 0, [(1, numbers)])
        if numbers != NUMBERS:
            raise broken(part, "add: changes the numbers; work on a copy")

    def test_a_resumed_stage_can_be_tracked(self, part: Tracker, stage: TrackedStage) -> None:
        """A resumed stage is opened again, possibly at an earlier step than the last one tracked."""
        _track(part, stage, 0, [(step, dict(NUMBERS)) for step in (1, 2, 3)])
        _track(part, stage, 2, [(3, dict(NUMBERS))])

    def test_a_stage_without_a_log_step_can_be_tracked(self, part: Tracker, stage: TrackedStage) -> None:
        """It can be closed without having received numbers."""
        _track(part, stage, 0, [])


def _track(part: Tracker, stage: TrackedStage, begin: int, lines: list[tuple[int, dict[str, float]]]) -> None:
    """Open a tracker, hand it lines, and close it."""
    method = "open"
    try:
        tracking = part.open(stage, begin)
        if isinstance(tracking, Tracking):
            method = "add"
            for step, numbers in lines:
                tracking.add(step, numbers)
            method = "close"
            tracking.close()
            return
    except Exception as error:
        raise broken(part, f"{method}: raises {error!r}, from step {begin}, with {len(lines)} lines") from error
    raise broken(part, f"open: returns {tracking!r}; return an object with the methods add and close")
