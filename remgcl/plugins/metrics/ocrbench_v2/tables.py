"""Tables and charts: the similarity of two HTML tables by tree edit distance (TEDS)."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from attrs import field, mutable
from rapidfuzz.distance import Levenshtein

CODE = "`markdown"
"""Characters that are stripped from both ends of a Markdown table."""

FENCE = re.compile(r"```(?:python|json)?\n(.*?)\n```", re.DOTALL | re.IGNORECASE)


@mutable(eq=False)
class _Node:
    """An element of a table; of a cell, spans and the tokens of its text."""

    tag: str
    span: tuple[int, int] | None = None
    content: list[str] = field(factory=list)
    children: list[_Node] = field(factory=list)


def html_table(prediction: str, truth: str) -> float:
    """Compare a table in HTML with the true one.

    Args:
        prediction: The text of the model.
        truth: HTML.
    """
    text = prediction.replace("\n", "")
    found = re.search("<body.*", text) or re.search("<table.*", text)
    return similarity(_wrapped(found.group()), _wrapped(truth)) if found else 0.0


def markdown_table(prediction: str, truth: str) -> float:
    """Compare a table in Markdown with the true one.

    Args:
        prediction: The text of the model.
        truth: Markdown.
    """
    return similarity(_from_markdown(prediction), _from_markdown(truth))


def chart(prediction: str, truth: Mapping[Any, Any]) -> float:
    """Compare the data of a chart with the true ones, as a table of keys and values.

    Args:
        prediction: The text of the model, with a literal of a dictionary.
        truth: The data.
    """
    data = _dictionary(prediction)
    return similarity(_rows(data), _rows(truth)) if data else 0.0


def similarity(prediction: str, truth: str) -> float:
    """Return 1 - tree edit distance / elements of the larger table; 0 if one has no table.

    Args:
        prediction: HTML.
        truth: HTML.
    """
    from apted import APTED, Config
    from lxml import html

    class Costs(Config):  # type: ignore[misc]
        def rename(self, node1: _Node, node2: _Node) -> float:
            if node1.tag != node2.tag or node1.span != node2.span:
                return 1.0
            longest = max(len(node1.content), len(node2.content))
            return float(Levenshtein.distance(node1.content, node2.content)) / longest if longest else 0.0

    parser = html.HTMLParser(remove_comments=True, encoding="utf-8")
    tables = [html.fromstring(text, parser=parser).xpath("body/table") for text in (prediction, truth)]
    if not all(tables):
        return 0.0
    trees = [table[0] for table in tables]
    elements = max(len(tree.xpath(".//*")) for tree in trees)
    distance = APTED(_tree(trees[0]), _tree(trees[1]), Costs()).compute_edit_distance()
    return 1.0 - float(distance) / elements


def _tree(element: Any) -> _Node:  # noqa: ANN401 - lxml is untyped
    if element.tag == "td":
        span = (int(element.attrib.get("colspan", "1")), int(element.attrib.get("rowspan", "1")))
        return _Node("td", span, _tokens(element)[1:-1])
    return _Node(element.tag, children=[_tree(child) for child in element])


def _tokens(element: Any) -> list[str]:  # noqa: ANN401 - lxml is untyped
    """List tags and characters of an element."""
    tokens = [f"<{element.tag}>", *(element.text or "")]
    for child in element:
        tokens += _tokens(child)
    if element.tag != "unk":
        tokens.append(f"</{element.tag}>")
    if element.tag != "td":
        tokens += element.tail or ""
    return tokens


def _wrapped(table: str) -> str:
    """Add the tags table, body and html where they are missing."""
    text = table.replace("\n", "")
    opened, closed = "<table" in text, "</table>" in text
    if not opened:
        text = f"<table>{text}"
    if not closed:
        text = f"{text}</table>"
    for tag in ("body", "html"):
        if f"<{tag}>" not in text:
            text = f"<{tag}>{text}</{tag}>"
    return text


def _from_markdown(table: str) -> str:
    lines = table.strip(CODE).strip("`").strip().split("\n")
    rows = [line.strip().split("|")[1:-1] for line in (lines[0], *lines[2:])]
    cells = [[" " if set(cell) == {" "} else cell.strip() for cell in row] for row in rows]
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in cells)
    return f"<html><body><table>{body}</table></body></html>".replace("\n", "")


def _rows(data: Mapping[Any, Any]) -> str:
    """Write a row for each key, with spaces between the characters of its value."""
    rows = "".join(f"  <tr><td>{key}</td><td>{' '.join(str(value))}</td></tr>\n" for key, value in data.items())
    return f"<html><body><table>\n{rows}</table></body></html>"


def _dictionary(prediction: str) -> dict[Any, Any]:
    """Read the longest fenced block, or the whole text, as a dictionary; comments and what follows it are cut."""
    blocks = FENCE.findall(prediction)
    content = max(blocks, key=len) if blocks else prediction.strip()
    content = re.sub(r"#.*", "", re.sub(r"^\s*\w+\s*=\s*", "", content.strip(), count=1))
    end = content.rfind("}")
    try:
        data = ast.literal_eval(content if end == -1 else content[: end + 1])
    except (ValueError, SyntaxError, TypeError):
        return {}
    return data if isinstance(data, dict) else {}
