"""metrics.json: its schema, and that its figures are what they are called."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from pipeline.artifacts import paths, prepared
from pipeline.errors import ArtifactError
from pipeline.hml import Ensemble, load_bundle, metrics, predictions, ranking
from pipeline.stages import evaluate, train, tune

from .problem import (
    HIERARCHY,
    prepared_problem,
    small_config,
)

CONFIG = small_config(tune={"trials": 0})
RULES = {"half", "prior_matched", "tuned"}
RULE_FIGURES = {"macro_f1", "macro_precision", "macro_recall", "micro_f1"}
BINS = ["0", "1-9", "10-29", "30-99", "100+"]
BASELINES = ["prior", "weighted/paper", "bce", "mcloss"]
Y = HIERARCHY.close(prepared_problem().labels.toarray())
SCORED = prepared_problem().nodes["scored"].to_numpy()
TEST = prepared_problem().rows("test")
LEARNT = prepared_problem().rows("train", "valid")
SUPPORT = Y[LEARNT].sum(0)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was evaluated."""
    folder = tmp_path_factory.mktemp("evaluate")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared.write(prepared_problem())
        tune.run(CONFIG)
        train.run(CONFIG)
        names = ["nodes.csv", "reliability.json", "precision_recall.json", "outcomes.json"]
        names += ["headline.json", "by_rarity.csv", "by_depth.csv"]
        written = [paths.METRICS, *(paths.EVALUATION / name for name in names)]
        assert evaluate.run(CONFIG) == written
    return folder


@pytest.fixture(autouse=True)
def workspace(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(evaluated)


@pytest.fixture
def found(evaluated: Path) -> dict[str, Any]:
    return json.loads((evaluated / paths.METRICS).read_text(encoding="utf-8"))


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, int | float) else []


def check_figures(test: dict[str, Any]) -> None:
    assert set(test) == {"micro_ap", "macro_ap", "brier_skill", "rules", "by_rarity", "by_depth"}
    for name in ("micro_ap", "macro_ap", "brier_skill"):
        assert type(test[name]) is float
    check_rules(test["rules"], float)
    assert [entry["bin"] for entry in test["by_rarity"]] == BINS
    assert [entry["depth"] for entry in test["by_depth"]] == [0, 1, 2, 3]
    for kind, key in (("by_rarity", "bin"), ("by_depth", "depth")):
        assert sum(entry["nodes"] for entry in test[kind]) == SCORED.sum()
        for entry in test[kind]:
            assert set(entry) == {key, "nodes", "macro_ap", "rules"}
            check_rules(entry["rules"], float if entry["nodes"] else type(None))
            if not entry["nodes"]:
                assert entry["macro_ap"] is None


def check_rules(rules: dict[str, Any], kind: type) -> None:
    assert set(rules) == RULES
    for figures in rules.values():
        assert set(figures) == RULE_FIGURES
        assert {type(value) for value in figures.values()} == {kind}


def test_the_schema_is_the_one_that_was_promised(found: dict[str, Any]):
    assert list(found) == [
        "schema", "dataset", "caution", "method", "kinds", "members", "seed", "profile", "nodes",
        "examples", "test", "ci95", "baselines",
    ]  # fmt: skip
    assert found["schema"] == 1
    assert found["dataset"] == "toy"
    assert found["caution"] == "Made up: quote nothing."
    assert found["method"] == "ours"
    assert found["kinds"] == ["network", "forest", "kernel"]
    assert found["members"] == 4
    assert found["seed"] == 0
    assert found["profile"] == "custom"
    assert found["nodes"] == {
        "total": len(HIERARCHY),
        "scored": int(SCORED.sum()),
        "with_test_positive": int(Y[TEST][:, SCORED].any(0).sum()),
    }
    data = prepared_problem()
    assert found["examples"] == {s: len(data.rows(s)) for s in ("train", "valid", "test")}
    check_figures(found["test"])
    assert list(found["baselines"]) == BASELINES
    for name, baseline in found["baselines"].items():
        # `ci95` of a baseline is more than was promised.
        assert {"members", "test", "difference"} <= set(baseline) <= {
            "members", "test", "ci95", "difference",
        }  # fmt: skip
        assert baseline["members"] == (0 if name == "prior" else 4)
        check_figures(baseline["test"])
        for difference in baseline["difference"].values():
            assert set(difference) == {"mean", "ci95"}
            low, high = difference["ci95"]
            assert low <= high
    assert all(math.isfinite(number) for number in numbers(found))


