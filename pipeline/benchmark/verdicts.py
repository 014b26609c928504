"""What was asked of the product's method before the study ran, and what the study found."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.benchmark.results import RAREST, Runs, Table, paired
from pipeline.config.published import PUBLISHED, PUBLISHED_F1

_OURS = "ours"
_EQUAL = ("mcloss", "bce")  # with as many networks
_TUNED = "macro_f1/tuned"
_FEW = 200  # predictions of a bin that say something of its calibration


class Verdict(NamedTuple):
    """A bound and what was measured.

    Attributes:
        asked: the bound.
        found: what was measured, or what fails it.
        met: None where nothing was measured, or a difference has no interval.
        final: whether every cell and seed that it speaks of has a result.
    """

    asked: str
    found: str
    met: bool | None
    final: bool = True


def verdicts(table: Table) -> list[Verdict]:
    """One for each line that was asked, those of missing cells included."""
    everything = tuple(dict.fromkeys(cell.method for cell in table.study.cells.values()))
    found = [
        *((other, verdict) for other in _EQUAL for verdict in _at_equal_members(table, other)),
        ("mcloss_1", _ratio(table, "mcloss_1", "macro_ap", 1.2)),
        (_OURS, _published(table)),
        (everything, _decided(table)),
        ("mcloss_1", _times_half(table)),
        *((_OURS, judge(table)) for judge in (_times_published_f1, _expected, _skill, _reliable)),
    ]
    lacking = {cell.method for cell in table.missing}
    return [
        verdict._replace(final=lacking.isdisjoint({_OURS, *([of] if isinstance(of, str) else of)}))
        for of, verdict in found
    ]


def _at_equal_members(table: Table, other: str) -> Iterator[Verdict]:
    yield _ratio(table, other, "macro_ap", 1.08)
    sets = table.datasets(_OURS, other)
    below = [
        f"{name} ({gap})"
        for name in sets
        for gap in [table.found[name, _OURS].difference(table.found[name, other], "macro_ap")]
        if gap.half is not None and gap.mean + gap.half < 0
    ]
    yield _each(f"macro AP on no set below `{other}` by more than its interval", sets, below)
    yield _ratio(table, other, RAREST, 1.2)
    yield _gain(table, other, "micro_ap", 0.005)


def _ratio(table: Table, other: str, figure: str, least: float) -> Verdict:
    asked = f"{_called(figure)} at least {least} times `{other}`, mean over confirmation sets"
    pairs = _pairs(table, other, figure)
    if not pairs:
        return Verdict(asked, "no result", None)
    mine, theirs = (statistics.fmean(run.mean(figure) for run in side) for side in _sides(pairs))
    gap, half = mean_difference(table, pairs, figure)
    each = statistics.geometric_mean([a.mean(figure) / b.mean(figure) for a, b in pairs])
    ratio = mine / theirs
    found = (
        f"{ratio:.3f} times (difference {gap:+.4f}{_half(half)}, {len(pairs)} sets; each set "
        f"counting the same {each:.3f} times)"
    )
    met = None if half is None else ratio >= least and gap > half
    return Verdict(asked + ", its difference above 0", found, met)


def _gain(table: Table, other: str, figure: str, least: float) -> Verdict:
    asked = f"{_called(figure)} at least {least} above `{other}`, mean over confirmation sets"
    pairs = _pairs(table, other, figure)
    if not pairs:
        return Verdict(asked, "no result", None)
    gap, half = mean_difference(table, pairs, figure)
    return Verdict(asked, f"{gap:+.4f}{_half(half)} ({len(pairs)} sets)", gap >= least)


def mean_difference(
    table: Table, pairs: Sequence[tuple[Runs, Runs]], figure: str
) -> tuple[float, float | None]:
    """The mean over data sets of paired differences, and half of its 95 % interval.

    Data sets are fixed; their test examples and the seeds are what varies. Sets of a family share
    examples and may err together, so their halves are added; families are independent. None where
    a difference has no interval.
    """
    gaps = [mine.difference(other, figure) for mine, other in pairs]
    mean = statistics.fmean(gap.mean for gap in gaps)
    halves: dict[str, float] = {}
    for (mine, _), gap in zip(pairs, gaps, strict=True):
        if gap.half is None:
            return mean, None
        family = table.family(mine.dataset)
        halves[family] = halves.get(family, 0.0) + gap.half
    return mean, math.hypot(*halves.values()) / len(gaps)


def _published(table: Table) -> Verdict:
    sets = [name for name in table.datasets(_OURS) if name in PUBLISHED]
    values = {name: table.found[name, _OURS].mean("micro_ap") for name in sets}
    below = [
        f"{name} ({value:.4f} against {PUBLISHED[name].au_prc})"
        for name, value in values.items()
        if value <= PUBLISHED[name].au_prc
    ]
    return _each("micro AP above the published AU(PRC) on every benchmark", sets, below)


def _decided(table: Table) -> Verdict:
    asked = "macro F1 at the rule `tuned` above every other method's, mean over confirmation sets"
    parts, failed = [], []
    for other in table.methods:
        pairs = [p for p in _pairs(table, other, _TUNED) if other != _OURS and p[1].values(_TUNED)]
        if not pairs:
            continue
        mine, theirs = (
            statistics.fmean(run.mean(_TUNED) for run in side) for side in _sides(pairs)
        )
        gap, half = mean_difference(table, pairs, _TUNED)
        found = f"{mine:.4f} against {theirs:.4f} of {other}, {gap:+.4f}{_half(half)}"
        parts.append((mine / theirs, found))
        if mine <= theirs:
            failed.append(parts[-1][1])
    if not parts:
        return Verdict(asked, "no result", None)
    nearest = "nearest: " + min(parts)[1]
    return Verdict(asked, "; ".join(failed) or nearest, not failed)


def _times_half(table: Table) -> Verdict:
    sets = [name for name in table.datasets(_OURS, "mcloss_1") if name.endswith("_FUN")]
    return _factors(
        "macro F1 of ours at `tuned` at least 3.5 times `mcloss_1` at `half`, every FUN set",
        {
            name: table.found[name, _OURS].mean(_TUNED)
            / max(table.found[name, "mcloss_1"].mean("macro_f1/half"), 1e-9)
            for name in sets
        },
        3.5,
    )


def _times_published_f1(table: Table) -> Verdict:
    sets = [n for n in table.datasets(_OURS) if n.endswith("_GO") and n in PUBLISHED_F1]
    return _factors(
        "macro F1 of ours at `tuned` at least 2.3 times the article's best, every GO set",
        {name: table.found[name, _OURS].mean(_TUNED) / PUBLISHED_F1[name] for name in sets},
        2.3,
    )


def _factors(asked: str, factors: dict[str, float], least: float) -> Verdict:
    if not factors:
        return Verdict(asked, "no result", None)
    found = ", ".join(f"{name} {factor:.2f}" for name, factor in factors.items())
    return Verdict(asked, found, min(factors.values()) >= least)


def _expected(table: Table) -> Verdict:
    sets = table.datasets(_OURS)
    apart = [
        f"{name} (expected {wanted:.4f} ± {half:.4f}, found {found:.4f})"
        for name in sets
        for wanted, half, found in [promised(table.found[name, _OURS], "tuned")]
        if abs(found - wanted) > half
    ]
    asked = "macro F1 (`tuned`) expected from held-out scores and found differ by less than their"
    return _each(f"{asked} interval on every set", sets, apart)


def promised(runs: Runs, rule: str) -> tuple[float, float, float]:
    """Macro F1 that held-out scores promise, half of the interval of the difference, and found.

    The promise is an estimate from the training examples, the finding one from test examples: each
    varies as a draw of its own number of examples does.
    """
    promises = [run["expected"][rule] for run in runs.runs]
    count = runs.about["examples"]
    more = 1 + count["test"] / (count["train"] + count["valid"])
    half = 1.96 * math.sqrt(more) * statistics.fmean(promise["sd"] for promise in promises)
    wanted = statistics.fmean(promise["mean"] for promise in promises)
    return wanted, half, runs.mean(f"macro_f1/{rule}")


def _skill(table: Table) -> Verdict:
    sets = table.datasets(_OURS)
    failed = [
        f"{name} {part} ({value:+.4f})"
        for name in sets
        for part in ("10-29", "30-99", "100+")
        for value in [brier_skill(table.found[name, _OURS], part)]
        if value is not None and value <= 0
    ]
    return _each("Brier skill over the prior positive in every rarity bin from 10 up", sets, failed)


def brier_skill(runs: Runs, part: str) -> float | None:
    """Mean over seeds of a rarity bin's; None where the data set has no such nodes."""
    values = [run["brier_skill"].get(f"rarity={part}") for run in runs.runs]
    return None if None in values else statistics.fmean(values)


