"""Selectors: which of the generated pairs go into the data."""

from collections.abc import Mapping

from remgcl import Selector, hookimpl
from remgcl.plugins.selectors.balanced import Balanced
from remgcl.plugins.selectors.random import RandomSelector
from remgcl.plugins.selectors.score import ScoreSelector


@hookimpl
def remgcl_register_selectors() -> Mapping[str, type[Selector]]:
    """Name the built-in selectors."""
    return {"balanced": Balanced, "random": RandomSelector, "score": ScoreSelector}
