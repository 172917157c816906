"""The files of a report."""

from pathlib import Path

import pytest
from attrs import evolve

from remgcl import RemgclError
from remgcl.core.grid.report.write import write_report
from remgcl.core.grid.results import GridResults

FILES = ["report.html", "report.md", "report.tex", "report.csv", "summary.csv"]


@pytest.fixture
def plain(losses: GridResults) -> GridResults:
    """The four cells without anything to draw."""
    return evolve(losses, axes={}, cells=tuple(evolve(run, curves={}) for run in losses.cells))


def test_all_files_are_told_and_there_is_no_other(plain: GridResults, report: Path, tmp_path: Path) -> None:
    assert write_report(plain, tmp_path / "new" / "report") == tuple(
        tmp_path / "new" / "report" / name for name in FILES
    )
    found = sorted(str(path.relative_to(report)) for path in report.rglob("*") if path.is_file())
    pictures = [f"pictures/{name}.png" for name in ("axis-1-losses", "curves", "terms")]
    assert found == sorted([*FILES, *pictures])


def test_a_report_may_be_written_again(plain: GridResults, tmp_path: Path) -> None:
    write_report(plain, tmp_path)
    first = {name: (tmp_path / name).read_bytes() for name in FILES}
    (tmp_path / "report.md").write_text("old")
    write_report(plain, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == first


def test_a_folder_that_cannot_be_written_is_a_clear_error(plain: GridResults, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RemgclError, match=r"file: cannot be written; "):
        write_report(plain, tmp_path / "file")


def test_a_file_is_whole_or_as_it_was(plain: GridResults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(plain, tmp_path)
    first = (tmp_path / "report.html").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RemgclError, match="no space left on device"):
        write_report(evolve(plain, name="other"), tmp_path)
    assert (tmp_path / "report.html").read_bytes() == first


def test_a_grid_of_nothing_has_a_report(tmp_path: Path) -> None:
    nothing = GridResults(name="nothing", metrics=(), axes={}, baseline=None, cells=())
    assert len(write_report(nothing, tmp_path)) == len(FILES)