def _reliable(table: Table) -> Verdict:
    sets = table.datasets(_OURS)
    failed = []
    for name in sets:
        worst, oddest = unreliable(table.found[name, _OURS])
        if worst.apart > 0.05:
            other = oddest != worst and oddest.apart > max(0.05, oddest.chance)
            more = f", also {oddest}" if other else ""
            failed.append(f"{name} up to {worst}{more}")
    asked = f"where p > 0.1, reliability within 0.05 of the diagonal ({_FEW} predictions or more)"
    return _each(asked, sets, failed)


class Distance(NamedTuple):
    """Of a bin's share of positives from its mean probability.

    Attributes:
        apart: how far, the mean over seeds: a user has one.
        chance: how far chance alone moves it if probabilities are right and predictions independent
            of each other: no bin further, in 95 of 100 cases (Bonferroni). Those of an example are
            not independent, so that it can move further.
    """

    apart: float
    chance: float

    def __str__(self) -> str:
        return f"{self.apart:.3f} (chance {self.chance:.3f})"


def unreliable(runs: Runs) -> tuple[Distance, Distance]:
    """The greatest distance, and the one that is greatest for what chance does.

    Over the rarity bins and bins of probability above 0.1 with at least 200 predictions, the mean
    over seeds.
    """
    judged: list[tuple[float, float]] = []
    for part in runs.runs[0]["reliability"]:
        curves = [run["reliability"][part] for run in runs.runs]
        for place in range(1, len(curves[0]["entries"])):
            entries = statistics.fmean(curve["entries"][place] for curve in curves)
            if entries < _FEW:
                continue
            seen = [curve for curve in curves if curve["entries"][place]]
            apart = [abs(curve["observed"][place] - curve["mean_p"][place]) for curve in seen]
            p = statistics.fmean(curve["mean_p"][place] for curve in seen)
            judged.append((statistics.fmean(apart), math.sqrt(p * (1 - p) / entries)))
    if not judged:
        return Distance(0.0, 0.0), Distance(0.0, 0.0)
    normal = statistics.NormalDist().inv_cdf(1 - 0.025 / len(judged))
    found = [Distance(apart, normal * deviation) for apart, deviation in judged]
    return max(found), max(found, key=lambda one: one.apart / max(one.chance, 1e-9))


def _pairs(table: Table, other: str, figure: str) -> list[tuple[Runs, Runs]]:
    """Ours and another method on the confirmation sets that have a figure of both."""
    found = [
        paired(table.found[name, _OURS], table.found[name, other])
        for name in table.confirming(_OURS, other)
    ]
    return [pair for pair in found if all(run.values(figure) for run in pair)]


def _half(half: float | None) -> str:
    return "" if half is None else f" ± {half:.4f}"


def _sides(pairs: Sequence[tuple[Runs, Runs]]) -> tuple[list[Runs], list[Runs]]:
    return [mine for mine, _ in pairs], [other for _, other in pairs]


def _each(asked: str, sets: Sequence[str], failed: Sequence[str]) -> Verdict:
    if not sets:
        return Verdict(asked, "no result", None)
    return Verdict(asked, "; ".join(failed) or f"all {len(sets)} sets", not failed)


def _called(figure: str) -> str:
    name = {"macro_ap": "macro AP", "micro_ap": "micro AP"}[figure.split("/")[0]]
    return name + (", nodes with 1-9 positives," if "/" in figure else "")