def test_a_bin_without_nodes_is_null_and_has_no_interval_and_no_difference(found: dict[str, Any]):
    empty = [entry["bin"] for entry in found["test"]["by_rarity"] if not entry["nodes"]]
    assert empty  # else this tests nothing
    compared = [found["ci95"], *(b["difference"] for b in found["baselines"].values())]
    for figures in compared:
        assert "macro_ap" in figures
        assert not [name for name in figures if name.rpartition("rarity=")[2] in empty]
    # The bin of nodes without a positive has decisions to judge, but no ranking.
    unknown = next(entry for entry in found["test"]["by_rarity"] if entry["bin"] == "0")
    assert unknown["nodes"] == 1
    assert unknown["macro_ap"] is None
    assert unknown["rules"]["prior_matched"]["macro_f1"] == 0


def test_a_rarity_bin_is_the_support_in_train_and_valid(found: dict[str, Any]):
    support = SUPPORT[SCORED]
    limits = [(0, 0), (1, 9), (10, 29), (30, 99), (100, 10**9)]
    assert [entry["nodes"] for entry in found["test"]["by_rarity"]] == [
        int(((support >= low) & (support <= high)).sum()) for low, high in limits
    ]
    depth = HIERARCHY.depth[SCORED]
    assert [entry["nodes"] for entry in found["test"]["by_depth"]] == [
        int((depth == value).sum()) for value in range(4)
    ]


def test_figures_are_those_of_the_bundles_on_the_test_split(found: dict[str, Any]):
    x, y = prepared_problem().features[TEST], Y[TEST]
    for folder, figures in [(paths.BUNDLE, found["test"])] + [
        (paths.BASELINES / name, found["baselines"][name]["test"]) for name in ("bce", "mcloss")
    ]:
        ensemble = load_bundle(folder)
        p = ensemble.predict_proba(x)
        judged = p[:, SCORED], y[:, SCORED]
        assert figures["micro_ap"] == pytest.approx(
            average_precision_score(judged[1].ravel(), judged[0].ravel()), rel=1e-5
        )
        known = y[:, SCORED].any(0)
        assert figures["macro_ap"] == pytest.approx(
            average_precision_score(judged[1][:, known], judged[0][:, known]), rel=1e-5
        )
        assert figures["brier_skill"] == pytest.approx(
            metrics.brier_skill(y, p, Y[LEARNT].mean(0), SCORED), rel=1e-5
        )
        for rule, cuts in ensemble.cuts.items():
            decided = HIERARCHY.close(p >= cuts)
            expected = metrics.rule_scores(y, decided, SCORED)
            assert figures["rules"][rule] == pytest.approx(expected, rel=1e-5)
        rare = (SUPPORT >= 10) & (SUPPORT <= 29) & SCORED
        assert figures["by_rarity"][2]["macro_ap"] == pytest.approx(
            metrics.macro_average_precision(y, p, rare), rel=1e-5
        )


def test_the_prior_knows_no_more_than_the_training_shares(found: dict[str, Any]):
    share, y = Y[LEARNT].mean(0), Y[TEST]
    p = np.broadcast_to(share, y.shape)
    prior = found["baselines"]["prior"]["test"]
    assert prior["brier_skill"] == 0
    assert prior["macro_ap"] == pytest.approx(
        metrics.macro_average_precision(y, p, SCORED), rel=1e-5
    )
    assert prior["micro_ap"] == pytest.approx(
        metrics.micro_average_precision(y, p, SCORED), rel=1e-5
    )
    half = metrics.rule_scores(y, p >= 0.5, SCORED)
    assert prior["rules"]["half"] == pytest.approx(half, rel=1e-5)


def test_intervals_hold_their_point_and_are_none_the_wider_than_they_should_be(
    found: dict[str, Any],
):
    ci95, test = found["ci95"], found["test"]
    assert {
        "micro_ap",
        "macro_ap",
        "brier_skill",
        "macro_f1/half",
        "macro_f1/prior_matched",
    } <= set(ci95)
    for name in ("micro_ap", "macro_ap", "brier_skill"):
        low, high = ci95[name]
        assert low < test[name] < high
        assert high - low < 0.6
    for low, high in ci95.values():
        assert low <= high


def test_differences_are_to_each_baseline_and_their_means_are_the_gaps(found: dict[str, Any]):
    for baseline in found["baselines"].values():
        difference = baseline["difference"]
        for name in ("micro_ap", "macro_ap", "brier_skill"):
            gap = found["test"][name] - baseline["test"][name]
            assert difference[name]["mean"] == pytest.approx(gap, abs=1e-5)
        for rule in RULES:
            gap = (
                found["test"]["rules"][rule]["macro_f1"]
                - baseline["test"]["rules"][rule]["macro_f1"]
            )
            assert difference[f"macro_f1/{rule}"]["mean"] == pytest.approx(gap, abs=1e-5)
        assert difference.keys() == found["ci95"].keys()


