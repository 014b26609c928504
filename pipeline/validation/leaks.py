"""Features that tell a node nearly perfectly, and columns that look like a number of the row.

What no honest measurement does is most often the answer itself: a code that was assigned together
with the label, a date that only positives have, a file sorted by class and its row number.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from pipeline.artifacts.prepared import Prepared
from pipeline.validation import facts, sample

TOLD = 0.95  # average precision from which on a feature tells a node
FEWEST = 20  # positives, and negatives, that a node needs to be asked about
TRIED = 5  # nodes of a feature whose average precision is worked out
FEWEST_ROWS = 100  # below, distinct integers in ascending order are nothing special
EXACT = 2**24  # float32 holds every integer up to here, and beyond holds nothing else
_COLUMNS = 128  # at a time: their ranks are float64


def leaks(data: Prepared) -> pd.DataFrame:
    """One row per feature: `feature`, `told`, `node`, `by`, `numbers_rows`, `why`.

    `told` is the best average precision (AP) of the feature alone for a scored `node`, for its
    rarer side (the negatives where they are fewer: the AP of a node that nearly every example has
    is high for any feature), rising or falling, `by` its "value" where it is known or by its being
    "missing". It is 0 where no node came near `TOLD`.

    Only training examples are asked, and of these as many evenly spaced ones as `sample.CELLS`
    values allow. A node is asked about with at least 20 positives and 20 negatives among them: that
    noise ranks 20 of 40 examples so well has a chance of 4.3e-8 (5,963 of their 1.4e11 orders), 20
    of 520 of 1.6e-32, so that many features times many nodes raise no false alarm. Leaks of rarer
    nodes go unseen.

    The areas under the ROC curve (AUC) of all pairs come from one sort per feature and one sparse
    product, O(features x (rows x log rows + labels)); AP is worked out where AUC allows it, for at
    most `TRIED` nodes per feature. AP of at least 1 - e bounds the AUC: a positive at rank i with
    precision p has i (1 - p) / p negatives above it, at most all N, and so costs at most
    (1 + P / N) (1 - p) of its AUC; on average over P positives 1 - AUC <= (1 + P / N) e.

    `numbers_rows` is 1, and `why` says how, for a feature that is known throughout and either
    follows the order of the rows, half of its values being distinct (float32 rounds long numbers),
    or is another integer in every row, none beyond 2**24. Real measurements differ in every row,
    too, but are no integers. A column by which the file was sorted, such as a date, is found too:
    it tells where the row stood.
    """
    rows = sample.rows(data.rows("train"), len(data.feature_names))
    x = np.asarray(data.features[rows])
    y, nodes = _asked(data, rows)
    found: list[tuple[float, str, str]] = []
    for start in range(0, x.shape[1], _COLUMNS):
        found += _told(x[:, start : start + _COLUMNS], y, nodes)
    told, node, by = zip(*found, strict=True) if found else ((), (), ())
    why = [_numbers_rows(x[:, column]) for column in range(x.shape[1])]
    return pd.DataFrame(
        {
            "feature": list(data.feature_names),
            "told": np.array(told, dtype=float),
            "node": list(node),
            "by": list(by),
            "numbers_rows": np.array([int(bool(text)) for text in why], dtype=np.int64),
            "why": why,
        }
    )


def suspects(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows that give cause, the strongest first, without what is no finding."""
    seen = table[(table["told"] >= TOLD) | (table["numbers_rows"] > 0)]
    seen = seen.sort_values("told", ascending=False, kind="stable")
    return [
        {
            "feature": row["feature"],
            "told": round(row["told"], 6) if row["told"] >= TOLD else None,
            "node": row["node"] if row["told"] >= TOLD else None,
            "by": row["by"] if row["told"] >= TOLD else None,
            "why": row["why"] or None,
        }
        for row in seen.to_dict("records")
    ]


