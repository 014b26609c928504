"""Prepared data of a handful of examples, whose facts can be worked out by hand."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipeline.artifacts.prepared import Prepared


def tiny(
    features: Any,
    *,
    labels: Any = None,
    split: list[str] | None = None,
    ids: list[str] | None = None,
    nodes: list[str] | None = None,
    names: list[str] | None = None,
    edges: list[tuple[str, str]] | None = None,
    feature_names: list[str] | None = None,
) -> Prepared:
    """All nodes are roots at depth 0 unless there are edges; all examples train."""
    x = np.asarray(features, dtype=np.float32)
    x = x[:, None] if x.ndim == 1 else x
    y = np.zeros((len(x), 1), dtype=bool) if labels is None else np.asarray(labels, dtype=bool)
    y = y[:, None] if y.ndim == 1 else y
    nodes = nodes or [f"n{column}" for column in range(y.shape[1])]
    ids = ids or [f"e{row}" for row in range(len(x))]
    return Prepared(
        features=x,
        feature_names=tuple(feature_names or [f"x{column}" for column in range(x.shape[1])]),
        labels=sparse.csr_array(y),
        examples=pd.DataFrame(
            {"id": ids, "split": split or ["train"] * len(x), "group": ids}, dtype="str"
        ),
        nodes=pd.DataFrame({"id": nodes, "name": names or nodes, "depth": 0, "scored": True}),
        edges=pd.DataFrame(edges or [], columns=["child", "parent"], dtype="str"),
        info={"name": "tiny", "version": "1", "sha256": {}},
    )
