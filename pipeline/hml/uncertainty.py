"""How uncertain an ensemble is about each node, from its members (docs/method.md, section 5)."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float

Mode = Literal[
    "margin",
    "predictive",
    "aleatoric",
    "mutual_information",
    "epistemic",
    "epistemic_kl",
    "gaussian_margin",
]
Probability = TypeVar("Probability", np.ndarray, torch.Tensor)
Members = Float[torch.Tensor, "member example node"]
PerNode = Float[torch.Tensor, "example node"]


def uncertainty(p: Probability, *, mode: Mode) -> Probability:
    """The uncertainty of each node in [0, 1]; no gradient flows through it.

    With m the mean and s the (unbiased) standard deviation over members, H2 the binary entropy in
    bits:

    - "margin": 1 - |2m - 1|, the binary Bayesian model average
    - "predictive": H2(m)
    - "aleatoric": the mean of H2(p) over members
    - "mutual_information": predictive - aleatoric
    - "epistemic": the mean Jensen-Shannon divergence between two different members, in bits
    - "epistemic_kl": the same with the Kullback-Leibler divergence, p clamped to [1e-6, 1 - 1e-6],
      the result clamped to 1
    - "gaussian_margin": 1 - |2m - 1| (1 - exp(-|2m - 1| / (2s))); s = 0 gives "margin"

    Args:
        p: (member, example, node) probabilities, torch or numpy.
        mode: one of the above.

    Returns:
        (example, node), same type and dtype.

    Raises:
        ValueError: an unknown mode, a wrong shape, dtype or range, or one member in a mode that
            compares members.

    Examples:
        Two nodes with the mean 1/2: of the first no member knows, of the second each is sure, but
        of something else.

        >>> import numpy as np
        >>> from pipeline.hml import uncertainty
        >>> p = np.array([[[0.5, 0.1]], [[0.5, 0.9]]])  # two members, one example, two nodes
        >>> for mode in ("predictive", "aleatoric", "mutual_information"):
        ...     print(mode, uncertainty(p, mode=mode).round(2).tolist())
        predictive [[1.0, 1.0]]
        aleatoric [[1.0, 0.47]]
        mutual_information [[0.0, 0.53]]
    """
    members = (
        torch.from_numpy(np.require(p, requirements=["C", "W"]))
        if isinstance(p, np.ndarray)
        else p.detach()
    )
    if members.ndim != 3 or members.shape[0] == 0:
        raise ValueError(
            f"p must have shape (member, example, node) with a member. Got {tuple(members.shape)}"
        )
    if not members.is_floating_point():
        raise ValueError(f"p must hold floating-point probabilities. Got {members.dtype}")
    if not bool(((members >= 0) & (members <= 1)).all()):
        raise ValueError(
            "p must lie in [0, 1]. "
            f"Got values from {float(members.min())} to {float(members.max())}"
        )
    result: Any = node_uncertainty(members, mode)
    return result.numpy() if isinstance(p, np.ndarray) else result


@torch.no_grad()
def node_uncertainty(p: Members, mode: Mode) -> PerNode:
    """`uncertainty` for callers whose p comes from a sigmoid."""
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {', '.join(get_args(Mode))}. Got {mode!r}")
    if mode in COMPARES_MEMBERS and p.shape[0] < 2:
        raise ValueError(
            f"mode {mode!r} compares members and needs at least 2. Got 1; "
            "with one member use margin, predictive or aleatoric"
        )
    return _MODES[mode](p).clamp(0, 1)


def _entropy(p: torch.Tensor) -> torch.Tensor:
    # Not torch.special.entr, whose logarithms are taken one by one: four times slower.
    rest = 1 - p
    return torch.addcmul(p * _log2(p), rest, _log2(rest)).neg_()


def _log2(p: torch.Tensor) -> torch.Tensor:
    return p.clamp(min=torch.finfo(p.dtype).tiny).log2_()  # finite at 0, which it is multiplied by


def _margin(p: Members) -> PerNode:
    return 1 - (2 * p.mean(0) - 1).abs()


def _predictive(p: Members) -> PerNode:
    return _entropy(p.mean(0))


def _aleatoric(p: Members) -> PerNode:
    return _entropy(p).mean(0)


def _mutual_information(p: Members) -> PerNode:
    return _predictive(p) - _aleatoric(p)


def _epistemic(p: Members) -> PerNode:
    # Jensen-Shannon is symmetric, so unordered pairs have the mean of the ordered ones:
    # JS(a, b) = H2((a + b) / 2) - (H2(a) + H2(b)) / 2, and each member is in as many pairs.
    count = p.shape[0]
    total = torch.zeros_like(p[0])
    for first in range(count - 1):
        total += _entropy((p[first] + p[first + 1 :]) / 2).sum(0)
    return total / (count * (count - 1) / 2) - _aleatoric(p)


def _epistemic_kl(p: Members) -> PerNode:
    # KL(a, b) = sum of a (log a - log b) over both outcomes. The mean over ordered pairs a != b
    # factors into sums over members, because KL(a, a) = 0.
    # In float64: 1 - 1e-6 is only 17 steps of float32 from 1, too few for a logarithm of 1 - p.
    count, dtype = p.shape[0], p.dtype
    p = p.double().clamp(1e-6, 1 - 1e-6)
    total = torch.zeros_like(p[0])
    for outcome in (p, 1 - p):
        logarithm = outcome.log2()
        total += count * (outcome * logarithm).sum(0) - outcome.sum(0) * logarithm.sum(0)
    return (total / (count * (count - 1))).to(dtype)


def _gaussian_margin(p: Members) -> PerNode:
    margin = (2 * p.mean(0) - 1).abs()
    deviation = p.std(0, correction=1)
    # margin = s = 0 is 0 / 0, but it is multiplied by margin = 0: any finite value will do.
    certain = torch.where(deviation > 0, -torch.expm1(-margin / (2 * deviation)), 1.0)
    return 1 - margin * certain


_MODES: dict[str, Callable[[Members], PerNode]] = {
    "margin": _margin,
    "predictive": _predictive,
    "aleatoric": _aleatoric,
    "mutual_information": _mutual_information,
    "epistemic": _epistemic,
    "epistemic_kl": _epistemic_kl,
    "gaussian_margin": _gaussian_margin,
}
COMPARES_MEMBERS = frozenset({"mutual_information", "epistemic", "epistemic_kl", "gaussian_margin"})
