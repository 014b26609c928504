"""Figures and their intervals, out of files of results."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.artifacts import files
from pipeline.benchmark import results
from pipeline.benchmark.estimates import number
from pipeline.benchmark.results import RAREST, Runs, Table
from pipeline.errors import ArtifactError

from .sample import COMPARED, TEXT, cell, load, made, put, result

# The 97.5 % quantiles of Student's t distribution, from a printed table.
T = {1: 12.706, 2: 4.303}


def runs(*of_seeds: Mapping[str, float | None], spread: float = 0.0) -> Runs:
    """Runs of the seeds from 0 on."""
    each = [made(figures, spread) | {"seed": seed} for seed, figures in enumerate(of_seeds)]
    return Runs("spo_FUN", "ours", {}, each)


def test_the_interval_of_a_figure_joins_seeds_and_test_examples():
    seeds = [{"micro_ap": value} for value in (0.20, 0.21, 0.25)]
    # Squared distances from 0.22 sum up to 0.0014: a variance of 0.0007.
    of_seeds = T[2] * math.sqrt(0.0007 / 3)
    alone = runs(*seeds).estimate("micro_ap")
    assert alone.mean == pytest.approx(0.22)
    assert alone.half == pytest.approx(of_seeds, rel=1e-3)
    # Replicates a standard deviation of 0.01 apart.
    joined = runs(*seeds, spread=0.01).estimate("micro_ap")
    assert joined.mean == pytest.approx(0.22)
    assert joined.half == pytest.approx(math.sqrt(of_seeds**2 + 0.0196**2), rel=1e-3)
    assert str(joined) == "0.2200 ± 0.0686"
    assert joined.low == pytest.approx(0.22 - 0.0686, abs=1e-4)


def test_one_seed_has_the_interval_over_test_examples_alone():
    found = runs({"micro_ap": 0.2}, spread=0.01).estimate("micro_ap")
    assert (found.mean, found.half) == (pytest.approx(0.2), pytest.approx(0.0196))


def test_without_replicates_and_seeds_there_is_no_interval():
    found = runs({"macro_ap/depth=1": 0.25}).estimate("macro_ap/depth=1")
    assert (found.mean, found.half, str(found)) == (0.25, None, "0.2500")


def test_replicates_are_averaged_over_seeds_before_they_spread():
    # The seeds' replicates move against each other: their mean does not move at all.
    one, other = made({"micro_ap": 0.2}, 0.01), made({"micro_ap": 0.2}, -0.01)
    found = Runs("spo_FUN", "ours", {}, [one | {"seed": 0}, other | {"seed": 1}])
    assert found.estimate("micro_ap").half == pytest.approx(0, abs=1e-12)


def test_a_difference_is_paired_by_seed_and_replicate():
    # Seeds 0.2 and 0.3 are far apart, their differences are not: 0.010 and 0.012.
    ours = runs({"micro_ap": 0.210}, {"micro_ap": 0.312}, spread=0.03)
    other = runs({"micro_ap": 0.200}, {"micro_ap": 0.300}, spread=0.02)
    found = ours.difference(other, "micro_ap")
    assert found.mean == pytest.approx(0.011)
    of_seeds = T[1] * 0.001  # two values 0.002 apart
    assert found.half == pytest.approx(math.hypot(of_seeds, 1.96 * 0.01), rel=1e-3)
    assert other.difference(ours, "micro_ap").mean == pytest.approx(-0.011)


def test_a_difference_pairs_seeds_by_their_number_not_by_their_place(tmp_path: Path):
    grid = load(tmp_path, COMPARED)
    put(grid, cell(grid, "enron", "ours"), {"micro_ap": 0.31}, seeds=[1])
    put(grid, cell(grid, "enron", "bce"), {"micro_ap": [0.2, 0.3]})
    table = Table(grid)
    found = table.found["enron", "ours"].difference(table.found["enron", "bce"], "micro_ap")
    assert found.mean == pytest.approx(0.01)


def test_a_figure_that_a_method_does_not_have_is_no_figure():
    some = runs({RAREST: 0.1}, {RAREST: None})
    assert some.values(RAREST) == []
    assert math.isnan(some.mean(RAREST))
    assert some.estimate(RAREST).half is None
    whole = runs({})
    assert whole.values("macro_f1/never") == whole.values("macro_ap/rarity=0") == []
    assert whole.values("macro_ap/depth=2") == [0.15]
    assert math.isnan(runs({RAREST: None}).difference(whole, RAREST).mean)
    # Of the seed that both have, both have it.
    assert some.difference(whole, RAREST).mean == pytest.approx(0.1 - whole.mean(RAREST))


def test_numbers_have_the_t_interval_over_seeds():
    # Two values 0.02 apart: a standard error of 0.01.
    assert number([0.21, 0.23], 4) == "0.2200 ± 0.1271"
    assert number([0.2, None], 2) == "0.20"
    assert number([None], 2) == ""


def test_a_table_has_the_results_that_are_there_and_names_the_others(tmp_path: Path):
    grid = load(tmp_path, COMPARED)
    put(grid, cell(grid, "enron", "ours"))
    put(grid, cell(grid, "enron", "mcloss"), seeds=[0])
    put(grid, cell(grid, "cellcycle_FUN", "ours"))
    table = Table(grid)
    assert [*table.found] == [
        *(("enron", name) for name in ("ours", "weighted-paper", "mcloss")),
        *(("cellcycle_FUN", name) for name in ("ours", "weighted-paper")),
    ]
    assert table.methods == ["ours", "weighted-paper", "mcloss"]
    assert len(table.missing) == 14
    assert cell(grid, "enron", "mcloss") in table.missing  # it lacks a seed
    assert cell(grid, "enron", "ours") not in table.missing
    assert table.datasets("ours") == ["enron", "cellcycle_FUN"]
    assert table.confirming("ours") == ["enron"]
    assert table.datasets("ours", "mcloss") == ["enron"]
    assert table.datasets("bce") == []
    assert table.found["enron", "ours"].about["examples"]["test"] == 20


def test_a_run_of_other_settings_or_of_no_asked_seed_is_not_counted(tmp_path: Path):
    grid = load(tmp_path)
    one = cell(grid, "spo_FUN", "mcloss_1")
    found = result(grid, one, {"mcloss_1": {}}, seeds=[0, 1, 2])
    found["runs"][1]["settings"]["train"]["epochs"] = 1
    files.write_json(grid.file(one), found)
    assert [*results.runs_of(grid, one)] == [0]
    assert Table(grid).missing == [*grid.cells.values()]
    found["runs"] = found["runs"][1:]
    files.write_json(grid.file(one), found)
    assert results.read(grid, one) is None
    assert Table(grid).found == {}


@pytest.mark.parametrize(
    ("method", "changed", "same"),
    [
        # The weights and the kinds are the product's alone.
        ("mcloss", "train.epochs: 3", "train.weighting.floor: 0.5"),
        ("mcloss", "prepare.missing: keep", "train.baselines: [bce]"),
        ("weighted-released", "train.weighting.floor: 0.5", "train.beta: 2"),  # no cross-fit
        ("mcloss_1", "train.batch_size: 8", "evaluate.bootstrap: 70"),
    ],
)
def test_a_result_is_current_where_all_that_it_depends_on_is(
    method: str, changed: str, same: str, tmp_path: Path
):
    grid = load(tmp_path)
    one = cell(grid, "spo_FUN", method)
    put(grid, one)
    for parameters, expected in ((same, one.seeds), (changed, [])):
        section, _, value = parameters.partition(": ")
        text = f"parameters:\n  all: {{{section}: {value}}}\n"
        other = load(tmp_path, TEXT + text)
        assert [*results.runs_of(other, cell(other, "spo_FUN", method))] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"expected JSON in .*results/spo_FUN\.mcloss\.json"),
        (json.dumps({"schema": 1}), r"expected schema 3 in .*results/spo_FUN\.mcloss\.json"),
    ],
)
def test_a_damaged_result_is_refused_by_name(content: str, message: str, tmp_path: Path):
    grid = load(tmp_path)
    one = cell(grid, "spo_FUN", "mcloss")
    put(grid, one)
    grid.file(one).write_text(content)
    with pytest.raises(ArtifactError, match=message):
        Table(grid)
