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


def test_one_file_is_written_and_twice_the_same(workspace):
    assert report.run(Config()) == [paths.REPORT]
    first = paths.REPORT.read_bytes()
    report.run(Config())
    assert paths.REPORT.read_bytes() == first


def test_cost_and_manifest_may_be_missing(workspace):
    paths.COST.unlink()
    paths.MANIFEST.unlink()
    report.run(Config())
    html = paths.REPORT.read_text(encoding="utf-8")
    assert "reports/cost.json is not here" in html
    assert "reports/manifest.json is not here" in html


def test_a_missing_stage_is_named_and_nothing_is_written(workspace):
    (paths.TUNING / "best.json").unlink()
    with pytest.raises(ArtifactError, match=r"expected the file reports/tuning/best\.json"):
        report.run(Config())
    assert not paths.REPORT.exists()


@pytest.mark.parametrize("unknown", [False, True])
def test_what_an_absent_label_means_is_said(workspace, unknown):
    if unknown:
        path = paths.PREPARED / "dataset.json"
        info = json.loads(path.read_text(encoding="utf-8"))
        files.write_json(path, info | {"unknown": 12})
    report.run(Config())
    said = "A node of which nothing is said counts as a negative here"
    more = ", unless it is unknown" if unknown else ""
    assert f"{said}{more}." in paths.REPORT.read_text(encoding="utf-8")
