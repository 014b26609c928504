import pytest

from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.datasets import hpo
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
