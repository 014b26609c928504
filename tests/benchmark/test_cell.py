"""A cell gives the figures of the very ensemble that it trains."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.artifacts import paths
from pipeline.benchmark import __main__, cell, results
from pipeline.benchmark.study import Cell
from pipeline.datasets import registry
from pipeline.errors import DatasetError
from tests.datasets.toy import Toy

STUDY = """\
profile: published
results: results
page: page.md
cells:
  - {datasets: [enron], method: mcloss, members: 2, seeds: [0]}
"""
ONE = Cell(dataset="enron", method="mcloss", members=2, seed=0)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "get", lambda name: Toy())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    Path("study.yaml").write_text(STUDY)
    Toy().fetch(paths.raw("enron"))


def run(one: Cell = ONE) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cell, "config", small(Cell.config))
        return cell.run(one, "published")


def small(config):
    def shrunk(self: Cell, profile: str):
        found = config(self, profile)
        train = found.train.model_copy(update={"hidden": 8, "epochs": 2})
        return found.model_copy(update={"train": train})

    return shrunk


def test_the_same_cell_gives_the_same_figures_and_another_seed_others():
    first, again = run(), run()
    assert first["test"] == again["test"]
    assert first["test"] != run(ONE.model_copy(update={"seed": 1}))["test"]
    assert first["cell"] == ONE.model_dump()
    assert first["cost"]["seconds"] >= 0


def test_a_variant_is_trained_as_the_weighted_loss():
    weighted = run(ONE.model_copy(update={"method": "weighted/released"}))
    assert weighted["test"] != run()["test"]
    assert weighted["settings"]["train"]["weighting"]["variant"] == "released"
    assert "weighting" not in run()["settings"]["train"]


def test_the_result_is_written_where_the_study_looks_for_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cell, "run", lambda one, profile: {"schema": 1, "seed": one.seed})
    assert __main__.main(["study.yaml", ONE.model_dump_json()]) == 0
    file = Path("results/enron.mcloss.2.0.json")
    assert json.loads(file.read_text()) == {"schema": results.SCHEMA, "seed": 0}


def test_what_the_user_can_mend_is_a_message_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refuse(one: Cell, profile: str) -> dict:
        raise DatasetError("expected a network, found none")

    monkeypatch.setattr(cell, "run", refuse)
    assert __main__.main(["study.yaml", ONE.model_dump_json()]) == 2
    assert capsys.readouterr().err == "expected a network, found none\n"
    assert not Path("results").exists()
