import subprocess
from pathlib import Path

import pytest

from pipeline.artifacts import cost, files, manifest, paths
from pipeline.config import Config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _git(*arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_manifest_holds_commit_params_versions_data_and_cost():
    _git("init", "--quiet")
    Path(".gitignore").write_text("reports\n.rarenode\ndata\n")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "all")
    files.write_json(
        paths.PREPARED / "dataset.json",
        {"schema": 1, "name": "x", "version": "1", "sha256": {"raw": "ab"}},
    )
    cost.record_stage("train", seconds=2.5, peak_memory_mb=100)
    manifest.write(Config(seed=7))
    found = files.read_json(paths.MANIFEST)
    assert found["git"] == {"commit": _git("rev-parse", "HEAD"), "dirty": False}
    assert found["seed"] == 7
    assert found["params"]["validate"]["min_positives"] == 10
    assert found["data"] == {"name": "x", "version": "1", "sha256": {"raw": "ab"}}
    assert found["versions"]["numpy"]
    assert found["stages"] == {"train": {"seconds": 2.5, "peak_memory_mb": 100}}


def test_changed_file_makes_it_dirty_but_the_lock_file_of_a_run_does_not():
    _git("init", "--quiet")
    Path(".gitignore").write_text("reports\n.rarenode\n")
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "all")
    Path("dvc.lock").write_text("x")
    manifest.write(Config())
    assert files.read_json(paths.MANIFEST)["git"]["dirty"] is False
    Path("params.yaml").write_text("x")
    manifest.write(Config())
    assert files.read_json(paths.MANIFEST)["git"]["dirty"] is True


def test_manifest_can_be_written_outside_git_and_before_any_stage():
    manifest.write(Config())
    found = files.read_json(paths.MANIFEST)
    assert found["git"] is None
    assert found["data"] is None
    assert found["stages"] == {}


def test_methods_and_stages_are_merged_and_a_later_run_replaces_its_own():
    cost.record_method("tune", "weighted/paper", seconds=5.0)
    cost.record_method("train", "weighted/paper", seconds=1.0, seconds_per_epoch=0.1)
    cost.record_method("train", "weighted/paper", seconds=2.0)
    cost.record_stage("train", seconds=3.0, peak_memory_mb=10)
    assert files.read_json(paths.COST) == {
        "schema": 1,
        "stages": {"train": {"seconds": 3.0, "peak_memory_mb": 10}},
        "methods": {"weighted/paper": {"tune": {"seconds": 5.0}, "train": {"seconds": 2.0}}},
    }


def test_stage_that_runs_again_forgets_methods_that_are_gone():
    cost.record_method("train", "old", seconds=1.0)
    cost.record_method("tune", "kept", seconds=1.0)
    cost.record_stage("train", seconds=1.0, peak_memory_mb=1)
    cost.forget_stage("train")
    assert files.read_json(paths.COST) == {
        "schema": 1,
        "stages": {},
        "methods": {"kept": {"tune": {"seconds": 1.0}}},
    }


def test_processes_side_by_side_lose_nothing(folder: Path):
    import sys

    root = str(Path(__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {root!r})\n"
        "from pipeline.artifacts import cost\n"
        "for i in range(20): cost.record_method('train', f'{sys.argv[1]}{i}', seconds=1.0)\n"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [worker.wait() for worker in workers] == [0, 0]
    assert len(files.read_json(paths.COST)["methods"]) == 40


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}'])
def test_damaged_cost_file_does_not_stop_a_run(content: str):
    paths.COST.parent.mkdir()
    paths.COST.write_text(content)
    cost.record_stage("train", seconds=1.0, peak_memory_mb=1)
    assert cost.stages() == {"train": {"seconds": 1.0, "peak_memory_mb": 1}}
