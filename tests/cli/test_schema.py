"""``remgcl schema``: a JSON Schema for editors."""

import json
from collections.abc import Callable
from typing import Any

from remgcl import Engine


def test_the_schema_is_printed_with_every_installed_part(remgcl: Callable[..., Any], engine: Engine) -> None:
    ended = remgcl("schema")
    assert (ended.code, ended.err) == (0, "")
    definitions = json.loads(ended.out)["$defs"]
    assert {f"whole.{entry.kind}.{entry.name}" for entry in engine.registry} <= definitions.keys()
