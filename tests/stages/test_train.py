"""Bundles of the ensemble and its baselines: what they learnt from, and that they are the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import progress
from pipeline.artifacts import files, paths, prepared
from pipeline.errors import ArtifactError, DatasetError
from pipeline.hml import fit_members, load_bundle
from pipeline.hml import train as networks_of
from pipeline.hml.preprocessing import Standardizer
from pipeline.stages import learning, train, tune

from .problem import (
    HIERARCHY,
    prepared_problem,
    small_config,
    with_spoilt_test_rows,
)

CONFIG = small_config(tune={"trials": 0})
# The networks of the product's own method stand beside it, as do the baselines.
NETWORKS = paths.BASELINES / "weighted-paper"
BUNDLES = [paths.BUNDLE, NETWORKS, paths.BASELINES / "bce", paths.BASELINES / "mcloss"]
ALONE = {"kinds": ["network"], "cross_fit": False}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    prepared.write(prepared_problem())
    tune.run(CONFIG)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The models of the plain problem, made once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("train"))
        prepared.write(prepared_problem())
        tune.run(CONFIG)
        return trained()


def trained(config: Any = CONFIG) -> dict[str, bytes]:
    """Every file of every bundle."""
    train.run(config)
    return {
        str(file): file.read_bytes() for file in sorted(Path("models").rglob("*")) if file.is_file()
    }


def without_descriptions(models: dict[str, bytes]) -> dict[str, bytes]:
    """bundle.json names the data's sha256, which changes with any of the data."""
    return {name: blob for name, blob in models.items() if not name.endswith("bundle.json")}


def choose(method: str, **values: Any) -> None:
    """Edit what the stage `tune` chose."""
    best = files.read_json(paths.TUNING / "best.json")
    best["methods"][method] |= values
    files.write_json(paths.TUNING / "best.json", best)


def test_there_is_a_bundle_of_the_ensemble_and_of_each_trained_baseline(expected: dict[str, bytes]):
    names = ("README.md", "arrays.safetensors", "bundle.json", "columns.json")
    names += ("learnt.npy", "nodes.json")
    assert sorted(expected) == sorted(str(folder / name) for folder in BUNDLES for name in names)
    assert train.run(CONFIG) == [paths.BUNDLE, paths.BASELINES]
    for folder in BUNDLES:
        ensemble = load_bundle(folder)
        kinds = CONFIG.train.kinds if folder == paths.BUNDLE else ["network"]
        assert [*ensemble.members] == kinds
        assert {members.count for members in ensemble.members.values()} == {CONFIG.train.members}
        assert ensemble.hierarchy.nodes == HIERARCHY.nodes
        assert set(ensemble.cuts) == {"half", "prior_matched", "tuned"}


def test_the_same_parameters_and_data_give_the_same_bytes(expected: dict[str, bytes]):
    assert trained() == expected
    assert trained() == expected  # over an older one, too
    weights = str(paths.BUNDLE / "arrays.safetensors")
    assert trained(small_config(tune={"trials": 0}, seed=1))[weights] != expected[weights]


def test_test_examples_change_nothing(expected: dict[str, bytes]):
    prepared.write(with_spoilt_test_rows(prepared_problem()))
    assert without_descriptions(trained()) == without_descriptions(expected)


def test_methods_differ_in_what_they_learnt(expected: dict[str, bytes]):
    assert len({expected[str(folder / "arrays.safetensors")] for folder in BUNDLES}) == 4


@pytest.mark.parametrize("method", learning.methods(CONFIG.train))
def test_a_bundle_is_what_the_core_fits_on_train_and_valid(method: learning.Method):
    choose(method, learning_rate=0.01, epochs=2)
    train.run(CONFIG)
    data = prepared_problem()
    rows = data.rows("train", "valid")
    tuned = learning.tuned_values()[method]
    fitted = fit_members(
        np.asarray(data.features[rows]),
        data.labels[rows],
        HIERARCHY,
        learning.settings(method, CONFIG.train, tuned),
        kinds=CONFIG.train.kinds if method == "weighted" else ["network"],
        groups=data.examples["group"].to_numpy()[rows],
        seed=CONFIG.seed,
        scored=data.nodes["scored"].to_numpy(),
    )
    ensemble = fitted.ensemble()
    stored = load_bundle(paths.BUNDLE if method == "weighted" else paths.BASELINES / method)
    assert [*stored.members] == [*ensemble.members]
    for kind, members in ensemble.members.items():
        arrays = stored.members[kind].arrays()
        for name, array in members.arrays().items():
            assert np.array_equal(arrays[name], array), (kind, name)
    for rule, cut in ensemble.cuts.items():
        assert np.array_equal(stored.cuts[rule], cut)
    closed = HIERARCHY.close(data.labels[rows].toarray())
    assert stored.share == pytest.approx(closed.mean(0))


def test_tuned_values_reach_their_method_and_no_other(expected: dict[str, bytes]):
    choose("bce", learning_rate=0.02)
    changed = {name for name, blob in trained().items() if blob != expected[name]}
    assert changed == {
        str(paths.BASELINES / "bce" / name) for name in ("arrays.safetensors", "bundle.json")
    }


def test_a_bundle_says_how_it_was_made(expected: dict[str, bytes]):
    description = json.loads(expected[str(paths.BUNDLE / "bundle.json")])
    made = description["config"]
    assert made["method"] == "ours"
    networks = json.loads(expected[str(NETWORKS / "bundle.json")])
    assert networks["config"]["method"] == "weighted/paper"
    assert made["seed"] == 0
    assert made["tuned"]["epochs"] == 3
    assert made["train"]["hidden"] == 8
    assert made["dataset"]["name"] == "toy"
    baseline = json.loads(expected[str(paths.BASELINES / "bce" / "bundle.json")])
    assert baseline["config"]["method"] == "bce"


