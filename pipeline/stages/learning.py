"""What tune, train and evaluate share: the problem as the core wants it, and who competes."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from scipy import sparse

from pipeline.artifacts import files, paths, prepared
from pipeline.config.sections import Baseline, Train, Variant
from pipeline.errors import ArtifactError, DatasetError
from pipeline.hml import Hierarchy, Objective, Settings, baselines
from pipeline.hml.unknown import Unknown, checked

# The product's own method and the baselines that are trained.
Method = Literal["weighted"] | Baseline
TUNING_SCHEMA = 1
OURS = "ours"  # the product's method where it has members of several kinds


@dataclass(frozen=True)
class Problem:
    """A prepared data set.

    Attributes:
        data: the tables.
        hierarchy: of the nodes, in the tables' order.
        labels: (example, node) boolean CSR, closed upward.
        scored: (node,) bool.
        unknown: (example, node) boolean CSR, see `pipeline.hml.unknown`; None: all are known.
    """

    data: prepared.Prepared
    hierarchy: Hierarchy
    labels: sparse.csr_array
    scored: np.ndarray
    unknown: Unknown | None = None

    def unknown_of(self, rows: np.ndarray) -> Unknown | None:
        """(row, node) of some examples."""
        if self.unknown is None:
            return None
        return sparse.csr_array(self.unknown[rows])

    def positives(self, rows: np.ndarray) -> np.ndarray:
        """(scored node,) positives among some examples."""
        return self.labels[rows].sum(axis=0, dtype=np.int64)[self.scored]

    def support(self) -> np.ndarray:
        """(node,) positives in train+valid, which every method is trained on in the end."""
        return self.hierarchy.support(self.labels[self.data.rows("train", "valid")])


def methods(train: Train) -> tuple[Method, ...]:
    """The product's method first, then the baselines that are trained (docs/method.md, section 7).

    With one member each, `mcloss_1` is `mcloss` and is left out.
    """
    same = {"mcloss_1"} if train.members == 1 and "mcloss" in train.baselines else set[str]()
    return ("weighted", *(name for name in train.baselines if name not in same))


def read_problem() -> Problem:
    """Read the prepared data.

    Raises:
        ArtifactError: it is missing or damaged, or its nodes are not in node order.
        DatasetError: no node is scored.
    """
    return problem(prepared.read())


def problem(data: prepared.Prepared) -> Problem:
    """The problem of prepared data.

    Raises:
        ArtifactError: its nodes are not in node order, or unknown labels are at odds with others.
        DatasetError: no node is scored.
    """
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
    closed = hierarchy.close(data.labels)
    try:
        unknown = checked(data.unknown, closed, hierarchy)
    except ValueError as error:
        raise ArtifactError(
            f"expected unknown labels that fit the others in {paths.PREPARED}, found: {error}"
        ) from None
    return Problem(data, hierarchy, closed, scored, unknown)


def settings(method: Method, train: Train, tuned: dict[str, Any] | None = None) -> Settings:
    """The settings of a method: those of params.yaml, under what was tuned.

    Args:
        method: `weighted/<variant>` takes all but the variant from `weighting`; other baselines
            ignore it.
        train: the section of params.yaml.
        tuned: `learning_rate`, `epochs` and, for "weighted", `weighting`.
    """
    values = train.model_dump(exclude={"baselines", "beta", "budget", "cross_fit", "kinds"})
    if tuned:
        values |= {"learning_rate": tuned["learning_rate"], "epochs": tuned["epochs"]}
    weighting = values.pop("weighting") | ((tuned or {}).get("weighting") or {})
    reduction, start = values.pop("reduction"), weighting.pop("start")
    family, _, own_variant = method.partition("/")
    if method == "mcloss_1":
        values["members"] = 1
    if method in get_args(baselines.Baseline):
        baseline = cast(baselines.Baseline, method)
        constraint = baseline not in baselines.UNCONSTRAINED
        objective = Objective(constraint=constraint, baseline=baseline, reduction=reduction)
    elif family != "weighted":
        objective = Objective(constraint=method != "bce", reduction=reduction)
    else:
        values["prior_start"] = start == "prior"
        variant, mode = weighting.pop("variant"), weighting.pop("uncertainty")
        variant = cast(Variant, own_variant) if own_variant else variant
        objective = Objective(
            variant=None if variant == "none" else variant,
            mode=None if mode == "none" else mode,
            **weighting,
        )
    return Settings(**values, objective=objective)


def tuned_values() -> dict[str, dict[str, Any]]:
    """What the stage `tune` chose for each method.

    Raises:
        ArtifactError: the file is missing, damaged or of another schema.
    """
    return files.read_json(paths.TUNING / "best.json", schema=TUNING_SCHEMA)["methods"]


def folder_name(method: str) -> str:
    """The folder of a baseline's bundle: its name has a slash where a path must not."""
    return method.replace("/", "-")


def full_name(method: Method, tuned: dict[str, Any]) -> str:
    """`weighted/paper` for the networks of the method that has variants, else the name itself."""
    return f"weighted/{tuned['weighting']['variant']}" if method == "weighted" else method
