"""Training: what it minimises, what it depends on, and where it stops."""

import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from pipeline.errors import RarenodeError
from pipeline.hml import Objective, Settings, baselines, train, training
from pipeline.hml.network import Networks
from pipeline.hml.training import TrainingError, member_logits

from .toy import FEATURES, HIERARCHY, problem

ROOT = Path(__file__).parents[2]
SMALL = Settings(members=3, hidden=8, epochs=3, batch_size=16, dropout=0.0, learning_rate=1e-2)
X, LABELS = problem()
SIZES = (FEATURES, SMALL.hidden, len(HIERARCHY))


def weights_of(networks: Networks) -> list[np.ndarray]:
    return [parameter.detach().numpy().copy() for parameter in networks.parameters()]


def trained(settings: Settings = SMALL, *, seed: int = 0, **options: Any) -> list[np.ndarray]:
    return weights_of(train(X, LABELS, HIERARCHY, settings, seed=seed, **options))


def same_bits(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return [array.tobytes() for array in one] == [array.tobytes() for array in other]


def digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


WITH_DROPOUT = dataclasses.replace(
    SMALL, dropout=0.5, objective=Objective(variant="paper", mode="epistemic")
)


class TestTheSameArgumentsGiveTheSameWeights:
    def test_in_one_process(self):
        assert same_bits(trained(WITH_DROPOUT), trained(WITH_DROPOUT))

    def test_in_another_process(self):
        code = (
            "import torch; torch.set_num_threads(1)\n"
            "from tests.hml.test_training import WITH_DROPOUT, digest, trained\n"
            "print(digest(trained(WITH_DROPOUT)))"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == digest(trained(WITH_DROPOUT))

    def test_with_oversampled_examples(self):
        settings = dataclasses.replace(WITH_DROPOUT, objective=Objective(baseline="oversampling"))
        assert same_bits(trained(settings), trained(settings))
        assert not same_bits(trained(settings), trained(settings, seed=1))
        # The loss is MCLoss and the steps are as many: what differs is the examples.
        mcloss = dataclasses.replace(settings, objective=Objective())
        assert not same_bits(trained(settings), trained(mcloss))

    @pytest.mark.parametrize("settings", [SMALL, WITH_DROPOUT], ids=["no dropout", "dropout"])
    def test_another_seed_gives_others(self, settings: Settings):
        assert not same_bits(trained(settings), trained(settings, seed=1))

    def test_whatever_the_state_of_torch_s_generator_which_is_given_back(self):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = trained(WITH_DROPOUT)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        assert same_bits(trained(WITH_DROPOUT), first)

    def test_whether_the_labels_are_most_specific_or_closed_upward(self):
        closed = HIERARCHY.close(LABELS)
        assert closed.nnz > LABELS.nnz
        for objective in (SMALL.objective, Objective(variant="released"), Objective(False)):
            settings = dataclasses.replace(SMALL, objective=objective)
            both = [weights_of(train(X, y, HIERARCHY, settings, seed=0)) for y in (LABELS, closed)]
            assert same_bits(*both)


class TestMembers:
    def test_initial_weights_do_not_depend_on_the_number_of_members(self):
        few, many = (
            weights_of(Networks(members, SIZES, dropout=0.0, seed=7)) for members in (2, 5)
        )
        assert np.array_equal(few[0], many[0][:, :2])  # (feature, member, hidden)
        for one, other in zip(few[1:], many[1:], strict=True):
            assert np.array_equal(one, other[:2])

    def test_start_from_different_weights_within_the_bounds_of_a_linear_layer(self):
        first, second, *biases = weights_of(Networks(2, SIZES, dropout=0.0, seed=7))
        assert not np.array_equal(first[:, 0], first[:, 1])
        assert not np.array_equal(second[0], second[1])
        for weight, bias, fan_in in zip((first, second), biases, SIZES[:2], strict=True):
            assert 0.8 / fan_in**0.5 < np.abs(weight).max() <= 1 / fan_in**0.5
            assert np.abs(bias).max() <= 1 / fan_in**0.5

    @pytest.mark.parametrize("reduction", ["mean", "sum"])
    def test_learn_the_same_alone_and_in_company(self, reduction: Any):
        settings = dataclasses.replace(SMALL, objective=Objective(reduction=reduction))
        alone = trained(dataclasses.replace(settings, members=1))
        company = trained(settings)
        np.testing.assert_allclose(alone[0][:, 0], company[0][:, 0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(alone[1][0], company[1][0], rtol=1e-4, atol=1e-5)

    def test_in_another_order_learn_the_same_in_that_order(self, monkeypatch: pytest.MonkeyPatch):
        turn = [2, 0, 1]

        class Turned(Networks):
            def __init__(self, *arguments: Any, **options: Any) -> None:
                super().__init__(*arguments, **options)
                with torch.no_grad():
                    for parameter, turned in zip(
                        self.parameters(), in_order(weights_of(self), turn), strict=True
                    ):
                        parameter.copy_(torch.from_numpy(turned))

        settings = dataclasses.replace(
            SMALL, objective=Objective(variant="paper", mode="epistemic")
        )
        expected = in_order(trained(settings), turn)
        monkeypatch.setattr(training, "Networks", Turned)
        for found, wanted in zip(trained(settings), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)

    def test_each_drop_units_of_their_own_and_only_while_training(self):
        networks = Networks(2, SIZES, dropout=0.5, seed=0)
        with torch.no_grad():
            for parameter, same in zip(
                networks.parameters(), in_order(weights_of(networks), [0, 0]), strict=True
            ):
                parameter.copy_(torch.from_numpy(same))
        first, second = networks.train()(torch.from_numpy(X)).detach()
        assert not torch.equal(first, second)
        first, second = member_logits(networks, X)
        assert torch.allclose(first, second)
        assert networks.training  # as it was found


def in_order(arrays: list[np.ndarray], turn: list[int]) -> list[np.ndarray]:
    """The members in another order; only the first weight has its members on the second axis."""
    return [arrays[0][:, turn], *(array[turn] for array in arrays[1:])]


def test_batches_are_each_example_once_an_epoch_in_another_order(monkeypatch: pytest.MonkeyPatch):
    seen: list[np.ndarray] = []

    class Watched(Networks):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.numpy().copy())
            return super().forward(x)

    monkeypatch.setattr(training, "Networks", Watched)
    trained(dataclasses.replace(SMALL, epochs=2, batch_size=40))
    assert [len(batch) for batch in seen] == [40, 40, 16] * 2
    epochs = [np.concatenate(seen[:3]), np.concatenate(seen[3:])]
    for rows in epochs:
        assert np.array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))
    assert not np.array_equal(epochs[0], epochs[1])


class TestItStops:
    @pytest.mark.parametrize("objective", [Objective(), Objective(False)], ids=["mcloss", "bce"])
    def test_where_the_loss_is_not_finite_any_more(self, objective: Objective):
        settings = dataclasses.replace(SMALL, learning_rate=1e30, objective=objective)
        finished: list[int] = []
        with pytest.raises(TrainingError, match=r"finite loss.* in epoch 1 .*1e\+30.*Lower") as e:
            trained(settings, on_epoch=lambda epoch, networks: finished.append(epoch))
        assert isinstance(e.value, RarenodeError)  # the user can fix it
        assert finished == []

    def test_where_on_epoch_raises_and_gives_torch_s_generator_back(self):
        before = torch.get_rng_state()
        seen: list[int] = []

        def stop(epoch: int, networks: Networks) -> None:
            assert networks.training
            seen.append(epoch)
            if epoch == 2:
                raise KeyError("enough")

        with pytest.raises(KeyError, match="enough"):
            trained(WITH_DROPOUT, on_epoch=stop)
        assert seen == [1, 2]
        assert torch.equal(torch.get_rng_state(), before)

    def test_after_the_epochs_asked_for_with_networks_that_drop_nothing(self):
        seen: list[int] = []
        networks = train(
            X, LABELS, HIERARCHY, SMALL, seed=0, on_epoch=lambda epoch, _: seen.append(epoch)
        )
        assert seen == [1, 2, 3]
        assert not networks.training


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 0),
        ("hidden", 0),
        ("layers", 0),
        ("batch_size", 0),
        ("epochs", -1),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", float("nan")),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", -1e-9),
        ("weight_decay", float("nan")),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name_and_value(field: str, value: float):
    with pytest.raises(ValueError, match=f"{field} .*Got.* {value}"):
        dataclasses.replace(SMALL, **{field: value})


