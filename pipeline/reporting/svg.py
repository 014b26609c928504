"""Pictures as SVG: the same bytes for the same numbers, and at home in a light or a dark page."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from pipeline.reporting.style import GRID, INK, MUTED, PAPER, VARIABLES

WIDTH = 4.6  # inches; small enough to stay legible on a telephone
HEIGHT = 3.2
_FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', sans-serif"
_LOOK: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the page's font
    "svg.hashsalt": "rarenode",  # else ids, and with them the bytes, differ from run to run
    "text.parse_math": False,  # a `$` in a name is a `$`
    "font.size": 9.5,
    "text.color": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": MUTED,
    "axes.labelpad": 5,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.pad": 5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.0,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.06,
    "lines.solid_capstyle": "round",
    "lines.linewidth": 1.5,
}


class Picture:
    """A figure while it is drawn, its SVG text once its block has ended."""

    def __init__(self, figure: Figure):
        self.figure = figure
        self.text = ""


@contextmanager
def picture(width: float = WIDTH, height: float = HEIGHT) -> Iterator[Picture]:
    """Draw in the house style; `.text` is the SVG after the block."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # a user's matplotlibrc must not change an artifact
        matplotlib.rcParams.update(_LOOK)  # pyright: ignore[reportCallIssue, reportArgumentType]
        result = Picture(Figure(figsize=(width, height)))
        yield result
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        # `savefig` would draw twice, the first time for the layout alone: the same bytes.
        FigureCanvasSVG(result.figure).print_svg(buffer, metadata=nothing)
    text = re.sub(r"font-family: [^;\"]*", f"font-family: {_FONTS}", buffer.getvalue())
    result.text = _only_needed_ids(text)


def log_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """A logarithmic axis with plain numbers at 1, 10, 100, … (and 2, 5, 20, … on a short one)."""
    decades = [10.0**k for k in range(-7, 10)]
    ticks = [t for t in decades if low <= t <= high]
    if len(ticks) < 3:
        ticks = [t for d in decades for t in (d, 2 * d, 5 * d) if low <= t <= high]
    getattr(axes, f"set_{which}scale")("log")
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    getattr(axes, f"set_{which}lim")(low, high)


def inline(text: str, name: str, label: str) -> Markup:
    """An SVG made by `picture` as an element of the page.

    Args:
        text: the SVG file's text.
        name: unique in the page; keeps the ids of its pictures apart.
        label: what the picture shows, for readers who do not see it.
    """
    body = text[text.index("<svg") :]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # would apply to the whole page
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    for colour, variable in VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    size = re.search(r'<svg[^>]*viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>', body)
    assert size is not None, "matplotlib writes a viewBox"
    width, height = size.groups()
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    )
    return Markup(re.sub(r"\n\s*", "\n", opening + body[size.end() :].strip()))


def _only_needed_ids(text: str) -> str:
    """Drop ids that nothing refers to: `figure_1` and its like would clash in a page."""
    needed = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    return re.sub(
        r' id="([^"]*)"', lambda match: match.group(0) if match.group(1) in needed else "", text
    )
