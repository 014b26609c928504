"""The page: one file that needs nothing else."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline.reporting import (
    comparison_figures,
    explorer,
    findings,
    rare,
    reliability,
    style,
    svg,
    templating,
    tuning_figures,
)
from pipeline.reporting.comparison import Comparison, rule_groups
from pipeline.reporting.sources import Sources

NODES_LISTED = 5000  # 100,000 make a page that no browser likes
_NODES_WRITTEN = 100  # of these; the script makes the other rows when they are asked for
_CAPTIONS = {
    "support-by-rank": "Support of the nodes by rank, with the rarity bins as bands.",
    "support-by-depth": "Support of the nodes by depth, with the median of each depth.",
    "rarity-by-depth": "How many nodes each rarity bin has at each depth.",
    "imbalance": "How many times more positives parents have than their children.",
}


def columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The keys that occur in any row, in the order of their first use."""
    return list(dict.fromkeys(key for row in rows for key in row))


def render(sources: Sources) -> str:
    """The report as HTML. Everything from data is escaped: names are data."""
    environment = templating.environment()
    filters: list[Callable[..., Any]] = [findings.metric_name, rule_groups, columns]
    environment.filters.update({function.__name__: function for function in filters})
    compare = Comparison(sources.metrics)
    keys = _keys(compare, sources)
    methods = _node_methods(sources.per_node, compare)
    listed = _listed(sources.per_node)
    data = explorer.document(sources, methods, listed)
    places = {node: place for place, node in enumerate(data["id"])}
    data |= {
        "keys": {name: keys[name] for name in methods},
        "listed": [places[node] for node in listed["id"]],
        "shown": _NODES_WRITTEN,
    }
    summary = findings.summary(sources.metrics)
    return environment.get_template("report.html").render(
        css=templating.asset("report.css"),
        js=templating.asset("report.js"),
        source=sources,
        metrics=sources.metrics,
        compare=compare,
        keys=keys,
        outline=style.outline,
        verdict=findings.verdict,
        findings=findings.sentences(sources.metrics),
        pictures=_pictures(sources, compare, keys),
        reliability=_reliability(sources, compare),
        fewest_entries=reliability.FEWEST,
        summary=summary,
        rare=rare.sentence(
            sources.metrics,
            sources.per_node,
            _rule(sources),
            None if summary is None else summary["baseline"],
            None if isinstance(sources.precision_recall, str) else sources.precision_recall,
        ),
        cautions=findings.cautions(sources.validation),
        most_rare=rare.MOST,
        untested=rare.untested(listed),
        precision_recall=_precision_recall(sources, compare),
        node_methods=methods,
        nodes=_records(listed),
        places=places,
        most_nodes=NODES_LISTED,
        static_nodes=_NODES_WRITTEN,
        node_data=explorer.script(data),
        rarity_bins=_bounds(sources.metrics),
        varied=tuning_figures.parameters(sources.trials),
        best_values=_best_values,
        states=_states(sources.trials),
    )


def _rule(sources: Sources) -> str:
    """The decision rule that the page speaks of: that of the outcomes."""
    if sources.outcomes is not None:
        return sources.outcomes["rule"]
    return "tuned" if "tuned" in sources.metrics["test"]["rules"] else "half"


def _keys(compare: Comparison, sources: Sources) -> dict[str, str]:
    """One colour for each method on the whole page, whatever a stage calls it."""
    cost = sources.cost if isinstance(sources.cost, dict) else {}
    names = [
        *compare.methods,
        *_node_methods(sources.per_node, compare),
        *sources.best.get("methods", {}),
        *(trial["method"] for trial in sources.trials),
        *cost.get("methods", {}),
    ]
    return style.keys(dict.fromkeys(names))


