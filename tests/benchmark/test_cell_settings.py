"""Cells of images in settings: what is shared, what a setting and a seed move."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.artifacts import paths
from pipeline.benchmark import cell, pretraining, results, study
from pipeline.benchmark.results import RARE
from pipeline.datasets import registry
from pipeline.stages import encoding
from tests.datasets.tiny_images import TinyFashion, write_fashion

STUDY = """\
profile: quick
members: 4
page: page.md
parameters:
  all:
    prepare.min_support: 0
    train.hidden: 8
    train.epochs: 1
    train.weighting.uncertainty: epistemic
    images.workers: 0
    images.encoder.features: 16
    images.encoder.pretrain_epochs: 1
seeded: [images.seed, prepare.split_seed]
settings:
  whole: {title: all of it}
  half: {title: half of it, train_share: 0.5, parameters: {images.encoder.random_share: 0.5}}
  tuned: {title: fine-tuned, parameters: {images.fine_tune.epochs: 1, images.fine_tune.heads: 2}}
grids:
  one:
    datasets: [fashion_mnist]
    settings: [whole, half, tuned]
    methods: [mcloss, weighted-paper]
    seeds: [0, 1]
"""
TRAIN, TEST = 415, 166  # of 250 and 100 images of each category


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fashion(tmp_path_factory.mktemp("fashion"))


@pytest.fixture(autouse=True)
def pretrained(raw_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A workspace; the seeds that were pretrained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "get", lambda name: TinyFashion(raw_folder))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    paths.RAW.mkdir(parents=True)
    paths.raw("fashion_mnist").symlink_to(raw_folder)
    Path("study.yaml").write_text(STUDY)
    seeds: list[int] = []
    real = encoding.pretrained_of

    def counted(raw: Any, fit_rows: np.ndarray, config: Any) -> Any:
        seeds.append(config.images.seed)
        return real(raw, fit_rows, config)

    monkeypatch.setattr(encoding, "pretrained_of", counted)
    return seeds


def run(method: str, setting: str, seeds: str = "[0]") -> dict[str, Any]:
    Path("study.yaml").write_text(STUDY.replace("[0, 1]", seeds))
    grid = study.load(Path("study.yaml"))
    [one] = [c for c in grid.cells.values() if c.address == ["fashion_mnist", method, setting]]
    cell.run(grid, one)
    assert [*results.runs_of(grid, one)] == one.seeds  # which the study recognises
    return json.loads(grid.file(one).read_text())


def test_an_encoder_is_pretrained_once_for_each_seed(pretrained: list[int]):
    run("mcloss", "whole", "[0, 1]")
    run("weighted-paper", "half", "[0, 1]")
    assert pretrained == [0, 1]


def test_a_result_has_the_figures_of_rare_nodes_and_what_the_encoder_took():
    found = run("weighted-paper", "half")
    assert found["cell"] == {
        "dataset": "fashion_mnist",
        "method": "weighted-paper",
        "setting": "half",
    }
    examples = found["examples"]
    assert examples["test"] == TEST
    assert examples["train"] + examples["valid"] == round(TRAIN / 2)
    [one] = found["runs"]
    method = one["methods"]["weighted-paper"]
    assert len(method["replicates"][RARE].split()) == cell.REPLICATES
    assert len(method["replicates"]["macro_recall/half"].split()) == cell.REPLICATES
    rare = {part["bin"]: part for part in method["test"]["by_rarity"]}["0-99"]
    assert 10 <= rare["nodes"] <= 17
    assert method["cost"]["cpu_seconds_of_encoder"] > 0
    assert one["settings"]["images"]["encoder"]["random_share"] == 0.5


def test_a_seed_moves_subset_and_encoder_and_gives_the_same_again():
    first, other = run("mcloss", "half", "[0, 1]")["runs"]
    assert first["methods"]["mcloss"]["test"] != other["methods"]["mcloss"]["test"]
    Path("results/fashion_mnist.half.mcloss.json").unlink()
    [again] = run("mcloss", "half")["runs"]
    assert again["methods"]["mcloss"]["test"] == first["methods"]["mcloss"]["test"]
    assert again["methods"]["mcloss"]["replicates"] == first["methods"]["mcloss"]["replicates"]


@pytest.mark.parametrize("method", ["mcloss", "weighted-paper"])
def test_a_fine_tuned_encoder_leaves_cuts_to_validation(method: str):
    [one] = run(method, "tuned")["runs"]
    tuned = one["settings"]["images"]["fine_tune"]
    assert tuned["variant"] == ("paper" if method == "weighted-paper" else "none")
    found = one["methods"][method]
    assert {*found["test"]["rules"]} == {"half", "prior_matched", "tuned"}
    assert {*found["expected"]} == {"prior_matched", "tuned"}


def test_a_data_set_without_images_shares_no_encoder():
    from tests.datasets.toy import Toy

    toy = Toy()
    toy.fetch(Path("toy"))
    grid = study.load(Path("study.yaml"))
    config = grid.config(next(iter(grid.cells.values())), 0)
    assert pretraining.shared(toy.read(Path("toy")), config) is None
