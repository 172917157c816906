"""Broken parts, and what the kit says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

BROKEN = Path(__file__).parent / "broken"

Failures = dict[str, dict[str, str]]


class _Reports:
    """Keeps what failed: the messages by check, by class."""

    def __init__(self) -> None:
        self.failures: Failures = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, name, check = report.nodeid.split("::")
        self.failures[name.removeprefix("Test")]  # the class is there, whatever happens
        if report.failed:
            self.failures[name.removeprefix("Test")][check] = str(report.longrepr.reprcrash.message)  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def failures() -> Callable[[str], Failures]:
    """A function that runs the broken parts of a kind, and tells the checks that fail of each, with their words."""

    @cache
    def run(kind: str) -> Failures:
        reports = _Reports()
        apart = ["no:cacheprovider", "no:faulthandler", "no:xdist", "no:terminal", "no:logging"]
        options = [word for name in apart for word in ("-p", name)]
        pytest.main(
            [str(BROKEN / f"{kind}.py"), "-o", "addopts=--import-mode=importlib", "--capture=no", *options], [reports]
        )
        return reports.failures

    return run
