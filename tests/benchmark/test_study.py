import re
from pathlib import Path

import pytest

from pipeline.benchmark import study
from pipeline.benchmark.study import Cell
from pipeline.config.published import PUBLISHED
from pipeline.errors import RarenodeError

from .sample import TEXT, load, write


def test_cells_are_data_sets_times_seeds(tmp_path: Path):
    names = [cell.name for cell in load(tmp_path).all_cells()]
    assert names == [
        "spo_FUN, mcloss, 1 member, seed 0",
        "spo_FUN, mcloss, 1 member, seed 1",
        "enron, mcloss, 1 member, seed 0",
        "enron, mcloss, 1 member, seed 1",
        "spo_FUN, weighted/released, 5 members, seed 0",
        "spo_FUN, weighted/released, 5 members, seed 1",
        "spo_FUN, mcloss, 5 members, seed 0",
    ]


def test_a_cell_has_the_published_settings_of_its_data_set():
    cell = Cell(dataset="enron", method="weighted/paper", members=3, seed=7)
    config = cell.config("published")
    assert (config.dataset, config.seed, config.train.members) == ("enron", 7, 3)
    assert config.train.epochs == PUBLISHED["enron"].epochs
    assert config.train.weighting.variant == "paper"
    assert config.train.weighting.reduction == "sum"
    assert config.train.reduction == "mean"
    assert config.prepare.missing == "split_mean"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("spo_FUN, enron", "spo_FUM", "found 'spo_FUM'. Did you mean 'spo_FUN'?"),
        ("spo_FUN, enron", "hpo_eye", "a data set with published settings"),
        ("method: mcloss, members: 1", "method: focal, members: 1", "cells.0.method: "),
        ("seeds: [0, 1]", "seeds: []", "cells.0.seeds: "),
        ("page: page.md\n", "", "page: Field required"),
        ("profile: published", "profile: nightly", "profile: "),
        ("profile: published", "profile: quick", "profile: "),
        ("method: mcloss, members: 5", "method: mcloss, members: 1", "each cell once"),
        (TEXT, "", "expected sections"),
    ],
)
def test_a_study_that_cannot_be_run_is_one_message(
    old: str, new: str, message: str, tmp_path: Path
):
    path = write(tmp_path, TEXT.replace(old, new, 1))
    with pytest.raises(RarenodeError, match=re.escape(message)) as raised:
        study.load(path)
    assert "\n" not in str(raised.value)


def test_the_study_of_the_repository_is_well_formed():
    root = Path(__file__).parents[2]
    cells = study.load(root / "benchmarks/published/study.yaml").all_cells()
    assert len({cell.file_name for cell in cells}) == len(cells)
