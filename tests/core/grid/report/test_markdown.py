"""A report as Markdown."""

from pathlib import Path


def test_a_report_has_findings_tables_pictures_and_what_is_left_out(report: Path) -> None:
    text = (report / "report.md").read_text()
    heads = [line for line in text.splitlines() if line.startswith("#")]
    assert heads == [
        "# losses \\& more",
        "## exact_match",
        "## language_loss",
        "## Learning curves",
        "## Learning curves of the other terms",
        "## exact_match along the axis losses",
        "## Left out",
        "## How to read the tables",
    ]
    assert "\n* 'all', seed 2: failed; RunError: step 3: a loss is nan\n" in text
    assert "(at least 3 that both have): 'all' (2)." in text


def test_every_row_has_as_many_columns_as_its_head(report: Path) -> None:
    rows = [line.replace("\\|", "") for line in (report / "report.md").read_text().splitlines() if line[:1] == "|"]
    assert [row.count("|") for row in rows] == 6 * [10] + 6 * [8]
    assert rows[1] == "|---|" + "---:|" * 8


def test_what_is_distinguishable_stands_out(report: Path) -> None:
    text = (report / "report.md").read_text()
    assert "| **yes** |" in text
    assert "| no |" not in text


def test_the_pictures_it_names_are_there(report: Path) -> None:
    links = [
        line.partition("](")[2].rstrip(")")
        for line in (report / "report.md").read_text().splitlines()
        if line[:2] == "!["
    ]
    assert links == ["pictures/curves.png", "pictures/terms.png", "pictures/axis-1-losses.png"]
    assert all((report / link).is_file() for link in links)
