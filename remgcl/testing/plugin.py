"""The pytest plugin of the conformance kit: two ranks for the checks of losses.

It imports no heavy library and changes nothing of other tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from remgcl.testing.ranks import Ranks


@pytest.fixture(scope="session")
def remgcl_ranks() -> Iterator[Ranks]:
    """Two processes of torch that compute together; they start when they are first used."""
    from remgcl.testing.ranks import Ranks

    ranks = Ranks()
    yield ranks
    ranks.stop()
