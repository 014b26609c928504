"""Retraining on real data from beginning to end: better is promoted, worse rejected.

The workspace is this repository with diseases of the eye as own tables, small enough for seconds.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.champion import place
from pipeline.champion.processes import git
from pipeline.config import edit
from pipeline.datasets.source import RawDataset
from tests.champion import diseases

ROOT = Path(__file__).parents[2]
SMALL = {
    "train.kinds": ["network"],
    "train.members": 4,
    "train.epochs": 8,
    "train.hidden": 64,
    "train.learning_rate": 0.005,
    "train.baselines": [],
    "tune.trials": 0,
    "evaluate.bootstrap": 20,
    "prepare.min_support": 8,
    "retrain.replicates": 200,
}
MINE = Path("mine")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RawDataset:
    return diseases.read(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is here, committed or not, with a server of Prefect's to itself."""
    folder = tmp_path_factory.mktemp("workspace") / "clone"
    names = git("ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT).splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/mine/\n")
    git("init", "--quiet", folder=folder)
    git("config", "user.name", "t", folder=folder)
    git("config", "user.email", "t@example.org", folder=folder)
    return folder


class Workspace:
    """Where the commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rarenode(self, *arguments: str, code: int = 0) -> str:
        """Run a command; what it says."""
        command = "import sys; from pipeline.cli import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", command, *arguments],
            cwd=self.folder,
            env=os.environ
            | {"PREFECT_HOME": str(self.folder.parent / "prefect"), "OMP_NUM_THREADS": "1"}
            | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def versions(self) -> dict[str, dict[str, Any]]:
        return {
            one["version"]: one for one in json.loads(self.rarenode("models", "list", "--json"))
        }

    def untouched(self) -> tuple[str, ...]:
        said = (git(*what.split(), folder=self.folder) for what in ("tag", "status --short"))
        return (*said, str((self.folder / place.LINK).readlink()))


def test_better_is_promoted_and_worse_is_not(
    folder: Path, raw: RawDataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    here = Workspace(folder)
    some, all_rows = diseases.chosen(raw, 500), diseases.chosen(raw, 2000)
    diseases.write(MINE, raw, some)
    files = ("--features", "mine/features.csv", "--labels", "mine/labels.csv")
    files += ("--hierarchy", "mine/hierarchy.csv", "--name", "eyes")
    here.rarenode("init", *files, "--id", "id", "--groups", "family")
    edit.plan(SMALL.items()).write()
    git("add", "--all")
    git("commit", "--quiet", "--message", "own data")

    assert "v0.1.0 is the first champion" in here.rarenode("retrain")
    assert "Unchanged: " in here.rarenode("retrain")
    untouched = here.untouched()

    # More rows: better by far more than the intervals.
    diseases.write(MINE, raw, all_rows)
    said = here.rarenode("retrain")
    assert "Promoted: v0.2.0 takes the place of v0.1.0: not worse by more than" in said, said
    found = here.versions()["v0.2.0"]
    assert found["champion"]
    assert found["against"] == "v0.1.0"
    record = json.loads(git("show", f"{found['commit']}:data/champion.json"))
    gain = {one["name"]: one for one in record["figures"]}["micro_ap"]
    assert gain["ci95"][0] > 0
    assert record["holdout"]["examples"] > 200
    assert here.untouched()[1] == untouched[1] == ""

    # The same rows with the labels of others. The validation sees nodes vanish ...
    shuffled = list(all_rows)
    random.Random(1).shuffle(shuffled)
    diseases.write_labels(MINE, raw, all_rows, shuffled)
    untouched = here.untouched()
    said = here.rarenode("retrain", code=2)
    assert "data/prepared does not meet expectations" in said
    assert here.untouched() == untouched
    assert (folder / ".rarenode/challenger-reports/validation/validation.html").is_file()

    # ... and where nobody asks it, the comparison sees a worse model, on the holdout that is
    # shuffled as well.
    edit.plan([("retrain.drift", "ignore")]).write()
    git("commit", "--quiet", "--all", "--message", "drift is ignored")
    said = here.rarenode("retrain")
    assert "Rejected: v0.2.0 stays the champion: it may be worse by more than the margin" in said
    assert "micro AP -" in said
    assert here.untouched() == untouched
    assert "Unchanged: " in here.rarenode("retrain")

    # The champion predicts, and the one before it after a rollback.
    predict = ("predict", "--model", "models/champion", "--input", "mine/features.csv")
    here.rarenode(*predict, "--output", "second.csv")
    assert "v0.1.0 is the champion again" in here.rarenode("models", "rollback")
    here.rarenode(*predict, "--output", "first.csv")
    assert Path("first.csv").read_bytes() != Path("second.csv").read_bytes()
