"""Pictures of a study that the report of a run does not have."""

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from pipeline.reporting import style, svg
from pipeline.study.results import Row


def importance(shares: Mapping[str, float], objective: str) -> str:
    """How much of the differences between trials each parameter explains, by PED-ANOVA."""
    names = list(shares)[::-1]
    with svg.picture(height=0.9 + 0.34 * len(names)) as picture:
        axes = picture.figure.subplots()
        axes.set_title(f"Importance for {objective}")
        axes.barh(range(len(names)), [shares[n] for n in names], height=0.55, color=style.ACCENT)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.grid(visible=True, axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, max(1e-9, *shares.values()) * 1.08)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("share")
    return picture.text


def front(rows: Sequence[Row], best: Sequence[Row], chosen: Row, titles: Mapping[str, str]) -> str:
    """The complete trials by both objectives, those that none beats, and the one that is taken."""
    one, other = titles
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.set_title("Both objectives")
        for found, key, size in (
            ([row for row in rows if row["state"] == "complete"], "prior", 5),
            (sorted(best, key=lambda row: row["values"][one]), "ours", 6),
            ([chosen], "mcloss", 7),
        ):
            axes.plot(
                [row["values"][one] for row in found],
                [row["values"][other] for row in found],
                linestyle="-" if key == "ours" else "none",
                linewidth=1.0,
                marker=style.marker(key),
                markersize=size,
                markeredgewidth=0,
                color=style.colour(key),
            )
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(f"{titles[one]} on valid")
        axes.set_ylabel(f"{titles[other]} on valid")
    return picture.text
