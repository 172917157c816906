"""What is exported computes what the run computes, read back by transformers or by the format itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from remgcl import Engine, WeightsError
from remgcl.core.inference.export import export

Imported = Callable[..., Path]


@pytest.mark.parametrize(("name", "by"), [("transformers-llava", "transformers"), ("llava", "remgcl")])
def test_an_export_computes_what_the_run_does(  # noqa: PLR0913, PLR0917 - fixtures
    name: str, by: str, shared: Path, imported: Imported, engine: Engine, tmp_path: Path
) -> None:
    run = imported(shared / "golden" / "p16" / "llava-tiny")
    done = export(run, name, tmp_path / "out", engine=engine)
    assert done.by == by
    assert done.difference < 2e-5 < done.scale


def test_an_export_is_read_again_and_gives_the_recorded_tokens(
    shared: Path,
    imported: Imported,
    engine: Engine,
    compare: Callable[[Path, Path], tuple[float, float]],
    tmp_path: Path,
) -> None:
    export(imported(shared / "golden" / "p14" / "llava-tiny"), "transformers-llava", tmp_path / "out", engine=engine)
    difference, same = compare(imported(tmp_path / "out", "again"), shared / "golden" / "hf-p14")
    assert difference < 4e-5
    assert same == 1


def test_a_format_that_is_not_there_is_refused(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no format 'lava'; did you mean 'llava'"):
        export(tmp_path, "lava", tmp_path / "out", engine=engine)