@pytest.mark.parametrize(
    "mode", ["mutual_information", "epistemic", "epistemic_kl", "gaussian_margin"]
)
def test_one_member_is_refused_where_members_are_compared(mode: Any):
    with pytest.raises(ValueError, match=f"{mode}.*at least 2. Got 1"):
        Settings(members=1, objective=Objective(mode=mode))
    assert Settings(members=1, objective=Objective(mode="predictive")).members == 1


@pytest.mark.usefixtures("as_users_call_it")
@pytest.mark.parametrize(
    ("x", "labels", "message"),
    [
        (X.astype(np.float64), LABELS, "features must be float32.*float64"),
        (X[0], LABELS, r"features must be .*\(6,\)"),
        (X[:0], LABELS[:0], r"features must .*\(0, 6\)"),
        (X[:5], LABELS, r"labels must have shape .*\(5, 9\)\. Got \(96, 9\)"),
        (X, LABELS[:, :4], r"labels must have shape .*\(96, 9\)\. Got \(96, 4\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x: np.ndarray, labels: sparse.csr_array, message: str):
    with pytest.raises(ValueError, match=message):
        train(x, labels, HIERARCHY, SMALL, seed=0)


def test_one_layer_three_layers_and_a_single_example_train():
    for layers in (1, 3):
        networks = train(
            X[:1], LABELS[:1], HIERARCHY, dataclasses.replace(SMALL, layers=layers), seed=0
        )
        assert len(networks.weights) == layers
        assert member_logits(networks, X).shape == (3, len(X), len(HIERARCHY))


def test_a_prior_start_sets_the_output_biases_to_the_nodes_logits_and_nothing_else():
    first, last = weights_at_start(prior_start=False), weights_at_start(prior_start=True)
    support = HIERARCHY.support(LABELS)
    share = (support + 0.5) / (len(X) + 1)
    assert last[-1][:, 0] == pytest.approx(np.tile(np.log(share / (1 - share)), (3, 1)), abs=1e-6)
    assert same_bits(first[:-1], last[:-1])


def test_a_prior_start_begins_with_the_loss_of_the_prior():
    """A bias alone predicts its node's share: left to learn is what tells examples apart."""
    rates: dict[bool, float] = {}
    for prior_start in (False, True):
        networks = at_start(prior_start=prior_start)
        p = member_logits(networks, 0 * X).sigmoid().numpy().mean((0, 1))
        rates[prior_start] = float(np.abs(p - HIERARCHY.support(LABELS) / len(X)).max())
    assert rates[True] < 0.1 < rates[False]


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [("focal", 0.01), ("class_balanced", 1 / len(HIERARCHY)), ("asymmetric", None)],
)
def test_baselines_start_where_their_authors_have_them_start(
    baseline: baselines.Baseline, expected: float | None
):
    objective = Objective(constraint=False, baseline=baseline)
    settings = dataclasses.replace(SMALL, objective=objective)
    biases = weights_of(training.Training(X, LABELS, HIERARCHY, settings, seed=0).networks)[-1]
    if expected is None:
        assert same_bits([biases], [weights_at_start(prior_start=False)[-1]])
    else:
        assert 1 / (1 + np.exp(-biases)) == pytest.approx(np.full(biases.shape, expected))


def at_start(*, prior_start: bool) -> Networks:
    settings = dataclasses.replace(SMALL, prior_start=prior_start)
    return training.Training(X, LABELS, HIERARCHY, settings, seed=0).networks


def weights_at_start(*, prior_start: bool) -> list[np.ndarray]:
    return weights_of(at_start(prior_start=prior_start))
