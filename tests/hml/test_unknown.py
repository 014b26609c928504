"""Unknown labels: they enter no loss, no cut and no figure, and what is known stays closed."""

import operator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from pipeline.hml import Hierarchy, Objective, Settings, fitting
from pipeline.hml.batches import DeviceBatches, HostBatches
from pipeline.hml.bundle import arrays_blob, load_bundle, save_bundle
from pipeline.hml.calibration import fit_calibration
from pipeline.hml.decisions import prior_matched_cuts, prior_matched_cuts_streamed
from pipeline.hml.evaluation import Evaluation, average_precision, evaluate
from pipeline.hml.fitting import fit_members
from pipeline.hml.imbalance import imbalance_weights
from pipeline.hml.losses import weighted_loss
from pipeline.hml.members import KINDS, ForestMembers, NetworkMembers
from pipeline.hml.mixing import fit_weights
from pipeline.hml.objective import loss_of
from pipeline.hml.pools import sampled
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.reliability import reliability
from pipeline.hml.training import Training
from pipeline.hml.tuned import tuned_cuts
from pipeline.hml.unknown import HIDDEN, checked, imputed, known, known_share

from .strategies import build, closed_labels, dags
from .toy import HIERARCHY, problem

MEMBERS = 4
SMALL = Settings(members=MEMBERS, hidden=8, epochs=3, batch_size=16, learning_rate=1e-2)
X, LABELS = problem()
CLOSED = HIERARCHY.close(LABELS)
CHAIN = Hierarchy.from_edges([("b", "a"), ("c", "b")])


def hide(closed: np.ndarray, hierarchy: Hierarchy, seeds: np.ndarray) -> np.ndarray:
    """Unknown is what is neither positive nor at or below a negative among `seeds`."""
    below = hierarchy.ancestor_matrix.toarray().T
    negative = (seeds & ~closed).astype(int) @ below.astype(int) > 0
    return ~closed & ~negative


# One fifth of the toy's negatives, and what lies below them, is known.
SEEDS = np.random.default_rng(5).random(CLOSED.shape) < 0.2
UNKNOWN = sparse.csr_array(hide(CLOSED.toarray(), HIERARCHY, SEEDS))


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch):
    grow = ForestMembers.grow

    def fewer(*arguments: Any, **options: Any) -> ForestMembers:
        return grow(*arguments, **options | {"trees": 3 * MEMBERS})

    monkeypatch.setattr(ForestMembers, "grow", fewer)


@st.composite
def problems(draw: st.DrawFn, examples: int = 8) -> dict[str, Any]:
    """A hierarchy, closed labels, unknown ones, and what `evaluate` takes beside them."""
    dag, count = draw(dags()), draw(st.integers(1, examples))
    hierarchy = build(dag)
    shape, nodes = (count, len(hierarchy)), len(hierarchy)
    y = draw(closed_labels(dag, count))
    grid = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    return {
        "hierarchy": hierarchy,
        "y": y,
        "unknown": hide(y, hierarchy, draw(hnp.arrays(np.bool_, shape))),
        "p": draw(hnp.arrays(np.float64, shape, elements=grid | st.floats(0, 1))),
        "cuts": draw(hnp.arrays(np.float64, nodes, elements=grid)),
        "prior": draw(hnp.arrays(np.float64, nodes, elements=st.floats(0.05, 0.95))),
        "weights": np.ones((1, count)),
    }


def evaluated(drawn: dict[str, Any], **changes: Any) -> Evaluation:
    given = drawn | changes
    unknown = given["unknown"]
    predictions = Predictions(
        sparse.csr_array(given["y"]),
        lambda rows: given["p"][rows],
        unknown=None if unknown is None else sparse.csr_array(unknown),
    )
    decide = {"cut": partial(operator.le, given["cuts"])}
    return evaluate(predictions, decide, given["prior"], given["weights"], {})


def same(one: Evaluation, other: Evaluation) -> None:
    assert one.figures.keys() == other.figures.keys()
    for name, values in one.figures.items():
        assert np.array_equal(other.figures[name], values, equal_nan=True), name
    assert np.array_equal(one.node_ap, other.node_ap, equal_nan=True)
    assert np.array_equal(one.node_recall["cut"], other.node_recall["cut"], equal_nan=True)


