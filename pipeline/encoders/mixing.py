"""Weaker encoders: part of their weights is drawn anew."""

from copy import deepcopy

import torch

from pipeline.encoders import networks
from pipeline.encoders.encoder import ImageEncoder


@torch.no_grad()
def mixed_with_random(encoder: ImageEncoder, share: float, seed: int) -> ImageEncoder:
    """An encoder with weights (1 - share) * given + share * freshly drawn.

    Running statistics of batch normalisation are mixed as well, with those of a network that has
    seen nothing (mean 0, variance 1): at a share of 1 nothing is left of the given encoder. They
    are no statistics of the mixture; `statistics.settle` makes them so where there are images.

    Args:
        encoder: stays as it is.
        share: from 0 to 1.
        seed: of the drawn weights.

    Returns:
        The mixture, in evaluation mode.

    Raises:
        ValueError: the share is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be at least 0 and at most 1. Got {share}")
    mixed = deepcopy(encoder).eval()
    if not share:
        return mixed
    fresh = networks.drawn(encoder.kind, encoder.config, size=encoder.size, seed=seed).state_dict()
    for name, value in mixed.network.state_dict().items():
        if value.is_floating_point():
            # Not lerp: at a share of 1 it would keep rounding errors of what was given.
            value.mul_(1 - share).add_(fresh[name].to(value.device) * share)
        elif share == 1:
            value.copy_(fresh[name])
    return mixed
