"""The objective that is trained, against the slow reference, and its golden loss curves."""

import dataclasses
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.hml import Objective, imbalance_weights, train
from pipeline.hml.baselines import UNCONSTRAINED, Baseline
from pipeline.hml.network import Networks
from pipeline.hml.training import member_logits

from . import golden, reference
from .test_training import LABELS, SIZES, SMALL, X, digest, weights_of
from .toy import DAG, HIERARCHY, problem

BATCH = 12  # examples of a single step; the reference loops over every entry
SCORED = np.array([name != "t" for name in HIERARCHY.nodes])
X_BATCH, LABELS_BATCH = X[:BATCH], LABELS[:BATCH]
Y_BATCH = HIERARCHY.close(LABELS_BATCH).toarray()


def gradients_of_one_step(objective: Objective, scored: np.ndarray | None) -> list[np.ndarray]:
    """What the optimiser saw in the only step, on all examples: two weights, then two biases."""
    found: list[np.ndarray] = []

    def after_epoch(epoch: int, networks: Networks) -> None:
        found.extend(p.grad.double().numpy() for p in networks.parameters() if p.grad is not None)

    settings = dataclasses.replace(SMALL, epochs=1, batch_size=BATCH, objective=objective)
    train(X_BATCH, LABELS_BATCH, HIERARCHY, settings, seed=0, scored=scored, on_epoch=after_epoch)
    return found


def expected_gradients(objective: Objective, scored: np.ndarray | None) -> list[np.ndarray]:
    """The same by the slow reference, in float64 from the same initial weights."""
    networks = Networks(SMALL.members, SIZES, dropout=0.0, seed=0).double()
    logits = networks(torch.from_numpy(X_BATCH).double())
    reference_loss(logits, objective, scored).backward()
    return [p.grad.numpy() for p in networks.parameters() if p.grad is not None]


def reference_loss(
    logits: torch.Tensor, objective: Objective, scored: np.ndarray | None
) -> torch.Tensor:
    counted = np.ones(len(HIERARCHY), dtype=bool) if scored is None else scored
    if not objective.constraint:
        bce = functional.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(Y_BATCH).double().expand_as(logits), reduction="none"
        )[..., torch.from_numpy(counted)]
        return bce.sum() / (BATCH * counted.sum() if objective.reduction == "mean" else 1)
    weights: dict[str, Any] = {}
    if objective.variant is not None:
        positive, negative = reference.imbalance_weights(
            Y_BATCH.sum(0).tolist(), BATCH, DAG, objective.variant, objective.floor,
            objective.kind, counted.tolist(),
        )  # fmt: skip
        weights = {"positive_weight": np.array(positive), "negative_weight": np.array(negative)}
    return reference.weighted_loss(
        logits,
        Y_BATCH,
        DAG,
        scored=counted,
        mode=objective.mode,
        focal_floor=objective.focal_floor,
        focal_power=objective.focal_power,
        reduction=objective.reduction,
        **weights,
    )


OBJECTIVES = {
    "bce": Objective(constraint=False),
    "bce, summed": Objective(constraint=False, reduction="sum"),
    "mcloss": Objective(),
    "mcloss, summed": Objective(reduction="sum"),
    "paper": Objective(variant="paper", floor=1.0),
    "paper, binary": Objective(variant="paper", kind="binary"),
    "released, predictive": Objective(variant="released", mode="predictive", reduction="sum"),
    "paper, epistemic": Objective(
        variant="paper", floor=0.5, mode="epistemic", focal_floor=0.1, focal_power=2.0
    ),
}


