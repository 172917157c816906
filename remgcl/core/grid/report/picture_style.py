"""How the pictures of a report look: the same ink, lines and marks in all."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from remgcl.core.tables.words import wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#26282b"
"""Colour of everything but lines; in a page, the page's own colour."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
"""Colours that colour-blind readers can distinguish, after Okabe and Ito; grey instead of their yellow."""

DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
"""Dashes of the lines, the next where the colours are used up."""

MARKS = "osD^"

STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": "medium",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "legend.frameon": False,
    "legend.title_fontsize": "medium",
    "lines.linewidth": 1.3,
    "svg.hashsalt": "remgcl",
    "text.color": INK,
    "text.parse_math": False,  # names are shown as they are
    "xtick.color": INK,
    "ytick.color": INK,
}
"""Settings of matplotlib."""

DOTS = 200
"""Dots per inch of a PNG."""

LINE = 0.21
"""Height of a line of a legend, in inches."""

WIDE = 28
"""Letters in a line of a legend."""


def line(place: int) -> dict[str, Any]:
    """Choose colour and dashes of a line.

    Args:
        place: Its place among the lines.
    """
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place // len(COLOURS) % len(DASHES)]}


def mark(place: int) -> str:
    """Choose the mark of a line's points.

    Args:
        place: Its place among the lines.
    """
    return MARKS[place // len(COLOURS) % len(MARKS)]


def explain(figure: Figure, lines: dict[str, Any], title: str = "") -> None:
    """Put a legend beside the axes, where it covers nothing; the figure grows as high as it.

    Args:
        figure: The figure.
        lines: The lines by name.
        title: What the names are of.
    """
    names = [wrapped(name, WIDE) for name in lines]
    height = LINE * (2 + bool(title) + sum(name.count("\n") + 1 for name in names))
    figure.set_figheight(max(figure.get_figheight(), height))
    figure.legend(list(lines.values()), names, loc="outside right upper", title=title or None, alignment="left")


def as_png(figure: Figure) -> bytes:
    """Write a figure as PNG.

    Args:
        figure: The figure.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DOTS, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def as_svg(figure: Figure) -> str:
    """Write a figure as an SVG for a page: in its width and ink colour, without a background.

    Args:
        figure: The figure.
    """
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    drawn = file.getvalue().decode()
    box = drawn[drawn.index('viewBox="') :].split('"')[1]
    body = drawn[drawn.index("<defs>") :].replace(INK, "currentColor")
    links = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {links} viewBox="{box}" width="{box.split()[2]}pt">{body}'
