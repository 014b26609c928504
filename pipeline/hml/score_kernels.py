"""Compiled passes over blocks of scores (example, node), which are looked at and then forgotten.

What is counted is the weight of examples: `weights` (example, row) holds those of a block's
examples in any number of rows, and an entry that counts adds its example's line to a line of
`sums`. Examples are added in ascending order into each sum, so that the result does not depend, to
the last bit, on how they are cut into blocks. As all kernels these are serial (see `kernels`).
"""

import math
from typing import Any

import numpy as np

from pipeline.hml.kernels import compiled

# Lines of `sums` that are counted at a time for all examples: they stay in the cache.
_TILE = 64


@compiled
def squares(p: Any, total: Any) -> None:
    """Write the sum of each example's squared scores into `total` (example,), in float64."""
    for example in range(p.shape[0]):
        together = 0.0
        for node in range(p.shape[1]):
            score = np.float64(p[example, node])  # float() would keep float32
            together += score * score
        total[example] = together


@compiled
def count_decided(decided: Any, weights: Any, sums: Any) -> None:
    """Count each node's decisions (example, node) into `sums` (node, row)."""
    for node in range(decided.shape[1]):
        for example in range(decided.shape[0]):
            if decided[example, node]:
                for row in range(weights.shape[1]):
                    sums[node, row] += weights[example, row]


@compiled
def count_by_node(p: Any, threshold: Any, start: Any, weights: Any, sums: Any) -> None:
    """Count each entry at the first threshold of its node that its score reaches.

    Args:
        p: (example, node).
        threshold: (threshold,) falling within a node.
        start: (node + 1,): those of node n are `threshold[start[n]:start[n + 1]]`.
        weights: (example, row).
        sums: (threshold, row), added to. A score below the last threshold is not counted.
    """
    for node in range(p.shape[1]):
        first, last = start[node], start[node + 1] - 1
        if first > last:
            continue
        lowest = threshold[last]
        for example in range(p.shape[0]):
            score = p[example, node]
            if score >= lowest:
                low, high = first, last
                while low < high:
                    middle = (low + high) // 2
                    if score >= threshold[middle]:
                        high = middle
                    else:
                        low = middle + 1
                for row in range(weights.shape[1]):
                    sums[low, row] += weights[example, row]


@compiled
def count_pooled(ordered: Any, left: Any, threshold: Any, weights: Any, sums: Any) -> None:
    """Count each entry at the first threshold that its score reaches, whatever its node.

    Args:
        ordered: (example, node) scores that *rise* within an example.
        left: (example,) how many of them are to be counted: the number of nodes; overwritten.
        threshold: (threshold,) falling.
        weights: (example, row).
        sums: (threshold, row), added to. A score below the last threshold is not counted.
    """
    for first in range(0, threshold.shape[0], _TILE):
        end = min(first + _TILE, threshold.shape[0])
        for example in range(ordered.shape[0]):
            line = ordered[example]
            at = left[example]
            for position in range(first, end):
                before = at
                while at > 0 and line[at - 1] >= threshold[position]:
                    at -= 1
                if at < before:
                    for row in range(weights.shape[1]):
                        sums[position, row] += (before - at) * weights[example, row]
            left[example] = at


@compiled
def count_reached(p: Any, bits: Any, shift: int, least: Any, threshold: Any, of: Any, counts: Any):
    """Count each score by how many thresholds it reaches, nodes of each sort together.

    Args:
        p: (example, node) float32 or float64; a score that is not above 0 is not counted.
        bits: (example, node) the same as unsigned integers.
        shift: how far its leading 16 bits lie above the others.
        least: (2^15 + 1,) how many thresholds the least score of each leading bits reaches. The
            search that is left is short: most of the scores have no threshold among their own.
        threshold: (threshold,) rising, above 0.
        of: (node,) its sort.
        counts: (sort, threshold + 1), added to.
    """
    for example in range(p.shape[0]):
        for node in range(p.shape[1]):
            score = np.float64(p[example, node])
            if not score > 0:
                continue
            lead = bits[example, node] >> shift
            low, high = least[lead], least[lead + 1]
            while low < high:
                middle = (low + high) // 2
                if score >= threshold[middle]:
                    low = middle + 1
                else:
                    high = middle
            counts[of[node], low] += 1


@compiled
def count_bins(p: Any, edges: Any, count: Any, total: Any) -> None:
    """Count each score in its bin, and add it up there; one on an edge is in the lower bin.

    Args:
        p: (example, node), at most 1; a score below 0 is not counted.
        edges: (bin + 1,) of bins of equal width, from 0 to 1.
        count: (node, bin), added to.
        total: (node, bin) float64, added to.
    """
    bins = len(edges) - 1
    for example in range(p.shape[0]):
        for node in range(p.shape[1]):
            score = np.float64(p[example, node])
            if score < 0:
                continue
            place = min(int(score * bins), bins - 1)
            while place > 0 and score <= edges[place]:  # rounding, too
                place -= 1
            while place < bins - 1 and score > edges[place + 1]:
                place += 1
            count[node, place] += 1
            total[node, place] += score


