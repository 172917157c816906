"""What MkDocs does beside its plugins: formulas as MathML, links out of the documentation, the changelog as a page."""

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
UPWARDS = re.compile(r"\]\((\.\./[^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401 - MkDocs' configuration is a mapping
    """Make a page of the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files.append(File.generated(config, "changelog.md", content=text))
    return files


def on_nav(nav: Any, files: Files, **_: object) -> Any:  # noqa: ANN401 - MkDocs' navigation
    """List the page of each kind under the section that extends remgcl, so that a new kind needs no entry."""
    (section,) = (item for item in nav.items if item.title == "Extend")
    pages = [file.page for file in files.documentation_pages() if file.src_uri.startswith("kinds/")]
    section.children += pages
    for page in pages:
        page.parent = section
    return nav


def on_page_markdown(markdown: str, page: Any, **_: object) -> str:  # noqa: ANN401 - MkDocs' page
    """Name files outside the documentation instead of linking to them; raise if one is not there."""
    docs = ROOT / "docs"

    def named(match: re.Match[str]) -> str:
        target = (docs / page.file.src_uri).parent.joinpath(match[1]).resolve()
        if target.is_relative_to(docs):
            return match[0]
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {match[1]}, which is not there")
        return f"] (`{target.relative_to(ROOT)}`)"

    return UPWARDS.sub(named, markdown)


def on_page_content(content: str, **_: object) -> str:
    """Write formulas as MathML, which browsers draw themselves."""

    def drawn(match: re.Match[str]) -> str:
        formula = html.unescape(match[3]).strip()
        return str(convert(formula, display="block" if match[1] == "div" else "inline"))

    return FORMULA.sub(drawn, content)
