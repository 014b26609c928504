"""The page of a study with settings: does weighting help where things are made harder?

Its verdict is of the mean over all settings, and there is none before every cell has a result.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.benchmark.comparison import markdown, signed
from pipeline.benchmark.estimates import Estimate
from pipeline.benchmark.results import RARE, RARE_BELOW, Runs, Table, mean_difference
from pipeline.benchmark.study import Grid

OURS, BASE = "weighted-paper", "mcloss"
ASKED = {
    "macro_recall/half": "macro recall at `half`",
    "macro_recall/tuned": "macro recall at `tuned`",
    RARE: "macro AP on rare nodes",
}
SHARES = {
    "macro_recall/half": "recall, `half`",
    "macro_precision/half": "precision, `half`",
    "macro_recall/tuned": "recall, `tuned`",
    "macro_precision/tuned": "precision, `tuned`",
}
AP = {RARE: "macro AP, rare", "macro_ap": "macro AP", "micro_ap": "micro AP"}
_FIGURES = SHARES | AP
_RULE = (
    f"Declared before the first cell ran: in the mean over all settings `{OURS}` has a higher "
    "macro recall at `half`, a higher macro recall at `tuned` and a higher macro AP on rare nodes "
    f"than `{BASE}` with as many members. Rare are nodes with fewer than {RARE_BELOW} positives in "
    "the training data of the setting and a test positive. Differences are paired by seed, test "
    "example and setting; ± is half of a 95 % interval, which joins that over seeds (t, of the "
    "means over settings) and that over test examples (Bayesian bootstrap)."
)


class Line(NamedTuple):
    """A figure that was asked about.

    Attributes:
        called: the figure.
        mine: mean over settings.
        other: the same of the baseline.
        gap: the difference.
    """

    called: str
    mine: float
    other: float
    gap: Estimate

    @property
    def met(self) -> bool:
        """Whether it is higher."""
        return self.gap.mean > 0

    @property
    def beyond(self) -> bool:
        """Whether it is so beyond the interval."""
        return self.met and self.gap.half is not None and self.gap.low > 0

    @property
    def word(self) -> str:
        """For people."""
        if not self.met:
            return "**not met**"
        return "met" if self.beyond else "met, but the interval holds 0"


def lines(table: Table) -> list[Line]:
    """The verdict, what is not met first; empty as long as a cell lacks a result."""
    pairs = _pairs(table, table.study.situations)
    if table.missing or not pairs:
        return []
    found: list[Line] = []
    for figure, called in ASKED.items():
        sides = zip(*pairs, strict=True)
        means = [statistics.fmean(runs.mean(figure) for runs in side) for side in sides]
        found.append(Line(called, means[0], means[1], mean_difference(pairs, figure)))
    return sorted(found, key=lambda line: (line.met, line.beyond))


def sentence(table: Table) -> str:
    """The verdict in a few words, what is not met first."""
    if table.missing:
        count = f"{len(table.missing)} of {len(table.study.cells)} cells"
        return f"**No verdict yet: {count} lack a result.**"
    if not (found := lines(table)):
        return f"**No verdict: no setting has both `{OURS}` and `{BASE}`.**"
    parts = [
        f"{word}: {', '.join(line.called for line in some)}"
        for word, some in (
            ("**not met**", [line for line in found if not line.met]),
            ("met, but within the interval", [ln for ln in found if ln.met and not ln.beyond]),
            ("met, beyond the interval", [line for line in found if line.beyond]),
        )
        if some
    ]
    text = "; ".join(parts)
    price = mean_difference(_pairs(table, table.study.situations), "macro_precision/half")
    return (
        f"`{OURS}` against `{BASE}`, over {len(table.study.situations)} settings: {text}. "
        f"Difference of macro precision at `half`: {signed(price)}."
    )


def verdict(table: Table, depth: str = "##") -> str:
    """What was asked, and what was found."""
    rows = [
        [
            line.word,
            f"{line.called} above `{BASE}`",
            f"{line.mine:.4f} against {line.other:.4f}: {signed(line.gap)}",
        ]
        for line in lines(table)
    ]
    parts = [f"{depth} Verdict", sentence(table)]
    if rows:
        parts.append(markdown(["", "asked, mean over settings", "found"], rows, numbers=False))
    return "\n\n".join([*parts, _RULE])


def differences(table: Table, depth: str = "##") -> str:
    """`OURS` minus `BASE`, setting by setting and in the mean; means of whole grids alone."""
    rows: list[list[str]] = []
    lacking = {cell.situation for cell in table.missing}
    if not table.missing:
        everything = table.study.situations
        rows.append(["**all settings**", *_gaps(_pairs(table, everything))])
    for grid in table.study.grids.values():
        names = situations(grid)
        pairs = _pairs(table, names)
        if len(table.study.grids) > 1 and lacking.isdisjoint(names):
            rows.append([f"**{grid.title or 'mean'}**", *_gaps(pairs)])
        rows += [[title(table, mine.dataset), *_gaps([(mine, other)])] for mine, other in pairs]
    if not rows:
        return ""
    text = f"`{OURS}` minus `{BASE}`, over the seeds that both have."
    head = ["setting", *_FIGURES.values()]
    return "\n\n".join([f"{depth} Differences", text, markdown(head, rows)])


def summary(table: Table, link: str) -> str:
    """A section of another page."""
    parts = [
        f"## {table.study.title}",
        f"{table.study.note} Figures of each setting, what they cost, and what was fixed "
        f"beforehand: [{link}]({link}).",
        verdict(table, "###"),
        differences(table, "###"),
    ]
    return "\n\n".join(part for part in parts if part)


def _pairs(table: Table, situations: Sequence[str]) -> list[tuple[Runs, Runs]]:
    found = table.found
    return [
        (found[n, OURS], found[n, BASE])
        for n in situations
        if (n, OURS) in found and (n, BASE) in found
    ]


def situations(grid: Grid) -> list[str]:
    """Of a grid, in its order."""
    return [f"{dataset}, {name}" for dataset in grid.datasets for name in grid.settings]


def _gaps(pairs: Sequence[tuple[Runs, Runs]]) -> list[str]:
    return [signed(mean_difference(pairs, figure)) for figure in _FIGURES]


def title(table: Table, situation: str) -> str:
    """For people; without the data set where there is only one."""
    dataset, _, name = situation.partition(", ")
    title = table.study.settings[name].title
    return title if len(table.study.datasets) == 1 else f"{dataset}, {title}"