def _pictures(
    sources: Sources, compare: Comparison, keys: dict[str, str]
) -> dict[str, list[Markup]]:
    """The SVG elements of each section."""
    objective = findings.metric_name(sources.best.get("objective", "macro_ap"))
    trials = sources.trials
    studied = {name: keys[name] for name in dict.fromkeys(trial["method"] for trial in trials)}
    drawn: dict[str, list[tuple[str, str]]] = {
        "differences": [
            (
                comparison_figures.differences(compare, keys),
                "Paired differences between the ensemble and its baselines, with their intervals.",
            )
        ],
        "rarity": _slices(compare, keys, "rarity", "positives in the training data"),
        "depth": _slices(compare, keys, "depth", "depth"),
        "reliability": [
            (
                comparison_figures.reliability(
                    group.curves, compare.ours, keys, f"{group.name} positives"
                ),
                f"Observed share against predicted probability, {group.name} positives.",
            )
            for group in _reliability(sources, compare)
            if group.name != "all"
        ],
        "precision_recall": [
            (
                comparison_figures.precision_recall(methods, compare.ours, keys, name),
                f"Precision against recall, {_positives(name)}.",
            )
            for name, methods in _precision_recall(sources, compare).items()
        ],
        "hierarchy": [
            (sources.pictures[name], caption)
            for name, caption in _CAPTIONS.items()
            if name in sources.pictures
        ],
        "tuning": [
            (
                tuning_figures.history(trials, studied, objective),
                "Value of every complete trial and the best so far.",
            ),
            (
                tuning_figures.curves(trials, studied, objective),
                "Value of every trial through its epochs.",
            ),
        ],
        "parameters": [
            (
                tuning_figures.parameter(trials, studied, name, objective),
                f"Value of the trials against {name}.",
            )
            for name in tuning_figures.parameters(trials)
        ],
    }
    return {
        section: [
            svg.inline(text, f"{section}{position}", label)
            for position, (text, label) in enumerate(pictures)
        ]
        for section, pictures in drawn.items()
    }


def _positives(name: str) -> str:
    return "all nodes" if name == "all" else f"{name} positives"


def _reliability(sources: Sources, compare: Comparison) -> list[reliability.Group]:
    """Without the file there is nothing to draw."""
    if isinstance(sources.reliability, str):
        return []
    return reliability.groups(sources.reliability, compare.methods)


def _slices(compare: Comparison, keys: dict[str, str], by: str, axis: str) -> list[tuple[str, str]]:
    """Macro AP, then recall and F1 under each rule."""
    return [
        (
            comparison_figures.slices(
                compare,
                keys,
                by=by,
                axis=axis,
                rule=rule,
                metric=metric,
                # The first stands beside a column of the others.
                size=(4.4, 4.6) if rule is None else (3.4, 2.5),
            ),
            f"{findings.metric_name(metric if rule is None else f'{metric}/{rule}')} by {by}.",
        )
        for rule, metric in compare.slice_columns()
        if metric != "macro_precision"
    ]


def _node_methods(per_node: pd.DataFrame, compare: Comparison) -> list[str]:
    """The methods with an average precision of each node, in the page's order."""
    found = [str(c).removeprefix("ap_") for c in per_node if str(c).startswith("ap_")]
    # A column leaves out the variant that the ensemble's name carries behind a slash.
    places = {compare.ours.partition("/")[0]: 0}
    places |= {name: place for place, name in enumerate(compare.methods)}
    return sorted(found, key=lambda name: places.get(name, len(places)))


def _listed(per_node: pd.DataFrame) -> pd.DataFrame:
    """The rarest first, which the page is about, and last those without a positive to learn from.

    Of more than `NODES_LISTED` nodes, those that can be both learnt and tested: the very rarest
    have no figure, or one of pure chance.
    """
    table = per_node
    if len(table) > NODES_LISTED:
        for column in table.columns.intersection(["scored", "support", "test_positives"]):
            table = table[table[column] > 0]
    if "support" in table:
        support = table["support"]
        order = np.lexsort((support, support == 0))  # stable: ties stay in node order
        table = table.iloc[order]
    return table[:NODES_LISTED]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")  # type: ignore[return-value]


def _bounds(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each rarity bin with its lowest and highest support, where it has one: `100+` has none."""
    names = [entry["bin"] for entry in metrics["test"]["by_rarity"] if entry["nodes"]]
    return [(name, *_ends(name)) for name in names]


def _ends(name: str) -> tuple[str, str]:
    low, dash, high = name.partition("-")
    return (low, high) if dash else (name.rstrip("+"), "" if name.endswith("+") else name)


def _precision_recall(sources: Sources, compare: Comparison) -> dict[str, dict[str, Any]]:
    """Bin -> method -> its curve, bins in the order of the file, methods in that of the page."""
    found: dict[str, dict[str, Any]] = {}
    if not isinstance(sources.precision_recall, str):
        for method in compare.methods:
            for name, curve in sources.precision_recall["methods"].get(method, {}).items():
                found.setdefault(name, {})[method] = curve
    return found


def _best_values(methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parameters of each method's best trial, those of the weighting beside the others."""
    nested = ("value", "weighting")
    return {
        method: {name: value for name, value in values.items() if name not in nested}
        | (values.get("weighting") or {})
        for method, values in methods.items()
    }


def _states(trials: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """How many trials of each method ended in which state."""
    found: dict[str, dict[str, int]] = {}
    for trial in trials:
        states = found.setdefault(trial["method"], {})
        states[trial["state"]] = states.get(trial["state"], 0) + 1
    return found
