import shutil

import pytest

from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.datasets import hpo, registry
from pipeline.datasets.verified import sha256_of
from pipeline.errors import DatasetError
from pipeline.stages import fetch


def test_raw_files_are_those_of_the_pinned_release(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fetch.run(Config()) == [paths.raw("hpo_eye")]
    found = {file.name: sha256_of(file) for file in paths.raw("hpo_eye").iterdir()}
    assert found == hpo.FILES


def test_unknown_data_set_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError, match="hpo_eye"):
        fetch.run(Config(dataset="hpo_ear"))
    assert list(tmp_path.iterdir()) == []


def test_files_that_the_user_brought_are_kept_and_their_origin_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fetch.run(Config())
    before = {file: file.stat().st_mtime_ns for file in paths.raw("hpo_eye").iterdir()}
    monkeypatch.setattr(hpo, "find_spec", lambda name: None)  # no package, no origin
    fetch.run(Config())
    assert {file: file.stat().st_mtime_ns for file in paths.raw("hpo_eye").iterdir()} == before


def test_what_the_user_brought_comes_back_after_dvc_emptied_the_folder(tmp_path, monkeypatch):
    """DVC deletes what a stage makes before the stage runs."""
    monkeypatch.chdir(tmp_path)
    source = registry.get("hpo_eye")
    source.fetch(paths.raw("hpo_eye"), source.origin())
    shutil.rmtree(paths.RAW)
    monkeypatch.setattr(hpo, "find_spec", lambda name: None)  # no package, no origin
    fetch.run(Config())
    found = {file.name: sha256_of(file) for file in paths.raw("hpo_eye").iterdir()}
    assert found == hpo.FILES
