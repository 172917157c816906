"""Documents: the similarity of two outlines by tree edit distance (STEDS)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import field, mutable

CLEANINGS = (
    (r"<bos>|<eos>|<pad>|<unk>", ""),
    (r"\s##(\S)", r"\1"),
    (r"\\\s", r"\\"),
    (r"\s\*\s\*\s", "**"),
    (r"{\s", "{"),
    (r"\s}", "}"),
    (r"\s}", "}"),
    (r"\\begin\s", r"\\begin"),
    (r"\\end\s", r"\\end"),
    (r"\\end{table}", r"\\end{table} \n\n"),
)


@mutable(eq=False)
class _Node:
    """A title or a line."""

    label: str
    children: list[_Node] = field(factory=list)

    def __iter__(self) -> Iterator[_Node]:
        yield self
        for child in self.children:
            yield from child


def outline_similarity(prediction: str, truth: str) -> float:
    """Return 1 - tree edit distance / nodes of the larger outline; only whether a line is blank counts, not its text.

    Args:
        prediction: Markdown.
        truth: Markdown.
    """
    from apted import APTED, Config

    class Costs(Config):  # type: ignore[misc]
        def rename(self, node1: _Node, node2: _Node) -> int:
            return int(not node1.label.split() or not node2.label.split())

    trees = _outline(prediction), _outline(truth)
    distance = APTED(*trees, Costs()).compute_edit_distance()
    return float(1 - distance / max(len(list(tree)) for tree in trees))


def _outline(text: str) -> _Node:
    """Hang every line below the first node that has the label of the last heading."""
    root = _Node("ROOT", [_Node("TITLE")])
    heading = ""
    for raw in text.split("\n"):
        line = _cleaned(raw)
        if line.startswith("#"):
            heading = line.replace("#", "")
            root.children.append(_Node(heading))
        else:
            label = heading or "TITLE"
            next(node for node in root if node.label == label).children.append(_Node(line))
    return root


def _cleaned(line: str) -> str:
    for pattern, replacement in CLEANINGS:
        line = re.sub(pattern, replacement, line)
    return line.replace("\n", " ").replace("*", " ").replace("_", " ")
