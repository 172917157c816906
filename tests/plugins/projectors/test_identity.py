"""The projector that does nothing."""

import re
from collections.abc import Callable

import pytest
import torch

from remgcl import RemgclError
from remgcl.plugins.projectors.identity import Identity


def test_it_gives_what_it_is_given() -> None:
    patches = torch.randn(2, 4, 3)
    module = Identity().build(3, 3)
    assert module(patches) is patches
    assert Identity().parameters(3, 3) == len(list(module.parameters())) == len(module.state_dict()) == 0


@pytest.mark.parametrize("ask", [Identity().build, Identity().parameters])
def test_two_widths_are_an_error_that_tells_both(ask: Callable[[int, int], object]) -> None:
    message = "projector: identity needs one width; the tower has 3, the backbone 5"
    with pytest.raises(RemgclError, match=f"^{re.escape(message)}$"):
        ask(3, 5)