# What may be unknown


@given(problems())
def test_what_is_hidden_properly_is_taken_and_shares_of_the_known_are_coherent(
    drawn: dict[str, Any],
):
    y, hidden, hierarchy = drawn["y"], drawn["unknown"], drawn["hierarchy"]
    closed = sparse.csr_array(y)
    found = checked(sparse.csr_array(hidden), closed, hierarchy)
    assert (found is None) == (not hidden.any())
    share = known_share(closed, found, hierarchy)
    for node in range(len(hierarchy)):
        seen = y[~hidden[:, node], node]
        assert share[node] == pytest.approx(seen.mean() if len(seen) else 0)
    child, parent = hierarchy.edge_index
    assert (share[child] <= share[parent]).all()
    lines = imputed(closed, found, share).toarray()
    assert (lines[:, child] <= lines[:, parent]).all()
    assert np.array_equal(lines, np.where(hidden, share, y))


def test_shares_and_numbers_by_hand():
    # Of b one positive, one negative and two unknown, one of these below an unknown a.
    closed = sparse.csr_array(np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], bool))
    hidden = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0]], bool)
    unknown = sparse.csr_array(np.array(hidden))
    assert known(closed, unknown).tolist() == [3, 2, 2]
    assert known_share(closed, unknown, CHAIN).tolist() == [1, 0.5, 0]
    weight = np.array([1.0, 2.0, 3.0, 4.0])
    assert known(closed, unknown, weight).tolist() == [6, 4, 7]
    assert known_share(closed, unknown, CHAIN, weight).tolist() == [1, 0.25, 0]
    assert known(closed, None, weight) == 10
    assert known(closed, None) == 4


@pytest.mark.parametrize(
    ("unknown", "message"),
    [
        ([[0, 1, 0], [0, 0, 0]], "In example 0 the node 'b' is positive"),
        ([[0, 0, 0], [0, 1, 0]], "In example 1 the node 'b' is unknown and its parent 'a' is neg"),
        ([[0, 0, 0]], r"shape \(2, 3\). Got \(1, 3\)"),
    ],
    ids=["positive", "below a negative", "shape"],
)
def test_unknown_labels_at_odds_with_the_others_are_refused(unknown: Any, message: str):
    closed = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 0]], bool))
    with pytest.raises(ValueError, match=message):
        checked(sparse.csr_array(np.array(unknown, bool)), closed, CHAIN)


def test_stored_zeros_are_not_unknown():
    stored = sparse.csr_array((np.array([False]), ([0], [1])), shape=CLOSED.shape)
    assert stored.nnz == 1
    assert checked(stored, CLOSED, HIERARCHY) is None


# Figures


@given(problems())
def test_figures_are_those_of_the_known_entries(drawn: dict[str, Any]):
    y, p, seen = drawn["y"], drawn["p"], ~drawn["unknown"]
    decided = p >= drawn["cuts"]
    result = evaluated(drawn)
    aps, f1s, precisions, recalls = [], [], [], []
    for node in range(y.shape[1]):
        rows = seen[:, node]
        one, score, choice = y[rows, node], p[rows, node], decided[rows, node]
        nothing_to_rank = not one.any() or (one.all() and not rows.all())
        assert np.isnan(result.node_ap[node]) == nothing_to_rank
        if not nothing_to_rank:
            aps.append(average_precision_score(one, score))
            assert result.node_ap[node] == pytest.approx(aps[-1], abs=1e-12)
        figures = (0.0, 0.0, 0.0)
        if len(one):
            figures = precision_recall_fscore_support(
                one, choice, average="binary", zero_division=0
            )[:3]
        for values, figure in zip((precisions, recalls, f1s), figures, strict=True):
            values.append(figure)
        if one.any():
            assert result.node_recall["cut"][node] == pytest.approx(recalls[-1])
    expected = {
        "macro_ap": np.mean(aps) if aps else np.nan,
        "micro_ap": average_precision_score(y[seen], p[seen]) if y[seen].any() else np.nan,
        "macro_f1/cut": np.mean(f1s),
        "macro_precision/cut": np.mean(precisions),
        "macro_recall/cut": np.mean(recalls),
    }
    reference = ((np.broadcast_to(drawn["prior"], y.shape) - y)[seen] ** 2).sum()
    if reference > 0.01:
        expected["brier_skill"] = 1 - ((p - y)[seen] ** 2).sum() / reference
    for name, value in expected.items():
        assert result.point(name) == pytest.approx(value, abs=1e-9, nan_ok=True), name
    for name in ("macro_ap", "micro_ap"):
        hidden = sparse.csr_array(drawn["unknown"])
        alone = average_precision(sparse.csr_array(y), lambda rows: p[rows], name, unknown=hidden)
        assert alone == pytest.approx(expected[name], abs=1e-9, nan_ok=True)


