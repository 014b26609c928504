"""The tables that compare the product's method with others: Markdown from a study's results."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scipy.stats import wilcoxon

from pipeline.benchmark import verdicts
from pipeline.benchmark.estimates import Estimate, number
from pipeline.benchmark.results import RAREST, Runs, Table, paired

_OURS = "ours"
_FIGURES = {
    "micro_ap": "micro AP",
    "macro_ap": "macro AP",
    RAREST: "1-9",
    "macro_ap/rarity=10-29": "10-29",
    "macro_ap/rarity=30-99": "30-99",
    "macro_ap/rarity=100+": "100+",
}
_RULES = {"macro_f1/half": "half", "macro_f1/prior_matched": "prior", "macro_f1/tuned": "tuned"}
_PAIRED = ("mcloss", "bce")
_QUARTERS = [("rare", "rare"), ("rare", "common"), ("common", "rare"), ("common", "common")]


def asked(table: Table) -> str:
    """Every line that was asked, first those that are not met."""
    found = verdicts.verdicts(table)
    words = {True: "met", False: "**not met**", None: "no result yet"}
    order = [False, None, True]
    rows = [
        [
            ("" if verdict.final or verdict.met is None else "so far ") + words[verdict.met],
            verdict.asked,
            verdict.found,
        ]
        for verdict in sorted(found, key=lambda verdict: order.index(verdict.met))
    ]
    met, failed = ([verdict for verdict in found if verdict.met is is_] for is_ in (True, False))
    text = f"Of {len(found)} lines {len(met)} are met and **{len(failed)} are not met**."
    if open_ := sum(not verdict.final for verdict in found):
        text += f" {open_} of them speak of cells that have no result yet, and may change."
    return _section(
        "What was asked, and what was found",
        f"{text} A mean over data sets that share examples has an interval as if they erred alike.",
        markdown(["", "asked", "found"], rows, numbers=False),
    )


def overview(table: Table) -> str:
    """Each method against `mcloss`, over the confirmation sets that have both."""
    base = "mcloss"
    rows = []
    for method in table.methods:
        sets = table.confirming(method, base)
        pairs = [paired(table.found[name, method], table.found[name, base]) for name in sets]
        if not pairs:
            continue
        gap, half = verdicts.mean_difference(table, pairs, "micro_ap")
        ratios = [_mean_ratio(pairs, f) for f in ("macro_ap", RAREST, "macro_f1/tuned")]
        spent = _mean_ratio(pairs, lambda runs: cost(runs, "cpu_seconds"))
        rows.append(
            [
                method,
                str(len(pairs)),
                f"{gap:+.4f}" + ("" if half is None else f" ± {half:.4f}"),
                *ratios,
                spent,
            ]
        )
    return _section(
        "Each method against `mcloss`",
        "Over the confirmation sets that have a result of both: the mean difference of micro AP, "
        "and geometric means of ratios (of fewer sets where a number stands in brackets: not every "
        "set has nodes with so few positives). `weighted-paper` are the networks of `ours` alone: "
        "what it has over `bce` and `mcloss` the weights and the start bring, what `ours` has over "
        "it the kinds; `weighted-none` are networks with that start and without weights. Seconds "
        "are those of all cores, for training, cuts and mixing.",
        markdown(
            [
                *("method", "sets", "micro AP", "macro AP, times", "1-9 positives, times"),
                *("macro F1 at `tuned`, times", "CPU seconds, times"),
            ],
            rows,
        ),
    )


def by_dataset(table: Table) -> str:
    """Every figure of every method, data set by data set."""
    parts: list[str] = []
    for name in table.study.datasets:
        rows = [
            [
                method,
                str(len(runs.runs)),
                *(shown(runs, figure) for figure in _FIGURES),
                *(percent(runs, figure) for figure in _RULES),
            ]
            for method in table.methods
            if (runs := table.found.get((name, method))) is not None
        ]
        if rows:
            about = next(runs for key, runs in table.found.items() if key[0] == name).about
            examples, nodes = about["examples"], about["nodes"]
            role = "development" if name in table.study.development else "confirmation"
            parts += [
                f"### {name}",
                f"A {role} set: {examples['train'] + examples['valid']} training and "
                f"{examples['test']} test examples, {nodes['scored']} scored nodes, of which "
                f"{nodes['with_test_positive']} have a test positive.",
                markdown(["method", "seeds", *_FIGURES.values(), *_RULES.values()], rows),
            ]
    text = (
        "Micro and macro average precision, macro average precision of nodes by their positives in "
        "train+valid, and macro F1 in percent by decision rule (`prior` is `prior_matched`)."
    )
    return _section("Data set by data set", text, *parts)


def differences(table: Table) -> str:
    """Ours minus the baselines with the same members, paired."""
    rows = []
    for name in table.study.datasets:
        for other in ("weighted-paper", *_PAIRED):
            mine, theirs = table.found.get((name, _OURS)), table.found.get((name, other))
            if mine and theirs:
                gaps = [mine.difference(theirs, f) for f in (*_FIGURES, "macro_f1/tuned")]
                rows.append([name, other, *(signed(gap) for gap in gaps)])
    text = (
        "Ours minus a baseline of as many networks, or its own networks alone. An interval joins "
        "two that are independent: over seeds (t) and over test examples (Bayesian bootstrap, the "
        "same replicates for both). With one seed only the second is left, so it is too narrow."
    )
    head = ["data set", "minus", *_FIGURES.values(), "macro F1 at `tuned`"]
    return _section("Paired differences", text, markdown(head, rows))


def by_depth(table: Table) -> str:
    """Macro AP by depth."""
    parts: list[str] = []
    chosen = [m for m in (_OURS, "weighted-paper", *_PAIRED) if m in table.methods]
    for name in table.datasets(*chosen) if chosen else ():
        runs = [table.found[name, method] for method in chosen]
        rows: list[list[str]] = []
        for part in runs[0].runs[0]["test"]["by_depth"]:
            figure = f"macro_ap/depth={part['depth']}"
            means = [number(run.values(figure), 4) for run in runs]
            rows.append([str(part["depth"]), str(part["nodes"]), *means])
        parts += [f"### {name}", markdown(["depth", "nodes", *chosen], rows)]
    return _section(
        "Macro AP by depth",
        "Means over seeds, ± over seeds alone; a depth is the longest path from a root.",
        *parts,
    )


def signed_ranks(table: Table) -> str:
    """Wilcoxon's signed-rank test over data sets."""
    figures = {"micro_ap": "micro AP", "macro_ap": "macro AP", RAREST: "1-9"} | {
        "macro_f1/tuned": "macro F1 at `tuned`"
    }
    rows = []
    for other in table.methods:
        for label, sets in (
            ("confirmation", table.confirming(_OURS, other)),
            ("all", table.datasets(_OURS, other)),
        ):
            if other == _OURS or len(sets) < 2:
                continue
            pairs = [paired(table.found[n, _OURS], table.found[n, other]) for n in sets]
            rows.append([other, label, str(len(sets)), *(_p_value(pairs, f) for f in figures)])
    text = (
        "Wilcoxon's signed-rank test, two-sided and exact, of the means over seeds: how often so "
        "unequal ranks come by chance if a method were as good as ours. With seven data sets the "
        "least p is 0.016, with ten 0.002. It takes data sets for independent, which those of a "
        "family are not, and is not corrected for the number of comparisons: read it as a count."
    )
    return _section(
        "Over data sets",
        text,
        markdown(["ours against", "sets", "number", *figures.values()], rows),
    )


