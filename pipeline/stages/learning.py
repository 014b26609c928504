"""What tune, train and evaluate share: the problem as the core wants it, and who competes."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from pipeline.artifacts import files, paths, prepared
from pipeline.config.sections import Train
from pipeline.errors import ArtifactError, DatasetError
from pipeline.hml import Hierarchy, Objective, Settings

Method = Literal["weighted", "bce", "mcloss"]
# The product's method first, then the baselines that are trained (docs/method.md, section 7).
METHODS: tuple[Method, ...] = ("weighted", "bce", "mcloss")
TUNING_SCHEMA = 1


@dataclass(frozen=True)
class Problem:
    """A prepared data set.

    Attributes:
        data: the tables.
        hierarchy: of the nodes, in the tables' order.
        labels: (example, node) boolean CSR, closed upward.
        scored: (node,) bool.
    """

    data: prepared.Prepared
    hierarchy: Hierarchy
    labels: sparse.csr_array
    scored: np.ndarray

    def dense_labels(self, rows: np.ndarray) -> np.ndarray:
        """(example, scored node) booleans of some examples."""
        return self.labels[rows].toarray()[:, self.scored]


def read_problem() -> Problem:
    """Read the prepared data.

    Raises:
        ArtifactError: it is missing or damaged, or its nodes are not in node order.
        DatasetError: no node is scored.
    """
    data = prepared.read()
    edges = data.edges[["child", "parent"]].itertuples(index=False, name=None)
    hierarchy = Hierarchy.from_edges(edges, nodes=data.nodes["id"])
    if list(hierarchy.nodes) != data.nodes["id"].tolist():
        raise ArtifactError(
            f"expected the nodes of {paths.PREPARED / 'nodes.parquet'} in node order "
            "(by depth, ties by id), found another order. Run the stage `prepare` again."
        )
    scored = data.nodes["scored"].to_numpy(dtype=bool)
    if not scored.any():
        raise DatasetError(f"expected a scored node in {paths.PREPARED}, found none")
    return Problem(data, hierarchy, hierarchy.close(data.labels), scored)


def settings(method: Method, train: Train, tuned: dict[str, Any] | None = None) -> Settings:
    """The settings of a method: those of params.yaml, under what was tuned.

    Args:
        method: a baseline ignores `weighting`.
        train: the section of params.yaml.
        tuned: `learning_rate`, `epochs` and, for "weighted", `weighting`.
    """
    values = train.model_dump()
    if tuned:
        values |= {"learning_rate": tuned["learning_rate"], "epochs": tuned["epochs"]}
    weighting = values.pop("weighting") | ((tuned or {}).get("weighting") or {})
    reduction = values.pop("reduction")
    if method != "weighted":
        objective = Objective(constraint=method != "bce", reduction=reduction)
    else:
        variant, mode = weighting.pop("variant"), weighting.pop("uncertainty")
        objective = Objective(
            variant=None if variant == "none" else variant,
            mode=None if mode == "none" else mode,
            reduction=reduction,
            **weighting,
        )
    return Settings(**values, objective=objective)


def tuned_values() -> dict[str, dict[str, Any]]:
    """What the stage `tune` chose for each method.

    Raises:
        ArtifactError: the file is missing, damaged or of another schema.
    """
    return files.read_json(paths.TUNING / "best.json", schema=TUNING_SCHEMA)["methods"]


def full_name(method: Method, tuned: dict[str, Any]) -> str:
    """`weighted/paper` for the method that has variants, else the name itself."""
    return f"weighted/{tuned['weighting']['variant']}" if method == "weighted" else method
