"""Judges: whether a generated question with its answer may stay."""

from collections.abc import Mapping

from remgcl import Judge, hookimpl
from remgcl.plugins.judges.form import Form
from remgcl.plugins.judges.grounded import Grounded
from remgcl.plugins.judges.rubric import Rubric
from remgcl.plugins.judges.votes import Agrees, Blind


@hookimpl
def remgcl_register_judges() -> Mapping[str, type[Judge]]:
    """Name the built-in judges."""
    return {"agrees": Agrees, "blind": Blind, "form": Form, "grounded": Grounded, "rubric": Rubric}
