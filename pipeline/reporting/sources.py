"""What the report reads: figures of every stage, checked for their schema."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.artifacts import files, paths, validated
from pipeline.errors import ArtifactError

SCHEMA = 1


@dataclass(frozen=True)
class Sources:
    """All inputs of the page.

    Attributes:
        metrics: metrics.json.
        per_node: reports/evaluation/nodes.csv, a row per node.
        reliability: reliability.json beside it, or why it is not here.
        precision_recall: precision_recall.json beside it, or why it is not here.
        outcomes: outcomes.json beside it; None where an earlier version did not write it.
        images: images.json beside it: rare nodes and images of them; None where examples are none.
        dataset: dataset.json of the prepared data.
        validation: validation.json.
        hierarchy: summary.json of the stage analyze.
        nodes: its nodes.csv, all nodes in node order.
        edges: its edges.csv: `child`, `parent` and more.
        pictures: the stage's SVG text by name.
        best: best.json of the study.
        trials: its trials.
        cost: cost.json, or why it is not here.
        manifest: manifest.json, or why it is not here.
    """

    metrics: dict[str, Any]
    per_node: pd.DataFrame
    reliability: dict[str, Any] | str
    precision_recall: dict[str, Any] | str
    outcomes: dict[str, Any] | None
    images: dict[str, Any] | None
    dataset: dict[str, Any]
    validation: dict[str, Any]
    hierarchy: dict[str, Any]
    nodes: pd.DataFrame
    edges: pd.DataFrame
    pictures: dict[str, str]
    best: dict[str, Any]
    trials: list[dict[str, Any]]
    cost: dict[str, Any] | str
    manifest: dict[str, Any] | str


def read() -> Sources:
    """Read everything.

    Raises:
        ArtifactError: a stage's output is missing, damaged or of another schema. The cost and the
            manifest are no stage's output, so they may be missing (after `dvc pull`, for one), and
            so may curves and outcomes, which an earlier version did not write.
    """
    metrics = _json(paths.METRICS)
    nodes = _table(paths.HIERARCHY / "nodes.csv", "id", "name", "depth", "support")
    per_node = _per_node(paths.EVALUATION / "nodes.csv")
    if strange := sorted({*per_node["id"]} - {*nodes["id"]}):
        raise ArtifactError(
            f"expected nodes of {paths.HIERARCHY / 'nodes.csv'} in {paths.EVALUATION / 'nodes.csv'}"
            f", found {strange[0]!r}. Run `rarenode run`."
        )
    return Sources(
        metrics=metrics,
        per_node=per_node,
        reliability=_curves(paths.EVALUATION / "reliability.json"),
        precision_recall=_curves(paths.EVALUATION / "precision_recall.json"),
        outcomes=_if_there(paths.EVALUATION / "outcomes.json"),
        images=_if_there(paths.EVALUATION / "images.json"),
        dataset=_json(paths.PREPARED / "dataset.json"),
        validation=validated.read_report(),
        hierarchy=_json(paths.HIERARCHY / "summary.json"),
        nodes=nodes,
        edges=_table(paths.HIERARCHY / "edges.csv", "child", "parent"),
        pictures={path.stem: _picture(path) for path in sorted(paths.HIERARCHY.glob("*.svg"))},
        best=_json(paths.TUNING / "best.json"),
        trials=_json(paths.TUNING / "trials.json")["trials"],
        cost=_may_be_missing(paths.COST),
        manifest=_may_be_missing(paths.MANIFEST),
    )


def _json(path: Path) -> dict[str, Any]:
    return files.read_json(path, schema=SCHEMA)


def _picture(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"expected a picture in {path}, found: {error}") from None


def _curves(path: Path) -> dict[str, Any] | str:
    if not path.exists():
        return f"{path} is not here: run the stage `evaluate` again to have it."
    return _json(path)


def _if_there(path: Path) -> dict[str, Any] | None:
    return _json(path) if path.exists() else None


def _may_be_missing(path: Path) -> dict[str, Any] | str:
    if not path.exists():
        return f"{path} is not here: it is written where the pipeline runs, and stays there."
    try:
        return _json(path)
    except ArtifactError as error:
        return f"Not shown: {error}"


def _per_node(path: Path) -> pd.DataFrame:
    return _table(path, "id")


_TEXTS = ("id", "name", "scored", "child", "parent", "child_name", "parent_name", "bin")


def _table(path: Path, *needed: str) -> pd.DataFrame:
    """A table of figures, in which names are text."""
    try:
        # A name such as "NA" or "null" is a name; only figures can be missing.
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"expected a table in {path}, found: {error}") from None
    if missing := sorted({*needed} - set(text.columns)):
        raise ArtifactError(f"expected the column {missing[0]!r} in {path}, found {list(text)}")
    for column in text.columns.difference([*_TEXTS]):
        text[column] = pd.to_numeric(text[column], errors="coerce")
    for column in {*needed}.difference(_TEXTS):
        if text[column].isna().any():
            raise ArtifactError(f"expected a number in column {column!r} of {path}, found none")
    if "scored" in text:
        text["scored"] = text["scored"].str.lower().isin(["true", "1"])
    return text
