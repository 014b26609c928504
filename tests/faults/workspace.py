"""A copy of the working tree with tables of its own, and what of a run in it can be killed."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from ruamel.yaml import YAML

from pipeline.artifacts import paths
from pipeline.config import edit
from tests.compiled import carry

ROOT = Path(__file__).parents[2]
TRIALS = 2
SMALL = {
    "prepare.min_support": 5,
    "tune.trials": TRIALS,
    "tune.members": 2,
    "train.kinds": ["network", "forest", "kernel"],
    "train.members": 4,
    "train.hidden": 16,
    "train.epochs": 6,
    "train.baselines": ["bce"],
    "evaluate.bootstrap": 20,
}
# Every epoch has its checkpoint: those of ten seconds would never be written here.
HASTE = {"PAUSE = 10.0": "PAUSE = 0.0", "SHARE = 0.02": "SHARE = 1e9"}


@dataclass
class Workspace:
    """A workspace, and the environment of its runs."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `rarenode …`."""
        code = "import sys; from pipeline.cli import main; sys.exit(main())"
        return subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env=os.environ
            | {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
            | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> str:
        """`rarenode run`, to its end."""
        process = self.command("run")
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return output

    def results(self) -> dict[str, str]:
        """The sha256 of the metrics and of every file of the bundle."""
        bundle = self.folder / paths.BUNDLE
        found = [self.folder / paths.METRICS, *(p for p in bundle.rglob("*") if p.is_file())]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(found)
        }

    def forget(self, stage: str) -> None:
        """Let DVC run a stage again: its outputs are gone, and the cache has them no more."""
        lock = YAML(typ="safe").load((self.folder / "dvc.lock").read_text())["stages"]
        for out in lock[stage]["outs"]:
            path, md5 = self.folder / out["path"], out["md5"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            cached = self.folder / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
            cached.chmod(0o644)
            cached.unlink()
        shutil.rmtree(self.folder / ".dvc/cache/runs")
        if stage == "tune":
            shutil.rmtree(self.folder / paths.STATE / "studies")

    def processes(self) -> list[psutil.Process]:
        """All that work in this folder or name it, wherever they come from."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                    continue
                inside = Path(process.cwd()).is_relative_to(self.folder)
                if inside or any(str(self.folder) in part for part in process.cmdline()):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def wait_until_empty(self, seconds: float = 15.0) -> None:
        until = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        assert not left, [process.cmdline() for process in left]

    def check_locks(self) -> None:
        """Nobody holds the workspace, nothing is half-written, DVC holds no path."""
        with FileLock(self.folder / paths.STATE / "run.lock").acquire(timeout=0):
            pass
        rwlock = self.folder / ".dvc/tmp/rwlock"
        assert not rwlock.exists() or not any(json.loads(rwlock.read_text()).values())
        assert not (self.folder / ".git/index.lock").exists()
        for root in ("data", "reports", "models", paths.STATE):
            assert not [*(self.folder / root).rglob("*.unfinished*")]

    def trials(self) -> dict[str, list[Any]]:
        """The finished trials of every study."""
        found: dict[str, list[Any]] = {}
        for journal in (self.folder / paths.STATE / "studies").glob("*.journal"):
            text = journal.read_bytes()
            whole = journal.with_suffix(".copy")
            whole.write_bytes(text[: text.rfind(b"\n") + 1])
            storage = JournalStorage(JournalFileBackend(str(whole)))
            for study in storage.get_all_studies():
                found[f"{journal.name} {study.study_name}"] = [
                    (trial.state.name, trial.params, trial.value, trial.datetime_complete)
                    for trial in storage.get_all_trials(study._study_id)
                    if trial.state.name in ("COMPLETE", "PRUNED")
                ]
            whole.unlink()
        return found


def create(folder: Path) -> Workspace:
    """A copy of the working tree, ready for its first run on small tables."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and name.split("/")[0] not in ("tests", "docs", "dvc.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    carry(folder)
    hasty = folder / "pipeline/stages/checkpoints.py"
    text = hasty.read_text()
    for before, after in HASTE.items():
        assert before in text
        text = text.replace(before, after)
    hasty.write_text(text)
    _write_tables(folder / "own")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    workspace = Workspace(folder)
    names = ("features", "labels", "hierarchy")
    process = workspace.command("init", *(f"--{n}=own/{n}.csv" for n in names), "--id=id")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    edit.plan(SMALL.items(), folder / "params.yaml").write()
    return workspace


def copy_of(workspace: Workspace, folder: Path, environment: dict[str, str]) -> Workspace:
    shutil.copytree(workspace.folder, folder, symlinks=True)
    return Workspace(folder, environment)


def _write_tables(folder: Path) -> None:
    """240 examples with six numbers, and labels that follow from them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 6))
    leaves = [f"{top}{leaf}" for top in "abc" for leaf in range(3)]
    scores = x @ rng.normal(size=(6, len(leaves))) + rng.normal(size=(240, len(leaves)))
    rows = ["id," + ",".join(f"x{column}" for column in range(6))]
    rows += [f"e{i}," + ",".join(f"{value:.4f}" for value in row) for i, row in enumerate(x)]
    (folder / "features.csv").write_text("\n".join(rows) + "\n")
    labels = [f"e{i},{leaves[j]}" for i, j in np.argwhere(scores > 1.5)]
    labels += [f"e{i},{leaves[scores[i].argmax()]}" for i in range(240) if scores[i].max() <= 1.5]
    (folder / "labels.csv").write_text("\n".join(["id,node", *labels]) + "\n")
    edges = [f"{leaf},{leaf[0]}" for leaf in leaves] + [f"{top},all" for top in "abc"]
    (folder / "hierarchy.csv").write_text("\n".join(["child,parent", *edges]) + "\n")
