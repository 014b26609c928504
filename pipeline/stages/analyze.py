"""Where the hierarchy is starved: support, imbalance and what cannot be learnt or tested.

Writes reports/hierarchy: nodes.csv, edges.csv, summary.json and pictures.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipeline.artifacts import files, paths, prepared
from pipeline.artifacts.prepared import SPLITS, Prepared
from pipeline.config import Config
from pipeline.errors import ArtifactError
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.slices import RARITY_BINS, rarity_bins

SCHEMA = 1
WORST_EDGES = 20
_ROWS_AT_ONCE = 8192  # closed labels of the whole data set can be large even when sparse


def run(config: Config) -> list[Path]:
    """Count, tabulate and draw."""
    from pipeline.reporting import hierarchy_figures  # matplotlib takes a second to import

    data = prepared.read()
    nodes, labels_per_example = _nodes(data)
    edges = _edges(data.edges, nodes)
    summary = _summary(data, nodes, edges, labels_per_example)
    pictures = hierarchy_figures.draw(nodes, edges)
    with files.whole_folder(paths.HIERARCHY) as folder:
        _write_csv(folder / "nodes.csv", nodes)
        _write_csv(folder / "edges.csv", edges)
        files.write_json(folder / "summary.json", summary)
        for name, svg in pictures.items():
            (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return [paths.HIERARCHY]


def _nodes(data: Prepared) -> tuple[pd.DataFrame, np.ndarray]:
    """One row per node in node order, and how many nodes each example has after closure."""
    pairs = zip(data.edges["child"], data.edges["parent"], strict=True)
    hierarchy = Hierarchy.from_edges(pairs, nodes=data.nodes["id"])
    if list(hierarchy.nodes) != data.nodes["id"].tolist():
        raise ArtifactError(
            f"expected the nodes of {paths.PREPARED / 'nodes.parquet'} by depth, ties by id, and "
            "every end of an edge among them, found another order or other nodes. "
            "Run the stage `prepare` again."
        )
    positives = np.zeros((len(SPLITS), len(data.nodes)), dtype=np.int64)
    per_example = np.zeros(len(data.examples), dtype=np.int64)
    for row, split in enumerate(SPLITS):
        for rows in _batches(data.rows(split)):
            closed: Any = hierarchy.close(_integers(data.labels[rows]))
            positives[row] += np.asarray(closed.sum(axis=0)).ravel()
            per_example[rows] = np.asarray(closed.sum(axis=1)).ravel()
    child, parent = hierarchy.edge_index
    table = data.nodes[["id", "name", "depth", "scored"]].copy()
    for row, split in enumerate(SPLITS):
        table[split] = positives[row]
    table["support"] = table["train"] + table["valid"]
    if data.unknown is not None:
        hidden = data.unknown[data.rows("train", "valid")].sum(axis=0, dtype=np.int64)
        table["unknown"] = hidden
        table["share"] = table["support"] / (len(data.rows("train", "valid")) - hidden)
    table["bin"] = rarity_bins(table["support"])
    table["children"] = np.bincount(parent, minlength=len(table))
    table["parents"] = np.bincount(child, minlength=len(table))
    table["learnable"] = table["support"] > 0
    table["testable"] = table["test"] > 0
    return table, per_example


def _integers(labels: Any) -> sparse.csr_array:
    """Booleans would not add up."""
    return sparse.csr_array(labels).astype(np.int64)


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]


def _edges(edges: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """One row per edge, the most imbalanced first; no `ratio` where the child has no positive."""
    by_id = nodes.set_index("id")
    table = edges[["child", "parent"]].copy()
    for end in ("child", "parent"):
        table[f"{end}_name"] = by_id.loc[table[end], "name"].to_numpy()
        table[f"{end}_support"] = by_id.loc[table[end], "support"].to_numpy()
    support = table["child_support"].to_numpy(dtype=float)
    missing = np.full(len(table), np.nan)
    ratio = np.divide(table["parent_support"], support, out=missing, where=support > 0)
    table["ratio"] = ratio
    return table.sort_values(
        ["ratio", "parent_support", "child", "parent"],
        ascending=[False, False, True, True],
        na_position="last",
        ignore_index=True,
    )


def _summary(
    data: Prepared, nodes: pd.DataFrame, edges: pd.DataFrame, labels_per_example: np.ndarray
) -> dict[str, Any]:
    children = nodes.loc[nodes["children"] > 0, "children"]
    known = edges.dropna(subset="ratio")
    return {
        "schema": SCHEMA,
        "dataset": data.info.get("name"),
        "features": len(data.feature_names),
        "examples": {split: len(data.rows(split)) for split in SPLITS},
        "groups": int(data.examples["group"].nunique()),
        "nodes": {
            "total": len(nodes),
            "scored": int(nodes["scored"].sum()),
            "roots": int((nodes["parents"] == 0).sum()),
            "leaves": int((nodes["children"] == 0).sum()),
            "several_parents": int((nodes["parents"] > 1).sum()),
            "unlearnable": int((~nodes["learnable"]).sum()),
            "untestable": int((~nodes["testable"]).sum()),
        },
        "edges": len(edges),
        "max_depth": int(nodes["depth"].max()) if len(nodes) else 0,
        "children_per_parent": _spread(children),
        "labels_per_example": {
            "most_specific": _spread(np.asarray(data.labels.sum(axis=1)).ravel()),
            "closed": _spread(labels_per_example),
        },
        "imbalance": {
            "ratio": _spread(known["ratio"]),
            "children_without_positive": int(edges["ratio"].isna().sum()),
            "worst": known.head(WORST_EDGES).to_dict("records"),
        },
        "by_rarity": [{"bin": name, **_slice(nodes[nodes["bin"] == name])} for name in RARITY_BINS],
        "by_depth": [
            {"depth": int(depth), **_slice(group)}  # type: ignore[arg-type]
            for depth, group in nodes.groupby("depth", sort=True)
        ],
        "unlearnable": nodes.loc[~nodes["learnable"], ["id", "name", "depth"]].to_dict("records"),
    }


def _slice(nodes: pd.DataFrame) -> dict[str, Any]:
    return {
        "nodes": len(nodes),
        "scored": int(nodes["scored"].sum()),
        "unlearnable": int((~nodes["learnable"]).sum()),
        "untestable": int((~nodes["testable"]).sum()),
        "support": _spread(nodes["support"]),
    }


def _spread(values: Any) -> dict[str, float] | None:
    """Smallest, mean, median and largest; None for nothing."""
    values = np.asarray(values, dtype=float)
    if not values.size:
        return None
    figures = (values.min(), values.mean(), np.median(values), values.max())
    return {
        name: round(float(value), 6)
        for name, value in zip(("min", "mean", "median", "max"), figures, strict=True)
    }


def _write_csv(path: Path, table: pd.DataFrame) -> None:
    table.to_csv(path, index=False, lineterminator="\n", float_format="%.6g")
