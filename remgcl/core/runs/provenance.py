"""What a result may depend on beside its recipe."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from remgcl.core.registry.loading import versions

LIBRARIES = (
    "remgcl",
    "torch",
    "transformers",
    "accelerate",
    "peft",
    "bitsandbytes",
    "xformers",
    "flash-attn",
    "timm",
    "open_clip_torch",
    "tokenizers",
    "pillow",
)
"""Distributions whose versions a run folder records."""


def provenance() -> dict[str, Any]:
    """Name the versions of Python, libraries and plugins, the platform, and the git commit of the working folder."""
    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": libraries,
        "plugins": versions(),
        "commit": _commit(),
    }


def _commit() -> str | None:
    """Name the git commit of the working folder, if it is in a repository."""
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()
