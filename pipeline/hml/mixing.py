"""One score from several kinds of members, with weights fitted out of fold.

    z_j = sum over kinds k of weight_kj logit p_kj

Weights are shared by nodes of similar support: a rare node alone has too few positives to fit them,
and what rare and common nodes need differs. This is stacking (Wolpert, Neural Networks 1992;
Breiman, Machine Learning 1996: weights not negative, fitted on predictions of examples that were
left out), drawn towards equal weights, which are hard to beat where positives are few.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.example_weights import Weight
from pipeline.hml.pools import Sample, fit_logistic, logit, pools_of, sampled
from pipeline.hml.unknown import Unknown

# Standard deviation of the kinds' weights around their mean, as a prior. Smaller ones leave the
# weights equal, larger ones fit the noise of rare nodes (docs/adr/0011).
_APART = 0.02


def mixed(
    weight: Float[np.ndarray, "kind node"], p: Sequence[Float[np.ndarray, "example node"]]
) -> Float[np.ndarray, "example node"]:
    """The score z of the kinds' probabilities, float32."""
    total: Any = 0.0
    for line, probability in zip(weight.astype(np.float32), p, strict=True):
        total = total + line * logit(probability)
    return total


def fit_weights(
    out_of_fold: Iterable[tuple[slice, Sequence[Float[np.ndarray, "_block node"]]]],
    labels: sparse.csr_array,
    *,
    scored: Bool[np.ndarray, " node"],
    kinds: int,
    weight: Weight | None = None,
    unknown: Unknown | None = None,
    seed: int,
) -> Float[np.ndarray, "kind node"]:
    """Fit the weights by logarithmic loss, with a bias for each pool that is left to calibration.

    Args:
        out_of_fold: ranges of examples and, of each kind, their probabilities by members that did
            not learn from them (example, node).
        labels: (example, node) boolean CSR of all examples, closed upward.
        scored: the nodes that are fitted to; the others take the weights of their pool.
        kinds: how many.
        weight: (example,) what each counts; None is 1.
        unknown: (example, node) entries that are left out; None: everything is known.
        seed: of the sample of negatives.

    Returns:
        (kind, node) float64, not negative.
    """
    logits = ((rows, [logit(part) for part in p]) for rows, p in out_of_fold)
    pool = pools_of(labels, weight)
    samples = sampled(
        logits, labels, pool, scored=scored, weight=weight, unknown=unknown, seed=seed
    )
    equal = np.full(kinds, 1 / kinds)
    found = {number: _fit(sample, equal) for number, sample in samples.items()}
    return np.stack([found.get(int(number), equal) for number in pool], axis=1)


def _fit(sample: Sample, equal: np.ndarray) -> np.ndarray:
    def prior(weights: np.ndarray) -> tuple[float, np.ndarray]:
        apart = (weights - weights.mean()) / _APART
        return 0.5 * float(apart @ apart), apart / _APART

    return fit_logistic(sample, equal, prior)[0]