@given(problems(), st.data())
def test_what_stands_behind_unknown_entries_changes_no_figure(
    drawn: dict[str, Any], data: st.DataObject
):
    hidden, shape = drawn["unknown"], drawn["y"].shape
    guess = data.draw(hnp.arrays(np.bool_, shape))
    score = data.draw(hnp.arrays(np.float64, shape, elements=st.floats(0, 1)))
    y = drawn["hierarchy"].close(np.where(hidden, guess, drawn["y"]))
    other = np.where(hidden, score, drawn["p"])
    same(evaluated(drawn), evaluated(drawn, y=y, p=other))


@given(problems())
def test_where_all_is_known_not_a_bit_changes(drawn: dict[str, Any]):
    nothing = np.zeros_like(drawn["unknown"])
    same(evaluated(drawn, unknown=None), evaluated(drawn, unknown=nothing))


@given(problems(), st.data())
def test_a_hidden_column_gives_what_dropping_these_examples_gives(
    drawn: dict[str, Any], data: st.DataObject
):
    y, p = drawn["y"], drawn["p"]
    node = data.draw(st.integers(0, y.shape[1] - 1))
    rows = ~drawn["unknown"][:, node]
    if not rows.any() or y[rows, node].all():
        return
    ap = evaluated(drawn).node_ap[node]
    dropped = drawn | {"y": y[rows], "p": p[rows], "weights": np.ones((1, rows.sum()))}
    assert np.array_equal(ap, evaluated(dropped, unknown=None).node_ap[node], equal_nan=True)


def test_figures_by_hand():
    # b: known are 1 at 0.9, 0 at 0.8, 1 at 0.3; an unknown entry stands first, at 1.0.
    flat = {"y": np.array([[1], [0], [1], [0]], bool), "p": np.array([[0.9], [0.8], [0.3], [1.0]])}
    drawn = flat | {
        "unknown": np.array([[0], [0], [0], [1]], bool),
        "cuts": np.array([0.5]),
        "prior": np.array([0.5]),
        "weights": np.ones((1, 4)),
    }
    result = evaluated(drawn)
    assert result.point("macro_ap") == pytest.approx((1 + 2 / 3) / 2)
    assert result.point("micro_ap") == pytest.approx((1 + 2 / 3) / 2)
    assert result.point("macro_precision/cut") == pytest.approx(1 / 2)
    assert result.point("macro_f1/cut") == pytest.approx(1 / 2)
    error = 0.1**2 + 0.8**2 + 0.7**2
    assert result.point("brier_skill") == pytest.approx(1 - error / 0.75)


def test_there_is_no_skill_over_a_reference_that_is_right_wherever_it_is_judged():
    nodes = np.arange(5)
    y = np.broadcast_to(nodes == 0, (3, 5))
    prior = np.where(nodes == 0, 1.0, np.random.default_rng(0).random(5))
    drawn = {"y": y, "p": np.full(y.shape, 0.9), "unknown": ~y, "cuts": prior, "prior": prior}
    assert np.isnan(evaluated(drawn | {"weights": np.ones((1, 3))}).point("brier_skill"))