def quarters(table: Table) -> str:
    """Rare nodes against rare observations."""
    rows = []
    for method in table.methods:
        sets = table.confirming(method, _OURS)
        if not sets:
            continue
        asked = [
            _quarter(*quarter, figure)
            for figure in ("macro_ap", "recall/tuned")
            for quarter in _QUARTERS
        ]
        each = [[value(table.found[name, method]) for value in asked] for name in sets]
        whole = [values for values in each if None not in values[: len(_QUARTERS)]]
        if whole:
            cells = [_mean(values) for values in zip(*whole, strict=True)]
            rows.append([method, str(len(whole)), *cells])
    head = ["method", "sets"]
    for figure in ("AP", "recall"):
        head += [f"{figure}: {nodes} nodes, {seen} obs." for seen, nodes in _QUARTERS]
    text = (
        "Rare nodes have 1-29 positives in train+valid. An observation is rare if it lies in the "
        "upper half of the test examples by the mean of -log2 of its nodes' shares. Macro AP, and "
        "macro recall at `tuned`, of each quarter by itself, over its nodes with a positive there; "
        "means over the confirmation sets that have all four quarters (methods with fewer sets are "
        "not comparable with the others), without intervals."
    )
    return _section("Rare nodes are not rare observations", text, markdown(head, rows))