def test_the_model_card_shows_the_licence_notice_and_where_the_cuts_come_from(
    expected: dict[str, bytes],
):
    card = expected[str(paths.BUNDLE / "README.md")].decode()
    for words in ("# ours on toy", "free of rights", "made up, version 1", "a note"):
        assert words in card
    assert card.index("**Made up: quote nothing.**") < card.index("networks of")
    data = prepared_problem()
    assert f"{len(data.rows('train', 'valid'))} examples (train+valid)" in card
    assert "by the two members that did not learn from them" in card
    assert "holds the features of the training examples" in card
    assert "holds the labels of the training examples" in card
    assert "holds the" not in expected[str(NETWORKS / "README.md")].decode()


def test_cost_holds_seconds_of_each_method_and_the_ratio_to_plain_bce():
    train.run(CONFIG)
    methods = files.read_json(paths.COST)["methods"]
    assert set(methods) == {"ours", "weighted/paper", "bce", "mcloss"}
    assert methods["ours"]["train"]["seconds"] >= methods["weighted/paper"]["train"]["seconds"]
    for name, entry in methods.items():
        assert ("step_ratio_to_plain_bce" in entry["train"]) == (name in {"ours", "mcloss"})
        assert entry["train"]["seconds"] >= 0
        assert entry["train"]["seconds_per_epoch"] > 0
        assert entry["train"]["epochs"] == 3


def test_the_phase_that_is_not_counted_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv(progress.VARIABLE, "events")
    capsys.readouterr()
    train.run(small_config(tune={"trials": 0}, train={"kinds": ["network", "forest", "kernel"]}))
    seen = [progress.parse(line) for line in capsys.readouterr().out.splitlines()]
    notes = {
        event.label: event.note
        for event in seen
        if event is not None and event.done == event.total and not event.ended
    }
    assert notes == {
        "training weighted": "now forests, kernel regressions, cuts",
        "training bce": "now cuts",
        "training mcloss": "now cuts",
    }


def test_training_that_fails_leaves_the_older_models_as_they_were(
    expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    assert trained() == expected
    fit, calls = train.fit_members, []

    def fail_at_last(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) == len(learning.methods(CONFIG.train)):
            raise KeyError("no more memory")
        return fit(*arguments, **options)

    monkeypatch.setattr(train, "fit_members", fail_at_last)
    with pytest.raises(KeyError):
        train.run(small_config(tune={"trials": 0}, seed=1))
    found = {str(f): f.read_bytes() for f in sorted(Path("models").rglob("*")) if f.is_file()}
    assert found == expected


def test_without_cross_fitting_the_networks_learn_from_everything_and_decide_at_one_half(
    expected: dict[str, bytes],
):
    config = small_config(tune={"trials": 0}, train=ALONE)
    train.run(config)
    assert not NETWORKS.exists()  # they are all there is
    for folder in (paths.BUNDLE, paths.BASELINES / "bce", paths.BASELINES / "mcloss"):
        ensemble = load_bundle(folder)
        assert set(ensemble.cuts) == {"half"}
        assert "Decisions are made at 0.5." in (folder / "README.md").read_text()
    data = prepared_problem()
    rows = data.rows("train", "valid")
    settings = learning.settings("weighted", config.train, learning.tuned_values()["weighted"])
    plain = networks_of(
        np.asarray(data.features[rows]),
        data.labels[rows],
        HIERARCHY,
        settings,
        seed=config.seed,
        preprocessing=Standardizer.fit(np.asarray(data.features[rows])),
        scored=data.nodes["scored"].to_numpy(),
    )
    stored = load_bundle(paths.BUNDLE).members["network"].arrays()
    for layer, weight in enumerate(plain.weights):
        assert np.array_equal(stored[f"weight/{layer}"], weight.detach().numpy())


def test_fewer_groups_than_members_are_refused_and_nothing_is_written():
    data = prepared_problem()
    data.examples["group"] = data.examples.index % 3
    prepared.write(data)
    with pytest.raises(DatasetError, match=r"train\.members, 4, found 3"):
        train.run(CONFIG)
    assert not [*Path("models").rglob("*.*")]


def test_baselines_are_those_that_were_asked_for():
    names = ["mcloss_1", "mcloss", "weighted/released"]
    config = small_config(tune={"trials": 0}, train={"baselines": names})
    tune.run(config)
    train.run(config)
    folders = sorted(folder.name for folder in paths.BASELINES.iterdir())
    assert folders == ["mcloss", "mcloss_1", "weighted-paper", "weighted-released"]
    bundles = {name: load_bundle(paths.BASELINES / name) for name in folders}
    counts = {name: ensemble.members["network"].count for name, ensemble in bundles.items()}
    assert counts == {"mcloss": 4, "mcloss_1": 1, "weighted-paper": 4, "weighted-released": 4}
    # One member has nobody to leave its examples to.
    assert set(bundles["mcloss_1"].cuts) == {"half"}
    methods = files.read_json(paths.COST)["methods"]
    assert {"weighted/paper", *names} <= set(methods)


def test_without_tuning_the_missing_file_is_named_and_nothing_is_written():
    (paths.TUNING / "best.json").unlink()
    with pytest.raises(ArtifactError, match=r"reports/tuning/best\.json"):
        train.run(CONFIG)
    assert not Path("models").exists()
