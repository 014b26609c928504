"""The baselines of others, each against its formula written down once more, and as trainings."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from pipeline.hml import Hierarchy, Objective, Settings, baselines
from pipeline.hml.baselines import UNCONSTRAINED, Baseline
from pipeline.hml.objective import loss_of
from pipeline.hml.resampling import minority_clones
from pipeline.hml.training import Training

from . import reference
from .strategies import Case, build, cases, closed_labels, dags
from .toy import HIERARCHY, problem

NAMES = get_args(Baseline)
REDUCTIONS = ("mean", "sum")
MODERATE = (-6.0, -2.0, -0.5, 0.0, 0.3, 1.0, 5.0)
CPU = torch.device("cpu")


def objective(name: Any, reduction: Any = "mean") -> Objective:
    return Objective(constraint=name not in UNCONSTRAINED, baseline=name, reduction=reduction)


# The formulas once more: float64, on probabilities where the losses are on logits -----------------


def focal(logits: torch.Tensor, y: np.ndarray, dag: reference.Dag) -> torch.Tensor:
    """As object detectors write it: cross-entropy times modulating and balancing factors."""
    target = torch.from_numpy(y.astype(np.float64)).expand_as(logits)
    p = 1 / (1 + torch.exp(-logits))
    right = p * target + (1 - p) * (1 - target)
    balance = 0.25 * target + 0.75 * (1 - target)
    return -balance * (1 - right).pow(2.0) * torch.log(right)


def asymmetric(logits: torch.Tensor, y: np.ndarray, dag: reference.Dag) -> torch.Tensor:
    p = 1 / (1 + torch.exp(-logits))
    shifted = torch.maximum(p - 0.05, torch.zeros_like(p))
    positive, negative = torch.log(p), shifted.pow(4.0) * torch.log(1 - shifted)
    target = torch.from_numpy(y.astype(np.float64))
    return -(target * positive + (1 - target) * negative)


def plain(logits: torch.Tensor, y: np.ndarray, dag: reference.Dag) -> torch.Tensor:
    return reference.bce_on_logits(logits, y)


def constrained(logits: torch.Tensor, y: np.ndarray, dag: reference.Dag) -> torch.Tensor:
    return reference.bce_on_logits(reference.constrained(logits, y, dag), y)


ENTRIES: dict[str, Callable[..., torch.Tensor]] = {
    "focal": focal,
    "asymmetric": asymmetric,
    "class_balanced": plain,
    "observation_weighted": constrained,
    "oversampling": constrained,
}


def effective_number_weights(rows: np.ndarray, scored: np.ndarray) -> np.ndarray:
    """The effective number as the geometric series that it is the sum of."""
    weight = np.ones(rows.shape[1])
    support = rows.sum(0)
    nodes = [j for j in range(rows.shape[1]) if scored[j] and support[j] > 0]
    inverse = {j: 1 / sum(0.9999**k for k in range(support[j])) for j in nodes}
    for j in nodes:
        weight[j] = inverse[j] * len(nodes) / sum(inverse.values())
    return weight


def rarest_node_weight(y: np.ndarray, rows: np.ndarray, scored: np.ndarray) -> np.ndarray:
    n, nodes = rows.shape
    support = rows.sum(0)

    def balanced(example: np.ndarray) -> float:
        weights = [n / (nodes * f) for j, f in enumerate(support) if f and example[j] and scored[j]]
        return max(weights, default=n / (nodes * n))

    mean = sum(balanced(row) for row in rows) / n
    return np.array([balanced(example) / mean for example in y])


def expected_loss(
    name: str, logits: torch.Tensor, case: Case, rows: np.ndarray, options: dict[str, Any]
) -> torch.Tensor:
    members, examples, nodes = case.shape
    scored, learns = options["scored"], options["learns"]
    scored = np.ones(nodes, dtype=bool) if scored is None else scored
    learns = np.ones((members, examples), dtype=bool) if learns is None else learns
    entries = ENTRIES[name](logits, case.y, case.dag)
    if name == "class_balanced":
        entries = entries * torch.from_numpy(effective_number_weights(rows, scored))
    if name == "observation_weighted":
        weight = torch.from_numpy(rarest_node_weight(case.y, rows, scored))
        entries = entries * weight[:, None]
    total = torch.zeros((), dtype=torch.float64)
    for h in range(members):
        own = entries[h][torch.from_numpy(learns[h][:, None] & scored)]
        if len(own):
            total = total + (own.mean() if options["reduction"] == "mean" else own.sum())
    return total


@st.composite
def tasks(draw: st.DrawFn, grid: tuple[float, ...] = MODERATE) -> tuple[Case, np.ndarray, dict]:
    """A batch, closed training labels that hold it, and options that are often left out."""
    case = draw(cases(grid=grid))
    members, examples, nodes = case.shape
    further = draw(closed_labels(case.dag, draw(st.integers(0, 4))))
    options = {
        "learns": draw(st.none() | hnp.arrays(np.bool_, (members, examples))),
        "scored": draw(st.none() | hnp.arrays(np.bool_, nodes)),
        "reduction": draw(st.sampled_from(REDUCTIONS)),
    }
    return case, np.concatenate([case.y, further]), options


def our_loss(
    name: str, case: Case, rows: np.ndarray, options: dict[str, Any]
) -> Callable[[torch.Tensor], torch.Tensor]:
    loss = loss_of(
        sparse.csr_array(rows), case.hierarchy, objective(name, options["reduction"]),
        options["scored"], CPU,
    )  # fmt: skip
    learns = None if options["learns"] is None else torch.from_numpy(options["learns"])
    return lambda logits: loss(logits, case.labels, learns)


def value_and_gradient(
    loss: Callable[[torch.Tensor], torch.Tensor], logits: np.ndarray, dtype: torch.dtype
) -> tuple[float, np.ndarray]:
    z = torch.tensor(logits, dtype=dtype, requires_grad=True)
    value = loss(z)
    assert value.shape == ()
    if value.requires_grad:
        value.backward()
    return value.item(), np.zeros(z.shape) if z.grad is None else z.grad.double().numpy()


class TestEachLoss:
    @pytest.mark.parametrize("name", NAMES)
    @given(task=tasks())
    def test_is_its_formula_in_value_and_gradient(self, name: str, task: Any):
        case, rows, options = task
        ours = our_loss(name, *task)
        theirs = value_and_gradient(
            lambda z: expected_loss(name, z, case, rows, options), case.logits, torch.float64
        )
        # Weights of nodes and examples are float32, as the logits of a training are.
        for dtype, bound in ((torch.float64, 1e-6), (torch.float32, 3e-5)):
            for found, wanted in zip(
                value_and_gradient(ours, case.logits, dtype), theirs, strict=True
            ):
                np.testing.assert_allclose(found, wanted, rtol=bound, atol=bound / 10)

    @pytest.mark.parametrize("name", NAMES)
    @profile(max_examples=10)
    @given(task=tasks(), seed=st.integers(0, 2**32 - 1))
    def test_passes_gradcheck_where_no_two_logits_are_equal(self, name: str, task: Any, seed: int):
        case = task[0]
        order = np.random.default_rng(seed).permutation(case.logits.size)
        z = torch.from_numpy(order / case.logits.size * 4 - 2.1).reshape(case.shape)
        assert torch.autograd.gradcheck(our_loss(name, *task), (z.requires_grad_(),))

    @pytest.mark.parametrize("name", NAMES)
    @given(task=tasks())
    def test_gives_a_member_nothing_from_what_it_does_not_learn_from(self, name: str, task: Any):
        case, _, options = task
        options["learns"] = np.arange(case.shape[0])[:, None] % 2 == np.arange(case.shape[1]) % 2
        _, gradient = value_and_gradient(our_loss(name, *task), case.logits, torch.float32)
        assert not gradient[~options["learns"]].any()

    @pytest.mark.parametrize("name", sorted(UNCONSTRAINED))
    @given(task=tasks())
    def test_of_unconstrained_logits_leaves_unscored_nodes_alone(self, name: str, task: Any):
        case, _, options = task
        options["scored"] = np.arange(case.shape[2]) % 2 == 0
        _, gradient = value_and_gradient(our_loss(name, *task), case.logits, torch.float32)
        assert not gradient[..., ~options["scored"]].any()

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @given(task=tasks(grid=(-1e4, -100.0, 0.0, 100.0, 1e4)))
    def test_stays_finite_for_logits_of_any_size(self, name: str, dtype: torch.dtype, task: Any):
        value, gradient = value_and_gradient(our_loss(name, *task), task[0].logits, dtype)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("logit", [-100.0, 100.0])
    def test_keeps_the_gradient_of_a_positive_whose_logit_is_far_too_low(
        self, name: str, logit: float
    ):
        alone = Case(reference.Dag((), ("a",)), np.full((1, 1, 1), logit), np.ones((1, 1), bool))
        options = {"learns": None, "scored": None, "reduction": "sum"}
        loss = our_loss(name, alone, alone.y, options)
        value, gradient = value_and_gradient(loss, alone.logits, torch.float32)
        factor = 0.25 if name == "focal" else 1.0
        wanted = (100.0, -1.0) if logit < 0 else (0.0, 0.0)
        assert (value, gradient.item()) == pytest.approx(np.array(wanted) * factor, abs=1e-30)


def test_focal_loss_has_the_values_of_its_paper_s_examples():
    # An easy example with p_t = 0.9 costs 100 times less than its cross-entropy, one with 0.968
    # almost 1000 times less (gamma 2; Lin et al., section 3.2).
    z = torch.logit(torch.tensor([[[0.9, 0.968]]], dtype=torch.float64))
    y = torch.ones((1, 2), dtype=torch.bool)
    ratio = -torch.log(torch.sigmoid(z)) * 0.25 / baselines.focal_loss(z, y)
    np.testing.assert_allclose(ratio[0, 0], [100, 976.5625], rtol=1e-10)


def test_the_asymmetric_loss_discards_negatives_below_its_margin():
    z = torch.logit(torch.tensor([[[0.01, 0.049, 0.06]]])).requires_grad_()
    baselines.asymmetric_loss(z, torch.zeros((1, 3), dtype=torch.bool)).sum().backward()
    assert (z.grad[0, 0] > 0).tolist() == [False, False, True]


class TestClassBalancedWeights:
    FLAT = Hierarchy.from_edges([], nodes=list("abcde"))

    def test_sum_to_the_number_of_nodes_and_fall_with_the_support(self):
        support = np.array([1, 2, 30, 1000, 60_000])
        weight = baselines.class_balanced_weights(support, self.FLAT)
        assert weight.sum() == pytest.approx(5)
        assert (np.diff(weight) < 0).all()
        # Rare: the inverse frequency. Frequent: 10,000 unique examples and no more.
        assert weight[0] / weight[1] == pytest.approx(2, rel=1e-3)
        assert weight[0] / weight[4] == pytest.approx(1e4, rel=3e-3)

    def test_of_nodes_without_positives_and_of_unscored_ones_are_one(self):
        support, scored = np.array([0, 2, 30, 5, 0]), np.array([True, True, True, False, False])
        weight = baselines.class_balanced_weights(support, self.FLAT, scored=scored)
        assert weight[[0, 3, 4]].tolist() == [1, 1, 1]
        assert weight[[1, 2]].sum() == pytest.approx(2)
        nothing = baselines.class_balanced_weights(np.zeros(5, np.int64), self.FLAT)
        assert nothing.tolist() == [1] * 5


class TestObservationWeights:
    @given(case=cases(max_members=1), data=st.data())
    def test_have_a_mean_of_one_over_the_training_examples(self, case: Case, data: st.DataObject):
        scored = data.draw(st.none() | hnp.arrays(np.bool_, case.shape[2]))
        rows = sparse.csr_array(case.y)
        weight, least = baselines.rarest_node_weights(rows, case.hierarchy, scored=scored)
        found = baselines.observation_weights(case.labels, torch.from_numpy(weight), least)
        assert found.mean().item() == pytest.approx(1)
        everything = np.ones(case.shape[2], dtype=bool) if scored is None else scored
        wanted = rarest_node_weight(case.y, case.y, everything)
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-12)

    def test_follow_the_rarest_positive_node(self):
        chain = Hierarchy.from_edges([("b", "a"), ("c", "b")])
        rows = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)
        most_specific = np.eye(4, 3, dtype=bool)
        for labels in (rows, most_specific):
            weight, least = baselines.rarest_node_weights(sparse.csr_array(labels), chain)
            found = baselines.observation_weights(
                torch.from_numpy(rows), torch.from_numpy(weight), least
            )
            # 1/3, 1/2, 1 and, without a positive, 1/4.
            np.testing.assert_allclose(found, np.array([4, 6, 12, 3]) * 4 / 25)


def imbalance(y: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """IRLbl of Charte et al.: positives of the most frequent label over those of each."""
    support = y[:, labels].sum(0)
    return support.max() / support


def disjoint(*support: int) -> tuple[sparse.csr_array, Hierarchy, np.ndarray]:
    """Examples with one label each, so that a clone says which node it is for."""
    y = np.repeat(np.eye(len(support), dtype=bool), support, axis=0)
    flat = Hierarchy.from_edges([], nodes=[f"{node:02}" for node in range(len(support))])
    return sparse.csr_array(y), flat, y.argmax(1)


class TestClonesOfOversampling:
    @given(dag=dags(), data=st.data())
    def test_help_minority_nodes_until_all_have_reached_the_mean_or_a_quarter_is_added(
        self, dag: reference.Dag, data: st.DataObject
    ):
        y = data.draw(closed_labels(dag, data.draw(st.integers(1, 60))))
        scored = data.draw(st.none() | hnp.arrays(np.bool_, len(dag.order)))
        clones = minority_clones(sparse.csr_array(y), build(dag), scored=scored, seed=0)
        assert len(clones) <= len(y) // 4
        labels = np.flatnonzero(y.any(0) if scored is None else y.any(0) & scored)
        if not len(labels):
            assert not len(clones)
            return
        mean = imbalance(y, labels).mean()
        short = np.array([
            imbalance(np.concatenate([y, y[clones[:done]]]), labels) > mean
            for done in range(len(clones) + 1)
        ])  # fmt: skip
        minority = labels[short[0]]
        assert y[clones][:, minority].any(1).all()
        if len(clones) < len(y) // 4:
            assert not short.all(0).any()

    def test_take_turns_and_end_for_a_node_when_it_reaches_the_mean(self):
        # Imbalance 1, 1.25, 25, 50 and 100, mean 35.45: three positives are enough.
        rows, flat, node = disjoint(100, 80, 4, 2, 1)
        found = node[minority_clones(rows, flat, seed=0)].tolist()
        assert Counter(found) == {3: 1, 4: 2}
        assert sorted(found[:2]) == [3, 4]

    def test_go_to_nodes_by_chance_where_they_are_more_than_the_clones(self):
        rows, flat, node = disjoint(30, *[1] * 20)  # a quarter is 12
        found = [node[minority_clones(rows, flat, seed=seed)] for seed in range(40)]
        assert all(len(set(nodes)) == len(nodes) == 12 for nodes in map(np.ndarray.tolist, found))
        counts = np.bincount(np.concatenate(found), minlength=21)
        assert counts[0] == 0
        assert 10 <= counts[1:].min() <= counts[1:].max() <= 38  # 24 on average

    def test_are_each_example_of_a_node_as_often(self):
        rows, flat, _ = disjoint(40, 40, 3)
        counts = Counter(int(minority_clones(rows, flat, seed=seed)[0]) for seed in range(300))
        assert set(counts) == {80, 81, 82}
        assert all(70 <= count <= 130 for count in counts.values())

    def test_are_the_same_for_the_same_seed_however_labels_are_given(self):
        _, labels = problem(400)
        found = minority_clones(labels, HIERARCHY, seed=3)
        assert len(found)
        closed = HIERARCHY.close(labels)
        assert found.tolist() == minority_clones(closed, HIERARCHY, seed=3).tolist()
        assert found.tolist() != minority_clones(labels, HIERARCHY, seed=4).tolist()

    def test_do_not_depend_on_nodes_that_are_not_scored(self):
        rows, flat, _ = disjoint(20, 15, 3, 1)
        wide = Hierarchy.from_edges([(name, "root") for name in flat.nodes])
        rooted = sparse.csr_array(sparse.hstack([np.ones((39, 1), bool), rows]), dtype=bool)
        scored = np.array([False, True, True, True, True])
        found = minority_clones(rooted, wide, scored=scored, seed=0)
        assert found.tolist() == minority_clones(rows, flat, seed=0).tolist()


class TestAnEpochOfOversampling:
    X, LABELS = problem(96)
    X[:, 0] = np.arange(96)  # says which example it is

    def training(self, baseline: Any, seed: int = 0, **options: Any) -> Training:
        settings = dataclasses.replace(SETTINGS, batch_size=20, objective=objective(baseline))
        return Training(self.X, self.LABELS, HIERARCHY, settings, seed=seed, **options)

    def epoch(self, training: Training) -> list[list[int]]:
        return [batch.x[:, 0].int().tolist() for batch in training.batches()]

    def test_has_as_many_steps_as_any_other(self):
        for name in NAMES:
            assert [len(batch) for batch in self.epoch(self.training(name))] == [20] * 4 + [16]

    def test_draws_examples_and_clones_alike(self):
        clones = minority_clones(self.LABELS, HIERARCHY, seed=0)
        assert len(set(clones.tolist())) > 1
        copies = 1 + np.bincount(clones, minlength=96)
        training = self.training("oversampling")
        epochs = [np.concatenate(self.epoch(training)) for _ in range(400)]
        assert epochs[0].tolist() != epochs[1].tolist()
        counts = np.array([np.bincount(epoch, minlength=96) for epoch in epochs])
        assert (counts <= copies).all()
        share = 96 / (96 + len(clones))
        error = counts.mean(0) - copies * share
        assert (np.abs(error) < 5 * np.sqrt(copies * share * (1 - share) / 400)).all()

    def test_meets_rare_nodes_more_often_and_brings_their_paths(self):
        y = HIERARCHY.close(self.LABELS).toarray()
        training = self.training("oversampling")
        drawn = np.concatenate([np.concatenate(self.epoch(training)) for _ in range(50)])
        before, after = y.mean(0), y[drawn].mean(0)
        rarest = np.argmin(np.where(before > 0, before, 1))
        assert after[rarest] > 1.15 * before[rarest]
        batch = next(training.batches())
        HIERARCHY.check_closed(batch.y.numpy().astype(np.uint8))

    def test_depends_on_the_seed_alone(self):
        first, same, other = (self.training("oversampling", seed) for seed in (0, 0, 1))
        assert self.epoch(first) == self.epoch(same) != self.epoch(other)

    def test_knows_who_learns_from_a_clone(self):
        learns = np.arange(96)[None] % 2 == np.arange(2)[:, None]
        for batch in self.training("oversampling", learns=learns).batches():
            assert torch.equal(batch.learns[0], batch.x[:, 0] % 2 == 0)


SETTINGS = Settings(members=2, hidden=16, epochs=1, batch_size=16, dropout=0.0, learning_rate=1e-2)


@pytest.mark.parametrize("learns", [False, True], ids=["all from all", "own examples"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", NAMES)
def test_training_brings_the_loss_of_each_baseline_down(name: str, reduction: str, learns: bool):
    x, labels = problem(96, noise=0.0)
    training = Training(
        x, labels, HIERARCHY, dataclasses.replace(SETTINGS, objective=objective(name, reduction)),
        seed=0, scored=np.array([node != "t" for node in HIERARCHY.nodes]),
        learns=np.arange(2)[:, None] != np.arange(96) % 3 if learns else None,
    )  # fmt: skip
    losses = [training.epoch() for _ in range(25)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-3:]) < 0.6 * losses[0]
