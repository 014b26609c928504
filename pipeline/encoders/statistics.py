"""The running statistics of batch normalisation, which evaluation goes by."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import nn

from pipeline.encoders.encoder import ImageEncoder, as_tensor

_MOST = 4096  # images: means and variances of a channel need no more
_BATCH = 256
Norm = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]


@torch.no_grad()
def settle(
    encoder: ImageEncoder,
    pixels: UInt8[np.ndarray, "image size size channel"],
    rows: Int[np.ndarray, " row"],
    *,
    seed: int,
) -> None:
    """Make the running statistics those of images as they are, under the weights as they are.

    While an encoder learns, they are those of augmented or turned images and lag behind the
    weights. Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (2021), call this PreciseBN.

    Args:
        encoder: on any device; left in evaluation mode.
        pixels: memory-mapped or not.
        rows: of the images to go by; some of them do where there are many.
        seed: which ones.
    """
    norms = [module for module in encoder.modules() if isinstance(module, Norm)]
    some = rows
    if len(rows) > _MOST:
        some = np.random.default_rng([seed, 2]).choice(rows, _MOST, replace=False)
    if not norms or len(some) < 2:
        encoder.eval()
        return
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean over all batches
    device = encoder.mean.device
    with _training(norms, encoder):
        for part in np.array_split(some, -(-len(some) // _BATCH)):
            encoder(as_tensor(pixels[part]).to(device))
    for norm, value in zip(norms, momentum, strict=True):
        norm.momentum = value


@contextmanager
def _training(norms: list[Norm], encoder: ImageEncoder) -> Iterator[None]:
    """Only the norms learn: dropout would change what they see."""
    encoder.eval()
    for norm in norms:
        norm.train()
    yield
    encoder.eval()
