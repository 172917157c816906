"""What every format promises: it knows its own layout, and refuses all else with a clear error."""

from __future__ import annotations

from pathlib import Path

from remgcl.core.errors import RemgclError
from remgcl.core.parts import Format
from remgcl.testing.checks import PartChecks, broken


def _others(folder: Path) -> tuple[Path, ...]:
    """Make what is no model in any layout: an empty folder, one with notes, and a file of text."""
    empty, notes = folder / "empty", folder / "notes"
    empty.mkdir()
    notes.mkdir()
    (notes / "README.md").write_text("nothing here\n")
    return empty, notes, notes / "README.md"


class Checks(PartChecks):
    """What every format promises."""

    def test_it_does_not_take_what_is_no_model(self, part: Format, tmp_path: Path) -> None:
        """`detect` returns False for folders and files that hold no model."""
        for source in _others(tmp_path):
            if part.detect(source):
                raise broken(
                    part, f"detect: takes {source.name!r}, which holds no model; check for what only this format has"
                )

    def test_what_is_no_model_is_refused_with_a_clear_error(self, part: Format, tmp_path: Path) -> None:
        """`read` raises `RemgclError` for a source that it cannot read."""
        for source in _others(tmp_path):
            try:
                part.read(source)
            except RemgclError:
                continue
            except Exception as error:
                raise broken(part, f"read: raises {error!r}; raise WeightsError with a message") from error
            raise broken(part, f"read: makes a model of {source.name!r}; raise WeightsError where tensors are missing")
