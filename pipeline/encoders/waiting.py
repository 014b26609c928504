"""How long a training of an encoder waits for its input, measured."""

import numpy as np
import torch
from torch import nn

from pipeline.encoders import loop
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.feeding import Batch, Clock, Feeding


def waiting(
    encoder: ImageEncoder,
    *,
    images: int,
    epochs: int = 1,
    batch_size: int = 64,
    workers: int,
    augment: bool = True,
    device: torch.device,
) -> Clock:
    """Train an encoder on noise, and say what it has waited for.

    Args:
        encoder: afterwards worth nothing.
        images: of an epoch.
        epochs: passes over them.
        batch_size: images of a step.
        workers: see `Feeding`.
        augment: whether images are augmented.
        device: where.
    """
    shape = (images, encoder.size, encoder.size, encoder.channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    feeding = Feeding(
        pixels,
        np.arange(images),
        epochs=epochs,
        batch_size=batch_size,
        seed=0,
        augment=augment,
        workers=workers,
    )

    def loss(model: nn.Module, batch: Batch, x: torch.Tensor) -> torch.Tensor:
        return model(x).square().mean()

    groups = [{"params": list(encoder.parameters()), "lr": 1e-4}]
    loop.run(encoder, groups, loss, feeding, seed=0, device=device)
    return feeding.clock
