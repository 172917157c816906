"""What a name means: a file or folder here, or a snapshot of the hub; and the format it is in."""

from __future__ import annotations

from pathlib import Path

from remgcl.core.errors import Hint, WeightsError, listed
from remgcl.core.parts import Format
from remgcl.core.registry.registry import Registry

PATTERNS = ("*.json", "*.safetensors", "*.bin", "*.model", "*.jinja", "*.txt")
"""The files that are fetched from a repository on the hub."""


def local(source: str | Path) -> Path:
    """Resolve a name to a file or folder; a hub id is looked up in the cache, or fetched.

    Args:
        source: A path or hub id.

    Raises:
        WeightsError: There is no such thing.
    """
    path = Path(source)
    if path.exists():
        return path
    name = str(source)
    if name.startswith(("/", ".", "~")) or name.count("/") != 1:
        raise WeightsError(f"{name}: there is no such file or folder, and a hub id is OWNER/NAME")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(PATTERNS)))
    except Exception as error:  # any failure of the network or the hub means the same to the user
        raise WeightsError(
            f"{name}: there is no such folder, and the hub has none of that name; download it with: hf download {name}"
        ) from error


def format_of(path: Path, registry: Registry, name: str | None = None) -> tuple[str, Format]:
    """Choose the format that a folder or file is in.

    Args:
        path: The folder or file.
        registry: The formats there are.
        name: The format, where the user names it.

    Raises:
        PluginError: There is no format of that name.
        WeightsError: It is in none of the formats, or in several.
    """
    names = registry.names("formats")
    if name is not None:
        if name not in names:
            raise WeightsError(f"no format {name!r}; {Hint(name, names)}")
        return name, _made(registry, name)
    fitting = [(each, known) for each, known in formats_of(registry) if known.detect(path)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        choices = listed(each for each, _ in fitting)
        raise WeightsError(f"{path}: could be of several formats; choose with --format among {choices}")
    held = sorted(each.name for each in path.iterdir())[:5] if path.is_dir() else []
    what = f"it holds {listed(held)}" if path.is_dir() else "it is a file"
    raise WeightsError(f"{path}: is no model in a known format; {what}; there is {listed(names)}")


def formats_of(registry: Registry) -> list[tuple[str, Format]]:
    """Make every format there is, by name.

    Args:
        registry: The formats there are.
    """
    return [(name, _made(registry, name)) for name in registry.names("formats")]


def _made(registry: Registry, name: str) -> Format:
    made = registry.find("formats", name)()
    assert isinstance(made, Format)  # noqa: S101 - the registry holds the kind's contract
    return made