def test_nodes_csv_holds_every_scored_node_with_its_support():
    table = pd.read_csv(paths.EVALUATION / "nodes.csv", keep_default_na=False, na_values=[""])
    assert table["id"].tolist() == [
        name for name, scored in zip(HIERARCHY.nodes, SCORED, strict=True) if scored
    ]
    assert table["support"].tolist() == SUPPORT[SCORED].tolist()
    assert table["test_positives"].tolist() == Y[TEST][:, SCORED].sum(0).tolist()
    assert table["ap_ours"].isna().tolist() == (table["test_positives"] == 0).tolist()
    for name in ("ours", *BASELINES):
        assert f"ap_{name}" in table.columns
        assert f"recall_prior_matched_{name}" in table.columns


class TestInAFolderOfItsOwn:
    @pytest.fixture(autouse=True)
    def copy(self, evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("data", "models", "reports"):
            (tmp_path / name).symlink_to(evaluated / name)
        (tmp_path / "reports").unlink()
        (tmp_path / "reports").mkdir()
        (tmp_path / paths.TUNING).symlink_to(evaluated / paths.TUNING)
        monkeypatch.chdir(tmp_path)

    def test_the_same_models_and_data_give_the_same_bytes(self, evaluated: Path):
        evaluate.run(CONFIG)
        for path in (paths.METRICS, *paths.EVALUATION.iterdir()):
            assert path.read_bytes() == (evaluated / path).read_bytes()

    @pytest.mark.parametrize(("kept", "times"), [(predictions.KEPT, 1), (0, 2)])
    def test_each_method_predicts_the_test_split_once_or_twice_where_it_does_not_fit(
        self, evaluated: Path, kept: int, times: int, monkeypatch: pytest.MonkeyPatch
    ):
        """Whatever is asked of predictions, and the bytes are the same."""
        monkeypatch.setattr(predictions, "KEPT", kept)
        asked: dict[int, int] = {}
        predict_proba = Ensemble.predict_proba

        def counted(ensemble: Ensemble, features: np.ndarray) -> np.ndarray:
            asked[id(ensemble)] = asked.get(id(ensemble), 0) + len(features)
            return predict_proba(ensemble, features)

        monkeypatch.setattr(Ensemble, "predict_proba", counted)
        evaluate.run(CONFIG)
        # `prior` predicts without a model.
        assert [*asked.values()] == [times * len(TEST)] * len({"ours", *BASELINES} - {"prior"})
        for path in (paths.METRICS, *paths.EVALUATION.iterdir()):
            assert path.read_bytes() == (evaluated / path).read_bytes()

    def test_how_far_off_the_micro_average_precision_may_be_is_said_where_it_is_not_exact(
        self, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(ranking, "POOLED", 16)
        evaluate.run(CONFIG)
        merged = json.loads(paths.METRICS.read_text(encoding="utf-8"))
        exact, test = found["test"], merged["test"]
        assert test.keys() - exact.keys() == {"ap_error"}
        (error,) = test["ap_error"].values()
        assert 0 < error < 0.1
        assert test["micro_ap"] == pytest.approx(exact["micro_ap"], abs=error)
        assert test["macro_ap"] == exact["macro_ap"]
        # It has fewer scores than thresholds.
        assert "ap_error" not in merged["baselines"]["prior"]["test"]

    def test_a_method_differs_from_itself_by_nothing(self, tmp_path: Path, evaluated: Path):
        (tmp_path / "models").unlink()
        (tmp_path / paths.BASELINES).mkdir(parents=True)
        names = ("weighted-paper", "bce", "mcloss")
        for folder in (paths.BUNDLE, *(paths.BASELINES / name for name in names)):
            (tmp_path / folder).symlink_to(evaluated / paths.BUNDLE)
        evaluate.run(CONFIG)
        baselines = json.loads(paths.METRICS.read_text(encoding="utf-8"))["baselines"]
        for name in ("bce", "mcloss"):
            for difference in baselines[name]["difference"].values():
                assert difference == {"mean": 0, "ci95": [0, 0]}

    def test_another_seed_moves_the_intervals_and_not_the_figures(self, found: dict[str, Any]):
        evaluate.run(small_config(tune={"trials": 0}, seed=1))
        other = json.loads(paths.METRICS.read_text(encoding="utf-8"))
        assert other["test"] == found["test"]
        assert other["ci95"] != found["ci95"]

    def test_without_a_baseline_nothing_is_written_and_its_folder_is_named(
        self, tmp_path: Path, evaluated: Path
    ):
        (tmp_path / "models").unlink()
        (tmp_path / "models").mkdir()
        (tmp_path / paths.BUNDLE).symlink_to(evaluated / paths.BUNDLE)
        with pytest.raises(ArtifactError, match="models/baselines/weighted-paper"):
            evaluate.run(CONFIG)
        assert not paths.METRICS.exists()
        assert not paths.EVALUATION.exists()


def test_reliability_json_holds_the_curves_of_each_ensemble_by_rarity(evaluated: Path):
    text = (evaluated / paths.EVALUATION / "reliability.json").read_text(encoding="utf-8")
    curves = json.loads(text)["methods"]
    assert list(curves) == ["ours", "weighted/paper", "bce", "mcloss"]
    y, p = (
        Y[TEST][:, SCORED],
        load_bundle(paths.BUNDLE).predict_proba(prepared_problem().features[TEST])[:, SCORED],
    )
    assert list(curves["ours"]) == ["all", *BINS]
    found = curves["ours"]["all"]
    assert sum(found["entries"]) == y.size
    inside = (p > 0.1) & (p <= 0.2)
    assert found["entries"][1] == inside.sum() > 0
    assert found["mean_p"][1] == pytest.approx(p[inside].mean(), rel=1e-5)
    assert found["observed"][1] == pytest.approx(y[inside].mean(), rel=1e-5)
    assert sum(sum(curves["ours"][name]["entries"]) for name in BINS) == y.size
    cuts = load_bundle(paths.BUNDLE).cuts
    assert [*found["cuts"]] == [*cuts]
    for rule, (low, middle, high) in found["cuts"].items():
        chosen = np.sort(cuts[rule][SCORED])
        expected = [chosen[max(int(np.ceil(q * len(chosen))) - 1, 0)] for q in (0.25, 0.5, 0.75)]
        for value, one in zip((low, middle, high), expected, strict=True):
            assert value == (pytest.approx(one, rel=1e-5) if np.isfinite(one) else None)


def test_precision_recall_json_holds_the_curves_and_rules_of_each_ensemble(evaluated: Path):
    text = (evaluated / paths.EVALUATION / "precision_recall.json").read_text(encoding="utf-8")
    curves = json.loads(text)["methods"]
    assert list(curves) == ["ours", "weighted/paper", "bce", "mcloss"]
    ensemble = load_bundle(paths.BUNDLE)
    p = ensemble.predict_proba(prepared_problem().features[TEST])
    y = Y[TEST][:, SCORED]
    assert set(curves["ours"]) <= {"all", *BINS}
    found = curves["ours"]["all"]
    assert found["positives"] == y.sum()
    assert len(found["recall"]) == len(found["precision"]) > 5
    assert found["recall"] == sorted(found["recall"], reverse=True)
    assert (found["recall"][0], found["precision"][0]) == (1, pytest.approx(y.mean(), rel=1e-4))
    assert set(found["rules"]) == RULES
    for rule, point in found["rules"].items():
        decided = ensemble.decide(p, rule)[:, SCORED]
        hit = (decided & y).sum()
        assert point == pytest.approx([hit / y.sum(), hit / decided.sum()], rel=1e-4)
        assert found["decided"][rule] == [decided.sum(), hit]


def test_outcomes_json_says_what_became_of_the_nodes_that_can_be_learnt_and_tested(
    evaluated: Path,
):
    text = (evaluated / paths.EVALUATION / "outcomes.json").read_text(encoding="utf-8")
    found = json.loads(text)["nodes"]
    there = SCORED & (SUPPORT > 0) & (Y[TEST].sum(0) > 0)
    assert list(found) == [
        name for name, chosen in zip(HIERARCHY.nodes, there, strict=True) if chosen
    ]
    for name, node in found.items():
        assert node["found"] + node["missed"] == Y[TEST][:, HIERARCHY.index[name]].sum()


def test_headline_has_the_figures_of_ours_that_are_known(found: dict[str, Any]):
    headline = json.loads((paths.EVALUATION / "headline.json").read_text(encoding="utf-8"))
    test = found["test"]
    assert headline["micro_ap"] == test["micro_ap"]
    assert headline["macro_ap"] == test["macro_ap"]
    assert headline["macro_f1"] == {name: rule["macro_f1"] for name, rule in test["rules"].items()}
    known = {e["bin"]: e["macro_ap"] for e in test["by_rarity"] if e["macro_ap"] is not None}
    assert headline["macro_ap_of_positives"] == known
    assert 0 < len(known) < len(BINS)


@pytest.mark.parametrize(("kind", "column"), [("rarity", "bin"), ("depth", "depth")])
def test_slices_have_a_row_each_and_a_column_for_each_method(
    found: dict[str, Any], kind: str, column: str
):
    table = pd.read_csv(paths.EVALUATION / f"by_{kind}.csv", dtype={kind: str})
    assert table.columns.tolist() == [kind, "nodes", "macro_ap", *BASELINES]
    entries = [entry for entry in found["test"][f"by_{kind}"] if entry["macro_ap"] is not None]
    assert table[kind].tolist() == [str(entry[column]) for entry in entries]
    assert table["macro_ap"].tolist() == [entry["macro_ap"] for entry in entries]
