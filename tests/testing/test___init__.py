"""The test class of a part."""

import re
from typing import Any

import pytest

from remgcl import PluginError
from remgcl.plugins.losses import Global
from remgcl.plugins.projectors import Linear
from remgcl.testing import conformance, losses, projectors
from remgcl.testing.checks import PartChecks, named


def test_a_part_is_given_the_checks_of_its_kind() -> None:
    assert issubclass(conformance(Global()), losses.Checks)
    assert issubclass(conformance(Linear()), projectors.Checks)


def test_the_class_is_one_of_the_module_that_asks_for_it() -> None:
    made = conformance(Linear())
    assert (made.__module__, made.__qualname__) == (__name__, "TestLinear")
    assert made.__doc__ == "What every one of the projectors promises, of `Linear()`."


def test_what_is_no_part_is_an_error_that_tells_the_kinds() -> None:
    nothing: Any = object
    with pytest.raises(PluginError, match=r"^<class 'object'>: is no instance of a kind of part; there is 'remgcl.Vis"):
        conformance(nothing)


def test_an_installed_part_is_named_with_its_plugin() -> None:
    assert named(Linear()) == "projectors: 'linear' (Linear of plugin 'remgcl.projectors')"


def test_checks_without_a_part_say_how_to_give_it() -> None:
    given: Any = vars(PartChecks)["part"]
    with pytest.raises(NotImplementedError, match=re.escape("Checks: there is no part; give it by a fixture 'part'")):
        given._get_wrapped_function()(projectors.Checks())