def test_a_node_whose_other_labels_are_all_unknown_has_no_average_precision():
    y, p = np.array([[1, 1], [0, 0]], bool), np.array([[0.9, 0.2], [0.1, 0.6]])
    hidden = sparse.csr_array(np.array([[0, 0], [1, 0]], bool))
    predictions = Predictions(sparse.csr_array(y), lambda r: p[r], unknown=hidden)
    result = evaluate(predictions, {}, np.array([0.5, 0.5]), np.ones((1, 2)), {})
    assert np.isnan(result.node_ap[0])
    assert result.point("macro_ap") == result.node_ap[1] == 0.5


@given(problems())
def test_reliability_counts_known_entries(drawn: dict[str, Any]):
    y, p, hidden = drawn["y"], drawn["p"], drawn["unknown"]
    groups = {"all": np.ones(y.shape[1], bool)}
    labels, unknown = sparse.csr_array(y), sparse.csr_array(hidden)
    found = reliability(Predictions(labels, lambda r: p[r], unknown=unknown), groups)
    assert found.count.sum() == (~hidden).sum()
    positives = np.nansum(found.observed * found.count)
    assert positives == pytest.approx(y[~hidden].sum())
    assert np.nansum(found.mean_p * found.count) == pytest.approx(p[~hidden].sum())


def test_the_scored_nodes_of_unknown_labels_are_chosen_as_those_of_labels():
    scored = np.array([True, False, True] + [False] * (len(HIERARCHY) - 3))
    p = np.full(CLOSED.shape, 0.5)
    held = Predictions(CLOSED, lambda r: p[r], scored, UNKNOWN)
    assert held.unknown is not None
    assert np.array_equal(held.unknown.toarray(), UNKNOWN.toarray()[:, scored])
    judged = held.hidden(slice(0, len(p)), held.judged(p))
    assert np.array_equal(judged == HIDDEN, held.unknown.toarray())
    with pytest.raises(ValueError, match="unknown must have shape"):
        Predictions(CLOSED, lambda r: p[r], scored, UNKNOWN[:5])


# Cuts


