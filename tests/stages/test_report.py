import json

import pytest

from pipeline.artifacts import files, paths
from pipeline.config import Config
from pipeline.errors import ArtifactError
from pipeline.stages import report
from tests.reporting import sample


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample.write(tmp_path, nodes=30, examples=200)


def said(unknown: bool) -> str:
    """What an absent label means."""
    more = ", unless it is unknown" if unknown else ""
    return f"A node of which nothing is said counts as a negative here{more}."


def test_one_file_is_written_and_twice_the_same(workspace):
    assert report.run(Config()) == [paths.REPORT]
    first = paths.REPORT.read_bytes()
    report.run(Config())
    assert paths.REPORT.read_bytes() == first
    assert said(unknown=False) in first.decode()


def test_cost_and_manifest_may_be_missing_and_labels_unknown(workspace):
    paths.COST.unlink()
    paths.MANIFEST.unlink()
    path = paths.PREPARED / "dataset.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    files.write_json(path, info | {"unknown": 12})
    report.run(Config())
    html = paths.REPORT.read_text(encoding="utf-8")
    assert "reports/cost.json is not here" in html
    assert "reports/manifest.json is not here" in html
    assert said(unknown=True) in html
    assert said(unknown=False) not in html


def test_a_missing_stage_is_named_and_nothing_is_written(workspace):
    (paths.TUNING / "best.json").unlink()
    with pytest.raises(ArtifactError, match=r"expected the file reports/tuning/best\.json"):
        report.run(Config())
    assert not paths.REPORT.exists()
