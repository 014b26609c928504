"""The four pictures of the stage analyze."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from pipeline.hml.slices import RARITY_BINS
from pipeline.reporting import svg
from pipeline.reporting.style import ACCENT, INK, MUTED

_STEPS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_LOWER_BOUNDS = [int(name.rstrip("+").split("-")[0]) for name in RARITY_BINS]


def draw(nodes: pd.DataFrame, edges: pd.DataFrame) -> dict[str, str]:
    """Draw all pictures.

    Args:
        nodes: `depth`, `support` and `bin` of each node.
        edges: `ratio` of each edge, missing where the child has no positive.

    Returns:
        SVG text by the picture's name.
    """
    return {
        "support-by-rank": _support_by_rank(nodes),
        "support-by-depth": _support_by_depth(nodes),
        "rarity-by-depth": _rarity_by_depth(nodes),
        "imbalance": _imbalance(edges),
    }


def _support_by_rank(nodes: pd.DataFrame) -> str:
    """The long tail, with the rarity bins as bands."""
    support = np.sort(nodes["support"].to_numpy())[::-1]
    rank = np.arange(1, len(support) + 1)
    counts = nodes["bin"].value_counts()
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.set_title("Long tail: nodes ranked by support")
        top = _support_axis(axes, support)
        right = max(len(support), 2)
        for position, name in enumerate(RARITY_BINS):
            low = float(np.arcsinh(_LOWER_BOUNDS[position] / 2))
            following = [*_LOWER_BOUNDS[1:], None][position]
            high = top if following is None else float(np.arcsinh(following / 2))
            if low >= top:
                continue
            if position % 2:
                axes.axhspan(low, min(high, top), color=MUTED, alpha=0.09, linewidth=0)
            middle = (low + min(high, top)) / 2
            text = f"{name}: {counts.get(name, 0):,}"
            beside = axes.get_yaxis_transform()
            axes.text(1.02, middle, text, transform=beside, va="center", color=MUTED, fontsize=8.5)
        # A point for each step is enough: the curve falls in steps.
        turning = np.flatnonzero(np.diff(support, append=-1) | np.diff(support, prepend=-1))
        axes.plot(rank[turning], np.arcsinh(support[turning] / 2), color=ACCENT, linewidth=2)
        axes.set_xlim(1, right * 1.01)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel("rank of the node; at the right: nodes of each bin")
    return picture.text


def _support_by_depth(nodes: pd.DataFrame) -> str:
    """Each node a dot, each depth its median; dots at one place become a larger one."""
    height = np.arcsinh(nodes["support"].to_numpy() / 2)
    step = 0.16
    cell = pd.DataFrame({"depth": nodes["depth"].to_numpy(), "row": np.round(height / step)})
    dots = cell.groupby(["depth", "row"]).size().reset_index(name="count")
    median = pd.Series(height).groupby(nodes["depth"].to_numpy()).median()
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.set_title("Support against depth")
        _support_axis(axes, nodes["support"].to_numpy())
        axes.scatter(
            dots["depth"],
            dots["row"] * step,
            s=9 * dots["count"].clip(upper=25),
            color=ACCENT,
            alpha=0.35,
            linewidths=0,
            clip_on=False,
        )
        for depth, value in median.items():
            axes.plot([depth - 0.32, depth + 0.32], [value, value], color=INK, linewidth=2)  # type: ignore[operator]
        _depth_axis(axes, nodes["depth"].to_numpy())
        axes.set_xlabel("depth (bar: median; a larger dot stands for more nodes)")
    return picture.text


def _rarity_by_depth(nodes: pd.DataFrame) -> str:
    """Nodes by depth and rarity bin as a heat map with its numbers."""
    table = pd.crosstab(nodes["bin"], nodes["depth"])
    table = table.reindex(list(RARITY_BINS), fill_value=0)
    most = max(int(table.to_numpy().max(initial=0)), 1)
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.set_title("Nodes by support and depth")
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
        size = 8.5 if table.shape[1] <= 12 else 7
        for row, counts in enumerate(table.to_numpy()):
            for depth, count in zip(table.columns, counts, strict=True):
                # Shades by the root of the count, faint enough to read the number on each.
                shade = 0.05 + 0.5 * float(np.sqrt(count / most)) if count else 0.0
                corner = (float(depth) - 0.47, row - 0.46)
                axes.add_patch(
                    Rectangle(corner, 0.94, 0.92, color=ACCENT, alpha=shade, linewidth=0)
                )
                axes.text(
                    float(depth),
                    row,
                    f"{count:,}" if count else "·",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color=INK if count else MUTED,
                )
        axes.set_yticks(range(len(RARITY_BINS)), RARITY_BINS)
        axes.set_ylim(-0.5, len(RARITY_BINS) - 0.5)
        _depth_axis(axes, nodes["depth"].to_numpy())
        axes.set_xlabel("depth")
        axes.set_ylabel("positives in train+valid")
    return picture.text


def _imbalance(edges: pd.DataFrame) -> str:
    """How many times more positives a parent has than its child."""
    ratio = edges["ratio"].dropna().to_numpy()
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.set_title("Imbalance of parents to their children")
        top = max(10.0, float(ratio.max(initial=1.0)) * 1.05)
        bins = np.geomspace(1, top, 28)
        heights, _ = np.histogram(ratio, bins)
        axes.bar(bins[:-1], heights, np.diff(bins) * 0.93, align="edge", color=ACCENT, alpha=0.75)
        if ratio.size:
            median = float(np.median(ratio))
            axes.axvline(median, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
            text = f"  median {median:.3g}"
            axes.text(median, 1.0, text, transform=axes.get_xaxis_transform(), va="top", color=INK)
        svg.log_axis(axes, "x", 1, top)
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel("positives of the parent for each one of the child")
        axes.set_ylabel("edges")
    return picture.text


def _support_axis(axes: Axes, support: np.ndarray) -> float:
    """A vertical axis that is logarithmic but has room for 0 (arcsinh); returns its upper end."""
    top = float(np.arcsinh(max(support.max(initial=0) * 1.25, 10) / 2))
    steps = [step for step in _STEPS if np.arcsinh(step / 2) <= top]
    axes.yaxis.set_major_locator(FixedLocator([float(np.arcsinh(step / 2)) for step in steps]))
    labels = [f"{step:,}" for step in steps]
    axes.yaxis.set_major_formatter(FuncFormatter(lambda _, position: labels[position or 0]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, top)
    axes.set_ylabel("positives in train+valid")
    return top


def _depth_axis(axes: Axes, depth: np.ndarray) -> None:
    lowest, highest = int(depth.min(initial=0)), int(depth.max(initial=0))
    axes.set_xlim(lowest - 0.6, highest + 0.6)
    step = 1 if highest <= 20 else 5
    axes.set_xticks(range(lowest, highest + 1, step))
