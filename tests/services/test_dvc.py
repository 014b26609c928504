"""`dvc exp run`, `dvc metrics diff` and `dvc plots diff` on the real pipeline, with little data."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import edit
from tests.test_pipeline import copy_of_working_tree, git

SMALL = {
    "tune.trials": 0,
    "train.kinds": ["network"],
    "train.baselines": ["bce"],
    "train.members": 4,
    "train.hidden": 16,
    "train.epochs": 6,
    "evaluate.bootstrap": 20,
}


class Workspace:
    def __init__(self, folder: Path):
        self.folder = folder

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ
            | {
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
                "PYTHONPATH": "",  # what is imported is what lies there, in an experiment, too
                "OMP_NUM_THREADS": "1",
                "DVC_NO_ANALYTICS": "1",
                "RUNS": str(self.folder.with_suffix(".runs")),
            },
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *command: str) -> Any:
        return json.loads(self.run("dvc", *command, "--json"))

    def state(self) -> dict[str, bytes]:
        names = ("params.yaml", "dvc.lock", "reports/metrics.json", "reports/report.html")
        return {name: (self.folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace of the example in docs/own-data.md that was run and committed."""
    here = Workspace(copy_of_working_tree(tmp_path_factory.mktemp("dvc") / "workspace").folder)
    files = ("features", "sightings", "labels", "taxa", "hierarchy", "taxonomy")
    options = [
        part
        for role, name in zip(files[::2], files[1::2], strict=True)
        for part in (f"--{role}", f"docs/example/{name}.csv")
    ]
    code = "import sys; from pipeline.cli import main; sys.exit(main())"
    here.run(sys.executable, "-c", code, "init", *options, "--groups", "observer")
    edit.plan(SMALL.items(), here.folder / "params.yaml").write()
    here.run("dvc", "repro")
    git(here.folder, "add", "--all")
    git(here.folder, "commit", "--quiet", "--message", "built")
    return here


@pytest.fixture(scope="module")
def before(built: Workspace) -> dict[str, bytes]:
    """What the workspace was before the experiment `what-if` ran."""
    state = built.state()
    built.run("dvc", "exp", "run", "--temp", "--name", "what-if", "-S", "train.epochs=1")
    return state


def test_experiment_leaves_the_workspace_as_it_is(built: Workspace, before: dict[str, bytes]):
    assert built.state() == before
    assert git(built.folder, "status", "--porcelain") == ""
    assert built.json("status") == {}
    (found,) = built.json("params", "diff", "HEAD", "what-if").values()
    assert list(found) == ["train.epochs"]
    assert (found["train.epochs"]["old"], found["train.epochs"]["new"]) == (6, 1)


def test_metrics_differ_in_the_headline_figures(built: Workspace, before: dict[str, bytes]):
    changed = built.json("metrics", "diff", "HEAD", "what-if")
    assert list(changed) == ["reports/evaluation/headline.json"]
    figures = changed["reports/evaluation/headline.json"]
    assert {"micro_ap", "macro_ap", "macro_f1.tuned"} < set(figures)
    assert len(figures) < 12
    assert figures["micro_ap"]["new"] < figures["micro_ap"]["old"]
    metrics = json.loads(before["reports/metrics.json"])
    assert figures["macro_ap"]["old"] == metrics["test"]["macro_ap"]


@pytest.mark.usefixtures("before")
def test_plots_show_macro_ap_by_rarity_and_by_depth(built: Workspace):
    built.run("dvc", "plots", "diff", "HEAD", "what-if")
    page = (built.folder / "dvc_plots" / "index.html").read_text(encoding="utf-8")
    for text in ("Macro AP by the number of positives", "Macro AP by depth", '"rev": "what-if"'):
        assert text in page
    for name in ("by_rarity", "by_depth"):
        table = (built.folder / f"reports/evaluation/{name}.csv").read_text().splitlines()
        assert len(table) > 2
    assert git(built.folder, "status", "--porcelain") == ""
