"""data/champion.json: what a version was made from and how it did, in the commit of its tag."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from pipeline.artifacts import files, paths
from pipeline.champion import committed
from pipeline.champion.registry import Version

SCHEMA = 1
FILE = Path("data/champion.json")
_PARTS = {"made", "base", "dataset", "examples", "source", "settings", "test", "against", "figures"}


def write(
    folder: Path,
    *,
    base: str,
    fingerprint: dict[str, str],
    against: str | None,
    holdout: dict[str, Any] | None,
    figures: list[dict[str, Any]],
) -> None:
    """Write the record of the version that is made in a worktree.

    Args:
        folder: the worktree.
        base: the commit that it was checked out from.
        fingerprint: of data and parameters.
        against: the champion that it was held against.
        holdout: on which; None where nothing was compared.
        figures: of the verdict.
    """
    metrics = files.read_json(folder / paths.METRICS)
    test = metrics["test"]
    record = {
        "schema": SCHEMA,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "base": base,
        "dataset": metrics["dataset"],
        "examples": metrics["examples"],
        **fingerprint,
        "test": {name: test[name] for name in ("micro_ap", "macro_ap")},
        "against": against,
        "holdout": holdout,
        "figures": figures,
    }
    files.write_json(folder / FILE, record)


def read(version: Version) -> dict[str, Any] | None:
    """The record of a version; None where its commit has none that we know, as of a tag by hand."""
    text = committed.file_or_none(version.commit, FILE.as_posix())
    try:
        found = json.loads(text or "null")
    except ValueError:
        return None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or _PARTS - {*found}:
        return None
    return found if re.fullmatch("[0-9a-f]{40,64}", str(found["base"])) else None


def figures(record: dict[str, Any]) -> dict[str, float | None]:
    """`micro_ap` and `macro_ap` on the holdout; without a champion, on the test split."""
    on_holdout = {figure["name"]: figure["challenger"] for figure in record["figures"]}
    return {name: on_holdout.get(name, record["test"][name]) for name in record["test"]}
