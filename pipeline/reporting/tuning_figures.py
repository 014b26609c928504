"""Pictures of the study: how it went, and what each parameter did."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pipeline.reporting import style, svg


def parameters(trials: list[dict[str, Any]]) -> list[str]:
    """The parameters that the complete trials differ in, in the order of their first use."""
    values: dict[str, set[Any]] = {}
    for trial in _complete(trials):
        for name, value in trial["params"].items():
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]


def history(trials: list[dict[str, Any]], keys: dict[str, str], objective: str) -> str:
    """Each complete trial's value in the order of the trials, and the best so far."""
    with svg.picture(height=3.0) as picture:
        axes = picture.figure.subplots()
        axes.set_title("Each trial, and the best so far")
        for method, key in keys.items():
            found = sorted(
                (trial["number"], trial["value"])
                for trial in _complete(trials)
                if trial["method"] == method
            )
            if not found:
                continue
            number, value = np.array(found).T
            _dots(axes, number, value, key)
            best = np.maximum.accumulate(value)
            axes.step(number, best, where="post", color=style.colour(key), linewidth=1.6)
        axes.set_xlabel("trial")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_ylabel(f"{objective} on valid")
    return picture.text


def curves(trials: list[dict[str, Any]], keys: dict[str, str], objective: str) -> str:
    """Each trial's way through its epochs; pruned ones end early and are dashed."""
    with svg.picture(height=3.0) as picture:
        axes = picture.figure.subplots()
        axes.set_title("Through the epochs (dashed: pruned)")
        for trial in trials:
            key = keys.get(trial["method"])
            curve = [value for value in trial.get("curve") or [] if value is not None]
            if key is None or not curve:
                continue
            complete = trial["state"] == "complete"
            axes.plot(
                range(1, len(curve) + 1),
                curve,
                color=style.colour(key),
                linewidth=1.1,
                alpha=0.55 if complete else 0.9,
                linestyle="-" if complete else (0, (2, 2)),
                marker="" if len(curve) > 1 else ".",
            )
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_ylabel(f"{objective} on valid")
    return picture.text


def parameter(trials: list[dict[str, Any]], keys: dict[str, str], name: str, objective: str) -> str:
    """The value of the complete trials against one parameter."""
    found = [trial for trial in _complete(trials) if name in trial["params"]]
    values = [trial["params"][name] for trial in found]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    choices = sorted({str(value) for value in values})
    with svg.picture(width=3.4, height=2.5) as picture:
        axes = picture.figure.subplots()
        axes.set_title(name.replace("_", " "))
        for method, key in keys.items():
            own = [trial for trial in found if trial["method"] == method]
            places = [trial["params"][name] for trial in own]
            x = places if numeric else [choices.index(str(place)) for place in places]
            _dots(axes, x, [trial["value"] for trial in own], key)
        if numeric and min(values) > 0 and max(values) / min(values) > 4:
            svg.log_axis(axes, "x", min(values) * 0.85, max(values) * 1.18)
        elif numeric:
            axes.xaxis.set_major_locator(MaxNLocator(5))
        else:
            axes.set_xticks(range(len(choices)), choices)
            axes.set_xlim(-0.5, len(choices) - 0.5)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_ylabel(objective)
    return picture.text


def _complete(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [t for t in trials if t["state"] == "complete" and t.get("value") is not None]


def _dots(axes: Axes, x: Any, y: Any, key: str) -> None:
    axes.plot(
        x,
        y,
        linestyle="none",
        marker=style.marker(key),
        markersize=5,
        markeredgewidth=0,
        alpha=0.75,
        color=style.colour(key),
    )
