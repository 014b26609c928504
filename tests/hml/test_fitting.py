"""Cuts come from an ensemble that never saw the examples which place them."""

import copy
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipeline.hml import Ensemble, Settings, fit_ensemble
from pipeline.hml.decisions import half_cuts, prior_matched_cuts
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer

from .toy import HIERARCHY, problem

SMALL = Settings(members=2, hidden=8, epochs=3, batch_size=16, learning_rate=1e-2)
X, LABELS = problem()
HELD_OUT = np.arange(len(X)) % 4 == 1


class Watch:
    """Remembers the networks of both trainings after their last epoch."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.networks: dict[str, Networks] = {}

    def __call__(self, part: str) -> Any:
        self.parts.append(part)

        def after_epoch(epoch: int, networks: Networks) -> None:
            self.networks[part] = copy.deepcopy(networks)

        return after_epoch

    def weights(self, part: str) -> list[bytes]:
        return [p.detach().numpy().tobytes() for p in self.networks[part].parameters()]


def fit(
    x: np.ndarray = X, labels: sparse.csr_array = LABELS, settings: Settings = SMALL, **options: Any
) -> tuple[Ensemble, Watch]:
    watch = Watch()
    options = {"held_out": HELD_OUT, "seed": 0} | options
    return fit_ensemble(x, labels, HIERARCHY, settings, on_epoch=watch, **options), watch


def changed_where(held_out: np.ndarray) -> tuple[np.ndarray, sparse.csr_array]:
    """Other features (an enormous one, a missing one) and turned labels for these examples."""
    x, y = X.copy(), LABELS.toarray()
    x[held_out] = 1e3 * x[held_out][::-1] + 7
    x[np.flatnonzero(held_out)[0], 0] = np.nan
    y[held_out] = ~y[held_out]
    return x, sparse.csr_array(y)


def test_it_trains_twice_first_for_the_cuts_and_then_on_everything():
    ensemble, watch = fit()
    assert watch.parts == ["cuts", "final"]
    stored = [p.detach().numpy().tobytes() for p in ensemble.networks.parameters()]
    assert stored == watch.weights("final") != watch.weights("cuts")
    assert ensemble.preprocessing.mean == pytest.approx(X.mean(0), abs=1e-5)
    assert not ensemble.networks.training


def test_held_out_examples_change_nothing_in_the_ensemble_that_places_the_cuts():
    ensemble, watch = fit()
    other, other_watch = fit(*changed_where(HELD_OUT))
    assert other_watch.weights("cuts") == watch.weights("cuts")
    assert other_watch.weights("final") != watch.weights("final")
    assert not np.array_equal(other.cuts["prior_matched"], ensemble.cuts["prior_matched"])


def test_other_examples_do_change_it():
    _, watch = fit()
    _, other_watch = fit(*changed_where(~HELD_OUT))
    assert other_watch.weights("cuts") != watch.weights("cuts")


def test_cuts_are_those_of_the_held_out_scores_and_the_share_of_all_labels():
    ensemble, watch = fit()
    preprocessing = Standardizer.fit(X[~HELD_OUT])
    first = Ensemble(HIERARCHY, preprocessing, watch.networks["cuts"], ensemble.share, {})
    share = HIERARCHY.close(LABELS).toarray().mean(0)
    expected = prior_matched_cuts(first.predict_proba(X[HELD_OUT]), share)
    assert ensemble.cuts["prior_matched"].tobytes() == expected.tobytes()
    assert np.array_equal(ensemble.cuts["half"], half_cuts(len(HIERARCHY)))
    assert ensemble.share == pytest.approx(share)


def test_predicted_shares_on_new_data_are_near_the_training_shares():
    # Most features are noise, which the ensemble learns by heart: its own examples' scores are more
    # extreme than new ones'.
    settings = Settings(
        members=3, hidden=32, epochs=15, batch_size=64, dropout=0.0, learning_rate=1e-2
    )
    x, labels = with_noise(1200, seed=0)
    ensemble, _ = fit(x, labels, settings, held_out=np.arange(len(x)) % 2 == 0)
    fresh = ensemble.predict_proba(with_noise(4000, seed=1)[0])
    known = ensemble.share > 0

    def off(cuts: np.ndarray) -> float:
        """Mean relative error of the predicted share over the nodes that can be predicted."""
        predicted = (fresh >= cuts).mean(0)
        return float(np.abs(predicted[known] / ensemble.share[known] - 1).mean())

    own = prior_matched_cuts(ensemble.predict_proba(x), ensemble.share)
    assert off(ensemble.cuts["prior_matched"]) < 0.1
    assert off(ensemble.cuts["prior_matched"]) < 0.75 * off(own)


def with_noise(examples: int, seed: int) -> tuple[np.ndarray, sparse.csr_array]:
    x, labels = problem(examples, seed=seed, noise=1.0)
    noise = np.random.default_rng([seed, 1]).normal(size=(examples, 80))
    return np.hstack([x, noise.astype(np.float32)]), labels


def test_a_node_without_positives_is_never_predicted_even_where_it_is_most_probable():
    ensemble, _ = fit()
    never = HIERARCHY.index["never"]
    assert ensemble.share[never] == 0
    assert not ensemble.decide(np.ones((2, len(HIERARCHY)), np.float32), "prior_matched")[
        :, never
    ].any()
    assert ensemble.decide(np.ones((2, len(HIERARCHY)), np.float32), "half").all()


def test_a_node_whose_only_positives_are_held_out_still_gets_a_cut_of_its_own():
    y = LABELS.toarray()
    never = HIERARCHY.index["never"]
    y[np.flatnonzero(HELD_OUT)[:3], never] = True
    ensemble, _ = fit(labels=sparse.csr_array(y))
    assert ensemble.share[never] == pytest.approx(3 / len(X))
    assert 0 < ensemble.cuts["prior_matched"][never] < 1


def test_unscored_nodes_stay_out_of_both_trainings():
    scored = np.array([name != "alone" for name in HIERARCHY.nodes])
    y = LABELS.toarray()
    y[:, HIERARCHY.index["alone"]] ^= True
    _, watch = fit(scored=scored)
    _, other = fit(labels=sparse.csr_array(y), scored=scored)
    for part in ("cuts", "final"):
        assert other.weights(part) == watch.weights(part)


def test_the_same_seed_gives_the_same_ensemble_and_another_another():
    (one, watch), (two, again), (three, other) = fit(), fit(), fit(seed=1)
    assert watch.weights("final") == again.weights("final") != other.weights("final")
    assert one.cuts["prior_matched"].tobytes() == two.cuts["prior_matched"].tobytes()
    assert not np.array_equal(one.cuts["prior_matched"], three.cuts["prior_matched"])


@pytest.mark.parametrize("held_out", [np.zeros(len(X), bool), np.ones(len(X), bool)])
def test_holding_out_nothing_or_everything_is_refused(held_out: np.ndarray):
    with pytest.raises(ValueError, match=rf"held_out must .* Got {held_out.sum()} of {len(X)}"):
        fit(held_out=held_out)


def test_without_held_out_examples_it_trains_once_and_decides_at_half():
    ensemble, watch = fit(held_out=None)
    assert set(ensemble.cuts) == {"half"}
    assert watch.parts == ["final"]
    assert watch.weights("final") == fit()[1].weights("final")
