"""A git and DVC repository with versions whose bundles are a file each."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.artifacts import paths
from pipeline.champion import record, registry
from pipeline.champion.processes import git
from pipeline.champion.registry import Version


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, and the current folder."""
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in (("AUTHOR_NAME", "t"), ("AUTHOR_EMAIL", "t@example.org")):
        monkeypatch.setenv(f"GIT_{name}", value)
        monkeypatch.setenv(f"GIT_{name.replace('AUTHOR', 'COMMITTER')}", value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git("init", "--quiet")
    from dvc.repo import Repo

    Repo.init(".").close()
    Path(".gitignore").write_text("/models/\n.rarenode/\n")
    Path("params.yaml").write_text("dataset: hpo_eye\n")
    Path("dvc.yaml").write_text("stages: {}\n")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    return folder


def version(content: str, *, champion: bool = True) -> Version:
    """Commit a bundle with this content, on no branch, and register it."""
    base = git("rev-parse", "HEAD")
    paths.BUNDLE.mkdir(parents=True)
    (paths.BUNDLE / "bundle.json").write_text(content)
    Path("dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: 'true # {content}'\n    outs: [models/bundle]\n"
    )
    # What is there is what the stage made.
    dvc("commit", "--force", "train")
    record.FILE.parent.mkdir(exist_ok=True)
    made = {
        "schema": 1,
        "made": "2026-01-02T03:04:05+00:00",
        "base": base,
        "dataset": "toy",
        "source": content * 20,
        "settings": "s",
        "examples": {"train": 6, "valid": 2, "test": 2},
        "test": {"micro_ap": 0.5, "macro_ap": 0.25},
        "against": None,
        "holdout": None,
        "figures": [],
    }
    record.FILE.write_text(json.dumps(made))
    git("add", "dvc.yaml", "dvc.lock", record.FILE.as_posix())
    git("commit", "--quiet", "--message", content)
    commit = git("rev-parse", "HEAD")
    git("reset", "--quiet", "--hard", base)
    (paths.BUNDLE / "bundle.json").unlink()
    paths.BUNDLE.rmdir()
    found, _ = registry.register(commit, content)
    if champion:
        registry.assign(found, content)
    return found


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)
