"""From training data to an ensemble with honest cuts."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml.decisions import half_cuts, prior_matched_cuts
from pipeline.hml.ensemble import Ensemble
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import EpochEnd, Settings, train


def fit_ensemble(
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    settings: Settings,
    *,
    held_out: Bool[np.ndarray, " example"] | None,
    seed: int,
    scored: np.ndarray | None = None,
    on_epoch: Callable[[str], EpochEnd] | None = None,
) -> Ensemble:
    """Train twice: without the held-out examples to place the cuts, then on all of them.

    Without held-out examples it trains once and knows only the rule that needs none, `half`.

    Scores of examples that an ensemble learnt from are too extreme to place a cut by. So a first
    ensemble with the same settings leaves the held-out examples out and scores them; the cuts found
    there serve the second ensemble, which learns from every example.

    Args:
        features: (example, feature) float32, NaN where missing.
        labels: (example, node) boolean CSR; most specific nodes suffice.
        hierarchy: of these nodes.
        settings: of both ensembles.
        held_out: (example,) which examples place the cuts; None places none.
        seed: see `train`.
        scored: (node,) bool, the nodes that enter the loss.
        on_epoch: given "cuts" or "final", returns the callback of that training.

    Raises:
        ValueError: no example is held out, or all are; or `train` refuses its input.
    """
    if held_out is not None and not 0 < held_out.sum() < len(held_out):
        raise ValueError(
            "held_out must leave out some examples and keep some. "
            f"Got {int(held_out.sum())} of {len(held_out)}"
        )
    rows = sparse.csr_array(labels).astype(np.bool_)
    share = hierarchy.support(rows) / len(features)

    def fitted(chosen: np.ndarray | slice, part: str, cuts: dict[str, np.ndarray]) -> Ensemble:
        block = np.asarray(features[chosen])
        preprocessing = Standardizer.fit(block)
        networks = train(
            preprocessing.transform(block),
            rows[chosen],
            hierarchy,
            settings,
            seed=seed,
            scored=scored,
            on_epoch=on_epoch(part) if on_epoch else None,
        )
        return Ensemble(hierarchy, preprocessing, networks, share, cuts)

    cuts = {"half": half_cuts(len(hierarchy))}
    if held_out is not None:
        first = fitted(np.flatnonzero(~held_out), "cuts", {})
        held_out_scores = first.predict_proba(features[np.flatnonzero(held_out)])
        cuts["prior_matched"] = prior_matched_cuts(held_out_scores, share)
    return fitted(slice(None), "final", cuts)
