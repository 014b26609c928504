"""The networks of the kinds of encoders, from what a configuration says of them."""

from typing import Any, Protocol

import torch
from torch import nn

from pipeline.config.images import Architecture
from pipeline.encoders.small import SmallNetwork

_MOST_WIDTH = 65_536
_MOST_BLOCKS = 10  # poolings by 2, of an image of at most 1,024 pixels a side


class Network(Protocol):
    """What an encoder asks of a network, beside being a torch module.

    Attributes:
        channels: that it takes.
        features: that it gives.
    """

    channels: int
    features: int


def drawn(kind: Architecture, config: dict[str, Any], *, size: int, seed: int) -> nn.Module:
    """A network with weights drawn from a seed; torch's own generator stays as it is.

    Args:
        kind: of encoder.
        config: `channels`, `features` and `widths` of `cnn`; else see `transformer.py`.
        size: pixels a side of the images.
        seed: of the weights.

    Raises:
        ValueError: the configuration is not one of this kind.
    """
    with torch.random.fork_rng(()):
        torch.manual_seed(seed)
        if kind == "cnn":
            return _small(config, size)
        from pipeline.encoders import transformer  # takes seconds, and is an extra

        return transformer.Transformer(kind, config, size=size)


def layers(kind: Architecture, config: dict[str, Any]) -> int:
    """How many layers a configuration asks for, at least.

    Each has weights: whoever reads weights from a file compares their number, before so many are
    made.
    """
    if kind == "cnn":
        return len(config["widths"]) + 1
    from pipeline.encoders import transformer

    return transformer.layers(kind, config)


def _small(config: dict[str, Any], size: int) -> SmallNetwork:
    if sorted(config) != ["channels", "features", "widths"]:
        raise ValueError(f"expected channels, features and widths, found {sorted(config)}")
    widths = config["widths"]
    if not isinstance(widths, list) or len(widths) > _MOST_BLOCKS or size >> len(widths) < 2:
        raise ValueError(f"expected widths that leave two pixels of {size}, found {widths!r}")
    for width in (config["channels"], config["features"], *widths):
        if type(width) is not int or not 1 <= width <= _MOST_WIDTH:
            raise ValueError(f"expected widths from 1 to {_MOST_WIDTH}, found {width!r}")
    return SmallNetwork(config["channels"], config["features"], widths)
