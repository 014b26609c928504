"""From training data to an ensemble with honest cuts."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.hml.decisions import half_cuts, prior_matched_cuts_streamed
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
    held_out: Bool[np.ndarray, " row"] | None,
    seed: int,
    rows: Int[np.ndarray, " row"] | None = None,
    scored: np.ndarray | None = None,
    on_epoch: Callable[[str], EpochEnd] | None = None,
) -> Ensemble:
    """Train twice: without the held-out examples to place the cuts, then on all of them.

    Without held-out examples it trains once and knows only the rule that needs none, `half`.

    Scores of examples that an ensemble learnt from are too extreme to place a cut by. So a first
    ensemble with the same settings leaves the held-out examples out and scores them; the cuts found
    there serve the second ensemble, which learns from every example.

    Args:
        features: (example, feature) float32, NaN where missing; may be memory-mapped.
        labels: (example, node) boolean CSR; most specific nodes suffice.
        hierarchy: of these nodes.
        settings: of both ensembles.
        held_out: (row,) which of the rows place the cuts; None places none.
        seed: see `train`.
        rows: (row,) the examples that are learnt from or held out; None is all.
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
    learnt = np.arange(len(features)) if rows is None else rows
    share = hierarchy.support(sparse.csr_array(labels)[learnt]) / len(learnt)

    def fitted(chosen: np.ndarray, part: str, cuts: dict[str, np.ndarray]) -> Ensemble:
        preprocessing = Standardizer.fit(features, chosen)
        networks = train(
            features,
            labels,
            hierarchy,
            settings,
            seed=seed,
            rows=chosen,
            preprocessing=preprocessing,
            scored=scored,
            on_epoch=on_epoch(part) if on_epoch else None,
        )
        return Ensemble(hierarchy, preprocessing, networks, share, cuts)

    cuts = {"half": half_cuts(len(hierarchy))}
    if held_out is not None:
        first = fitted(learnt[~held_out], "cuts", {})
        judged = learnt[held_out]
        blocks = first.blocks(features, judged)
        cuts["prior_matched"] = prior_matched_cuts_streamed(blocks, len(judged), share)
    return fitted(learnt, "final", cuts)
