"""`rarenode predict`, as far as the terminal sees it."""

import sys
from pathlib import Path

from pipeline.datasets.tables.files import cut
from pipeline.errors import ArtifactError


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
) -> int:
    """Predict, print what was found, and on stderr what to be careful with; return 0.

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

    asked = Request(rule, top, least, per_example, id_column, ignore_unknown)
    found = predict(bundle, table, output, asked)
    share = found.decided / found.rows
    print(
        f"{found.rows:,} examples, {share:.1f} nodes each by the rule {found.rule}; "
        f"{found.without:,} without any. Written to {output}"
    )
    for note in found.notes:
        print(f"Note: {note}", file=sys.stderr)
    return 0
