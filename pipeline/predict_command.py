"""`rarenode predict`, as far as the terminal sees it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets.tables.files import cut
from pipeline.errors import ArtifactError

if TYPE_CHECKING:
    from pipeline.prediction.model import Model


def run(
    bundle: Path,
    table: Path,
    output: Path,
    *,
    rule: str | None,
    top: int,
    least: float | None,
    per_example: int | None,
    id_column: str | None,
    ignore_unknown: bool,
    images: Path | None = None,
    told: dict[str, Any],
) -> int:
    """Predict, print what was found, and on stderr what to be careful with; return 0.

    All that is printed is added to `told`, too, and which model it was.

    Raises:
        ArtifactError, DatasetError: see `prediction.predict`.
    """
    try:
        there = bundle.is_dir()
    except OSError:  # a name that nothing can have
        there = False
    if not there:
        raise ArtifactError(
            f"expected a bundle in the folder {cut(str(bundle), 300)} (--model), found none. "
            "`rarenode run` trains one"
        )
    from pipeline.prediction.predict import Request, predict  # torch takes seconds to import

    asked = Request(rule, top, least, per_example, id_column, ignore_unknown, images)
    found = predict(bundle, table, output, asked)
    share = found.decided / found.rows
    # Of several workspaces, or of a bundle that was handed on: which model was it?
    of = "," if (name := found.model.dataset) is None else f" by the model of {cut(name)}:"
    print(
        f"{found.rows:,} examples{of} {share:.1f} nodes each by the rule {found.rule}; "
        f"{found.without:,} without any. Written to {output}"
    )
    for note in found.notes:
        print(f"Note: {note}", file=sys.stderr)
    told |= _about(bundle, found.model) | {
        "input": str(table),
        "output": str(output),
        "rule": found.rule,
        "examples": found.rows,
        "decided": found.decided,
        "without": found.without,
        "notes": [*found.notes],
    }
    return 0


def _about(bundle: Path, model: "Model") -> dict[str, Any]:
    """Which bundle it was, and what it learnt from, as far as it says so."""
    dataset = model.made.get("dataset")
    if isinstance(dataset, dict):
        dataset = {key: dataset.get(key) for key in ("name", "source", "version")}
    return {
        "model": str(bundle),
        "bundle_sha256": model.sha256,
        "method": model.made.get("method"),
        "dataset": dataset,
    }