@settings(max_examples=60)
@given(problems(30), st.booleans(), st.data())
def test_a_node_s_cuts_are_those_of_its_known_examples(
    drawn: dict[str, Any], weighted: bool, data: st.DataObject
):
    y, p, hidden = drawn["y"], drawn["p"], drawn["unknown"]
    count = len(y)
    # Sums of thirds and of tenths are rounded.
    values = st.sampled_from([1 / 3, 0.5, 0.7, 1.0, 1.1, 2.0, 3.0])
    weight = data.draw(hnp.arrays(np.float64, count, elements=values)) if weighted else None
    for node in range(y.shape[1]):
        rows = ~hidden[:, node]
        if not rows.any():
            continue
        labels, unknown = (sparse.csr_array(part[:, [node]]) for part in (y, hidden))
        part = None if weight is None else weight[rows]
        held = Predictions(labels, lambda r, n=node: p[r][:, [n]], unknown=unknown)
        dropped = Predictions(
            sparse.csr_array(y[rows][:, [node]]), lambda r, n=node, k=rows: p[k][r][:, [n]]
        )
        one = known_share(labels, unknown, Hierarchy.from_edges((), nodes=["a"]), weight)
        cut = prior_matched_cuts_streamed(
            (held.hidden(*block) for block in held),
            count,
            one,
            weight=weight,
            known=known(labels, held.unknown, weight),
        )
        expected = prior_matched_cuts_streamed(
            [p[rows][:, [node]]], int(rows.sum()), one, weight=part
        )
        np.testing.assert_allclose(cut, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(
            tuned_cuts(held, weight=weight), tuned_cuts(dropped, weight=part), rtol=1e-9, atol=1e-12
        )


def test_prior_matched_takes_the_share_of_the_known_examples():
    # Of eight known examples a quarter is positive: two are to reach the cut, not two of twelve.
    scores = np.concatenate([np.linspace(0.1, 0.8, 8), np.full(4, HIDDEN)])[:, None]
    cut = prior_matched_cuts_streamed([scores], 12, np.array([0.25]), known=np.array([8.0]))
    assert cut == pytest.approx(prior_matched_cuts(scores[:8], np.array([0.25])))
    assert (scores >= cut).sum() == 2


# Pools


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_of_unknown_entries_move_neither_mixing_nor_calibration(weighted: bool):
    rng = np.random.default_rng(3)
    p, q = rng.random((2, *CLOSED.shape))
    scored, weight = (
        np.ones(len(HIERARCHY), bool),
        rng.integers(1, 4, CLOSED.shape[0]).astype(float),
    )
    fit = {"scored": scored, "unknown": UNKNOWN, "seed": 0, "weight": weight if weighted else None}
    hidden, everything = UNKNOWN.toarray(), slice(0, CLOSED.shape[0])

    def both(p: np.ndarray, q: np.ndarray) -> list[np.ndarray]:
        weights = fit_weights([(everything, [p, q])], CLOSED, kinds=2, **fit)
        curves = fit_calibration(lambda: [(everything, np.log(p / (1 - p)))], CLOSED, **fit)
        return [weights, curves.low, curves.high, curves.bias]

    plain = both(p, q)
    moved = both(np.where(hidden, 0.999, p), np.where(hidden, 0.001, q))
    for one, other in zip(plain, moved, strict=True):
        assert np.array_equal(one, other)
    seen = both(np.where(hidden, p, 0.999), q)
    assert not np.array_equal(plain[1], seen[1])


def test_a_sample_stands_for_the_known_entries():
    pool = np.zeros(len(HIERARCHY), dtype=np.int64)
    scored, p = np.asarray(CLOSED.sum(axis=0)) > 0, np.zeros(CLOSED.shape)
    blocks = [(slice(0, CLOSED.shape[0]), [p])]
    found = sampled(blocks, CLOSED, pool, scored=scored, unknown=UNKNOWN, seed=0)[0]
    assert found.weight.sum() == (~UNKNOWN.toarray())[:, scored].sum()
    assert found.y.sum() == CLOSED.sum()


# Losses

OBJECTIVES = {
    "mcloss": Objective(),
    "paper": Objective(variant="paper", mode="predictive", reduction="sum"),
    "released": Objective(variant="released"),
    "bce": Objective(constraint=False),
    "focal": Objective(constraint=False, baseline="focal"),
    "asymmetric": Objective(constraint=False, baseline="asymmetric", reduction="sum"),
    "class_balanced": Objective(constraint=False, baseline="class_balanced"),
    "observation_weighted": Objective(baseline="observation_weighted"),
}


@pytest.mark.parametrize("learning", ["all", "some", "weighted"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_unknown_entries_enter_no_loss_and_have_no_gradient(name: str, learning: str):
    objective = OBJECTIVES[name]
    scored = np.ones(len(HIERARCHY), bool)
    scored[1] = False
    loss = loss_of(CLOSED, HIERARCHY, objective, scored, torch.device("cpu"), None, UNKNOWN)
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(MEMBERS, *CLOSED.shape)), requires_grad=True)
    y, hidden = torch.tensor(CLOSED.toarray()), torch.tensor(UNKNOWN.toarray())
    learns = None
    if learning != "all":
        learns = torch.tensor(rng.random((MEMBERS, CLOSED.shape[0])) < 0.7)
        if learning == "weighted":
            learns = learns * torch.tensor(rng.random((1, CLOSED.shape[0])) + 0.5)
    value = loss(logits, y, learns, ~hidden)
    value.backward()
    assert logits.grad is not None
    assert not logits.grad[:, hidden].any()
    assert logits.grad[:, ~hidden].any()
    # The sum over single entries, over their number where it is a mean.
    moved = torch.where(hidden, 7.0, logits.detach())
    if objective.mode is None:
        assert loss(moved, y, learns, ~hidden).item() == pytest.approx(value.item(), rel=1e-9)
    # With nothing unknown it is what it was.
    whole = loss(logits, y, learns, torch.ones_like(hidden))
    assert whole.item() == pytest.approx(loss(logits, y, learns, None).item(), rel=1e-6)
    assert whole.item() != pytest.approx(value.item(), rel=1e-3)


@pytest.mark.parametrize("constraint", [False, True])
def test_a_mean_divides_by_the_known_entries(constraint: bool):
    flat = Hierarchy.from_edges((), nodes=["a", "b"])
    y = sparse.csr_array(np.array([[1, 0], [0, 0]], bool))
    objective = Objective(constraint=constraint)
    loss = loss_of(y, flat, objective, None, torch.device("cpu"))
    known_ = torch.tensor([[True, True], [True, False]])
    value = loss(torch.zeros(3, 2, 2), torch.tensor(y.toarray()), None, known_)
    assert value.item() == pytest.approx(3 * np.log(2))
    # Members that learn from the second example alone have one entry.
    learns = torch.tensor([[False, True]] * 3)
    value = loss(torch.ones(3, 2, 2), torch.tensor(y.toarray()), learns, known_)
    assert value.item() == pytest.approx(3 * np.log1p(np.e))


def test_the_weighted_loss_of_a_mask_is_that_of_known_labels():
    loss = loss_of(CLOSED, HIERARCHY, Objective(), None, torch.device("cpu"), None, UNKNOWN)
    logits = torch.tensor(np.random.default_rng(0).normal(size=(2, *CLOSED.shape)))
    y, seen = torch.tensor(CLOSED.toarray()), torch.tensor(~UNKNOWN.toarray())
    expected = weighted_loss(logits, y, HIERARCHY, mask=seen)
    assert loss(logits, y, None, seen).item() == expected.item()


def test_imbalance_is_that_among_the_known_examples():
    # Of a and b one in four and one in two of the known examples are positive; as in a flat
    # hierarchy where each had its own number of examples.
    flat = Hierarchy.from_edges((), nodes=["a", "b", "c"])
    support, seen = np.array([2.0, 2.0, 1.0]), np.array([8.0, 4.0, 8.0])
    positive, _ = imbalance_weights(support, seen, flat, floor=0.25)
    ratio = seen / (3 * support)
    low, high = ratio.min(), ratio.max()
    np.testing.assert_allclose(positive, 0.25 + high * (ratio - low) / (high - low))
    alike = np.full(3, 8.0)
    for variant in ("paper", "released"):
        one = imbalance_weights(support, alike, flat, variant=variant)
        other = imbalance_weights(support, 8, flat, variant=variant)
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    with pytest.raises(ValueError, match="n_examples must be above 0"):
        imbalance_weights(support, np.zeros(3), flat)


# Training


def test_batches_know_what_is_unknown_wherever_they_are():
    through = Standardizer.identity(X.shape[1])
    rows = np.arange(len(X))[::2]
    data = (X, rows, LABELS[rows], HIERARCHY, through, None, UNKNOWN[rows])
    order = np.random.default_rng(0).permutation(len(rows))
    host = [*HostBatches(*data).take(order, 16)]
    device = [*DeviceBatches(*data, device=torch.device("cpu")).take(order, 16)]
    start = 0
    for one, other in zip(host, device, strict=True):
        positions = order[start : start + 16]
        start += 16
        expected = torch.tensor(~UNKNOWN[rows[positions]].toarray())
        assert one.known is not None
        assert other.known is not None
        assert torch.equal(one.known, expected)
        assert torch.equal(other.known, expected)
        assert torch.equal(one.y, other.y)


def test_an_example_with_many_unknown_labels_takes_no_room_of_the_others_on_a_device():
    flat = Hierarchy.from_edges((), nodes=[f"n{node:03d}" for node in range(500)])
    hidden = np.zeros((100, len(flat)), bool)
    hidden[0] = True
    labels, x = sparse.csr_array(hidden.shape, dtype=np.bool_), np.zeros((100, 2), np.float32)
    data = (x, np.arange(100), labels, flat, Standardizer.identity(2), None)
    device = DeviceBatches(*data, sparse.csr_array(hidden), device=torch.device("cpu"))
    held = [part for part in vars(device).values() if isinstance(part, torch.Tensor)]
    assert sum(part.nbytes for part in held) < hidden.size


def test_networks_start_at_the_share_of_the_known():
    prior = Settings(members=2, hidden=4, epochs=1, prior_start=True)
    plain = Training(X, LABELS, HIERARCHY, prior, seed=0, unknown=UNKNOWN)
    found = plain.networks.biases[-1].detach().numpy()[0, 0]
    seen = (~UNKNOWN.toarray()).sum(0)
    share = (np.asarray(CLOSED.sum(axis=0)) + 0.5) / (seen + 1)
    np.testing.assert_allclose(found, np.log(share / (1 - share)), rtol=1e-5)


def test_a_node_that_is_unknown_throughout_is_learnt_nothing_of():
    nodes = len(HIERARCHY)
    hidden = np.zeros(CLOSED.shape, bool)
    hidden[:, HIERARCHY.index["never"]] = True
    still = Settings(members=2, hidden=4, epochs=2, weight_decay=0.0, batch_size=16)
    training = Training(X, LABELS, HIERARCHY, still, seed=0, unknown=sparse.csr_array(hidden))
    before = [bias.detach().clone() for bias in training.networks.biases]
    with training.randomness():
        training.epoch()
    moved = (training.networks.biases[-1] != before[-1]).detach().numpy().reshape(-1, nodes)
    assert not moved[:, HIERARCHY.index["never"]].any()
    assert moved[:, np.arange(nodes) != HIERARCHY.index["never"]].all()


@pytest.mark.parametrize("weighted", [False, True])
def test_an_ensemble_of_all_kinds_learns_from_what_is_known(weighted: bool, tmp_path: Any):
    weight = np.random.default_rng(2).integers(1, 4, len(X)).astype(float) if weighted else None
    fitted = fit_members(
        X, LABELS, HIERARCHY, SMALL, kinds=[*KINDS], sample_weight=weight, unknown=UNKNOWN, seed=0
    )
    ensemble = fitted.ensemble(budget=50.0)
    share = known_share(CLOSED, UNKNOWN, HIERARCHY, weight)
    assert np.array_equal(ensemble.share, share)
    p = ensemble.predict_proba(X)
    child, parent = HIERARCHY.edge_index
    for probability in ensemble.member_probability(X).values():
        assert (probability[..., child] <= probability[..., parent] + 1e-6).all()
    save_bundle(tmp_path, ensemble)
    assert np.array_equal(load_bundle(tmp_path).predict_proba(X), p)
    # What is unknown and what is negative are not the same to any kind.
    plain = fit_members(X, LABELS, HIERARCHY, SMALL, kinds=[*KINDS], sample_weight=weight, seed=0)
    for kind, members in plain.members.items():
        x = fitted._problem.standardised()
        assert not np.array_equal(members.mean(x), fitted.members[kind].mean(x)), kind


def test_all_that_an_ensemble_fits_out_of_fold_is_fitted_to_what_is_known(
    monkeypatch: pytest.MonkeyPatch,
):
    scores: list[Any] = []

    def calibrated(worth: Any, *arguments: Any, **options: Any) -> Any:
        scores.append(worth)
        return fit_calibration(worth, *arguments, **options)

    monkeypatch.setattr(fitting, "fit_calibration", calibrated)
    kinds = ["network", "forest"]
    fitted = fit_members(X, LABELS, HIERARCHY, SMALL, kinds=kinds, unknown=UNKNOWN, seed=0)
    ensemble, held_out = fitted.ensemble(), fitted.held_out()
    p = np.concatenate([block for _, block in held_out])
    means = [(rows, [pair.mean(0) for pair in pairs]) for rows, pairs in fitted._pairs(kinds)]

    def expected(unknown: Any) -> dict[str, np.ndarray]:
        fit = {"scored": np.ones(len(HIERARCHY), bool), "seed": 0, "unknown": unknown}
        curves = fit_calibration(scores[0], CLOSED, **fit)
        predictions = Predictions(CLOSED, lambda rows: p[rows], unknown=unknown)
        blocks = (predictions.hidden(*block) for block in predictions)
        return {
            "weight": fit_weights(means, CLOSED, kinds=2, **fit),
            "calibration": np.array([curves.low, curves.high, curves.bias]),
            "tuned": tuned_cuts(predictions),
            "prior_matched": prior_matched_cuts_streamed(
                blocks, len(p), ensemble.share, known=known(CLOSED, unknown)
            ),
        }

    assert ensemble.combination is not None
    curves = ensemble.combination.calibration
    found = ensemble.cuts | {
        "weight": ensemble.combination.weight,
        "calibration": np.array([curves.low, curves.high, curves.bias]),
    }
    some, all_ = expected(UNKNOWN), expected(None)
    for name, values in some.items():
        assert np.array_equal(found[name], values), name
        assert not np.array_equal(found[name], all_[name]), name
    assert held_out.unknown is not None
    assert np.array_equal(held_out.unknown.toarray(), UNKNOWN.toarray())


def test_a_training_that_is_run_again_knows_what_is_unknown():
    fitted = fit_members(X, LABELS, HIERARCHY, SMALL, unknown=UNKNOWN, seed=0)
    training = fitted.training()
    with training.randomness():
        for _ in range(SMALL.epochs):
            training.epoch()
    members = fitted.members["network"]
    assert isinstance(members, NetworkMembers)
    for one, other in zip(
        training.networks.parameters(), members.networks.parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_nothing_unknown_gives_the_same_ensemble_to_the_bit():
    nothing = sparse.csr_array(CLOSED.shape, dtype=np.bool_)
    blobs = [
        arrays_blob(
            fit_members(
                X, LABELS, HIERARCHY, SMALL, kinds=[*KINDS], unknown=unknown, seed=0
            ).ensemble()
        )
        for unknown in (None, nothing)
    ]
    assert blobs[0] == blobs[1]
    assert b"unknown" not in blobs[0]


def test_rows_are_chosen_from_unknown_labels_as_from_labels():
    rows = np.arange(len(X))[10:80]
    chosen = fit_members(X, LABELS, HIERARCHY, SMALL, unknown=UNKNOWN, rows=rows, seed=0)
    alone = fit_members(X[rows], LABELS[rows], HIERARCHY, SMALL, unknown=UNKNOWN[rows], seed=0)
    assert arrays_blob(chosen.ensemble()) == arrays_blob(alone.ensemble())
    with pytest.raises(ValueError, match="unknown must have shape"):
        fit_members(X, LABELS, HIERARCHY, SMALL, unknown=UNKNOWN[rows], rows=rows, seed=0)


@pytest.mark.parametrize("kind", ["forest", "neighbours"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unknown/indices": None}, "unknown/indices"),
        ({"unknown/indices": np.zeros(0, np.int32)}, "unknown do not fit the examples"),
        ({"unknown/indptr": np.zeros(3, np.int64)}, "unknown do not fit the examples"),
        ({"labels/indices": None}, "labels/indices"),
    ],
    ids=["without columns", "fewer", "other rows", "without labels"],
)
def test_stored_unknown_labels_that_do_not_fit_are_refused(
    kind: str, changes: dict[str, Any], message: str
):
    fitted = fit_members(
        X, LABELS, HIERARCHY, SMALL, kinds=["network", kind], unknown=UNKNOWN, seed=0
    )
    members = fitted.members[kind]
    arrays = members.arrays()
    for name, array in changes.items():
        if array is None:
            del arrays[name]
        else:
            arrays[name] = array
    with pytest.raises((LookupError, ValueError), match=message):
        type(members).from_arrays(arrays, members.options(), HIERARCHY)


def test_a_stored_positive_that_is_unknown_is_refused():
    fitted = fit_members(
        X, LABELS, HIERARCHY, SMALL, kinds=["network", "forest"], unknown=UNKNOWN, seed=0
    )
    members = fitted.members["forest"]
    arrays = members.arrays()
    for part in ("indptr", "indices"):
        arrays[f"unknown/{part}"] = arrays[f"labels/{part}"]
    with pytest.raises(ValueError, match="unknown must not hold positives"):
        type(members).from_arrays(arrays, members.options(), HIERARCHY)
