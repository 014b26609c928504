"""From a score to a probability, fitted out of fold: a curve per node, pooled for rare ones.

    logit p_j = low_j log q_j - high_j log(1 - q_j) + bias_j      q_j = sigmoid(z_j)

Beta calibration (Kull, Silva Filho & Flach, AISTATS 2017): where low and high are one slope it is
Platt scaling, which bends too little where probabilities are not small. A rare node has too few
positives for a curve of its own, so nodes of similar support have one together, and each node's is
that of its pool, stretched and moved as far as the node's own positives insist.

What it is fitted on are scores of two members each, and what it will be used on is the mean of all:
the mean of more members is less noisy, so its scores are both less spread and worth more. `Noise`
knows how much.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml import example_weights
from pipeline.hml.example_weights import Weight
from pipeline.hml.pools import fit_logistic, logit, pools_of, sampled, sigmoid
from pipeline.hml.unknown import Unknown, dense, known

_SEEN = 2  # members behind an out-of-fold score
# Standard deviations, as priors: of a pool's low and high around 1, and of a node's factor around 1
# and its shift, in log-odds, around 0: as much as 25 positives say of it. See docs/adr/0013.
_POOL, _OWN = 1.0, 0.2
# A node's own curve is fitted to its log-odds in bins of this width between -_FAR and _FAR.
_WIDTH, _FAR = 0.25, 17.0
_BINS = round(2 * _FAR / _WIDTH)
# Nodes whose curves are fitted together: the search holds some arrays of their bins.
_TOGETHER = 2000

Curve = Float[np.ndarray, " node"]
Scores = Iterable[tuple[slice, Float[np.ndarray, "_block node"]]]


@dataclass(frozen=True)
class Noise:
    """What the scores of an ensemble of more members would be like.

    A score is a node's mean, plus what examples differ by (variance V), plus the noise of members
    (variance W for one): V + W / 2 out of fold, V + W / H for all H members. Besides, scores are
    logits of means of probabilities, and the logit of a mean lies above the mean of logits where
    probabilities are small: of what averaging two instead of one adds, averaging all instead of two
    adds the share 1 - 2 / H, as a bias does that falls with 1 / members.

    Attributes:
        mean: (node,) of the scores.
        shift: (node,) how much higher the mean is with all members.
        spread: (node,) the standard deviation with all members over that out of fold, at most 1.
    """

    mean: Float[np.ndarray, " node"]
    shift: Float[np.ndarray, " node"]
    spread: Float[np.ndarray, " node"]

    @classmethod
    def of(
        cls,
        blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
        pool: Int[np.ndarray, " node"],
        members: int,
        weight: Weight | None = None,
    ) -> "Noise":
        """Estimate it; V and W are shared by the nodes of a pool.

        Args:
            blocks: scores (example, node) by two members together, by the one and by the other.
            pool: of each node.
            members: H.
            weight: (example,) what each example of all blocks counts; None is 1.
        """
        seen_so_far = 0
        total, squares, differences, gain = np.zeros((4, len(pool)))
        for score, one, other in blocks:
            counts = None
            if weight is not None:
                counts = weight[seen_so_far : seen_so_far + len(score)]
            seen_so_far += len(score)
            total += _summed(score, counts)
            squares += _summed(score.astype(np.float64) ** 2, counts)
            gain += _summed(score - (one.astype(np.float64) + other) / 2, counts)
            differences += _summed((one - other).astype(np.float64) ** 2, counts)
        examples = example_weights.total(weight, seen_so_far)
        mean = total / examples
        numbers, place = np.unique(pool, return_inverse=True)
        nodes = np.bincount(place, minlength=len(numbers))
        seen = np.bincount(place, np.maximum(squares / examples - mean**2, 0)) / nodes
        one_member = np.bincount(place, differences / examples / 2) / nodes
        wanted = seen - one_member * (1 / _SEEN - 1 / members)
        # Members that agree with each other less than examples differ leave nothing to go by.
        part = np.divide(wanted, seen, out=np.ones_like(seen), where=seen > 0).clip(0.25, 1)
        shift = np.bincount(place, gain / examples) / nodes * (1 - _SEEN / members)
        return cls(mean, shift[place], np.sqrt(part)[place])

    def as_of_all(
        self, score: Float[np.ndarray, "example node"]
    ) -> Float[np.ndarray, "example node"]:
        """Scores of two members, spread as those of all members are: where cuts are placed.

        They are not shifted: cuts lie in the upper tail, where probabilities are not small, and
        with the shift too few examples would reach them (docs/adr/0010).
        """
        return (self.mean + self.spread * (score - self.mean)).astype(score.dtype)

    def as_worth(
        self, score: Float[np.ndarray, "example node"]
    ) -> Float[np.ndarray, "example node"]:
        """Scores whose slope in a regression is that of all members' scores: for calibration.

        Noise in a variable flattens its slope by the share of the variance that it adds. What is
        calibrated is the bulk of small probabilities, which the shift belongs to.
        """
        return (self.mean + self.shift + self.spread**2 * (score - self.mean)).astype(score.dtype)


@dataclass(frozen=True)
class Calibration:
    """A curve per node; each (node,) float64, low and high not negative."""

    low: Curve
    high: Curve
    bias: Curve

    @classmethod
    def none(cls, nodes: int) -> "Calibration":
        """Scores are log-odds as they are."""
        return cls(np.ones(nodes), np.ones(nodes), np.zeros(nodes))

    def log_odds(
        self, score: Float[np.ndarray, "example node"]
    ) -> Float[np.ndarray, "example node"]:
        """Of calibrated probabilities."""
        below, above = _terms(score)
        return below * self.low + above * self.high + self.bias


def fit_calibration(
    scores: Callable[[], Scores],
    labels: sparse.csr_array,
    *,
    scored: Bool[np.ndarray, " node"],
    weight: Weight | None = None,
    unknown: Unknown | None = None,
    seed: int,
) -> Calibration:
    """Fit the curves by logarithmic loss.

    Args:
        scores: gives ranges of examples and their scores (example, node), see `Noise.as_worth`; it
            is called twice.
        labels: (example, node) boolean CSR of all examples, closed upward.
        scored: the nodes that are fitted to; the others have the curve of their pool, or stay as
            they are if it has none.
        weight: (example,) what each counts; None is 1.
        unknown: (example, node) entries that are left out; None: everything is known.
        seed: of the sample of negatives that the pools' curves are fitted on.
    """
    fit: dict[str, Any] = {"scored": scored, "weight": weight, "unknown": unknown}
    shared = _of_pools(scores(), labels, seed=seed, **fit)
    factor, shift = _of_nodes(scores(), labels, shared, **fit)
    bias = factor * shared.bias + shift
    return Calibration(factor * shared.low, factor * shared.high, bias)


def _of_pools(
    scores: Scores,
    labels: sparse.csr_array,
    *,
    scored: Bool[np.ndarray, " node"],
    weight: Weight | None,
    unknown: Unknown | None,
    seed: int,
) -> Calibration:
    pool = pools_of(labels, weight)
    blocks = ((rows, [score]) for rows, score in scores)
    samples = sampled(
        blocks, labels, pool, scored=scored, weight=weight, unknown=unknown, seed=seed
    )

    def prior(weights: np.ndarray) -> tuple[float, np.ndarray]:
        apart = (weights - 1) / _POOL
        return 0.5 * float(apart @ apart), apart / _POOL

    curves = Calibration.none(len(pool))
    for number, sample in samples.items():
        terms = replace(sample, values=np.stack(_terms(sample.values[0])))
        (low, high), bias = fit_logistic(terms, np.ones(2), prior)
        nodes = pool == number
        curves.low[nodes], curves.high[nodes], curves.bias[nodes] = low, high, bias
    return curves


def _of_nodes(
    scores: Scores,
    labels: sparse.csr_array,
    shared: Calibration,
    *,
    scored: Bool[np.ndarray, " node"],
    weight: Weight | None,
    unknown: Unknown | None,
) -> tuple[Curve, Curve]:
    """Factor a and shift b of each node: its log-odds are a u + b where its pool's are u.

    One pass over the scores: what the fit needs of the positives are two sums, and of all examples
    how many have which log-odds. It stretches around the log-odds of the node's share: where that
    lies hardly matters (docs/adr/0013), and far from the node's scores a factor would be a shift.
    """
    nodes = len(shared.bias)
    count, total = np.zeros((2, nodes, _BINS))
    positives, at_positives = np.zeros((2, nodes))
    for rows, score in scores:
        u = shared.log_odds(score)
        place = np.clip((u + _FAR) / _WIDTH, 0, _BINS - 1).astype(np.int64)
        place += np.arange(nodes) * _BINS
        found: Any = sparse.coo_array(labels[rows])
        summed, at_found = u, u[found.row, found.col]
        counts = of_found = None
        if weight is not None:
            of_example = weight[rows]
            counts = np.repeat(of_example, nodes)
            of_found = of_example[found.row]
            summed, at_found = u * of_example[:, None], at_found * of_found
        if (hidden := dense(unknown, rows)) is not None:
            counts = np.where(hidden.ravel(), 0.0, 1.0 if counts is None else counts)
            summed = np.where(hidden, 0, summed)
        flat, size = place.ravel(), count.size
        count += np.bincount(flat, counts, minlength=size).reshape(count.shape)
        total += np.bincount(flat, summed.ravel(), minlength=size).reshape(count.shape)
        positives += np.bincount(found.col, of_found, minlength=nodes)
        at_positives += np.bincount(found.col, at_found, minlength=nodes)
    factor, shift = np.ones(nodes), np.zeros(nodes)
    own = np.flatnonzero(scored & (positives > 0))
    if len(own):
        everything = np.broadcast_to(known(labels, unknown, weight), nodes)
        middle = logit(positives[own] / everything[own])
        at_positives[own] -= positives[own] * middle
        for first in range(0, len(own), _TOGETHER):
            some = own[first : first + _TOGETHER]
            at = middle[first : first + _TOGETHER]
            beyond = total[some] - count[some] * at[:, None]
            stretch, level = _fit_curves(
                count[some], beyond, positives[some], at_positives[some], at
            )
            # stretch (u - middle) + level + middle
            factor[some], shift[some] = stretch, level + (1 - stretch) * at
    return factor, shift


def _fit_curves(
    count: Float[np.ndarray, "node bin"],
    total: Float[np.ndarray, "node bin"],
    positives: Curve,
    at_positives: Curve,
    middle: Curve,
) -> tuple[Curve, Curve]:
    """Maximise the posterior of each node's factor and shift; log-odds are beyond its middle.

    Args:
        count: examples in each bin.
        total: the sum of their log-odds.
        positives: how many.
        at_positives: the sum of their log-odds.
        middle: (node,).
    """
    from scipy.optimize import minimize  # it takes a while to import

    u = np.divide(total, count, out=np.zeros_like(total), where=count > 0)

    def loss(solution: np.ndarray) -> tuple[float, np.ndarray]:
        factor, shift = solution.reshape(2, -1)
        score = factor[:, None] * u + (middle + shift)[:, None]
        far, moved = (factor - 1) / _OWN, shift / _OWN
        value = (count * np.logaddexp(0, score)).sum() - factor @ at_positives - shift @ positives
        expected = count * sigmoid(score)
        slope = (expected * u).sum(1) - at_positives + far / _OWN
        level = expected.sum(1) - positives + moved / _OWN
        return float(value + 0.5 * (far @ far + moved @ moved)), np.append(slope, level)

    start = np.append(np.ones(len(u)), np.zeros(len(u)))
    bounds = [(0.0, None)] * len(u) + [(None, None)] * len(u)
    found: Any = minimize(
        loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-13}
    )
    return found.x[: len(u)], found.x[len(u) :]


def _summed(
    values: Float[np.ndarray, "example node"], weight: Weight | None
) -> Float[np.ndarray, " node"]:
    return values.sum(0, dtype=np.float64) if weight is None else weight @ values


def _terms(score: np.ndarray) -> list[np.ndarray]:
    """Logarithms of q and, with the sign turned, 1 - q, where q = sigmoid(score)."""
    above = np.logaddexp(0, score)
    return [score - above, above]
