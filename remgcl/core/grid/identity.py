"""What tells the stages of a grid apart: all that their results depend on, as far as it is known before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from remgcl.core.files import as_json
from remgcl.core.plan import Plan

DIGITS = 16
"""Hexadecimal digits that tell stages apart."""


def identity(plan: Plan, runner: str) -> dict[str, Any]:
    """Give what a stage depends on beside the inputs that its run folder keeps.

    Args:
        plan: The recipe's plan.
        runner: The name of the runner, as a part.
    """
    return {"runner": {"use": runner, "processes": plan.layout.processes}}


def digest_of(made_of: Mapping[str, Any]) -> str:
    """Name a stage by all that it is made of.

    Args:
        made_of: Its inputs as an engine gives them, and its identity.
    """
    told = json.dumps(json.loads(as_json(made_of)), sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:DIGITS]
