"""The conformance kit: what the contract of a kind of part promises, as tests of any part of it.

A test module needs one line for a part::

    from remgcl.testing import conformance

    TestHardNegative = conformance(HardNegative())

A part that needs files is given by a fixture, in a subclass of its kind's checks::

    from remgcl.testing import vision_towers

    class TestMine(vision_towers.Checks):
        @pytest.fixture
        def part(self, folder: Path) -> Mine:
            return Mine(weights=str(folder))

There is a module of this package for each kind, with its name, and `Checks` in
it. Each check is a promise: its docstring says which.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from remgcl.core.parts import Part
    from remgcl.testing.checks import PartChecks

__all__ = ["conformance"]


def conformance(part: Part) -> type[PartChecks]:
    """Make the test class of a part.

    Args:
        part: An instance of the part, with the settings to test it with.

    Raises:
        PluginError: It is of no kind of part.
    """
    import pytest

    from remgcl.testing.checks import kind_of

    checks: type[PartChecks] = import_module(f"{__name__}.{kind_of(part)}").Checks
    name = f"Test{type(part).__name__}"

    @pytest.fixture(name="part")
    def given(self: PartChecks) -> Part:
        del self
        return part

    body = {
        "__doc__": f"What every one of the {kind_of(part)} promises, of `{part!r}`.",
        "__module__": sys._getframe(1).f_globals["__name__"],  # noqa: SLF001 - as namedtuple does, for reports
        "__qualname__": name,
        "part": given,
    }
    return type(name, (checks,), body)
