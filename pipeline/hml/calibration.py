"""From a score to a probability, fitted out of fold and shared by nodes of similar support.

    logit p_j = slope_j z_j + bias_j

Platt scaling (Platt, 1999), pooled: a rare node has too few positives for a curve of its own. What
it is fitted on are scores of two members each, and what it will be used on is the mean of all: the
mean of more members is less noisy, so its scores are both less spread and worth more. `Noise` knows
how much.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml.pools import fit_logistic, pools_of, sampled

_SEEN = 2  # members behind an out-of-fold score


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
    ) -> "Noise":
        """Estimate it; V and W are shared by the nodes of a pool.

        Args:
            blocks: scores (example, node) by two members together, by the one and by the other.
            pool: of each node.
            members: H.
        """
        examples = 0
        total, squares, differences, gain = np.zeros((4, len(pool)))
        for score, one, other in blocks:
            examples += len(score)
            total += score.sum(0, dtype=np.float64)
            squares += (score.astype(np.float64) ** 2).sum(0)
            gain += (score - (one.astype(np.float64) + other) / 2).sum(0)
            differences += ((one - other).astype(np.float64) ** 2).sum(0)
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
        with the shift a fifth too few examples would reach them (docs/adr/0010).
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


def fit_calibration(
    scores: Iterable[tuple[slice, Float[np.ndarray, "_block node"]]],
    labels: sparse.csr_array,
    *,
    scored: Bool[np.ndarray, " node"],
    seed: int,
) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Fit slope and bias by logarithmic loss.

    Args:
        scores: ranges of examples and their scores (example, node), see `Noise.as_worth`.
        labels: (example, node) boolean CSR of all examples, closed upward.
        scored: the nodes that are fitted to; the others take what their pool has, or stay as they
            are if it has nothing.
        seed: of the sample of negatives.

    Returns:
        Slope and bias, each (node,) float64, slopes not negative.
    """
    pool = pools_of(labels)
    blocks = ((rows, [score]) for rows, score in scores)
    samples = sampled(blocks, labels, pool, scored=scored, seed=seed)
    flat = np.zeros(1)
    found = {k: fit_logistic(s, np.ones(1), lambda _: (0.0, flat)) for k, s in samples.items()}
    slope = np.array([found[int(k)][0][0] if int(k) in found else 1.0 for k in pool])
    bias = np.array([found[int(k)][1] if int(k) in found else 0.0 for k in pool])
    return slope, bias