@compiled
def average_precision(
    start: Any,
    found_at: Any,
    owner: Any,
    merged: Any,
    weights: Any,
    sums: Any,
    first: int,
    low: Any,
    high: Any,
) -> None:
    """Bounds of each ranking's average precision; they are one value where nothing is merged.

    See `pipeline.hml.ranking`, whose arrays these are.

    Args:
        start: (ranking + 1,).
        found_at: (threshold + 1,).
        owner: (positive,).
        merged: (threshold,).
        weights: (example, row), of all examples.
        sums: (threshold, row) what was counted.
        first: the row of the weights and sums that column 0 of the results is of.
        low: (ranking, row), overwritten; NaN where no positive has weight.
        high: (ranking, row), overwritten.
    """
    for ranking in range(low.shape[0]):
        for column in range(low.shape[1]):
            row = first + column
            found = everything = least = most = 0.0
            for position in range(start[ranking], start[ranking + 1]):
                gain = 0.0
                for positive in range(found_at[position], found_at[position + 1]):
                    gain += weights[owner[positive], row]
                count = sums[position, row]
                if gain > 0 and not merged[position]:
                    step = gain * (found + gain) / (everything + count)
                    least += step
                    most += step
                elif gain > 0:
                    # All negatives first: the positives' sum is at least its integral. None first.
                    ahead = everything + count - gain
                    least += gain
                    if ahead > 0:
                        least -= (ahead - found) * math.log1p(gain / ahead)
                    most += gain * (found + gain) / (everything + gain)
                found += gain
                everything += count
            low[ranking, column] = least / found if found > 0 else math.nan
            high[ranking, column] = most / found if found > 0 else math.nan


@compiled
def keep_largest(scores: Any, start: Any, kept: Any, held: Any, dropped: Any) -> None:
    """Keep the largest scores of each node, and count how many like the least of them it lost.

    Args:
        scores: (example, node), finite.
        start: (node + 1,): `kept[start[n]:start[n + 1]]` is the heap of node n, least score first.
        kept: (score,) float64, what is kept; infinity where nothing is yet.
        held: (node,) how many scores each heap holds; overwritten, as are the others.
        dropped: (node,) how many scores that equal the heap's least were seen and not kept.
    """
    for node in range(scores.shape[1]):
        heap = kept[start[node] : start[node + 1]]
        for example in range(scores.shape[0]):
            score = np.float64(scores[example, node])
            if held[node] < heap.shape[0]:  # sift up
                at = held[node]
                held[node] += 1
                while at > 0 and heap[(at - 1) // 2] > score:
                    heap[at] = heap[(at - 1) // 2]
                    at = (at - 1) // 2
                heap[at] = score
            elif score == heap[0]:
                dropped[node] += 1
            elif score > heap[0]:  # replace the least, sift down
                least = heap[0]
                at = 0
                while 2 * at + 1 < heap.shape[0]:
                    below = 2 * at + 1
                    if below + 1 < heap.shape[0] and heap[below + 1] < heap[below]:
                        below += 1
                    if heap[below] >= score:
                        break
                    heap[at] = heap[below]
                    at = below
                heap[at] = score
                dropped[node] = dropped[node] + 1 if heap[0] == least else 0


@compiled
def _drop_least(heap: Any, load: Any, count: int) -> None:
    """Drop the first of the `count` scores of a heap, and of their weights: the last one sinks."""
    score, weight = heap[count - 1], load[count - 1]
    at = 0
    while 2 * at + 1 < count - 1:
        below = 2 * at + 1
        if below + 1 < count - 1 and heap[below + 1] < heap[below]:
            below += 1
        if heap[below] >= score:
            break
        heap[at], load[at] = heap[below], load[below]
        at = below
    heap[at], load[at] = score, weight


@compiled
def keep_heaviest(
    scores: Any,
    weights: Any,
    enough: Any,
    start: Any,
    kept: Any,
    load: Any,
    held: Any,
    mass: Any,
    lost: Any,
) -> None:
    """Keep the largest scores of each node that weigh enough, and the weight of ties it lost.

    Args:
        scores: (example, node), finite.
        weights: (example,) above 0.
        enough: (node,) what the scores that are kept weigh, at least.
        start: (node + 1,): `kept[start[n]:start[n + 1]]` is the heap of node n, least score first.
        kept: (score,) float64, what is kept.
        load: (score,) the weights of these.
        held: (node,) how many scores each heap holds; overwritten, as are the others.
        mass: (node,) their weight.
        lost: (node,) the weight of scores that equal the heap's least and were not kept.
    """
    for node in range(scores.shape[1]):
        heap = kept[start[node] : start[node + 1]]
        own = load[start[node] : start[node + 1]]
        count, total = held[node], mass[node]
        for example in range(scores.shape[0]):
            score, weight = np.float64(scores[example, node]), weights[example]
            full = count == heap.shape[0]  # of scores whose weights are nothing beside others
            if count > 0 and (total >= enough[node] or full) and score <= heap[0]:
                if score == heap[0]:
                    lost[node] += weight
                continue
            if full:
                least, total, lost[node] = heap[0], total - own[0], lost[node] + own[0]
                _drop_least(heap, own, count)
                count -= 1
                if count == 0 or heap[0] > least:
                    lost[node] = 0.0
            at = count
            while at > 0 and heap[(at - 1) // 2] > score:
                heap[at], own[at] = heap[(at - 1) // 2], own[(at - 1) // 2]
                at = (at - 1) // 2
            heap[at], own[at] = score, weight
            count += 1
            total += weight
            while count > 1 and total - own[0] >= enough[node]:
                least, total, lost[node] = heap[0], total - own[0], lost[node] + own[0]
                _drop_least(heap, own, count)
                count -= 1
                if heap[0] > least:
                    lost[node] = 0.0
        held[node], mass[node] = count, total
