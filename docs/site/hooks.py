"""What MkDocs does beside its plugins: formulas as MathML, links out of the documentation, the changelog as a page."""

import html
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)(#[^)]*)?\)")


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


def on_page_markdown(markdown: str, **_: object) -> str:
    """Name files outside the documentation instead of linking to them; raise if one is not there."""

    def named(match: re.Match[str]) -> str:
        if not (ROOT / match[1]).exists():
            raise FileNotFoundError(f"a page links to {match[1]}, which is not there")
        return f"] (`{match[1]}`)"

    return OUTSIDE.sub(named, markdown)


def on_page_content(content: str, **_: object) -> str:
    """Write formulas as MathML, which browsers draw themselves."""

    def drawn(match: re.Match[str]) -> str:
        formula = html.unescape(match[3]).strip()
        return str(convert(formula, display="block" if match[1] == "div" else "inline"))

    return FORMULA.sub(drawn, content)