class TestTheObjectiveIsWhatItSays:
    @pytest.mark.parametrize("name", OBJECTIVES)
    @pytest.mark.parametrize("scored", [None, SCORED], ids=["all nodes", "without the root"])
    def test_a_step_follows_the_reference_s_gradient(self, name: str, scored: np.ndarray | None):
        found = gradients_of_one_step(OBJECTIVES[name], scored)
        expected = expected_gradients(OBJECTIVES[name], scored)
        assert len(found) == len(expected) == 4
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * np.abs(theirs).max())

    def test_the_objectives_differ(self):
        digests = {digest(gradients_of_one_step(o, SCORED)) for o in OBJECTIVES.values()}
        assert len(digests) == len(OBJECTIVES)

    @pytest.mark.parametrize("name", ["bce", "mcloss", "paper, epistemic"])
    def test_an_unscored_root_gets_no_gradient_of_its_own(self, name: str):
        _, last_weight, _, last_bias = gradients_of_one_step(OBJECTIVES[name], SCORED)
        root = HIERARCHY.index["t"]
        assert not last_weight[..., root].any()
        assert not last_bias[..., root].any()
        others = [column for column in range(len(HIERARCHY)) if column != root]
        assert np.abs(last_bias[..., others]).sum(axis=(0, 1)).all()

    def test_an_unscored_leaf_still_lifts_its_ancestors(self):
        scored = np.array([name != "e" for name in HIERARCHY.nodes])
        *_, bias = gradients_of_one_step(OBJECTIVES["mcloss"], scored)
        assert bias[..., HIERARCHY.index["e"]].any()
        *_, bias = gradients_of_one_step(OBJECTIVES["bce"], scored)
        assert not bias[..., HIERARCHY.index["e"]].any()

    def test_steps_are_adam_s_with_a_coupled_penalty(self):
        settings = dataclasses.replace(
            SMALL, epochs=4, batch_size=BATCH, learning_rate=3e-3, weight_decay=0.1
        )
        found = weights_of(train(X_BATCH, LABELS_BATCH, HIERARCHY, settings, seed=0))
        networks = Networks(SMALL.members, SIZES, dropout=0.0, seed=0).double()
        parameters = list(networks.parameters())
        first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        for step in range(1, 5):  # Kingma & Ba, algorithm 1
            logits = networks(torch.from_numpy(X_BATCH).double())
            slopes = torch.autograd.grad(
                reference_loss(logits, settings.objective, None), parameters
            )
            with torch.no_grad():
                for p, g, m, v in zip(parameters, slopes, first, second, strict=True):
                    g = g + 0.1 * p
                    m.mul_(0.9).add_(0.1 * g)
                    v.mul_(0.999).add_(0.001 * g**2)
                    unbiased = m / (1 - 0.9**step), v / (1 - 0.999**step)
                    p.sub_(3e-3 * unbiased[0] / (unbiased[1].sqrt() + 1e-8))
        for ours, theirs in zip(found, weights_of(networks), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", golden.OBJECTIVES)
def test_the_loss_curve_is_the_golden_one(name: str):
    # Another BLAS rounds differently, by 1e-7, which moves a curve by up to 4e-5.
    found, expected = golden.curve(golden.OBJECTIVES[name]), golden.read()[name]
    assert found == pytest.approx(expected, rel=2e-4)
    assert found[-1] < found[0]


@pytest.mark.parametrize("name", golden.OBJECTIVES)
def test_the_loss_curve_in_float64_is_that_of_the_first_implementation(name: str):
    found = golden.precise_curve(golden.OBJECTIVES[name])
    np.testing.assert_allclose(found, golden.read(golden.PRECISE)[name], rtol=1e-6)


def test_every_objective_has_a_golden_curve_and_no_two_are_alike():
    curves = golden.read()
    assert set(curves) == set(golden.OBJECTIVES)
    assert len({tuple(curve) for curve in curves.values()}) == len(curves) == 24


@pytest.mark.parametrize("name", OBJECTIVES)
def test_what_can_be_learnt_is_learnt(name: str):
    settings = dataclasses.replace(
        SMALL, hidden=32, epochs=20, batch_size=32, dropout=0.2, objective=OBJECTIVES[name]
    )
    x, labels = problem(400, noise=0.0)
    networks = train(x, labels, HIERARCHY, settings, seed=0)
    fresh, fresh_labels = problem(400, seed=1, noise=0.0)
    p = member_logits(networks, fresh).sigmoid().mean(0).numpy()
    y = HIERARCHY.close(fresh_labels).toarray()
    shares = y.mean(0)
    error, prior = ((p - y) ** 2).mean(), (shares * (1 - shares)).mean()
    assert error < 0.6 * prior


@pytest.mark.usefixtures("as_users_call_it")
class TestABaseline:
    @pytest.mark.parametrize("option", [{"variant": "paper"}, {"mode": "margin"}])
    def test_takes_neither_imbalance_weights_nor_uncertainty(self, option: dict[str, Any]):
        value = next(iter(option.values()))
        with pytest.raises(ValueError, match=rf"variant and mode must be None.*Got.*'{value}'"):
            Objective(baseline="oversampling", **option)

    @pytest.mark.parametrize("baseline", get_args(Baseline))
    def test_has_the_constraint_or_not_by_its_definition(self, baseline: Any):
        own = baseline not in UNCONSTRAINED
        assert Objective(constraint=own, baseline=baseline).baseline == baseline
        with pytest.raises(
            ValueError, match=f"constraint must be {own} .*'{baseline}'. Got {not own}"
        ):
            Objective(constraint=not own, baseline=baseline)

    def test_is_refused_by_name_if_unknown(self):
        with pytest.raises(ValueError, match=r"baseline must be one of focal, .* Got 'smote'"):
            Objective(baseline="smote")  # pyright: ignore[reportArgumentType]


def test_imbalance_weights_count_closed_labels_over_the_scored_nodes():
    # Otherwise `released`, which sums over descendants once more, would sum once only.
    support = HIERARCHY.support(LABELS_BATCH)
    assert support.tolist() == Y_BATCH.sum(0).tolist()
    unclosed = np.asarray(LABELS_BATCH.astype(np.int64).sum(axis=0))
    assert unclosed.tolist() != support.tolist()
    ours, wrong = (
        imbalance_weights(f, BATCH, HIERARCHY, variant="released") for f in (support, unclosed)
    )
    assert not np.allclose(ours[1], wrong[1])
