"""What tune, train and evaluate share."""

import dataclasses
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pipeline.artifacts import files, paths, prepared
from pipeline.config import sections
from pipeline.config.sections import Train, Weighting
from pipeline.errors import ArtifactError, RarenodeError
from pipeline.hml import Objective, baselines, folds, imbalance
from pipeline.hml.members import KINDS
from pipeline.hml.uncertainty import COMPARES_MEMBERS, Mode
from pipeline.stages import learning

from .problem import HIERARCHY, prepared_problem

TRAIN = Train(
    members=3,
    hidden=7,
    layers=3,
    dropout=0.25,
    batch_size=9,
    epochs=11,
    learning_rate=0.125,
    weight_decay=0.5,
    reduction="mean",
    baselines=["mcloss_1", "weighted/paper"],
    kinds=["network"],
    cross_fit=False,
    beta=2.0,
    weighting=Weighting(
        variant="released",
        floor=0.5,
        kind="binary",
        uncertainty="epistemic",
        focal_floor=0.75,
        focal_power=2.0,
        reduction="sum",
    ),
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_problem_holds_the_tables_hierarchy_and_closed_labels():
    data = prepared_problem()
    prepared.write(data)
    problem = learning.read_problem()
    assert problem.hierarchy.nodes == HIERARCHY.nodes
    assert np.array_equal(problem.hierarchy.edge_index, HIERARCHY.edge_index)
    closed = HIERARCHY.close(data.labels.toarray())
    assert np.array_equal(problem.labels.toarray(), closed)
    assert closed.sum() > data.labels.sum()
    assert problem.scored.tolist() == [name != "t" for name in HIERARCHY.nodes]
    rows = np.array([5, 2])
    assert problem.positives(rows).tolist() == closed[rows][:, problem.scored].sum(0).tolist()


def test_nodes_in_another_order_are_refused():
    data = prepared_problem()
    prepared.write(dataclasses.replace(data, nodes=data.nodes.iloc[::-1]))
    with pytest.raises(ArtifactError, match=r"nodes\.parquet in node order.*Run the stage"):
        learning.read_problem()


def test_a_cycle_is_refused_and_named():
    data = prepared_problem()
    data.edges.loc[len(data.edges)] = ["t", "e"]
    prepared.write(data)
    with pytest.raises(RarenodeError, match="found 'd' -> 'l' -> 't' -> 'e' -> 'd'"):
        learning.read_problem()


def test_without_prepared_data_the_missing_file_is_named():
    with pytest.raises(ArtifactError, match=r"data/prepared/dataset\.json"):
        learning.read_problem()


def test_every_parameter_reaches_the_settings_of_the_product_s_method():
    settings = learning.settings("weighted", TRAIN)
    for name in Train.model_fields.keys() & {field.name for field in dataclasses.fields(settings)}:
        assert getattr(settings, name) == getattr(TRAIN, name)
    assert settings.objective == Objective(
        constraint=True,
        variant="released",
        floor=0.5,
        kind="binary",
        mode="epistemic",
        focal_floor=0.75,
        focal_power=2.0,
        reduction="sum",
    )


@pytest.mark.parametrize("method", ["bce", "mcloss"])
def test_baselines_ignore_the_weighting_and_share_everything_else(method: learning.Method):
    ours = learning.settings("weighted", TRAIN)
    settings = learning.settings(method, TRAIN)
    assert settings.objective == Objective(constraint=method == "mcloss", reduction="mean")
    # Whose networks start as their authors' did.
    own = {"objective": ours.objective, "prior_start": True}
    assert (settings.prior_start, dataclasses.replace(settings, **own)) == (False, ours)


@pytest.mark.parametrize("name", get_args(baselines.Baseline))
def test_losses_and_samplings_of_others_share_everything_else(name: baselines.Baseline):
    settings = learning.settings(name, TRAIN)
    flat = name in {"focal", "asymmetric", "class_balanced"}
    assert settings.objective == Objective(constraint=not flat, baseline=name, reduction="mean")
    ours = learning.settings("weighted", TRAIN)
    own = {"objective": ours.objective, "prior_start": True}
    assert (settings.prior_start, dataclasses.replace(settings, **own)) == (False, ours)


def test_networks_start_at_random_where_the_literature_is_followed():
    for start, expected in (("prior", True), ("random", False)):
        weighting = TRAIN.weighting.model_copy(update={"start": start})
        train = TRAIN.model_copy(update={"weighting": weighting})
        assert learning.settings("weighted", train).prior_start is expected


def test_a_variant_as_baseline_differs_from_the_product_s_method_in_the_variant_alone():
    ours = learning.settings("weighted", TRAIN)
    paper = learning.settings("weighted/paper", TRAIN)
    assert paper.objective.variant == "paper"
    assert ours.objective == dataclasses.replace(paper.objective, variant="released")
    assert dataclasses.replace(paper, objective=ours.objective) == ours


def test_mcloss_as_published_has_one_member():
    settings = learning.settings("mcloss_1", TRAIN)
    assert settings.members == 1
    assert dataclasses.replace(settings, members=3) == learning.settings("mcloss", TRAIN)


def test_with_one_member_each_mcloss_is_trained_once():
    both = Train(members=4, baselines=["mcloss_1", "mcloss"])
    assert learning.methods(both) == ("weighted", "mcloss_1", "mcloss")
    assert learning.methods(both.model_copy(update={"members": 1})) == ("weighted", "mcloss")
    alone = Train(kinds=["network"], cross_fit=False, members=1, baselines=["mcloss_1"])
    assert learning.methods(alone) == ("weighted", "mcloss_1")


def test_tuned_values_lie_over_those_of_params_yaml():
    tuned = {
        "value": 0.5,
        "learning_rate": 0.01,
        "epochs": 4,
        "weighting": {"variant": "none", "uncertainty": "none", "floor": 2.0},
    }
    settings = learning.settings("weighted", TRAIN, tuned)
    assert (settings.learning_rate, settings.epochs, settings.members) == (0.01, 4, 3)
    assert settings.objective == Objective(
        variant=None, mode=None, floor=2.0, kind="binary", focal_floor=0.75, focal_power=2.0,
        reduction="sum",
    )  # fmt: skip
    baseline = learning.settings("bce", TRAIN, {"learning_rate": 0.01, "epochs": 4})
    assert (baseline.learning_rate, baseline.epochs) == (0.01, 4)


def test_tuned_values_of_another_schema_are_refused():
    files.write_json(paths.TUNING / "best.json", {"schema": 7, "methods": {}})
    with pytest.raises(ArtifactError, match=r"schema 1 in reports/tuning/best\.json, found 7"):
        learning.tuned_values()


def test_without_tuning_the_missing_file_is_named():
    with pytest.raises(ArtifactError, match=r"reports/tuning/best\.json"):
        learning.tuned_values()


def test_the_method_with_variants_says_which_one_it_is():
    tuned = {"weighting": {"variant": "released"}}
    assert learning.full_name("weighted", tuned) == "weighted/released"
    assert learning.full_name("bce", {}) == "bce"
    assert learning.full_name("mcloss", {}) == "mcloss"


def test_parameters_and_core_know_the_same_modes_and_variants():
    # The configuration is torch-free, so it spells out what the core defines.
    assert set(get_args(baselines.Baseline)) < set(get_args(sections.Baseline))
    assert (sections.FEWEST, set(get_args(sections.Kind))) == (folds.FEWEST, set(KINDS))
    assert get_args(sections.Uncertainty) == ("none", *get_args(Mode))
    assert get_args(sections.Variant) == ("none", *get_args(imbalance.Variant))
    assert sections.NEEDS_TWO_MEMBERS == COMPARES_MEMBERS
