"""Which member of an ensemble learns from which example: cross-fitting at no extra training.

Each example is left out by exactly two members. Their mean is a prediction of an ensemble that did
not learn from it, and their difference a spread, so that cuts, calibration and mixing weights are
fitted on honest scores of every training example, while no member is trained twice.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse

from pipeline.hml.example_weights import Weight

FEWEST = 4  # members: with fewer, one would learn from a third of the examples or less
# What a fold's own load counts beside that of the folds next to it. Two members leave it out and
# one each of these, which makes 2; but then nothing would keep every other fold from being empty.
_OWN = 2.1


def folds(
    labels: sparse.csr_array,
    count: int,
    *,
    groups: Any = None,
    weight: Weight | None = None,
    seed: int,
) -> Int[np.ndarray, " example"]:
    """Deal examples to folds in a ring, so that rare positives are spread around it.

    Groups are dealt one by one, those with the rarest node first, each to the fold where the
    members that would leave it out miss least of its nodes yet: the sum over its nodes of the
    positives that they leave out, over the node's support. This is iterative stratification
    (Sechidis, Tsoumakas & Vlahavas, ECML PKDD 2011) for groups, and for folds that are left out in
    neighbouring pairs. Where folds are equally good, chance decides.

    Args:
        labels: (example, node) boolean CSR, closed upward.
        count: how many folds.
        groups: (example,) what belongs together goes into one fold; None keeps no two together.
        weight: (example,) what each counts; None is 1.
        seed: of the chances.

    Returns:
        (example,) numbers from 0 to `count` - 1.

    Raises:
        ValueError: there are fewer groups than folds, not one group per example, or groups that
            are missing or of types without a common order.
    """
    examples, nodes = labels.shape
    given = np.arange(examples) if groups is None else np.asarray(groups)
    if given.shape != (examples,):
        raise ValueError(f"groups must have shape ({examples},). Got {given.shape}")
    group = _numbered(given)
    size = np.bincount(group, weight)
    if len(size) < count:
        raise ValueError(
            f"there must be at least as many groups of examples as folds, {count}. Got {len(size)}"
        )
    counts = np.ones(examples, np.int64) if weight is None else weight
    member = sparse.csr_array((counts, (group, np.arange(examples))), shape=(len(size), examples))
    positives: Any = sparse.csr_array(member @ labels.astype(np.int64))
    support = np.bincount(positives.indices, positives.data, minlength=nodes)
    support = np.where(support > 0, support, 1)
    everything = counts.sum()
    rng = np.random.default_rng([seed, 3])
    rarest = np.full(len(size), float(everything))
    rows = np.repeat(np.arange(len(size)), np.diff(positives.indptr))
    np.minimum.at(rarest, rows, support[positives.indices])
    order = np.lexsort((rng.random(len(size)), -size, rarest))

    # Positives dealt so far per fold and node, over the node's support; the last column counts
    # examples, lest folds differ in size where labels do not care.
    dealt = np.zeros((count, nodes + 1))
    chance = rng.random((len(size), count)) * 1e-9
    result = np.empty(len(size), dtype=np.int64)
    for place in order:
        within = slice(positives.indptr[place], positives.indptr[place + 1])
        columns = np.append(positives.indices[within], nodes)
        load = dealt[:, columns].sum(1)
        missed = np.roll(load, 1) + _OWN * load + np.roll(load, -1)
        chosen = int(np.argmin(missed + chance[place]))
        result[place] = chosen
        share = positives.data[within] / support[positives.indices[within]]
        dealt[chosen, columns] += np.append(share, size[place] / everything)
    return result[group]


def _numbered(groups: np.ndarray) -> Int[np.ndarray, " example"]:
    # All that are missing would be one group, and most likely are not.
    missing = [row for row, name in enumerate(groups.tolist()) if _is_missing(name)]
    if missing:
        raise ValueError(
            f"every example must have a group. Got {groups[missing[0]]} in row {missing[0]}, "
            f"and {len(missing) - 1} more"
        )
    try:
        return np.unique(groups, return_inverse=True)[1]
    except TypeError:
        kinds = sorted({type(name).__name__ for name in groups})
        raise ValueError(f"groups must be of one type. Got {' and '.join(kinds)}") from None


def _is_missing(name: Any) -> bool:
    try:
        return name is None or not name == name  # NaN and NaT equal nothing
    except TypeError:
        return True  # pandas' NA does not say whether it equals itself


def learners(fold: Int[np.ndarray, " example"], members: int) -> Bool[np.ndarray, "member example"]:
    """Which member learns from which example: member h leaves out the folds h and h + 1.

    Args:
        fold: (example,) of as many folds as there are members, in a ring.
        members: at least `FEWEST`.

    Raises:
        ValueError: there are too few members.
    """
    if members < FEWEST:
        raise ValueError(f"cross-fitting needs at least {FEWEST} members. Got {members}")
    apart = (fold - np.arange(members)[:, None]) % members
    return apart > 1
