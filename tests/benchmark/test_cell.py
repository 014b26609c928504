"""A cell gives the figures of the very ensemble that it trains, seed by seed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from pipeline.artifacts import paths
from pipeline.benchmark import __main__, cell, results, study
from pipeline.benchmark.study import Study
from pipeline.config import Config
from pipeline.datasets import registry
from pipeline.errors import DatasetError
from pipeline.hml import Ensemble, bootstrap
from pipeline.stages import learning, prepare, train
from pipeline.stages.learning import Method, Problem
from tests.datasets.toy import Toy
from tests.hml import reference

# hpo_eye is where the toy stands in.
STUDY = """\
profile: quick
members: 4
page: page.md
parameters:
  all: {prepare.min_support: 0, train.hidden: 8, train.epochs: 2, train.kinds: [network, forest]}
grids:
  one:
    datasets: [hpo_eye]
    methods: [ours, mcloss, mcloss_1, weighted-released, logistic_regression]
    seeds: [0]
"""
RULES = ("half", "prior_matched", "tuned")


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "get", lambda name: Toy())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.delenv(__main__.AGAIN, raising=False)
    Path("study.yaml").write_text(STUDY)
    Toy().fetch(paths.raw("hpo_eye"))


def run(method: str, seeds: str = "[0]", *, again: bool = False) -> dict[str, Any]:
    """Run a cell; its file."""
    grid = load(seeds)
    [one] = [c for c in grid.cells.values() if c.method == method]
    cell.run(grid, one, again=again)
    return json.loads(grid.file(one).read_text())


def load(seeds: str = "[0]") -> Study:
    Path("study.yaml").write_text(STUDY.replace("seeds: [0]", f"seeds: {seeds}"))
    return study.load(Path("study.yaml"))


def trained(method: str, of: Method, kinds: list[str] | None) -> tuple[Ensemble, Problem]:
    """The ensemble of a cell, from the stages' own functions."""
    grid = load()
    [one] = [c for c in grid.cells.values() if c.method == method]
    config: Config = grid.config(one, 0)
    source = Toy()
    problem = learning.problem(prepare.prepare(source.read(paths.raw("hpo_eye")), source, config))
    fitted, _ = train.fit(of, learning.settings(of, config.train), problem, config)
    return fitted.ensemble(kinds, beta=config.train.beta), problem


@pytest.mark.parametrize(
    ("method", "name", "of", "kinds"),
    [
        ("mcloss", "mcloss", "mcloss", None),
        ("ours", "ours", "weighted", None),
        ("ours", "weighted-paper", "weighted", ["network"]),
        ("weighted-released", "weighted-released", "weighted", None),
    ],
)
def test_figures_are_those_of_the_ensemble_that_the_stages_train(
    method: str, name: str, of: Method, kinds: list[str] | None
):
    found = run(method)["runs"][0]["methods"][name]
    ensemble, problem = trained(method, of, kinds)
    test, scored = problem.data.rows("test"), problem.scored
    p = ensemble.predict_proba(problem.data.features[test])
    y = problem.labels[test].toarray()
    known = scored & y.any(0)

    def macro_ap(weight: np.ndarray) -> float:
        each = [
            average_precision_score(y[:, node], p[:, node], sample_weight=weight)
            for node in np.flatnonzero(known)
        ]
        return float(np.mean(each))

    ones = np.ones(len(test))
    micro = average_precision_score(y[:, scored].ravel(), p[:, scored].ravel())
    assert found["test"]["micro_ap"] == pytest.approx(micro, rel=1e-5)
    assert found["test"]["macro_ap"] == pytest.approx(macro_ap(ones), rel=1e-5)
    for rule in RULES:
        scores = reference.rule_scores(y, ensemble.decide(p, rule), scored)
        for figure, value in found["test"]["rules"][rule].items():
            assert value == pytest.approx(scores[figure], rel=1e-5)

    # Replicates are weighted by group, and the same for all methods: their seed is fixed.
    groups = problem.data.examples["group"].to_numpy()[test]
    weights = bootstrap.group_weights(groups, cell.REPLICATES, seed=0)
    replicates = found["replicates"]["macro_ap"].split()
    assert len(replicates) == cell.REPLICATES
    for place in (0, 7, 199):
        assert float(replicates[place]) == pytest.approx(macro_ap(weights[place]), rel=1e-4)

    for part, value in found["brier_skill"].items():
        kind, _, wanted = part.partition("=")
        nodes = scored & (problem.hierarchy.depth.astype(str) == wanted)
        if kind == "depth":
            skill = reference.brier_skill(y, p, ensemble.share, nodes)
            assert value == pytest.approx(skill, rel=1e-4, abs=1e-7)
    assert {"depth=1", "depth=2"} <= {*found["brier_skill"]}
    curve = found["reliability"]["all"]
    assert sum(curve["entries"]) == scored.sum() * len(test)
    assert {*found["expected"]} == {"prior_matched", "tuned"}
    assert found["cost"]["cpu_seconds"] >= 0


def test_the_same_seed_gives_the_same_figures_and_another_one_others():
    first, other = run("mcloss", "[3, 4]")["runs"]
    assert (first["seed"], other["seed"]) == (3, 4)
    again, kept = run("mcloss", "[3]", again=True)["runs"]
    assert kept == other  # a study with fewer seeds does not throw the others away
    method = first["methods"]["mcloss"]
    for part in ("test", "replicates", "quadrants", "brier_skill", "reliability", "expected"):
        assert again["methods"]["mcloss"][part] == method[part]
    assert other["methods"]["mcloss"]["test"] != method["test"]
    assert other["methods"]["mcloss"]["replicates"] != method["replicates"]


