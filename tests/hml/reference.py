"""The formulas of docs/method.md once more: dense, float64, slow and obvious.

Nothing here knows the implementation, and nothing here is fast: reachability is a node x node
matrix, and members, pairs of members, examples and nodes are looped over. Gradients come from
torch's autograd through one `gather` of the arg-max that docs/method.md, section 2 names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

Edge = tuple[str, str]


@dataclass(frozen=True)
class Dag:
    """A hierarchy as a user writes it down: (child, parent) pairs and further nodes."""

    edges: tuple[Edge, ...]
    nodes: tuple[str, ...] = ()

    @cached_property
    def parents(self) -> dict[str, set[str]]:
        names = {name for edge in self.edges for name in edge} | set(self.nodes)
        return {name: {p for c, p in self.edges if c == name} for name in names}

    def depth_of(self, name: str) -> int:
        """Length of the longest path from a root: all paths are walked."""
        return max((1 + self.depth_of(parent) for parent in self.parents[name]), default=0)

    @cached_property
    def order(self) -> tuple[str, ...]:
        return tuple(sorted(self.parents, key=lambda name: (self.depth_of(name), name)))

    def ancestors(self, name: str) -> frozenset[str]:
        found = {name}
        for parent in self.parents[name]:
            found |= self.ancestors(parent)
        return frozenset(found)

    def descendants(self, name: str) -> frozenset[str]:
        return frozenset(other for other in self.parents if name in self.ancestors(other))

    @cached_property
    def reach(self) -> np.ndarray:
        """[j, i] is true where i is in D(j): j itself or a descendant of it."""
        return np.array(
            [[i in self.descendants(j) for i in self.order] for j in self.order], dtype=bool
        )

    def close(self, y: np.ndarray) -> np.ndarray:
        """A node is positive where one of its descendants is."""
        closed = np.zeros(y.shape, dtype=bool)
        for j in range(len(self.order)):
            closed[..., j] = (y[..., self.reach[j]] != 0).any(axis=-1)
        return closed


# Sections 2 and 3 ------------------------------------------------------------------------------


def first_greatest(values: np.ndarray, allowed: np.ndarray) -> int:
    """The first of the allowed nodes, in node order, whose value no other allowed node exceeds."""
    best = -1
    for i in np.flatnonzero(allowed):
        if best < 0 or values[i] > values[best]:
            best = int(i)
    return best


def coherent(p: torch.Tensor, dag: Dag) -> torch.Tensor:
    """c[…, j] = max over D(j)."""
    rows = p.detach().numpy().reshape(-1, p.shape[-1])
    chosen = [[first_greatest(row, dag.reach[j]) for j in range(p.shape[-1])] for row in rows]
    return torch.gather(p, -1, torch.tensor(chosen, dtype=torch.int64).reshape(p.shape))


def constrained(p: torch.Tensor, y: np.ndarray, dag: Dag) -> torch.Tensor:
    """Q of section 3, for probabilities or logits (the max commutes with the sigmoid)."""
    values, members = p.detach().numpy(), p.shape[0]
    chosen = np.empty(p.shape, dtype=np.int64)
    for h in range(members):
        for b in range(y.shape[0]):
            for j in range(y.shape[1]):
                allowed = dag.reach[j] & y[b].astype(bool) if y[b, j] else dag.reach[j]
                chosen[h, b, j] = first_greatest(values[h, b], allowed)
    return torch.gather(p, -1, torch.from_numpy(chosen))


def bce_on_logits(q: torch.Tensor, y: np.ndarray) -> torch.Tensor:
    """-(y log sigmoid(q) + (1 - y) log(1 - sigmoid(q))), exact for any q."""
    target, zero = torch.from_numpy(y.astype(np.float64)), torch.zeros_like(q)
    return target * torch.logaddexp(-q, zero) + (1 - target) * torch.logaddexp(q, zero)


# Section 4 -------------------------------------------------------------------------------------


def imbalance_weights(
    support: Sequence[int],
    n: int,
    dag: Dag,
    variant: str = "paper",
    floor: float = 0.25,
    kind: str = "node",
    scored: Sequence[bool] | None = None,
) -> tuple[list[float], list[float]]:
    """(positive, negative). Weights of unscored nodes are the formula's, whatever that gives."""
    nodes = range(len(support))
    divisor = len(support) if kind == "node" else 2
    if variant == "released":
        f = [sum(support[i] for i in nodes if dag.reach[j][i]) for j in nodes]
        r = [1.0 if f[j] in (0, n) else n / (divisor * f[j]) for j in nodes]
        extremes = list(r)
        ordinary = [True for _ in nodes]
    else:
        f = list(support)
        ordinary = [0 < f[j] < n for j in nodes]
        r = [n / (divisor * f[j]) if ordinary[j] else 1.0 for j in nodes]
        extremes = [r[j] for j in nodes if ordinary[j] and (scored is None or scored[j])]
    weight = []
    for j in nodes:
        if not ordinary[j]:
            weight.append(1.0)
        elif not extremes or max(extremes) == min(extremes):
            weight.append(floor)
        else:
            low, high = min(extremes), max(extremes)
            weight.append(floor + high * (r[j] - low) / (high - low))
    ones = [1.0 for _ in nodes]
    return (ones, weight) if variant == "released" else (weight, ones)


# Section 5 -------------------------------------------------------------------------------------


def entropy(x: float) -> float:
    """H2, in bits."""
    return -sum(v * np.log2(v) for v in (x, 1 - x) if v > 0)


def kl(p: float, q: float) -> float:
    """KL divergence of two Bernoullis that both lie strictly between 0 and 1, in bits."""
    return p * np.log2(p / q) + (1 - p) * np.log2((1 - p) / (1 - q))


