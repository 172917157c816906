"""Libraries that not every user needs."""

from __future__ import annotations

from importlib.util import find_spec

from remgcl.core.errors import RunError


def verify_installed(library: str, what: str, install: str) -> None:
    """Make sure that a library is installed, without importing it.

    Args:
        library: The name it is imported by.
        what: The setting that needs it.
        install: What pip is told.

    Raises:
        RunError: It is not; the error says how to install it.
    """
    if find_spec(library) is None:
        raise RunError(f"{what}: needs {library}, which is not installed; install it with: pip install '{install}'")
