"""Keys of earlier releases, and what each is called now."""

from __future__ import annotations

from collections.abc import Collection

RENAMED = {
    "accumulation": "gradient_accumulation_steps",
    "log_steps": "logging_steps",
    "save_keep": "save_total_limit",
    "workers": "num_workers",
}


def renamed(name: str, known: Collection[str]) -> str | None:
    """Return the present name of a key of an earlier release, if the table at hand has it.

    Args:
        name: The key that was given.
        known: The keys of the table.
    """
    new = RENAMED.get(name)
    return new if new in known else None
