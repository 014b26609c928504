"""A small convolutional network for small images, made for two cores."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import nn

_FIRST, _WIDEST = 16, 64
_LEFT = 8  # pixels a side at the end, at most
GRID = 2


def widths_of(size: int) -> list[int]:
    """Channels of all blocks but the last, for images of so many pixels a side."""
    widths: list[int] = []
    while size > _LEFT:
        widths.append(min(_WIDEST, _FIRST << len(widths)))
        size //= 2
    return widths


class SmallNetwork(nn.Module):
    """Blocks of a 3x3 convolution, batch normalisation and ReLU, a pooling by 2 between them.

    Each feature is the mean of a channel over a quarter of the image: where something lies tells
    images apart that are not photographs. So there are 4 features a channel of the last block.

    Args:
        channels: of an image.
        features: 4 times the channels of the last block.
        widths: channels of the blocks before it.
    """

    def __init__(self, channels: int, features: int, widths: Sequence[int]) -> None:
        """Raise ValueError for features that are no multiple of 4."""
        super().__init__()
        if features % GRID**2:
            raise ValueError(f"features must be a multiple of {GRID**2}. Got {features}")
        self.channels = channels
        self.features = features
        blocks: list[nn.Module] = []
        for number, (before, after) in enumerate(
            pairwise((channels, *widths, features // GRID**2))
        ):
            if number:
                # In front of the convolution: a quarter of its work.
                blocks.append(nn.MaxPool2d(2))
            blocks.append(nn.Conv2d(before, after, 3, padding=1, bias=False))
            blocks.append(nn.BatchNorm2d(after))
            blocks.append(nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(*blocks)
        for module in self.blocks:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(
        self, x: Float[torch.Tensor, "image channel height width"]
    ) -> Float[torch.Tensor, "image feature"]:
        """Features of normalised images."""
        x = self.blocks(x)
        # The middle of an odd number of pixels belongs to both halves.
        side = int(x.shape[-1])
        half, first = (side + 1) // GRID, side // GRID
        rows = x[:, :, :half].mean(2), x[:, :, first:].mean(2)
        return torch.cat(
            [part.mean(2) for row in rows for part in (row[:, :, :half], row[:, :, first:])], 1
        )
