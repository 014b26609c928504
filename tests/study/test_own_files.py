"""A study searches one's own files as they are now."""

from pathlib import Path

import pytest

from pipeline.commands import study
from pipeline.datasets.verified import sha256_of
from tests.flows.retraining import make, rows


def test_rows_that_have_come_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = make(tmp_path / "workspace", monkeypatch)
    monkeypatch.setenv("RARENODE_TABLES", str(folder))  # its stage reads it
    with open("dvc.yaml", "a") as pipeline:
        pipeline.write("  tune: {cmd: 'exit 1', deps: [data/prepared], outs: [best.json]}\n")
    study._bring_data_up_to_date()
    before = Path("data/prepared/dataset.json").read_text()
    rows(5)
    study._bring_data_up_to_date()
    assert Path("data/prepared/dataset.json").read_text() != before
    assert sha256_of(Path("features.csv")) in Path("params.yaml").read_text()