def test_the_networks_of_ours_are_a_method_of_their_own_at_no_training():
    [one] = run("ours")["runs"]
    assert [*one["methods"]] == ["ours", "weighted-paper"]
    ours, networks = one["methods"].values()
    assert ours["test"] != networks["test"]
    assert ours["cost"]["cpu_seconds_per_epoch"] == networks["cost"]["cpu_seconds_per_epoch"]
    assert ours["cost"]["cpu_seconds"] >= networks["cost"]["cpu_seconds"]
    assert one["settings"]["train"]["kinds"] == ["network", "forest"]


def test_one_network_decides_at_half_and_promises_nothing():
    [one] = run("mcloss_1")["runs"]
    found = one["methods"]["mcloss_1"]
    assert [*found["test"]["rules"]] == ["half"]
    assert found["expected"] == {}
    assert "macro_f1/tuned" not in found["replicates"]


def test_a_classical_method_depends_on_the_data_and_beta_alone():
    [one] = run("logistic_regression")["runs"]
    assert {*one["settings"]["train"]} == {"beta"}
    found = one["methods"]["logistic_regression"]
    assert [*found["test"]["rules"]] == list(RULES)
    assert 0 < found["test"]["macro_ap"] <= 1
    assert found["expected"] == {}


def test_a_result_says_what_it_is_of():
    found = run("weighted-released")
    assert found["schema"] == results.SCHEMA
    assert found["cell"] == {"dataset": "hpo_eye", "method": "weighted-released"}
    assert sum(found["examples"].values()) == 40
    assert found["nodes"] == {"total": 5, "scored": 4, "with_test_positive": 4}
    [one] = found["runs"]
    assert one["settings"]["train"]["weighting"]["variant"] == "released"
    assert one["settings"]["train"]["epochs"] == 2
    assert one["machine"]["torch"] == torch.__version__
    [grid_cell] = [c for c in load().cells.values() if c.method == "weighted-released"]
    assert [*results.runs_of(load(), grid_cell)] == [0]  # which the study recognises


def test_seeds_that_are_there_are_kept_and_run_again_where_that_is_asked():
    file = Path("results/hpo_eye.mcloss.json")
    before = run("mcloss")
    before["runs"][0]["machine"] = {"name": "another"}
    file.write_text(json.dumps(before))
    kept, new = run("mcloss", "[0, 1]")["runs"]
    assert kept == before["runs"][0]
    assert (new["seed"], new["machine"]["threads"]) == (1, 1)
    again, _ = run("mcloss", "[0, 1]", again=True)["runs"]
    assert again["machine"]["threads"] == 1
    assert again["methods"]["mcloss"]["test"] == kept["methods"]["mcloss"]["test"]


def test_what_has_a_result_is_not_even_read(monkeypatch: pytest.MonkeyPatch):
    run("mcloss")
    monkeypatch.setattr(registry, "get", lambda name: None)
    run("mcloss")


def test_a_seed_of_other_settings_runs_anew(monkeypatch: pytest.MonkeyPatch):
    file = Path("results/hpo_eye.mcloss.json")
    before = run("mcloss")
    before["runs"][0]["settings"]["train"]["epochs"] = 1
    file.write_text(json.dumps(before))
    after, kept = run("mcloss")["runs"]
    assert after["settings"]["train"]["epochs"] == 2
    assert kept == before["runs"][0]  # it took time, too


@pytest.mark.parametrize("again", [False, True])
def test_seeds_that_were_done_are_there_when_a_later_one_fails(
    again: bool, monkeypatch: pytest.MonkeyPatch
):
    if again:  # and what one has that was to run again is not lost
        run("mcloss", "[0, 1]")
    fit = train.fit

    def failing(method: Any, settings: Any, problem: Any, config: Config) -> Any:
        if config.seed == 1:
            raise DatasetError("no such luck")
        return fit(method, settings, problem, config)

    monkeypatch.setattr(train, "fit", failing)
    with pytest.raises(DatasetError):
        run("mcloss", "[0, 1]", again=again)
    found = json.loads(Path("results/hpo_eye.mcloss.json").read_text())
    assert [one["seed"] for one in found["runs"]] == ([0, 1] if again else [0])


def test_the_stage_runs_its_cell_and_no_seed_twice_unless_asked(monkeypatch: pytest.MonkeyPatch):
    arguments = ["study.yaml", "hpo_eye", "mcloss"]
    assert __main__.main(arguments) == 0
    file = Path("results/hpo_eye.mcloss.json")
    assert [one["seed"] for one in json.loads(file.read_text())["runs"]] == [0]
    marked = file.read_text().replace('"threads": 1', '"threads": 9')
    assert marked != file.read_text()
    file.write_text(marked)
    assert __main__.main(arguments) == 0
    assert '"threads": 9' in file.read_text()
    monkeypatch.setenv(__main__.AGAIN, "1")
    assert __main__.main(arguments) == 0
    assert '"threads": 1' in file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study.yaml", "hpo_eye", "bce"], "expected a cell of study.yaml, found hpo_eye, bce"),
        (["study.yaml", "enron", "mcloss"], "expected a cell of study.yaml, found enron, mcloss"),
        (["none.yaml", "hpo_eye", "mcloss"], "none.yaml"),
        (["study.yaml", "hpo_eye", "mcloss"], "labels.txt, found none"),
    ],
)
def test_what_the_user_can_mend_is_one_message_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    (paths.raw("hpo_eye") / "labels.txt").unlink()
    assert __main__.main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not Path("results").exists()
