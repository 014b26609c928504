"""Walks through decision trees, compiled."""

import numpy as np

from pipeline.hml.kernels import compiled

_ABREAST = 64  # examples that walk through a tree side by side: where one waits, others go on


@compiled
def leaves(
    x: np.ndarray,
    root: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    child: np.ndarray,
    leaf: np.ndarray,
) -> None:
    """The leaf that each example (example, feature) reaches in each tree, into (example, tree).

    Args:
        x: float32.
        root: (tree,) the place where each begins. Places are uint32, as features are: what may be
            negative would be counted from the end, which takes time to tell.
        feature: (place,) what it looks at; any in a leaf.
        threshold: (place,) float32, up to which value it goes to the left.
        child: (2 place,) left and right; a leaf is its own child.
        leaf: int64, overwritten.
    """
    at, who = np.empty(_ABREAST, np.uint32), np.empty(_ABREAST, np.uint32)
    for tree in range(len(root)):  # one of them stays in the cache
        for first in range(0, len(x), _ABREAST):
            start = np.uint64(first)
            walking = min(_ABREAST, len(x) - first)
            for lane in range(walking):
                at[lane], who[lane] = root[tree], lane
            while walking:
                left = 0
                for lane in range(walking):
                    place, example = at[lane], start + who[lane]
                    right = x[example, feature[place]] > threshold[place]
                    following = child[2 * place + np.uint32(right)]
                    at[left], who[left] = following, who[lane]
                    if following == place:
                        leaf[example, tree] = place
                    else:
                        left += 1
                walking = left


@compiled
def weights(
    leaf: np.ndarray,
    counts: np.ndarray,
    start: np.ndarray,
    row: np.ndarray,
    within: np.ndarray,
    end: np.ndarray,
    example_row: np.ndarray,
    weight: np.ndarray,
) -> None:
    """What the examples of the leaves weigh that each example reaches, in compressed rows.

    Args:
        leaf: (example, tree).
        counts: (example, tree) float64 what a tree counts; 0 leaves it out.
        start: (place + 1,) where the examples of a leaf begin in `row`.
        row: training examples, leaf by leaf.
        within: as `row`, float64 what each of them counts in its leaf; empty if all count the same.
        end: (example + 1,) int64, overwritten: where the weights of each example end.
        example_row: overwritten with training examples; as long as all these leaves are.
        weight: as `example_row`, float64.
    """
    filled = 0
    for example in range(len(leaf)):
        for tree in range(leaf.shape[1]):
            first, last = start[leaf[example, tree]], start[leaf[example, tree] + 1]
            share = counts[example, tree]
            if not share > 0:  # as the places that there are were counted
                continue
            for place in range(first, last):
                example_row[filled] = row[place]
                weight[filled] = share * within[place] if len(within) else share / (last - first)
                filled += 1
        end[example + 1] = filled
    end[0] = 0
