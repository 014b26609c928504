"""Splits in which rare nodes are on both sides, by iterative stratification of groups."""

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse


def assign(
    groups: Sequence[str], labels: sparse.csr_array, shares: Mapping[str, float], *, seed: int
) -> np.ndarray:
    """The split of each example, so that each node's positives come close to the shares.

    Sechidis, Tsoumakas & Vlahavas, "On the stratification of multi-label data" (ECML PKDD 2011):
    the rarest node left is handed out next, each of its examples to the split that wants it most.
    Here what is handed out are groups, whose examples stay together. A group of a rare node can go
    the wrong way for the sake of a rarer one; `_mend` moves it back where that takes nothing from
    another node. Packages for it (iterative-stratification, scikit-multilearn) know no groups and
    take dense labels.

    Args:
        groups: (example,) names.
        labels: (example, node) boolean CSR, closed upward.
        shares: split -> share of the examples; the sum is 1.
        seed: of ties.

    Returns:
        (example,) text.
    """
    name, group_of = np.unique(np.asarray(groups, dtype=object), return_inverse=True)
    ones = np.ones(len(group_of), np.int64)
    belongs = sparse.csr_array((ones, (group_of, np.arange(len(group_of)))))
    counts: Any = sparse.csr_array(belongs @ labels.astype(np.int64))  # (group, node) positives
    counts.sort_indices()
    size = np.bincount(group_of, minlength=len(name))
    share = np.array(list(shares.values()))
    split = _iterate(counts, size, share, np.random.default_rng(seed))
    numbers = {name: number for number, name in enumerate(shares)}
    _mend(counts, size, split, numbers["test"], numbers["train"])
    return np.array(list(shares), dtype=object)[split[group_of]]


def _iterate(
    counts: sparse.csr_array, size: np.ndarray, share: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The split of each group, by number."""
    groups = len(size)
    support: Any = np.asarray(counts.sum(axis=0)).ravel()
    wanted = share[:, None] * support  # (split, node) positives that are still to come
    room = share * size.sum()
    split = np.full(groups, -1)
    order = rng.permutation(groups)
    by_node: Any = sparse.csc_array(counts[order])

    def give(group: int, node: int | None) -> list[int]:
        """Hand a group out; the nodes that it has."""
        ends = slice(counts.indptr[group], counts.indptr[group + 1])
        mine, number = counts.indices[ends], counts.data[ends]
        first = wanted[:, node] if node is not None else room
        best = np.flatnonzero(first >= first.max() - 1e-9)
        if len(best) > 1:
            best = best[room[best] >= room[best].max() - 1e-9]
        chosen = int(best[0] if len(best) == 1 else rng.choice(best))
        split[group] = chosen
        wanted[chosen, mine] -= number
        room[chosen] -= size[group]
        return mine.tolist()

    left = np.diff(by_node.indptr)  # groups of each node that are still to be handed out
    heap = [(int(count), node) for node, count in enumerate(left) if count]
    heapq.heapify(heap)
    while heap:
        count, node = heapq.heappop(heap)
        if count != left[node]:  # it has become rarer since, and stands there again
            continue
        mine = by_node.indices[by_node.indptr[node] : by_node.indptr[node + 1]]
        for group in order[mine]:
            if split[group] < 0:
                for other in give(int(group), node):
                    left[other] -= 1
                    if other != node and left[other]:
                        heapq.heappush(heap, (int(left[other]), other))
    for group in order[split[order] < 0]:  # those without any label
        give(int(group), None)
    return split


def _mend(
    counts: sparse.csr_array, size: np.ndarray, split: np.ndarray, test: int, train: int
) -> None:
    """Bring nodes of at least two groups to both sides of the test split, where that is free."""
    has: Any = sparse.csr_array(counts.astype(bool)).astype(np.int64)
    by_node: Any = sparse.csc_array(has)
    groups = np.diff(by_node.indptr)
    inside = np.asarray(has[split == test].sum(axis=0)).ravel()
    sides = np.stack([groups - inside, inside])  # (side, node) groups
    for node in np.flatnonzero((groups >= 2) & (sides.min(axis=0) == 0)):
        if sides[:, node].min():  # another node's move has brought it there
            continue
        there = int(np.argmax(sides[:, node]))
        mine = by_node.indices[by_node.indptr[node] : by_node.indptr[node + 1]]
        for group in sorted(mine, key=lambda one: (size[one], one)):
            nodes = has.indices[has.indptr[group] : has.indptr[group + 1]]
            if (sides[there, nodes] >= 2).all():
                sides[there, nodes] -= 1
                sides[1 - there, nodes] += 1
                split[group] = train if there else test
                break
