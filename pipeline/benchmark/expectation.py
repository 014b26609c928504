"""The macro F1 that held-out scores promise, to be compared with what test data show.

Cuts that are judged by the scores that they were chosen by look better than they are. So they are
chosen anew without each fold, and decide that fold's examples. These decisions are then drawn as
often as there are test examples, what belongs together at a time: a node that happens to be without
a test positive counts as 0, which is expected, too.
"""

import numpy as np
from scipy import sparse

from pipeline.hml.decisions import decide, prior_matched_cuts
from pipeline.hml.fitting import Fitted
from pipeline.hml.metrics import Counts
from pipeline.hml.predictions import Predictions
from pipeline.hml.tuned import tuned_cuts

_DRAWS = 200
_FOLDS = 5


def expected_f1(
    fitted: Fitted,
    kinds: list[str] | None,
    examples: int,
    *,
    groups: np.ndarray,
    beta: float,
    scored: np.ndarray,
) -> dict[str, dict[str, float]]:
    """The macro F1 of as many new examples: rule -> mean, standard deviation over draws.

    Args:
        fitted: members, of which some left each example out; without, there is nothing to go by.
            Their labels are all known.
        kinds: of the ensemble; None is all.
        examples: how many are drawn, with replacement and by whole groups, so on average.
        groups: (row,) of the training examples.
        beta: of the rule `tuned`.
        scored: (node,) bool, the nodes that count.
    """
    if fitted.fold is None:
        return {}
    held_out = fitted.held_out(kinds)
    p = np.concatenate([block for _, block in held_out])
    labels, part = held_out.labels, fitted.fold % _FOLDS
    decided = {rule: np.zeros(p.shape, dtype=np.bool_) for rule in ("prior_matched", "tuned")}
    for number in range(_FOLDS):
        left, rows = np.flatnonzero(part != number), np.flatnonzero(part == number)
        known = labels[left]
        share = np.asarray(known.sum(axis=0)) / len(left)
        scores = p[left]
        cuts = {
            "prior_matched": prior_matched_cuts(scores, share),
            "tuned": tuned_cuts(Predictions(known, lambda r, s=scores: s[r]), beta=beta),
        }
        for rule, chosen in cuts.items():
            decided[rule][rows] = decide(p[rows], chosen, fitted.hierarchy)
    rng = np.random.default_rng(0)
    _, group = np.unique(groups, return_inverse=True)
    number = int(group.max()) + 1
    drawn = max(1, round(examples * number / len(p)))
    weights = rng.multinomial(drawn, np.full(number, 1 / number), size=_DRAWS)[:, group]
    return {rule: _drawn(choice, labels, weights, scored) for rule, choice in decided.items()}


def _drawn(
    decided: np.ndarray, labels: sparse.csr_array, weights: np.ndarray, scored: np.ndarray
) -> dict[str, float]:
    counts = Counts.of(labels.toarray()[:, scored], decided[:, scored], weights.astype(np.float64))
    values = counts.scores()["macro_f1"]
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1))}
