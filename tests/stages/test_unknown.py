"""Unknown labels on their way through the stages."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import average_precision_score

from pipeline.artifacts import paths, prepared
from pipeline.artifacts.prepared import Prepared
from pipeline.benchmark import cell
from pipeline.config import parse
from pipeline.datasets.source import RawDataset
from pipeline.errors import ArtifactError, DatasetError, ValidationError
from pipeline.hml import Ensemble, Hierarchy, load_bundle
from pipeline.hml.decisions import decide
from pipeline.hml.members import NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.predictions import Predictions
from pipeline.hml.tuned import tuned_cuts
from pipeline.hml.unknown import known_share
from pipeline.stages import analyze, evaluate, learning, prepare, train, tune, validate
from pipeline.validation import facts
from tests.datasets.toy import Toy, toy
from tests.stages.problem import FEATURES, HIERARCHY, prepared_problem, small_config

CONFIG = small_config(tune={"trials": 1}, train={"kinds": ["network", "forest", "kernel"]})
NODES = ("root", "a", "b", "c", "d")


def hidden(closed: np.ndarray, hierarchy: Hierarchy, share: float = 0.4) -> sparse.csr_array:
    """Some of the negatives, and what lies above them."""
    rng = np.random.default_rng(4)
    possible = hierarchy.close(closed | (rng.random(closed.shape) < share))
    return sparse.csr_array(possible & ~closed)


def with_unknown() -> Prepared:
    data = prepared_problem()
    closed = HIERARCHY.close(data.labels.toarray())
    return dataclasses.replace(data, unknown=hidden(closed, HIERARCHY))


def run(data: Prepared) -> dict[str, Any]:
    prepared.write(data)
    for stage in (tune, train, evaluate):
        stage.run(CONFIG)
    return json.loads(paths.METRICS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unknown")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(with_unknown())
        analyze.run(CONFIG)
    return folder


# prepare


def raw_toy(unknown: list[tuple[int, str]], labels: list[tuple[str, ...]], **changes: Any) -> Any:
    matrix = np.zeros((len(labels), len(NODES)), bool)
    for row, node in unknown:
        matrix[row, NODES.index(node)] = True
    return toy(labels, unknown=sparse.csr_array(matrix), **changes)


def prepare_toy(raw: Any, **values: Any) -> Prepared:
    config = parse({"prepare": {"min_support": 0} | values}, "test")
    return prepare.prepare(raw, Toy(), config)


def test_unknown_labels_of_nodes_that_are_dropped_go_with_them():
    labels = [("a",)] * 4 + [("b",)] * 4 + [("c",)] * 2
    raw = raw_toy([(0, "b"), (0, "c"), (0, "d"), (1, "d"), (1, "c"), (1, "b")], labels)
    raw = dataclasses.replace(raw, splits=("train",) * 10)
    data = prepare_toy(raw, min_support=3)
    assert data.nodes["id"].tolist() == ["root", "a", "b"]
    assert data.unknown is not None
    assert data.unknown.toarray().tolist() == [[0, 0, 1]] * 2 + [[0, 0, 0]] * 8
    assert data.info["unknown"] == 2
    sentence = "2 of 30 labels (example, node) are unknown: they enter no loss and no figure."
    assert sentence in data.info["notes"]


def test_where_all_that_is_unknown_is_dropped_nothing_is_said_of_it():
    labels = [("a", "b")] * 8 + [("c",)] * 2
    raw = dataclasses.replace(raw_toy([(0, "c")], labels), splits=("train",) * 10)
    data = prepare_toy(raw, min_support=3)
    assert data.unknown is None
    assert "unknown" not in data.info
    assert not any("unknown" in note for note in data.info["notes"])


def test_nodes_without_a_known_negative_are_named():
    labels = [("a",)] * 3 + [("b",)] * 3
    raw = raw_toy([(row, "a") for row in range(3, 6)], labels, splits=("train",) * 6)
    assert (
        "Nodes that no example of train+valid is known not to have: 1 ('a'). There is nothing to "
        "tell their positives from, and no figure counts them."
    ) in prepare_toy(raw).info["notes"]
    nodes = prepare_toy(raw).nodes.set_index("id")
    assert not nodes.loc["a", "scored"]
    assert nodes.loc["b", "scored"]
    raw = raw_toy(
        [(row, node) for row in range(6) for node in "abcd" if (node == "a") != (row < 3)
         and not (node == "b" and row >= 3)],
        labels, splits=("train",) * 6,
    )  # fmt: skip
    with pytest.raises(DatasetError, match="found none for any of the 2 scored nodes"):
        prepare_toy(raw, min_support=1)


def test_unknown_labels_of_a_source_that_do_not_fit_are_refused():
    raw = raw_toy([(0, "c")], [("a",)] * 4)
    with pytest.raises(DatasetError, match=r"'c' is unknown and its parent 'b' is negative"):
        prepare_toy(raw)
    raw = dataclasses.replace(raw, unknown=sparse.csr_array((4, 3), dtype=np.bool_))
    with pytest.raises(DatasetError, match=r"unknown labels of shape \(4, 5\)"):
        prepare_toy(raw)


def test_prepared_data_have_a_file_more_only_where_something_is_unknown(tmp_path: Path):
    data = with_unknown()
    prepared.write(data, tmp_path / "with")
    prepared.write(prepared_problem(), tmp_path / "without")
    nothing = sparse.csr_array(data.labels.shape, dtype=np.bool_)
    prepared.write(dataclasses.replace(data, unknown=nothing), tmp_path / "nothing")
    found = prepared.read(tmp_path / "with").unknown
    assert found is not None
    assert data.unknown is not None
    assert np.array_equal(found.toarray(), data.unknown.toarray())
    plain, empty = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("without", "nothing")
    )
    assert plain == empty
    assert {file.name for file in (tmp_path / "with").iterdir()} - plain.keys() == {"unknown.npz"}
    assert prepared.read(tmp_path / "without").unknown is None
    (tmp_path / "with" / "unknown.npz").unlink()
    with pytest.raises(ArtifactError, match=r"unknown\.npz"):
        prepared.read(tmp_path / "with")


def test_prepared_unknown_labels_at_odds_with_the_others_are_refused():
    data = with_unknown()
    spoilt = dataclasses.replace(data, unknown=HIERARCHY.close(data.labels))
    with pytest.raises(ArtifactError, match="unknown must not hold positives"):
        learning.problem(spoilt)
    assert "rows of unknown labels" in facts.shapes(data)["table"].tolist()
    assert len(facts.shapes(prepared_problem())) == len(facts.shapes(data)) - 2


def test_columns_are_brought_into_node_order():
    nodes = dict.fromkeys("dcba", "") | {"root": ""}
    hidden = sparse.csr_array(np.array([[0, 0, 1, 0, 0]] + [[0] * 5] * 3, bool))
    data = prepare_toy(toy([("a",)] * 4, nodes=nodes, unknown=hidden))
    assert data.unknown is not None
    (node,) = data.unknown.indices
    assert data.nodes["id"][node] == "b"


@pytest.mark.parametrize("some", [False, True])
def test_the_page_of_the_validation_says_how_many_are_unknown(
    some: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    data = with_unknown() if some else prepared_problem()
    prepared.write(data)
    with pytest.raises(ValidationError):  # the page is written all the same
        validate.run(CONFIG)
    page = (paths.VALIDATION / "validation.html").read_text(encoding="utf-8")
    assert ("labels (example, node) are unknown" in page) == some
    found = json.loads((paths.VALIDATION / "validation.json").read_text(encoding="utf-8"))
    count = None if data.unknown is None else data.unknown.nnz
    assert found.get("unknown") == count


# train and evaluate


def test_what_is_unknown_is_learnt_from_and_judged_otherwise_than_what_is_negative(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    plain = run(prepared_problem())
    found = json.loads((folder / paths.METRICS).read_text(encoding="utf-8"))
    assert "unknown" not in plain
    assert plain["test"] != found["test"]
    assert (tmp_path / paths.BUNDLE / "arrays.safetensors").read_bytes() != (
        folder / paths.BUNDLE / "arrays.safetensors"
    ).read_bytes()


def test_nothing_is_tuned_on_positives_without_a_known_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    data = prepared_problem()
    closed = HIERARCHY.close(data.labels.toarray())
    hidden = np.zeros_like(closed)
    valid = data.rows("valid")
    hidden[valid] = ~closed[valid]
    prepared.write(dataclasses.replace(data, unknown=sparse.csr_array(hidden)))
    with pytest.raises(DatasetError, match="that has a known negative, too, among the validation"):
        tune.run(CONFIG)


def test_a_node_that_all_validation_examples_have_can_be_tuned_on_where_none_is_unknown():
    data = prepared_problem()
    y, hidden = data.labels.toarray(), np.zeros(data.labels.shape, bool)
    y[data.rows("valid")] = np.arange(y.shape[1]) == HIERARCHY.index["s"]
    hidden[data.rows("train")] = ~HIERARCHY.close(y)[data.rows("train")]
    spoilt = dataclasses.replace(data, labels=sparse.csr_array(y), unknown=sparse.csr_array(hidden))
    found = tune._TrialData(learning.problem(spoilt), CONFIG)
    networks = Networks(2, (FEATURES, 4, len(HIERARCHY)), dropout=0.0, seed=0)
    assert found.score(networks) == 1


def test_figures_say_how_many_labels_are_unknown(folder: Path):
    data = prepared.read(folder / paths.PREPARED)
    assert data.unknown is not None
    found = json.loads((folder / paths.METRICS).read_text(encoding="utf-8"))
    scored = data.nodes["scored"].to_numpy()
    assert found["unknown"] == {
        split: int(data.unknown.toarray()[data.rows(split)][:, scored].sum())
        for split in ("train", "valid", "test")
    }
    nodes = pd.read_csv(folder / paths.EVALUATION / "nodes.csv")
    hidden = data.unknown.toarray()[data.rows("test")][:, scored].sum(0)
    assert nodes["test_unknown"].tolist() == hidden.tolist()


def test_figures_are_those_of_the_known_test_labels(folder: Path):
    problem = learning.problem(prepared.read(folder / paths.PREPARED))
    test, scored = problem.data.rows("test"), problem.scored
    assert problem.unknown is not None
    p = load_bundle(folder / paths.BUNDLE).predict_proba(problem.data.features[test])[:, scored]
    y = problem.labels[test].toarray()[:, scored]
    seen = ~problem.unknown[test].toarray()[:, scored]
    one = {
        node: average_precision_score(y[seen[:, node], node], p[seen[:, node], node])
        for node in range(y.shape[1])
        if 0 < y[:, node].sum() < seen[:, node].sum()
    }
    metrics = json.loads((folder / paths.METRICS).read_text(encoding="utf-8"))
    expected = average_precision_score(y[seen], p[seen])
    assert metrics["test"]["micro_ap"] == pytest.approx(expected, rel=1e-5)
    assert metrics["test"]["macro_ap"] == pytest.approx(np.mean([*one.values()]), rel=1e-5)
    nodes = pd.read_csv(folder / paths.EVALUATION / "nodes.csv")
    found = nodes[f"ap_{learning.OURS}"].dropna()
    assert found.index.tolist() == [*one]
    np.testing.assert_allclose(found, [*one.values()], rtol=1e-5)
    curves = json.loads((folder / paths.EVALUATION / "reliability.json").read_text("utf-8"))
    assert sum(curves["methods"][learning.OURS]["all"]["entries"]) == seen.sum()


def test_the_prior_decides_by_cuts_of_the_known_labels():
    data = prepared_problem(seed=2)
    closed = HIERARCHY.close(data.labels.toarray())
    # A node has 3 in 100 of all examples, but more of the known ones.
    problem = learning.problem(dataclasses.replace(data, unknown=hidden(closed, HIERARCHY, 0.8)))
    fit, test = data.rows("train", "valid"), data.rows("test")
    labels, unknown = sparse.csr_array(problem.labels[fit]), problem.unknown_of(fit)
    share = known_share(labels, unknown, HIERARCHY)
    same = np.broadcast_to(share, labels.shape)
    held = (Predictions(labels, lambda rows: same[rows], unknown=of) for of in (unknown, None))
    decided, other = (decide(share[None], tuned_cuts(one), HIERARCHY)[0] for one in held)
    assert not np.array_equal(decided, other)
    model: Any = SimpleNamespace(share=share, cuts={"tuned": share})
    result = evaluate._prior(model, problem, np.ones((1, len(test))), {}, 1.0)
    recall, support = result.node_recall["tuned"], problem.positives(test)
    positive = support > 0
    assert recall[positive].tolist() == decided[problem.scored][positive].tolist()
    # All of a node's examples tie, so that its average precision is its share of positives.
    assert problem.unknown is not None
    seen = len(test) - problem.unknown[test].sum(axis=0, dtype=np.int64)[problem.scored]
    ranked = positive & (support < seen)
    np.testing.assert_allclose(result.node_ap[ranked], (support / seen)[ranked])


def test_trials_learn_from_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    prepared.write(with_unknown())
    problem = learning.read_problem()
    given: list[Any] = []

    def trained(*arguments: Any, **options: Any) -> Any:
        given.append(options["unknown"])
        return tune_train(*arguments, **options)

    tune_train = tune.train
    monkeypatch.setattr(tune, "train", trained)
    tune.run(CONFIG)
    expected = problem.unknown_of(problem.data.rows("train"))
    assert expected is not None
    assert given
    for unknown in given:
        assert np.array_equal(unknown.toarray(), expected.toarray())


def test_trials_are_judged_by_what_is_known():
    problem = learning.problem(with_unknown())
    data = tune._TrialData(problem, CONFIG)
    networks = Networks(2, (FEATURES, 4, len(HIERARCHY)), dropout=0.0, seed=0).eval()
    members = {"network": NetworkMembers(networks, HIERARCHY)}
    ensemble = Ensemble(HIERARCHY, data.preprocessing, members, np.zeros(len(HIERARCHY)), {})
    valid, scored = problem.data.rows("valid"), problem.scored
    p = ensemble.predict_proba(problem.data.features[valid])[:, scored]
    y, unknown = problem.labels[valid].toarray()[:, scored], problem.unknown_of(valid)
    assert unknown is not None
    seen = ~unknown.toarray()[:, scored]
    ranked = [node for node in range(y.shape[1]) if 0 < y[:, node].sum() < seen[:, node].sum()]
    expected = [
        average_precision_score(y[seen[:, node], node], p[seen[:, node], node]) for node in ranked
    ]
    assert data.score(networks) == pytest.approx(np.mean(expected))


def test_a_bundle_s_shares_are_those_of_the_known_labels(folder: Path):
    data = prepared.read(folder / paths.PREPARED)
    assert data.unknown is not None
    rows = data.rows("train", "valid")
    closed = sparse.csr_array(HIERARCHY.close(data.labels)[rows])
    expected = known_share(closed, sparse.csr_array(data.unknown[rows]), HIERARCHY)
    for bundle in [folder / paths.BUNDLE, *(folder / paths.BASELINES).iterdir()]:
        assert np.array_equal(load_bundle(bundle).share, expected)


def test_the_hierarchy_s_table_tells_what_is_unknown(folder: Path):
    nodes = pd.read_csv(folder / paths.HIERARCHY / "nodes.csv")
    data = prepared.read(folder / paths.PREPARED)
    assert data.unknown is not None
    rows = data.rows("train", "valid")
    assert nodes["unknown"].tolist() == data.unknown.toarray()[rows].sum(0).tolist()
    seen = len(rows) - nodes["unknown"]
    np.testing.assert_allclose(nodes["share"], nodes["support"] / seen, rtol=1e-5)


def test_a_study_refuses_unknown_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Study:
        def config(self, *_: Any) -> Any:
            return CONFIG

        def train_share(self, _: Any) -> float:
            return 1.0

    raw = RawDataset((), (), (), {}, (), pd.DataFrame(), {})
    monkeypatch.setattr(cell.results, "runs_of", lambda *_: {})
    monkeypatch.setattr(cell.registry, "get", lambda _: Toy())
    monkeypatch.setattr(Toy, "read", lambda *_: raw)
    monkeypatch.setattr(cell.prepare, "prepare", lambda *_: with_unknown())
    one = cell.Cell.model_construct(dataset="toy", method="bce", seeds=(0,))
    with pytest.raises(DatasetError, match="toy: expected labels that are all known"):
        cell.run(Study(), one)  # type: ignore[arg-type]
