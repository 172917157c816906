"""A report's tables as LaTeX."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.report.latex import latex
from remgcl.core.grid.results import GridResults


def test_each_table_is_whole(report: Path) -> None:
    """Environments close in the order in which they opened, and each row has the columns that were declared."""
    text = (report / "report.tex").read_text()
    opened: list[str] = []
    for way, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        assert way == "begin" or opened[-1] == name
        opened = [*opened, name] if way == "begin" else opened[:-1]
    assert opened == []
    declared = re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}(.*?)\\end", text, re.DOTALL)
    assert [len(columns) for columns, _ in declared] == [6, 6, 4]
    for columns, body in declared:
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [len(columns) - 1] * 5
        assert [body.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_the_caption_tells_the_seeds_and_what_the_interval_is(report: Path) -> None:
    captions = re.findall(r"\\caption\{(.*)\}", (report / "report.tex").read_text())
    assert captions[0].startswith(
        r"losses \& more: exact\_match, mean $\pm$ half the width of its 95 \% interval over "
    )
    assert "by Student's t; 2 to 3 finished seeds of each cell." in captions[0]
    assert "Holm's correction" in captions[0]
    assert captions[2] == r"losses \& more: cost, means over 2 to 3 finished seeds of each cell."


def test_equal_numbers_of_seeds_are_told_once_and_no_comparison_without_a_baseline(
    grid: Callable[..., GridResults],
) -> None:
    text = latex(content_of(grid({"a": {0: 0.5, 1: 0.6}}, baseline=None)))
    assert "; 2 finished seeds of each cell.}" in text
    assert "Holm" not in text


def test_rows_tell_verdicts_and_names_as_they_are(report: Path) -> None:
    text = (report / "report.tex").read_text()
    assert r"a\textbar{}b\_c \& \textless{}d\textgreater{} & 3 &" in text
    assert r"too few seeds to tell (2 of at least 3) \\" in text
    assert r"\textbf{yes}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no pdflatex")
def test_it_compiles(losses: GridResults, tmp_path: Path) -> None:
    name = "[*] 50 % & --x_#{}$~^\\ \"q\" 'q' `q` <|>"
    (tmp_path / "report.tex").write_text(latex(content_of(evolve(losses, name=name))))
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage[T1]{fontenc}\usepackage{textcomp}\usepackage{booktabs}"
        r"\begin{document}\input{report}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-draftmode", "paper.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)  # noqa: S603 - our own text
    assert ended.returncode == 0, ended.stdout
