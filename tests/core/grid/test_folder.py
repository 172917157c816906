"""Folders of grids: names that every file system takes."""

from pathlib import Path

import pytest

from remgcl import RunError
from remgcl.core.grid.folder import LONGEST, GridFolder


def test_cells_have_folders_that_a_file_system_takes(tmp_path: Path) -> None:
    folder = GridFolder(tmp_path)
    labels = ["path=a/b, x=1", "path=a:b, x=1", "x" * 300, "x" * 299]
    folder.record({}, {(label, 0): tmp_path / "stages" / str(place) for place, label in enumerate(labels)})
    names = [path.name for path in (tmp_path / "cells").iterdir()]
    assert sorted(names) == ["path=a_b,x=1", "path=a_b,x=1~1", "x" * LONGEST, "x" * LONGEST + "~3"]
    assert str((tmp_path / "cells" / "path=a_b,x=1" / "seed-0").readlink()) == "../../stages/0"


def test_a_folder_without_a_grid_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no grid; there is no grid\.json, which remgcl grid run writes$"):
        GridFolder(tmp_path).recorded()


def test_what_a_full_disk_does_not_take_of_an_error_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "stages").write_text("no folder")
    GridFolder(tmp_path).unit("0f", "a").fail("it failed")
