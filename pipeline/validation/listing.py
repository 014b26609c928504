"""What validation.json and its page list beside the expectations: the offenders themselves."""

import math
from typing import Any

import numpy as np
import pandas as pd

from pipeline.validation import copies, leaks, pictures, spellings
from pipeline.validation.drift import SOME, Drift

LISTED = 200  # of each kind, the gravest; a total stands beside them
# The flags of the tables of drift in words, the gravest first.
_FEATURES = {
    "vanished": "vanished",
    "widened": "other kind",
    "beyond": "beyond its range",
    "moved": "moved",
    "gaps": "missing more or less often",
    "new": "new",
}
_NODES = {"vanished": "vanished", "changed": "support changed", "new": "new"}


def listing(tables: dict[str, pd.DataFrame], drift: Drift) -> dict[str, Any]:
    """`copies`, `leaks`, `spellings` and `drift`, each list as `total` and the first `LISTED`.

    And `pictures`, where examples are images. Of copies and pictures `test` counts the test
    examples with a like in train or valid, `test_same_labels` the copies among these that have
    their labels, too.

    Args:
        tables: facts by name, empty lists follow from absent ones.
        drift: the comparison with the accepted data.
    """
    number, alike = copies.groups(tables["copies"], LISTED) if "copies" in tables else (0, [])
    tested, same = copies.in_test(tables["copies"]) if "copies" in tables else (0, 0)
    suspects = leaks.suspects(tables["leaks"]) if "leaks" in tables else []
    spelt = spellings.groups(tables["spellings"]) if "spellings" in tables else []
    return {
        "copies": {"total": number, "test": tested, "test_same_labels": same, "listed": alike},
        **(
            {
                "pictures": {"test": int(tables["pictures"]["learnt"].sum())}
                | _bounded(pictures.near(tables["pictures"]))
            }
            if "pictures" in tables
            else {}
        ),
        "leaks": _bounded(suspects),
        "spellings": _bounded(spelt),
        "drift": _drift(drift),
    }


def _bounded(rows: list[Any]) -> dict[str, Any]:
    return {"total": len(rows), "listed": rows[:LISTED]}


def _drift(drift: Drift) -> dict[str, Any]:
    if drift.features is None or drift.nodes is None or drift.examples is None:
        return {"compared": False, "nothing": drift.nothing}
    psi = drift.features["psi"].astype(float)
    some = ((psi > SOME) & (drift.features["moved"] == 0)).astype(int)
    features = drift.features.assign(some=some)
    vanished = features["vanished"] == 1
    return {
        "compared": True,
        "nothing": None,
        "sizes": drift.sizes,
        "features": {
            "in_both": int((~vanished & (features["new"] == 0)).sum()),
            **_flagged(features, {**_FEATURES, "some": "moved a little"}, "psi"),
        },
        "nodes": {
            "in_both": int(((drift.nodes["vanished"] == 0) & (drift.nodes["new"] == 0)).sum()),
            **_flagged(drift.nodes, _NODES, "support_was"),
        },
        "examples": {
            "looked_at": len(drift.examples),
            "vanished": int(drift.examples["vanished"].sum()),
            "total": drift.accepted_examples,
        },
    }


def _flagged(table: pd.DataFrame, words: dict[str, str], by: str) -> dict[str, Any]:
    """How many rows have each flag; those with any, by their gravest flag, then by a figure."""
    flags = table[list(words)].to_numpy() > 0
    gravest = np.where(flags.any(axis=1), flags.argmax(axis=1), len(words))
    order = np.lexsort((-table[by].astype(float).fillna(-1).to_numpy(), gravest))
    order = order[gravest[order] < len(words)]
    texts, figures = np.array([*words.values()]), table.drop(columns=list(words))
    rows = [
        {"findings": texts[flags[place]].tolist(), **_plain(figures.iloc[place])}
        for place in order[:LISTED].tolist()
    ]
    return {
        "counts": dict(zip(texts.tolist(), flags.sum(axis=0).tolist(), strict=True)),
        "total": len(order),
        "listed": rows,
    }


def _plain(row: pd.Series) -> dict[str, Any]:
    """Numbers as JSON has them, six significant digits; None for what is missing."""
    return {str(name): _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.6g}")