def honesty(table: Table) -> str:
    """What held-out scores promise, and calibration."""
    rows = []
    for name in table.datasets(_OURS):
        runs = table.found[name, _OURS]
        cells = []
        for rule in ("prior_matched", "tuned"):
            wanted, half, found = verdicts.promised(runs, rule)
            cells += [f"{100 * wanted:.2f} ± {100 * half:.2f}", f"{100 * found:.2f}"]
        skills = [verdicts.brier_skill(runs, part) for part in ("1-9", "10-29", "30-99", "100+")]
        cells += ["" if skill is None else f"{skill:+.4f}" for skill in skills]
        rows.append([name, *cells, *map(str, verdicts.unreliable(runs))])
    head = ["data set", "`prior_matched` expected", "found", "`tuned` expected", "found"]
    head += [f"Brier skill {part}" for part in ("1-9", "10-29", "30-99", "100+")]
    text = (
        "Of `ours`. Expected macro F1 in percent: cuts chosen without a fold decide it, drawn as "
        "often as there are test examples; ± is the interval of the difference to what is found. "
        "It is expected of the two members that left an example out, and found with all, which "
        "rank better and know each node's every positive, so it tends to be too low; and it takes "
        "test examples to be like training ones, and seeds to be alike. Brier skill is over the "
        "training shares, by positives in train+valid. The last columns are the distances of a "
        "reliability curve from the diagonal where p > 0.1 and at least 200 predictions lie in the "
        "bin (means over seeds): the greatest, and that which is greatest for what chance alone "
        "does if probabilities are right and independent; those of an example are not independent."
    )
    return _section(
        "Honest cuts and probabilities", text, markdown([*head, "reliability", "oddest"], rows)
    )


def gene_ontology(table: Table) -> str:
    """F-max and S-min."""
    rows = []
    for (name, method), runs in table.found.items():
        for space, first in runs.runs[0].get("cafa", {}).items():
            each = [run["cafa"][space] for run in runs.runs]
            cells = [number([e[key] for e in each], 4) for key in ("f_max", "s_min")]
            rows.append([name, space, method, str(first["examples"]), *cells])
    if not rows:
        return ""
    rows.sort(key=lambda row: (table.study.datasets.index(row[0]), row[1]))
    text = (
        "By [cafaeval](https://pypi.org/project/cafaeval/), roots left out. F-max is the greatest "
        "F over cuts, S-min the least distance in bits of information from the training labels."
    )
    head = ["data set", "namespace", "method", "examples", "F-max", "S-min"]
    return _section("Gene ontology", text, markdown(head, rows))


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    """A table; with `numbers` all columns but the first are set to the right."""
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] + ["---:" if numbers else "---"] * (len(lines[0]) - 1))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *parts])


def signed(estimate: Estimate) -> str:
    """A difference; empty where there is none."""
    if math.isnan(estimate.mean):
        return ""
    half = "" if estimate.half is None else f" ± {estimate.half:.4f}"
    return f"{estimate.mean:+.4f}{half}"


def shown(runs: Runs, figure: str) -> str:
    """A figure; empty where there is none."""
    return str(runs.estimate(figure)) if runs.values(figure) else ""


def percent(runs: Runs, figure: str) -> str:
    """A figure in percent; empty where there is none."""
    if not runs.values(figure):
        return ""
    estimate = runs.estimate(figure)
    return f"{100 * estimate.mean:.2f}" + (
        "" if estimate.half is None else f" ± {100 * estimate.half:.2f}"
    )


def _mean_ratio(
    pairs: Sequence[tuple[Runs, Runs]], figure: str | Callable[[Runs], float | None]
) -> str:
    def value(runs: Runs) -> float | None:
        if callable(figure):
            return figure(runs)
        return runs.mean(figure) if runs.values(figure) else None

    ratios = [(value(mine), value(other)) for mine, other in pairs]
    known = [a / b for a, b in ratios if a and b]
    if not known:
        return ""
    fewer = f" ({len(known)})" if len(known) < len(ratios) else ""
    return f"{statistics.geometric_mean(known):.3f}{fewer}"


def _mean(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{statistics.fmean(known):.4f}" if len(known) == len(values) else ""


def _quarter(seen: str, nodes: str, figure: str) -> Callable[[Runs], float | None]:
    def value(runs: Runs) -> float | None:
        values = [run["quadrants"][seen][nodes].get(figure) for run in runs.runs]
        return None if None in values else statistics.fmean(values)

    return value


def cost(runs: Runs, key: str) -> float | None:
    """Mean over seeds of what a run took; None where one does not say."""
    values: list[Any] = [run["cost"].get(key) for run in runs.runs]
    return None if None in values else statistics.fmean(values)


def _p_value(pairs: Sequence[tuple[Runs, Runs]], figure: str) -> str:
    known = [pair for pair in pairs if all(run.values(figure) for run in pair)]
    gaps = [mine.mean(figure) - other.mean(figure) for mine, other in known]
    if not any(gaps):
        return ""
    higher = sum(gap > 0 for gap in gaps)
    return f"{float(wilcoxon(gaps).pvalue):.3f} ({higher} of {len(gaps)} higher)"