def uncertainty_of(p: Sequence[float], mode: str) -> float:
    """The uncertainty of one entry, from its members' probabilities."""
    mean, members = sum(p) / len(p), range(len(p))
    pairs = [(g, h) for g in members for h in members if g != h]
    aleatoric = sum(entropy(x) for x in p) / len(p)
    distance = abs(2 * mean - 1)
    if mode == "margin":
        return 1 - distance
    if mode == "predictive":
        return entropy(mean)
    if mode == "aleatoric":
        return aleatoric
    if mode == "mutual_information":
        return entropy(mean) - aleatoric
    if mode == "epistemic":
        divergences = [
            entropy((p[g] + p[h]) / 2) - (entropy(p[g]) + entropy(p[h])) / 2 for g, h in pairs
        ]
        return sum(divergences) / len(pairs)
    if mode == "epistemic_kl":
        clamped = [min(max(x, 1e-6), 1 - 1e-6) for x in p]
        return min(sum(kl(clamped[g], clamped[h]) for g, h in pairs) / len(pairs), 1.0)
    if mode == "gaussian_margin":
        s = (sum((x - mean) ** 2 for x in p) / (len(p) - 1)) ** 0.5
        if s == 0:
            return 1 - distance
        return 1 - distance * (1 - np.exp(-distance / (2 * s)))
    raise AssertionError(mode)


def uncertainty(p: np.ndarray, mode: str) -> np.ndarray:
    """(member, example, node) -> (example, node)."""
    _, examples, nodes = p.shape
    return np.array(
        [
            [uncertainty_of([float(x) for x in p[:, b, j]], mode) for j in range(nodes)]
            for b in range(examples)
        ]
    ).reshape(examples, nodes)


# Section 6 -------------------------------------------------------------------------------------


def weighted_loss(
    logits: torch.Tensor,
    y: np.ndarray,
    dag: Dag,
    *,
    positive_weight: np.ndarray | None = None,
    negative_weight: np.ndarray | None = None,
    scored: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    member_mask: np.ndarray | None = None,
    mode: str | None = None,
    focal_floor: float = 0.25,
    focal_power: float = 1.0,
    reduction: str = "mean",
) -> torch.Tensor:
    """Sum over members of R over what the member counts; a member that counts nothing adds nothing.

    Without a mode there is no focal weight (it is 1). The mean divides by the number of entries.
    """
    members, examples, nodes = logits.shape
    bce = bce_on_logits(constrained(logits, y, dag), y)
    if mode is None:
        focal = np.ones((examples, nodes))
    else:
        p = torch.sigmoid(logits.detach()).numpy()
        focal = focal_floor + uncertainty(p, mode) ** focal_power
    loss = torch.zeros((), dtype=torch.float64)
    for h in range(members):
        total, counted = torch.zeros((), dtype=torch.float64), 0
        for b in range(examples):
            for j in range(nodes):
                if scored is not None and not scored[j]:
                    continue
                if mask is not None and not mask[b, j]:
                    continue
                if member_mask is not None and not member_mask[h, b]:
                    continue
                side = positive_weight if y[b, j] else negative_weight
                weight = 1.0 if side is None else float(side[j])
                total = total + float(focal[b, j]) * weight * bce[h, b, j]
                counted += 1
        if reduction == "mean" and counted:
            total = total / counted
        loss = loss + total
    return loss


# Metrics and decisions -------------------------------------------------------------------------


def average_precision(y: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Sum over distinct thresholds, falling, of (gain in recall) x precision."""
    weight = np.ones(len(y)) if weight is None else weight
    positives = sum(w for w, t in zip(weight, y, strict=True) if t)
    value, recall = 0.0, 0.0
    for threshold in sorted(set(score.tolist()), reverse=True):
        taken = score >= threshold
        if weight[taken].sum() == 0:
            continue
        hits = weight[taken & y.astype(bool)].sum()
        value += (hits / positives - recall) * hits / weight[taken].sum()
        recall = hits / positives
    return float(value)


def rule_scores(y: np.ndarray, decision: np.ndarray, scored: np.ndarray) -> dict[str, float]:
    """Macro figures over all scored nodes; what is 0/0 counts as 0."""

    def ratio(numerator: int, denominator: int) -> float:
        return numerator / denominator if denominator else 0.0

    f1, precision, recall, hits, sizes = [], [], [], 0, 0
    for j in np.flatnonzero(scored):
        hit = int((y[:, j] & decision[:, j]).sum())
        true, said = int(y[:, j].sum()), int(decision[:, j].sum())
        f1.append(ratio(2 * hit, true + said))
        precision.append(ratio(hit, said))
        recall.append(ratio(hit, true))
        hits, sizes = hits + hit, sizes + true + said
    return {
        "macro_f1": float(np.mean(f1)),
        "macro_precision": float(np.mean(precision)),
        "macro_recall": float(np.mean(recall)),
        "micro_f1": ratio(2 * hits, sizes),
    }


def brier_skill(y: np.ndarray, p: np.ndarray, prior: np.ndarray, scored: np.ndarray) -> float:
    """1 - (squared error of p) / (squared error of the prior), over the scored entries."""
    ours, base = 0.0, 0.0
    for b in range(y.shape[0]):
        for j in np.flatnonzero(scored):
            ours += (float(p[b, j]) - float(y[b, j])) ** 2
            base += (float(prior[j]) - float(y[b, j])) ** 2
    return 1 - ours / base


def decide(p: np.ndarray, cuts: np.ndarray, dag: Dag) -> np.ndarray:
    """At or above its cut, or an ancestor of a node that is."""
    return dag.close(p >= cuts)
