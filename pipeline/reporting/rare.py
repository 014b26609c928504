"""Of the rare nodes: how many are found, and how many nobody can tell of."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

MOST = 29  # positives of a rare node: the rarity bins of `_BINS`
_BINS = {"1-9": (1, 9), "10-29": (10, MOST)}
_POSITIVES = f"1 to {MOST} positives to learn from"


def sentence(
    metrics: dict[str, Any],
    per_node: pd.DataFrame,
    rule: str,
    baseline: str | None,
    curves: dict[str, Any] | None = None,
) -> str | None:
    """How many rare nodes the ensemble finds, and how many a baseline, and at what price.

    Found is a node with a true positive among the test examples: once is enough, so who predicts
    every node finds all. The price is how many of the decisions on rare nodes are right.

    Args:
        metrics: metrics.json.
        per_node: a row per node, with `support`, `test_positives` and recalls.
        rule: that decides.
        baseline: to be held against; None for none.
        curves: precision_recall.json, if there is any.

    Returns:
        None where no node is rare, or recalls are missing.
    """
    ours = _recall(per_node, rule, metrics["method"])
    if ours is None or not {"support", "test_positives"} <= {*per_node}:
        return None
    rare = _scored(per_node) & per_node["support"].between(1, MOST)
    tested = rare & (per_node["test_positives"] > 0)
    asked, others = int(tested.sum()), int(rare.sum() - tested.sum())
    if not asked:
        if not others:
            return None
        if others == 1:
            return (
                f"The one rare node ({_POSITIVES}) has no test example: nobody can tell whether it "
                "is found."
            )
        return (
            f"None of the {others:,} rare nodes ({_POSITIVES}) has a test example: nobody can tell "
            "whether they are found."
        )
    text = f"Rare nodes found: {_found(ours, tested)} of {asked:,}"
    theirs = None if baseline is None else _recall(per_node, rule, baseline)
    methods = [metrics["method"], *([] if baseline is None or theirs is None else [baseline])]
    support = per_node.loc[rare, "support"]
    bins = [name for name, ends in _BINS.items() if support.between(*ends).any()]
    prices = [_price(curves, method, rule, bins) for method in methods]
    known = None not in prices
    if known:
        text += f", with {prices[0]} on rare nodes right"
    if theirs is not None:
        text += f"; by {baseline} {_found(theirs, tested)} of {asked:,}"
        text += f", with {prices[1]} right" if known else ""
    text += " (no intervals)" if known else ", with any number of wrong decisions and no interval"
    text += (
        f". Rare is a node with {_POSITIVES}; found is one with at least one true positive among "
        f"the test examples by the rule {rule.replace('_', ' ')}."
    )
    if others:
        text += f" {others:,} more {'has' if others == 1 else 'have'} no test example."
    return text


def untested(per_node: pd.DataFrame) -> int:
    """How many scored nodes can be learnt and have no test example, so that no figure is theirs."""
    if not {"support", "test_positives"} <= {*per_node}:
        return 0
    found = _scored(per_node) & (per_node["support"] > 0) & (per_node["test_positives"] == 0)
    return int(found.sum())


def _found(recall: pd.Series, tested: pd.Series) -> str:
    return f"{int((recall[tested] > 0).sum()):,}"


def _price(
    curves: dict[str, Any] | None, method: str, rule: str, bins: Sequence[str]
) -> str | None:
    """`3 of 12 decisions`, of those that a node is there; None where they were not counted."""
    found = {} if curves is None else curves["methods"]
    columns = found.get(method) or found.get(method.partition("/")[0]) or {}
    counts = [columns.get(name, {}).get("decided", {}).get(rule) for name in bins]
    if None in counts:
        return None
    decided, right = (sum(part) for part in zip(*counts, strict=True))
    return f"{right:,} of {decided:,} positive decision{'' if decided == 1 else 's'}"


def _recall(per_node: pd.DataFrame, rule: str, method: str) -> pd.Series | None:
    """A method's recall of each node; a column leaves out the variant behind a slash at times."""
    for name in (method, method.partition("/")[0]):
        if (column := f"recall_{rule}_{name}") in per_node:
            return per_node[column]
    return None


def _scored(per_node: pd.DataFrame) -> pd.Series:
    if "scored" in per_node:
        return per_node["scored"].astype(bool)
    return pd.Series(True, per_node.index)
