"""Libraries that not every user needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from remgcl.core.errors import RunError


def verify_installed(library: str, what: str, install: str) -> None:
    """Verify that a library is installed, without importing it.

    Args:
        library: The name it is imported by.
        what: The setting that needs it.
        install: The requirement that pip installs.

    Raises:
        RunError: It is not; the error says how to install it.
    """
    for absent in missing({library: install}):
        raise RunError(f"{what}: {absent}")


def missing(libraries: Mapping[str, str]) -> Iterator[str]:
    """Say which libraries are not installed, each with the command that installs it; none is imported.

    Args:
        libraries: Requirements for pip, by the name the library is imported by.
    """
    for library, install in libraries.items():
        if not _installed(library):
            yield f"needs {library}, which is not installed; install it with: pip install '{install}'"


def _installed(library: str) -> bool:
    try:
        return find_spec(library) is not None
    except ImportError:  # a package above it is absent, or may not be imported
        return False
    except ValueError:  # it is imported already, and does not say from where
        return True
