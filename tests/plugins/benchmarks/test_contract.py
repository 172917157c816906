"""A benchmark that breaks its contract is named with plugin, part and method."""

from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from remgcl import Benchmark, Engine, PluginError, hookimpl


@frozen(kw_only=True)
class Odd(Benchmark):
    """Return a number from every method."""

    def protocols(self) -> Any:  # noqa: ANN401 - whatever is wrong
        """Return a number."""
        return 1

    def questions(self, folder: Path, split: str) -> Any:  # noqa: ANN401 - whatever is wrong
        """Return a number."""
        del folder, split
        return 2


class Plugin:
    """Registers it."""

    @staticmethod
    @hookimpl
    def remgcl_register_benchmarks() -> dict[str, type[Benchmark]]:
        """Name it."""
        return {"odd": Odd}


def test_what_a_benchmark_must_return_is_said() -> None:
    part: Any = Engine.of({"acme": Plugin}).registry.find("benchmarks", "odd")()
    with pytest.raises(
        PluginError, match=r"'acme': benchmarks\.odd .*protocols: must return a mapping of .*returned 1"
    ):
        part.protocols()
    with pytest.raises(PluginError, match=r"'acme': benchmarks\.odd .*questions: must return a sequence.*returned 2"):
        part.questions(Path(), "val")
