"""Pictures of the methods side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator

from pipeline.reporting import findings, numbers, style, svg
from pipeline.reporting.comparison import Comparison
from pipeline.reporting.reliability import Curve
from pipeline.reporting.style import INK, MUTED, ON


def differences(compare: Comparison, keys: dict[str, str]) -> str:
    """Paired differences, ensemble minus baseline, with their intervals around a line at zero."""
    shown = compare.difference_keys()
    with svg.picture(height=0.9 + 0.36 * max(len(shown), 1)) as picture:
        axes = picture.figure.subplots()
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", visible=True)
        axes.axvline(0, color=INK, linewidth=1.2)
        offsets = _offsets(len(compare.baselines), 0.36)
        for offset, name in zip(offsets, compare.baselines, strict=True):
            for row, key in enumerate(shown):
                found = compare.difference(name, key)
                if found is not None:
                    _whisker(axes, keys[name], found["ci95"], row + offset)
                    _dot(axes, keys[name], found["mean"], row + offset)
        axes.set_yticks(range(len(shown)), [findings.metric_name(key) for key in shown])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(max(len(shown), 1) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(_signed)
        axes.set_xlabel("←  lower     higher  →")
    return picture.text


def slices(
    compare: Comparison,
    keys: dict[str, str],
    *,
    by: str,
    axis: str,
    rule: str | None,
    metric: str,
    size: tuple[float, float],
) -> str:
    """One figure of all methods over the bins of a slice.

    Args:
        compare: the methods.
        keys: palette key by method.
        by: `rarity` or `depth`.
        axis: what the bins are, in words.
        rule: the decision rule, None for a figure without a threshold.
        metric: the figure's key.
        size: width and height in inches.
    """
    key = metric if rule is None else f"{metric}/{rule}"
    column = compare.slice_columns().index((rule, metric))
    bins = compare.slices(by)
    with svg.picture(*size) as picture:
        axes = picture.figure.subplots()
        title = findings.metric_name(key)
        axes.set_title(title[0].upper() + title[1:])
        top = 0.0
        offsets = _offsets(len(compare.methods), 0.5)
        for method, offset in zip(compare.methods, offsets, strict=True):
            cells = [(x, dict(methods)[method][column]) for x, (_, _, methods) in enumerate(bins)]
            points = [(x, cell.value) for x, cell in cells if cell.value is not None]
            top = max(top, *(y for _, y in points), 0.0) if points else top
            for x, cell in cells:
                if cell.interval is not None and cell.value is not None:
                    _whisker(axes, keys[method], cell.interval, x + offset, vertical=True)
                    top = max(top, cell.interval[1])
            for x, y in points:
                _dot(axes, keys[method], y, x + offset, vertical=True)
            axes.plot(
                [x + offset for x, _ in points],
                [y for _, y in points],
                color=style.colour(keys[method]),
                linewidth=1,
                alpha=0.45,
            )
        axes.set_xticks(range(len(bins)), [str(name) for name, _, _ in bins])
        axes.set_xlim(-0.6, max(len(bins), 1) - 0.4)
        axes.set_ylim(0, top * 1.08 or 1)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(axis)
    return picture.text


def reliability(curves: dict[str, Curve], ours: str, keys: dict[str, str], title: str) -> str:
    """Observed share against predicted probability, by method, with the diagonal.

    Each rule of ours stands at the median of its nodes' cuts, between the other quartiles.

    Args:
        curves: method -> curve.
        ours: the method whose rules are marked.
        keys: palette key by method.
        title: of the picture.
    """
    with svg.picture(width=2.9, height=3.1) as picture:
        axes = picture.figure.subplots()
        axes.set_title(title)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        for method, curve in curves.items():
            points = curve.points()
            for p, observed in points:
                _dot(axes, keys[method], observed, p, vertical=True)
            axes.plot(
                [p for p, _ in points],
                [observed for _, observed in points],
                color=style.colour(keys[method]),
                linewidth=1,
                alpha=0.45,
            )
        cuts = curves[ours].cuts if ours in curves else {}
        # Above the points: most cuts are low, and the diagonal is low there.
        for place, (rule, (low, middle, high)) in enumerate(cuts.items()):
            if middle is not None:
                height = 0.95 - 0.11 * place
                ends = [middle if low is None else low, 1.0 if high is None else high]
                axes.plot(ends, [height, height], color=style.colour(keys[ours]), linewidth=1.2)
                _letter(axes, keys[ours], rule, (middle, height))
        _unit_square(axes, "predicted probability", "observed share")
    return picture.text


def precision_recall(
    methods: dict[str, dict[str, Any]], ours: str, keys: dict[str, str], name: str
) -> str:
    """Precision against recall by method, with the first letter of each rule where ours decides.

    Args:
        methods: method -> `recall`, `precision` and `rules` as in precision_recall.json.
        ours: the method whose rules are marked.
        keys: palette key by method.
        name: the rarity bin, or `all`.
    """
    with svg.picture(width=2.9, height=3.1) as picture:
        axes = picture.figure.subplots()
        axes.set_title("all nodes" if name == "all" else f"{name} positives")
        for method, curve in reversed(methods.items()):  # ours comes last, so on top
            axes.plot(
                curve["recall"],
                curve["precision"],
                color=style.colour(keys[method]),
                linewidth=2 if method == ours else 1.2,
                alpha=1 if method == ours else 0.75,
            )
        for rule, point in methods.get(ours, {}).get("rules", {}).items():
            if point is not None:
                _letter(axes, keys[ours], rule, point)
        _unit_square(axes, "recall", "precision")
    return picture.text


def _letter(axes: Axes, key: str, rule: str, point: tuple[float, float]) -> None:
    """The first letter of a rule, on a disc."""
    axes.plot(
        *([value] for value in point),
        linestyle="none",
        marker="o",
        markersize=9,
        color=style.colour(key),
        markeredgecolor=ON,
        clip_on=False,
        zorder=4,
    )
    axes.annotate(
        rule[0].upper(),
        point,
        ha="center",
        va="center_baseline",
        fontsize=7,
        fontweight="bold",
        color=ON,
        zorder=5,
    )


def _unit_square(axes: Axes, across: str, up: str) -> None:
    axes.set_aspect("equal")
    axes.grid(axis="x", visible=True)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axis.set_major_formatter(_short)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _short(value: float, _: object) -> str:
    return f"{value:g}"


def _signed(value: float, _: object) -> str:
    return "0" if abs(value) < 1e-12 else f"{value:+.4g}".replace("-", numbers.MINUS)


def _offsets(count: int, width: float) -> np.ndarray:
    return np.linspace(-width / 2, width / 2, count) if count > 1 else np.zeros(count)


def _dot(axes: Axes, key: str, value: float, place: float, *, vertical: bool = False) -> None:
    x, y = (place, value) if vertical else (value, place)
    axes.plot(
        [x],
        [y],
        linestyle="none",
        marker=style.marker(key),
        color=style.colour(key),
        markersize=5.5,
        markeredgewidth=0,
        clip_on=False,  # a marker at zero is whole
        zorder=3,
    )


def _whisker(
    axes: Axes, key: str, bounds: Sequence[float], place: float, *, vertical: bool = False
) -> None:
    x, y = ([place, place], bounds) if vertical else (bounds, [place, place])
    axes.plot(x, y, color=style.colour(key), linewidth=1.6, alpha=0.7)
