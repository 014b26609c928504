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
        dataset: dataset.json of the prepared data.
        validation: validation.json.
        hierarchy: summary.json of the stage analyze.
        pictures: the stage's SVG text by name.
        best: best.json of the study.
        trials: its trials.
        cost: cost.json, or why it is not here.
        manifest: manifest.json, or why it is not here.
    """

    metrics: dict[str, Any]
    per_node: pd.DataFrame
    reliability: dict[str, Any] | str
    dataset: dict[str, Any]
    validation: dict[str, Any]
    hierarchy: dict[str, Any]
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
            so may the reliability curves, which an earlier version did not write.
    """
    return Sources(
        metrics=_json(paths.METRICS),
        per_node=_per_node(paths.EVALUATION / "nodes.csv"),
        reliability=_reliability(paths.EVALUATION / "reliability.json"),
        dataset=_json(paths.PREPARED / "dataset.json"),
        validation=validated.read_report(),
        hierarchy=_json(paths.HIERARCHY / "summary.json"),
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


def _reliability(path: Path) -> dict[str, Any] | str:
    if not path.exists():
        return f"{path} is not here: run the stage `evaluate` again to have it."
    return _json(path)


def _may_be_missing(path: Path) -> dict[str, Any] | str:
    if not path.exists():
        return f"{path} is not here: it is written where the pipeline runs, and stays there."
    try:
        return _json(path)
    except ArtifactError as error:
        return f"Not shown: {error}"


def _per_node(path: Path) -> pd.DataFrame:
    try:
        # A name such as "NA" or "null" is a name; only figures can be missing.
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"expected the figures of each node in {path}, found: {error}"
        ) from None
    if missing := sorted({"id"} - set(text.columns)):
        raise ArtifactError(f"expected the column {missing[0]!r} in {path}, found {list(text)}")
    for column in text.columns.difference(["id", "name", "scored"]):
        text[column] = pd.to_numeric(text[column], errors="coerce")
    if "scored" in text:
        text["scored"] = text["scored"].str.lower().isin(["true", "1"])
    return text
