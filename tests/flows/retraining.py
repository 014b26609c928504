"""A workspace in miniature that can be retrained: DVC and git are real, nothing is learnt."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import paths
from pipeline.champion import place
from pipeline.champion.processes import git
from pipeline.datasets.verified import sha256_of

# Own tables are looked for where the workspace has them; `break-…` and `refuse-…` lie there, too.
STAGE = """
import json, os, pathlib, sys
from pipeline import progress

name, root = sys.argv[1], pathlib.Path(os.environ["RARENODE_TABLES"])
if (root / ("break-" + name)).exists():
    raise RuntimeError("broken on purpose")
if (root / ("refuse-" + name)).exists():
    progress.refuse("expected good data, found bad data in reports/validation")
    sys.exit(2)
rows = (root / "features.csv").read_text()
def write(path, content):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
if name == "validate":
    write("data/prepared/dataset.json", rows)
    write("reports/validation/profile.json", {"schema": 1, "dataset": "toy", "rows": rows})
else:
    write("models/bundle/bundle.json", rows)
    test = {"micro_ap": 0.5, "macro_ap": 0.25}
    examples = {"train": 3, "valid": 1, "test": 1}
    write("reports/metrics.json", {"dataset": "toy", "examples": examples, "test": test})
"""

PIPELINE = """
stages:
  validate:
    cmd: python stage.py validate
    params: [dataset, tables, validate]
    deps: [data/accepted.json, stage.py]
    outs: [data/prepared, reports/validation]
  train:
    cmd: python stage.py train
    deps: [data/prepared, stage.py]
    outs: [models/bundle]
    metrics: [reports/metrics.json]
"""

PARAMS = """\
dataset: toy
tables:
  name: toy
  features: {{path: features.csv, sha256: {features}, id: id}}
  labels: {{path: labels.csv, sha256: {labels}, layout: one_hot, id: id}}
validate:
  drift: warn
retrain:
  drift: refuse
"""


def make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one with a DVC remote, and the current folder."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git("init", "--quiet", "--initial-branch", "main")
    git("config", "user.name", "t")
    git("config", "user.email", "t@example.org")
    dvc("init", "--quiet")
    dvc("remote", "add", "--quiet", "--default", "store", str(folder.parent / "store"))
    (folder.parent / "store").mkdir()
    Path("dvc.yaml").write_text(PIPELINE)
    Path("stage.py").write_text(STAGE)
    paths.ACCEPTED.parent.mkdir()
    paths.ACCEPTED.write_text('{"schema": 1, "dataset": null}')
    Path(".gitignore").write_text(
        "*.csv\nbreak-*\nrefuse-*\n.rarenode/\n/models/\n/reports/\n/data/prepared/\n"
    )
    Path(".dvcignore").write_text(".rarenode/\n")
    Path("labels.csv").write_text("id,a\n1,0\n2,1\n")
    rows(1)
    hashes = {name: sha256_of(Path(f"{name}.csv")) for name in ("features", "labels")}
    Path("params.yaml").write_text(PARAMS.format(**hashes))
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    return folder


def rows(number: int) -> None:
    """Other data."""
    Path("features.csv").write_text(f"id,x\n1,{number}\n2,0\n")


def comparison(low: float) -> dict[str, Any]:
    """What is found where the lower end of the difference in micro AP is this one."""
    figure = {"name": "micro_ap", "nodes": 2, "challenger": 0.5, "champion": 0.5}
    figure |= {"difference": low + 0.1, "ci95": [low, low + 0.2]}
    holdout = {"examples": 90, "groups": 80, "accepted": 70, "nodes": 2}
    holdout |= {"with_positive": 2, "left_out": 3}
    return {"schema": 1, "reason": None, "holdout": holdout, "figures": [figure]}


def state(folder: Path) -> dict[str, Any]:
    """All that a retrain that fails must leave as it is: workspace, git, remote and champion."""
    ignored = (".git", ".rarenode", "cache", "tmp")
    seen: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {*path.relative_to(folder).parts} & {*ignored}
    }
    for path in sorted((folder.parent / "store").rglob("*")):
        if path.is_file():
            seen[str(path)] = path.read_bytes()
    seen["link"] = place.LINK.readlink() if place.LINK.is_symlink() else None
    seen["bundle"] = predicting()
    for what in ("tag", "status --porcelain", "symbolic-ref HEAD", "rev-parse HEAD", "branch"):
        seen[what] = git(*what.split())
    seen["worktrees"] = git("worktree", "list", "--porcelain")
    return seen


def predicting() -> str | None:
    """What the champion was made from."""
    bundle = place.LINK / "bundle.json"
    return json.loads(bundle.read_text()) if bundle.exists() else None


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)
