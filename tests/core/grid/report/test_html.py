"""A report as one page that needs nothing beside it."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from remgcl.core.grid.report.content import content_of
from remgcl.core.grid.report.html import html
from remgcl.core.grid.results import GridResults

VOID = {"meta", "br", "link", "img"}


class Page(HTMLParser):
    """Reads a page: its texts, its tags with their attributes, and whether all that opens is closed."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the newest tag, which must be this one."""
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that closes itself."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    """The page of the four cells."""
    return Page((report / "report.html").read_text())


def test_all_that_opens_is_closed(page: Page) -> None:
    assert page.open == []


def test_nothing_is_taken_from_elsewhere(page: Page, report: Path) -> None:
    links = {value for _, named in page.tags for key, value in named.items() if key in {"href", "src", "xlink:href"}}
    assert {str(link)[0] for link in links} == {"#"}
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object"} == set()
    text = (report / "report.html").read_text()
    assert set(re.findall(r"https?://[^\"' ]+", text)) == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in text


def test_every_row_has_as_many_columns_as_its_head(page: Page) -> None:
    tags = [tag for tag, _ in page.tags if tag in {"table", "tr", "th", "td"}]
    assert [len(row.split()) for row in " ".join(tags).split("tr")] == [1] + 4 * [9] + [9 + 1] + 5 * [7]


def test_pictures_stand_in_the_page_in_its_own_ink(page: Page, report: Path) -> None:
    assert [tag for tag, _ in page.tags].count("svg") == 3
    assert [named["aria-label"] for _, named in page.tags if named.get("role") == "img"] == [
        "Learning curves",
        "Learning curves of the other terms",
        "exact_match along the axis losses",
    ]
    text = (report / "report.html").read_text()
    assert "currentColor" in text
    assert "prefers-color-scheme: dark" in text


def test_it_is_made_for_phones(page: Page) -> None:
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags


def test_findings_rows_and_what_is_left_out_are_told(page: Page) -> None:
    for text in ("a|b_c & <d>", "too few seeds to tell (2 of at least 3)", "Left out", "2 of 3 (1 failed)"):
        assert text in page.texts
    assert "'all', seed 2: failed; RunError: step 3: a loss is nan" in page.texts


def test_rows_are_sorted_by_numbers_not_by_their_texts(page: Page) -> None:
    orders = [named["data-order"] for tag, named in page.tags if tag == "td" and "data-order" in named]
    assert len(orders) > 20
    assert all(float(str(order)) >= -1 for order in orders)


def test_names_cannot_bring_tags_along(grid: Callable[..., GridResults]) -> None:
    name = "<script>alert('x')</script>"
    results = grid({name: {0: 0.5}}, name=name, axes={name: (name,)}, metrics=(name,))
    text = html(content_of(results), ())
    assert name not in text
    assert Page(text).texts.count(name) > 3


def test_a_page_without_faults_or_pictures_is_whole(grid: Callable[..., GridResults]) -> None:
    page = Page(html(content_of(grid({"a": {0: 0.5}})), ()))
    assert page.open == []
    assert "Left out" not in page.texts
