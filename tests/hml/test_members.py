"""What every kind of member promises, and each kind against a slow and obvious reference."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.hml import Hierarchy, Settings, train
from pipeline.hml.folds import learners
from pipeline.hml.members import (
    KINDS,
    ForestMembers,
    KernelMembers,
    Members,
    NeighbourMembers,
    NetworkMembers,
    tree_kernels,
)
from pipeline.hml.members.averages import PRIOR
from pipeline.hml.members.forest import Trees, walk
from pipeline.hml.network import Networks
from pipeline.hml.training import TrainingError

from .toy import DAG, FEATURES, HIERARCHY, problem

MEMBERS, ROWS = 5, 80
X, LABELS = problem(ROWS)
FRESH, _ = problem(30, seed=1)
FOLD = np.random.default_rng(0).permutation(np.arange(ROWS) % MEMBERS)
LEARNS = learners(FOLD, MEMBERS)
CLOSED = HIERARCHY.close(LABELS.toarray())

Made = dict[str, Members]


def network(x: np.ndarray, labels: sparse.csr_array) -> NetworkMembers:
    small = Settings(members=MEMBERS, hidden=8, epochs=2, batch_size=16, learning_rate=1e-2)
    networks = train(x, labels, HIERARCHY, small, seed=0, learns=LEARNS)
    return NetworkMembers(networks, HIERARCHY)


def neighbours(x: np.ndarray, labels: sparse.csr_array, number: int = 20) -> NeighbourMembers:
    return NeighbourMembers(x, labels, HIERARCHY, LEARNS, neighbours=number)


def kernel(x: np.ndarray, labels: sparse.csr_array) -> KernelMembers:
    return KernelMembers(x, labels, HIERARCHY, LEARNS, landmarks=ROWS)


def forest(x: np.ndarray, labels: sparse.csr_array) -> ForestMembers:
    return ForestMembers.grow(x, labels, HIERARCHY, LEARNS, seed=0, trees=3 * MEMBERS)


MAKE: dict[str, Callable[[np.ndarray, sparse.csr_array], Members]] = {
    "network": network,
    "neighbours": neighbours,
    "forest": forest,
    "kernel": kernel,
}


@pytest.fixture(scope="module")
def made() -> Made:
    return {kind: make(X, LABELS) for kind, make in MAKE.items()}


def test_every_kind_is_held_to_the_contract():
    assert MAKE.keys() == KINDS.keys()
    assert all(members.kind == kind for kind, members in KINDS.items())


def again(members: Members, **changes: Any) -> Members:
    """What is read of what was written, options by way of JSON; with some arrays changed."""
    options = json.loads(json.dumps(members.options(), allow_nan=False))
    return type(members).from_arrays(members.arrays() | changes, options, HIERARCHY)


@pytest.mark.parametrize("kind", MAKE)
class TestContract:
    """Holds for every kind."""

    def test_it_says_what_it_takes_and_how_many_it_is(self, kind: str, made: Made):
        assert (made[kind].count, made[kind].features) == (MEMBERS, FEATURES)
        assert made[kind].width >= len(HIERARCHY)

    def test_probabilities_are_coherent_float32_between_zero_and_one(self, kind: str, made: Made):
        rng = np.random.default_rng(0)
        share = rng.dirichlet(np.ones(MEMBERS), len(FRESH)).T
        found = [
            *made[kind].probability(FRESH),
            made[kind].mean(FRESH),
            made[kind].mean(FRESH, share),
            made[kind].mean(1e3 * FRESH),
        ]
        assert made[kind].probability(FRESH).shape == (MEMBERS, len(FRESH), len(HIERARCHY))
        child, parent = HIERARCHY.edge_index
        for p in found:
            assert p.shape == (len(FRESH), len(HIERARCHY))
            assert p.dtype == np.float32
            assert ((p >= 0) & (p <= 1)).all()
            assert (p[:, parent] >= p[:, child]).all()

    def test_members_differ(self, kind: str, made: Made):
        assert made[kind].probability(FRESH).std(0).max() > 0.01

    def test_the_mean_is_the_average_of_the_members(self, kind: str, made: Made):
        p = made[kind].probability(FRESH)
        np.testing.assert_allclose(made[kind].mean(FRESH), p.mean(0), rtol=1e-5, atol=1e-7)

    @settings(max_examples=10)
    @given(seed=st.integers(0, 999), alone=st.booleans())
    def test_the_mean_under_shares_is_the_weighted_average(
        self, kind: str, made: Made, seed: int, alone: bool
    ):
        share = np.random.default_rng(seed).dirichlet(np.full(MEMBERS, 0.3), len(FRESH)).T
        if alone:
            share = (share == share.max(0)).astype(np.float64)
        p = made[kind].probability(FRESH)
        expected = np.einsum("hbj,hb->bj", p.astype(np.float64), share)
        np.testing.assert_allclose(made[kind].mean(FRESH, share), expected, rtol=1e-5, atol=1e-7)

    def test_all_the_share_of_an_example_gives_that_member_to_the_last_bit(
        self, kind: str, made: Made
    ):
        whose = np.arange(len(FRESH)) % MEMBERS
        share = (np.arange(MEMBERS)[:, None] == whose).astype(np.float64)
        p = made[kind].probability(FRESH)
        expected = p[whose, np.arange(len(FRESH))]
        found = made[kind].mean(FRESH, share)
        if kind == "kernel":  # a product of fewer rows may round otherwise
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        else:
            assert found.tobytes() == expected.tobytes()

    def test_an_example_is_predicted_alone_as_among_others(self, kind: str, made: Made):
        alone = np.vstack([made[kind].mean(FRESH[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(alone, made[kind].mean(FRESH)[:5], rtol=1e-5, atol=1e-7)

    def test_what_is_written_and_read_is_the_same_to_the_last_bit(self, kind: str, made: Made):
        members = made[kind]
        read = again(members)
        assert read.probability(FRESH).tobytes() == members.probability(FRESH).tobytes()
        assert read.mean(FRESH).tobytes() == members.mean(FRESH).tobytes()
        for what in ("kind", "count", "features", "width"):
            assert getattr(read, what) == getattr(members, what)
        assert read.options() == members.options()
        assert read.arrays().keys() == members.arrays().keys()
        for name, array in members.arrays().items():
            assert read.arrays()[name].tobytes() == array.tobytes()
            assert read.arrays()[name].dtype == array.dtype

    def test_a_member_does_not_see_the_labels_that_it_left_out(self, kind: str, made: Made):
        left_out = np.flatnonzero(~LEARNS[2])
        y = LABELS.toarray()
        y[left_out] = np.roll(y[left_out], 1, axis=0)  # supports stay
        before = made[kind].probability(FRESH)
        after = MAKE[kind](X, sparse.csr_array(y)).probability(FRESH)
        assert after[2].tobytes() == before[2].tobytes()
        assert not any(np.array_equal(after[h], before[h]) for h in (0, 1, 3, 4))

    def test_a_member_does_not_see_the_features_that_it_left_out(self, kind: str, made: Made):
        left_out = np.flatnonzero(~LEARNS[2])
        x = X.copy()
        x[left_out] = np.random.default_rng(1).normal(size=(len(left_out), FEATURES))
        before = made[kind].probability(FRESH)
        after = MAKE[kind](x, LABELS).probability(FRESH)
        assert after[2] == pytest.approx(before[2], abs=1e-6)
        assert all(np.abs(after[h] - before[h]).max() > 1e-3 for h in (0, 1, 3, 4))

    def test_another_order_of_the_labels_in_storage_is_the_same(self, kind: str, made: Made):
        doubled = sparse.csr_array(LABELS)
        index = np.repeat(doubled.indices, 2)  # each positive twice
        twice = sparse.csr_array((np.ones(len(index), bool), index, 2 * doubled.indptr))
        twice = sparse.csr_array((twice.data, twice.indices, twice.indptr), shape=LABELS.shape)
        members = MAKE[kind](X, twice)
        assert members.mean(FRESH) == pytest.approx(made[kind].mean(FRESH), abs=1e-6)

    def test_arrays_that_lack_or_are_cut_short_are_refused(self, kind: str, made: Made):
        members = made[kind]
        for name, array in members.arrays().items():
            rest = {key: value for key, value in members.arrays().items() if key != name}
            with pytest.raises((LookupError, ValueError)):
                type(members).from_arrays(rest, members.options(), HIERARCHY)
            for damaged in (array[..., :-1], array[:0], array.reshape(-1)[:1].reshape(())):
                wide = name in ("features", "landmarks")
                if wide and damaged.ndim == 2 and len(damaged):
                    # Fewer features are as good as any: it says how many, and a bundle compares.
                    assert again(members, **{name: damaged}).features == FEATURES - 1
                    continue
                with pytest.raises((LookupError, TypeError, ValueError)):
                    again(members, **{name: damaged})

    def test_arrays_of_another_type_are_refused(self, kind: str, made: Made):
        for name, array in made[kind].arrays().items():
            other = array.astype(np.float64 if array.dtype.kind in "ib" else np.int64)
            with pytest.raises((LookupError, TypeError, ValueError)):
                again(made[kind], **{name: other})

    def test_options_that_lack_are_refused(self, kind: str, made: Made):
        members = made[kind]
        for name in members.options():
            rest = {key: value for key, value in members.options().items() if key != name}
            with pytest.raises(LookupError, match=name):
                type(members).from_arrays(members.arrays(), rest, HIERARCHY)

    @pytest.mark.parametrize("value", [None, "many", -1, 0.5, float("inf"), float("nan"), []])
    def test_options_that_make_no_sense_are_refused(self, kind: str, value: Any, made: Made):
        members = made[kind]
        for name in members.options():
            if name == "dropout" and value == 0.5:
                continue
            with pytest.raises((LookupError, TypeError, ValueError)):
                type(members).from_arrays(
                    members.arrays(), members.options() | {name: value}, HIERARCHY
                )

    def test_another_hierarchy_is_refused(self, kind: str, made: Made):
        members = made[kind]
        for nodes in (HIERARCHY.nodes[1:], (*HIERARCHY.nodes, "zz")):
            other = Hierarchy.from_edges([], nodes=nodes)
            if kind != "network" and len(nodes) > len(HIERARCHY):
                continue  # labels of fewer nodes are labels of more
            with pytest.raises((LookupError, ValueError)):
                type(members).from_arrays(members.arrays(), members.options(), other)


class TestNetworks:
    def test_a_member_is_the_coherent_sigmoid_of_its_logits(self, made: Made):
        logits = made["network"].networks(torch_of(FRESH)).detach().numpy().astype(np.float64)
        lifted = np.stack(
            [logits[..., DAG.reach[j]].max(-1) for j in range(len(HIERARCHY))], axis=-1
        )
        expected = 1 / (1 + np.exp(-lifted))
        np.testing.assert_allclose(made["network"].probability(FRESH), expected, rtol=1e-5)

    @pytest.mark.parametrize(("members", "hidden"), [(3, 3), (5, 2), (11, 1)])
    def test_a_first_layer_of_few_units_is_the_same_for_an_example_wherever_it_stands(
        self, members: int, hidden: int
    ):
        rng = np.random.default_rng(0)
        networks = Networks(members, (20, hidden, len(HIERARCHY)), dropout=0.0, seed=0).eval()
        x = torch.from_numpy(rng.normal(size=(100, 20)).astype(np.float32))
        turned = torch.from_numpy(rng.permutation(len(x)))
        with torch.no_grad():
            assert torch.equal(networks(x)[:, turned], networks(x[turned]))

    def test_a_logit_that_is_no_number_is_an_error(self):
        networks = Networks(2, (FEATURES, 4, len(HIERARCHY)), dropout=0.0, seed=0).eval()
        networks.weights[1].data[1, 0, 0] = np.nan
        with pytest.raises(TrainingError, match="found NaN"):
            NetworkMembers(networks, HIERARCHY).mean(FRESH)


def torch_of(x: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(x)


def averaged(weight: np.ndarray) -> np.ndarray:
    """(1 - e) W Y + e prior, of W (member, example, row) that is normalised here."""
    total = weight.sum(-1, keepdims=True)
    weight = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    return (1 - PRIOR) * weight @ CLOSED.astype(np.float64) + PRIOR * CLOSED.mean(0)


def nearest(x: np.ndarray, number: int) -> np.ndarray:
    """Cosine similarities to the nearest examples that a member learns from: all are looked at."""
    weight = np.zeros((MEMBERS, len(x), ROWS))
    train, x = X.astype(np.float64), x.astype(np.float64)
    for member in range(MEMBERS):
        for example in range(len(x)):
            norms = np.linalg.norm(train, axis=1) * np.linalg.norm(x[example])
            similarity = train @ x[example] / norms
            similarity[~LEARNS[member]] = -np.inf
            for row in np.argsort(-similarity)[:number]:
                weight[member, example, row] = max(similarity[row], 1e-6)
    return weight


class TestNeighbours:
    def test_labels_of_the_nearest_are_averaged_by_similarity(self):
        found = neighbours(X, LABELS, 20).probability(FRESH)
        np.testing.assert_allclose(found, averaged(nearest(FRESH, 20)), atol=2e-5)

    @pytest.mark.parametrize("number", [1, 5])
    def test_however_few_they_are_those_of_the_examples_that_a_member_learns_from(
        self, number: int
    ):
        found = neighbours(X, LABELS, number).probability(FRESH)
        np.testing.assert_allclose(found, averaged(nearest(FRESH, number)), atol=2e-5)

    def test_with_few_examples_all_of_them_are_neighbours(self):
        found = neighbours(X, LABELS, 10 * ROWS).probability(FRESH)
        np.testing.assert_allclose(found, averaged(nearest(FRESH, ROWS)), atol=2e-5)

    def test_its_own_label_is_what_an_example_alone_is_given_by_members_that_learnt_from_it(self):
        found = neighbours(X, LABELS, 1).probability(X)
        for member, learns in enumerate(LEARNS):
            own = (1 - PRIOR) * CLOSED[learns] + PRIOR * CLOSED.mean(0)
            np.testing.assert_allclose(found[member, learns], own, atol=1e-5)

    def test_where_a_member_left_out_all_that_is_near_it_looks_further(self):
        x = X.copy()
        x[~LEARNS[0]] = 1  # more alike than are searched at first
        members = NeighbourMembers(x, LABELS, HIERARCHY, LEARNS, neighbours=5)
        at = np.concatenate([np.ones((1, FEATURES), np.float32), FRESH[:3]])
        p = members.probability(at)
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(at[0])
        similarity = np.where(LEARNS[0], x @ at[0] / norms, -np.inf)
        weight = np.zeros(ROWS)
        best = np.argsort(-similarity)[:5]
        weight[best] = similarity[best]
        np.testing.assert_allclose(p[0, 0], averaged(weight[None])[0], atol=2e-5)
        # Those that it does not concern are as they are alone.
        np.testing.assert_allclose(members.probability(FRESH[:3]), p[:, 1:], atol=1e-6)

    def test_an_example_without_any_direction_gets_the_prior(self):
        p = neighbours(X, LABELS).mean(np.zeros((1, FEATURES), np.float32))
        assert p[0] == pytest.approx(CLOSED.mean(0), abs=1e-6)

    def test_features_that_are_no_numbers_are_refused(self, made: Made):
        x = X.copy()
        x[3, 3] = np.inf
        with pytest.raises(ValueError, match="features of shape"):
            again(made["neighbours"], features=x)


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> tuple[ForestMembers, list[Any], list[np.ndarray]]:
    """Members, the forests of scikit-learn that they were made of and what these were fitted to."""
    forests: list[Any] = []
    targets: list[np.ndarray] = []

    class Recorded(sklearn.ensemble.ExtraTreesRegressor):
        def fit(self, X: Any, y: Any, *arguments: Any) -> Any:
            forests.append(self)
            targets.append(y)
            return super().fit(X, y, *arguments)

    monkeypatch.setattr(sklearn.ensemble, "ExtraTreesRegressor", Recorded)
    return forest(X, LABELS), forests, targets


Grown = tuple[ForestMembers, list[Any], list[np.ndarray]]


class TestForest:
    def test_each_member_has_its_part_of_the_trees_and_at_least_one(self, grown: Grown):
        members, forests, _ = grown
        assert np.bincount(members.trees.member).tolist() == [3] * MEMBERS
        assert [len(made.estimators_) for made in forests] == [3] * MEMBERS
        few = ForestMembers.grow(X, LABELS, HIERARCHY, LEARNS, seed=0, trees=1)
        assert np.bincount(few.trees.member).tolist() == [1] * MEMBERS

    def test_an_example_reaches_the_leaf_that_scikit_learn_sends_it_to(self, grown: Grown):
        members, forests, _ = grown
        trees = members.trees
        leaf = np.empty((len(FRESH), len(trees.root)), np.int64)
        tree_kernels.leaves(FRESH, *walk(trees), leaf)
        expected = np.hstack([made.apply(FRESH) for made in forests])
        assert np.array_equal(leaf - trees.root, expected)

    def test_a_value_at_a_threshold_goes_left_and_the_next_one_right(self):
        # 0.3 lies between two numbers of float32; 0.25 is one.
        for threshold in (0.3, 0.25, -0.3):
            tree = Trees(
                root=np.array([0]),
                member=np.array([0]),
                feature=np.zeros(3, np.int32),
                threshold=np.array([threshold, 0, 0]),
                left=np.array([1, -1, -1]),
                right=np.array([2, -1, -1]),
                start=np.array([0, 0, 1, 2]),
                row=np.array([0, 1]),
            )
            near = np.float32(threshold)
            x = np.array(
                [np.nextafter(near, np.float32(-1)), near, np.nextafter(near, np.float32(1))]
            )
            leaf = np.empty((3, 1), np.int64)
            tree_kernels.leaves(x[:, None], *walk(tree), leaf)
            assert leaf[:, 0].tolist() == [1 if value <= threshold else 2 for value in x.tolist()]

    def test_training_examples_weigh_by_the_leaves_that_they_share(self, grown: Grown):
        members, forests, _ = grown
        weight = np.zeros((MEMBERS, len(FRESH), ROWS))
        for member, made in enumerate(forests):
            rows = np.flatnonzero(LEARNS[member])
            for theirs, ours in zip(made.apply(X[rows]).T, made.apply(FRESH).T, strict=True):
                same = ours[:, None] == theirs
                weight[member][:, rows] += same / same.sum(1, keepdims=True)
        np.testing.assert_allclose(members.probability(FRESH), averaged(weight), atol=1e-5)

    def test_trees_that_count_nothing_take_no_place(self):
        # Two trees of a leaf each; places are made for trees that count more than nothing.
        leaf, counts = np.array([[0, 1]] * 3), np.array([[1.0, -0.5], [np.nan, 0.5], [0.0, 0.0]])
        start, row, none = np.array([0, 2, 4]), np.array([0, 1, 2, 3]), np.empty(0)
        end, found, weight = np.empty(4, np.int64), np.full(12, -1), np.empty(12)
        tree_kernels.weights(leaf, counts, start, row, none, end, found, weight)
        assert end.tolist() == [0, 2, 4, 4]
        assert found.tolist() == [0, 1, 2, 3] + [-1] * 8
        assert weight[:4].tolist() == [0.5, 0.5, 0.25, 0.25]

    def test_by_these_weights_the_average_target_is_what_scikit_learn_predicts(self, grown: Grown):
        members, forests, targets = grown
        for member, (made, target) in enumerate(zip(forests, targets, strict=True)):
            share = np.zeros((MEMBERS, len(FRESH)))
            share[member] = 1
            weight = members.weights(FRESH, share).toarray()
            assert weight.sum(1) == pytest.approx(1)
            assert not weight[:, ~LEARNS[member]].any()
            np.testing.assert_allclose(
                weight[:, LEARNS[member]] @ target, made.predict(FRESH), atol=1e-9
            )

    def test_leaves_hold_two_examples_at_least(self, grown: Grown):
        trees = grown[0].trees
        sizes = np.diff(trees.start)
        assert (sizes[trees.left < 0] >= 2).all()
        assert (sizes[trees.left >= 0] == 0).all()
        assert len(trees.row) == 3 * LEARNS.sum()

    def test_the_same_seed_grows_the_same_trees_on_more_threads_too(self):
        def grow(seed: int, threads: int) -> np.ndarray:
            made = ForestMembers.grow(
                X, LABELS, HIERARCHY, LEARNS, seed=seed, trees=10, threads=threads
            )
            return made.mean(FRESH)

        assert grow(0, 1).tobytes() == grow(0, 2).tobytes() != grow(1, 1).tobytes()

    def test_another_number_of_features_is_refused(self, made: Made):
        with pytest.raises(ValueError, match=r"6 features. Got 5"):
            made["forest"].mean(np.ascontiguousarray(FRESH[:, :5]))

    @pytest.mark.parametrize("name", ["root", "member", "feature", "left", "right", "row"])
    def test_numbers_of_what_does_not_exist_are_refused(self, name: str, made: Made):
        trees = made["forest"].trees
        for wrong in (10**6, -2):
            array = getattr(trees, name).copy()
            array[np.flatnonzero(trees.left >= 0)[0] if name in ("left", "right") else 0] = wrong
            if name == "left" and wrong < 0:
                continue  # a place without a left one is a leaf, one without examples here
            with pytest.raises(ValueError, match="trees do not fit together"):
                again(made["forest"], **{f"trees/{name}": array})

    def test_a_walk_that_would_not_end_is_refused(self, made: Made):
        trees = made["forest"].trees
        inner = np.flatnonzero(trees.left >= 0)
        for name in ("left", "right"):
            array = getattr(trees, name).copy()
            array[inner[-1]] = inner[0]
            with pytest.raises(ValueError, match="trees do not fit together"):
                again(made["forest"], **{f"trees/{name}": array})

    def test_a_member_without_a_tree_is_refused(self, made: Made):
        trees = made["forest"].trees
        whose = np.where(trees.member == 3, 2, trees.member)
        with pytest.raises(ValueError, match="trees do not fit together"):
            again(made["forest"], **{"trees/member": whose})


@pytest.mark.parametrize("kind", ["neighbours", "forest"])
class TestAverages:
    def test_labels_that_are_no_nodes_are_refused(self, kind: str, made: Made):
        column = made[kind].arrays()["labels/indices"].copy()
        for wrong in (-1, len(HIERARCHY)):
            column[0] = wrong
            with pytest.raises(ValueError, match="labels are not nodes"):
                again(made[kind], **{"labels/indices": column})

    def test_rows_that_run_backwards_are_refused(self, kind: str, made: Made):
        start = made[kind].arrays()["labels/indptr"].copy()
        start[3] = start[-1]
        with pytest.raises(ValueError, match="labels do not fit the examples"):
            again(made[kind], **{"labels/indptr": start})

    def test_a_member_that_learns_from_nothing_is_refused(self, kind: str, made: Made):
        learns = LEARNS.copy()
        learns[1] = False
        with pytest.raises(ValueError, match="each must learn from an example"):
            again(made[kind], learns=learns)

    def test_a_node_that_no_neighbour_has_keeps_a_share_of_its_prior(self, kind: str, made: Made):
        p = made[kind].mean(FRESH)
        known = CLOSED.any(0)
        assert (p[:, known] >= 0.999 * PRIOR * CLOSED.mean(0)[known]).all()
        assert not p[:, ~known].any()