def _asked(data: Prepared, rows: np.ndarray) -> tuple[Any, list[str]]:
    """(row, node) CSC of the labels closed upward of the nodes that are asked about, their ids."""
    labels: Any = sparse.csc_array(facts.closed(data)[rows])
    positives = np.asarray(labels.sum(axis=0)).ravel()
    enough = np.minimum(positives, len(rows) - positives) >= FEWEST
    columns = np.flatnonzero(enough & data.nodes["scored"].to_numpy(dtype=bool))
    ids = data.nodes["id"].tolist()
    return labels[:, columns], [ids[column] for column in columns]


def _told(x: np.ndarray, y: Any, nodes: list[str]) -> list[tuple[float, str, str]]:
    """(AP, node, by what) of each column of x (row, feature)."""
    known = ~np.isnan(x)
    best = _best(x, known, y, nodes)
    holes = np.flatnonzero(~known.all(axis=0))
    gaps = (~known[:, holes]).astype(np.float32)
    missing = _best(gaps, np.ones_like(gaps, dtype=bool), y, nodes)
    found = [(ap, node, "value" if node else "") for ap, node in best]
    for column, (ap, node) in zip(holes, missing, strict=True):
        if ap > found[column][0]:
            found[column] = (ap, node, "missing")
    return found


def _best(x: np.ndarray, known: np.ndarray, y: Any, nodes: list[str]) -> list[tuple[float, str]]:
    """(AP, node) of each column; (0, "") where no AUC allows an AP of `TOLD`."""
    found = [(0.0, "")] * x.shape[1]
    if not x.size or not nodes:
        return found
    auc, positives, negatives = _auc(x, known, y)
    rarer = np.minimum(positives, negatives)
    room = (1 + rarer / np.maximum(np.maximum(positives, negatives), 1)) * (1 - TOLD)
    strength = np.where(rarer >= FEWEST, np.maximum(auc, 1 - auc), 0.0)
    hopeful = strength >= 1 - room - 1e-9
    for column in np.flatnonzero(hopeful.any(axis=0)):
        places = np.flatnonzero(hopeful[:, column])
        order = np.argsort(-strength[places, column], kind="stable")
        for place in places[order[:TRIED]]:
            few = positives[place, column] <= negatives[place, column]
            rising = (auc[place, column] >= 0.5) == few  # with the side that is looked for
            rows = known[:, column]
            target = y[:, [place]].toarray().ravel()[rows] > 0
            values = x[rows, column]
            ap = _average_precision(target == few, values if rising else -values)
            if ap > found[column][0]:
                found[column] = (ap, nodes[place])
    return found


def _auc(x: np.ndarray, known: np.ndarray, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """AUC, positives and negatives, each (node, feature), among the rows that know the feature.

    AUC is the Mann-Whitney statistic over the number of pairs (Hanley and McNeil 1982); ties count
    half.
    """
    ranks = stats.rankdata(np.where(known, x, np.inf), axis=0)  # unknown values above all others
    ranks[~known] = 0
    count = known.sum(axis=0)
    positives = y.T @ known.astype(np.float64)
    negatives = count - positives
    above = y.T @ ranks - positives * (positives + 1) / 2
    return above / np.maximum(positives * negatives, 1), positives, negatives


def _average_precision(target: np.ndarray, score: np.ndarray) -> float:
    from sklearn.metrics import average_precision_score  # a second, and seldom needed

    return float(average_precision_score(target, np.clip(score, -3e38, 3e38)))


def _numbers_rows(values: np.ndarray) -> str:
    """Why the column looks like a number of the row, nothing if it does not."""
    if len(values) < FEWEST_ROWS or not np.isfinite(values).all():
        return ""
    steps = np.diff(values)
    if (steps >= 0).all() or (steps <= 0).all():
        return "follows the order of the rows" if _distinct(values) * 2 >= len(values) else ""
    integers = (values == np.rint(values)).all() and np.abs(values).max() <= EXACT
    if integers and _distinct(values) == len(values):
        return "is another integer in every row"
    return ""


def _distinct(values: np.ndarray) -> int:
    return len(np.unique(values))
