"""The real pipeline on the real data, small: rebuilt, cloned and read.

Two copies of the working tree build everything from nothing, side by side; a third one pulls.
"""

import html
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.__main__ import STAGES
from pipeline.artifacts import paths
from pipeline.config import edit
from tests.compiled import carry
from tests.flows.conftest import second_clone

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
SMALL = {
    "prepare.max_features": 256,
    "tune.trials": 1,
    "tune.members": 2,
    "train.kinds": ["network", "forest"],
    "train.members": 4,
    "train.hidden": 32,
    "train.epochs": 2,
    "evaluate.bootstrap": 20,
}
# Else trees are a third of all that is computed here; few show as well whether bytes are the same.
TREES = ("TREES = 300", "TREES = 24")
# Every stage that runs says so, and which files it runs from. `__main__.py` is no stage's dep.
RECORD = """\
import os as _os, sys as _sys, pipeline as _pipeline
with open(_os.environ["RUNS"], "a") as _runs:
    _runs.write(f"{_sys.argv[1]} {_os.path.dirname(_pipeline.__file__)}" + chr(10))
"""


@dataclass(frozen=True)
class Copy:
    """A copy of the working tree; its runs are recorded beside it."""

    folder: Path

    @property
    def record(self) -> Path:
        return self.folder.with_suffix(".runs")

    def environment(self, first_on_path: Path) -> dict[str, str]:
        surroundings = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        return surroundings | {
            "PATH": os.pathsep.join([str(first_on_path), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder),
            "RUNS": str(self.record),
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "1",
        }

    def start(self, *arguments: str, python: Path | None = None) -> subprocess.Popen[str]:
        """Start `dvc …`; `python` is the folder of what stages call by that name."""
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.folder,
            env=self.environment(python or Path(sys.executable).parent),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def runs(self) -> list[tuple[str, str]]:
        """(stage, folder of the package) of every stage that ever ran."""
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        return [(stage, folder) for stage, folder in (line.split(" ", 1) for line in lines)]

    def lock(self) -> dict[str, Any]:
        return YAML(typ="safe", pure=True).load((self.folder / "dvc.lock").read_text())["stages"]

    def contents(self, part: Path) -> dict[str, bytes]:
        """A file, or all files of a folder."""
        path = self.folder / part
        found = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in sorted(found)}


def copy_of_working_tree(folder: Path) -> Copy:
    """What git tracks and what it would track, as a repository of its own, ready for a run."""
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and name != "dvc.lock":  # a lock knows what others have built
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    carry(folder)
    edit.plan(SMALL.items(), folder / "params.yaml").write()
    forest = folder / "pipeline" / "hml" / "members" / "forest.py"
    text = forest.read_text()
    assert TREES[0] in text
    forest.write_text(text.replace(*TREES))
    entrance = folder / "pipeline" / "__main__.py"
    entrance.write_text(RECORD + entrance.read_text())
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all")
    return Copy(folder)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=400)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Copy]:
    """A copy that is built by plain `dvc repro`, and one that is built up to the metrics."""
    folder = tmp_path_factory.mktemp("pipeline")
    both = (copy_of_working_tree(folder / "first"), copy_of_working_tree(folder / "second"))
    for process in [both[0].start("repro"), both[1].start("repro", "evaluate")]:
        finish(process)
    return both


@pytest.fixture(scope="module")
def first(copies: tuple[Copy, Copy]) -> Copy:
    return copies[0]


def test_plain_dvc_repro_builds_every_output_from_the_copy_s_own_code(first: Copy):
    pipeline = YAML(typ="safe", pure=True).load((first.folder / "dvc.yaml").read_text())["stages"]
    for stage, entry in pipeline.items():
        for out in [*entry.get("outs", []), *entry.get("metrics", [])]:
            path = first.folder / out.replace("${dataset}", "hpo_eye")
            assert path.exists(), f"{stage} left no {out}"
            assert path.is_file() or any(path.iterdir())
    # In an order of DVC's own: stages that do not wait for each other have none.
    expected = [(stage, str(first.folder / "pipeline")) for stage in STAGES]
    assert sorted(first.runs()) == sorted(expected)
    assert (first.folder / paths.COST).exists()
    assert (first.folder / paths.MANIFEST).exists()


def test_metrics_and_bundles_have_the_same_bytes_when_all_is_rebuilt(copies: tuple[Copy, Copy]):
    one, other = copies
    assert sorted(stage for stage, _ in other.runs()) == sorted(other.lock())
    for part in (paths.METRICS, paths.BUNDLE, paths.BASELINES, paths.TUNING, paths.EVALUATION):
        contents = one.contents(part)
        assert contents
        assert other.contents(part) == contents
    # And so has all that they were made of: raw and prepared data, the validation's findings.
    for stage, entry in other.lock().items():
        assert entry == one.lock()[stage]


def test_figures_are_those_of_hpo_eye_and_of_the_parameters(first: Copy):
    found = json.loads((first.folder / paths.METRICS).read_text(encoding="utf-8"))
    assert "caution" not in found
    assert (found["dataset"], found["profile"], found["members"]) == ("hpo_eye", "custom", 4)
    assert found["examples"]["test"] > 500
    assert found["nodes"]["scored"] == found["nodes"]["total"] - 1  # the branch's root is not
    prior = found["baselines"]["prior"]
    assert prior["test"]["micro_ap"] == pytest.approx(0.35, abs=0.03)
    assert prior["test"]["macro_ap"] == pytest.approx(0.03, abs=0.015)
    # Two epochs are enough to be surely better than no learning.
    assert prior["difference"]["macro_ap"]["ci95"][0] > 0


def test_the_report_shows_the_licence_notice_and_the_version(first: Copy):
    info = json.loads((first.folder / paths.PREPARED / "dataset.json").read_text(encoding="utf-8"))
    page = html.unescape((first.folder / paths.REPORT).read_text(encoding="utf-8"))
    words = " ".join(page.split())
    for text in (info["notice"], info["version"], *info["notes"]):
        assert len(text) > 3
        assert " ".join(text.split()) in words


def test_a_second_clone_that_pulls_recomputes_nothing(
    first: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outputs = (paths.METRICS, paths.BUNDLE, paths.REPORT)
    expected = [first.contents(part) for part in outputs]
    monkeypatch.chdir(first.folder)
    clone = Copy(second_clone(first.folder))
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "python").write_text("#!/bin/sh\necho a stage was run >&2\nexit 1\n")
    (broken / "python").chmod(0o755)

    output = finish(clone.start("repro", python=broken))
    assert "Data and pipelines are up to date" in output
    assert git(clone.folder, "status", "--porcelain") == ""
    assert [clone.contents(part) for part in outputs] == expected

    # Not even where nothing is known but the code and the run cache.
    (clone.folder / "dvc.lock").unlink()
    for name in ("data/prepared", "data/raw", "models", "reports"):
        shutil.rmtree(clone.folder / name)
    output = finish(clone.start("repro", python=broken))
    assert output.count("is cached - skipping run, checking out outputs") == len(STAGES)
    assert [clone.contents(part) for part in outputs] == expected
    assert clone.runs() == []

    # The broken python would have been noticed.
    (clone.folder / "params.yaml").write_text(
        (clone.folder / "params.yaml").read_text().replace("seed: 0", "seed: 1")
    )
    process = clone.start("repro", python=broken)
    output, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "a stage was run" in output
