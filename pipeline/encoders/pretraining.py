"""Training an encoder without the labels that it is for.

Three things are told apart. Which two views are of the same image: Chen et al., "A Simple Framework
for Contrastive Learning of Visual Representations" (ICML 2020). How far an image was turned:
Gidaris, Singh and Komodakis, "Unsupervised Representation Learning by Predicting Image Rotations"
(ICLR 2018). And what is on it, where images of other nodes are at hand, whose classes give nothing
away of the nodes that are sought.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import nn
from torch.nn import functional

from pipeline.encoders import loop
from pipeline.encoders.augmentation import view
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.feeding import Batch, Feeding
from pipeline.encoders.statistics import settle

ROTATIONS = 4
_BATCH = 128
_LEARNING_RATE = 4e-3
_PROJECTED = 64  # numbers by which views are compared
_TEMPERATURE = 0.2
_FURTHER = 0.1  # weight of rotations and classes beside views


def pretrain(
    encoder: ImageEncoder,
    pixels: UInt8[np.ndarray, "image size size channel"],
    classes: Int[np.ndarray, " row"] | None = None,
    *,
    rows: Int[np.ndarray, " row"] | None = None,
    epochs: int,
    seed: int,
    device: torch.device,
    workers: int,
    augment: bool,
    on_epoch: Callable[[int, float], None] | None = None,
) -> ImageEncoder:
    """Train an encoder on images; the same arguments on the same CPU give the same weights.

    Args:
        encoder: stays as it is.
        pixels: memory-mapped or not.
        classes: (row,) from 0, what is on each; None: they are not learnt.
        rows: (row,) the images that are learnt from, and no other is looked at; None is all.
        epochs: passes over the images; 0 gives a copy.
        seed: of the heads, the order of the images and their augmentation.
        device: where.
        workers: see `Feeding`.
        augment: whether images are shifted and lighter or darker before they are turned. They are
            not mirrored: what is mirrored and turned has more ways to stand than four. Views are
            always mirrored, cut and lighter or darker: there would be nothing to be told.
        on_epoch: see `loop.run`.

    Returns:
        The trained encoder, in evaluation mode, where the given one is.

    Raises:
        ValueError: images of another size, or not as many classes as images to learn from.
        TrainingError: a loss is not finite any more.
    """
    encoder.check(pixels)
    rows = np.arange(len(pixels)) if rows is None else rows
    if classes is not None and classes.shape != rows.shape:
        raise ValueError(f"classes must have shape {rows.shape}. Got {classes.shape}")
    home, learnt = encoder.mean.device, deepcopy(encoder)
    if not epochs:
        return learnt.eval()
    feeding = Feeding(
        pixels,
        rows,
        epochs=epochs,
        batch_size=_BATCH,
        seed=seed,
        augment=augment,
        workers=workers,
        mirror=False,
    )
    known = None if classes is None else torch.from_numpy(classes.astype(np.int64))
    generator = torch.Generator().manual_seed(seed)

    def loss(model: nn.Module, batch: Batch, x: torch.Tensor) -> torch.Tensor:
        x = x.float()
        views = [view(x, generator) for _ in range(2)]
        some, turned = rotated(x[: max(ROTATIONS, len(x) // 2)])
        projected, rotation, kind = model(torch.cat([*views, some]), len(x))
        value = contrast(projected.float())
        further = functional.cross_entropy(rotation, turned)
        if known is not None:
            target = known[batch.positions].to(x.device).repeat(2)
            further = further + functional.cross_entropy(kind, target)
        return value + _FURTHER * further

    with torch.random.fork_rng(()):
        torch.manual_seed(seed)
        model = _Pretext(learnt, 0 if known is None else int(known.max()) + 1)
    groups = [{"params": list(model.parameters()), "lr": _LEARNING_RATE}]
    loop.run(model, groups, loss, feeding, seed=seed, device=device, on_epoch=on_epoch)
    settle(learnt, pixels, rows, seed=seed)
    return learnt.to(home)


def contrast(projected: Float[torch.Tensor, "view feature"]) -> Float[torch.Tensor, ""]:
    """How badly each view finds the other one of its image among all: NT-Xent.

    Args:
        projected: first views of all images, then their second ones.
    """
    unit = functional.normalize(projected)
    likeness = (unit @ unit.T / _TEMPERATURE).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(
        likeness, torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    )


def rotated(
    x: Shaped[torch.Tensor, "image channel side side"],
) -> tuple[Shaped[torch.Tensor, "image channel side side"], Int[torch.Tensor, " image"]]:
    """Each quarter of a batch turned by another number of right angles, and these numbers.

    Batches come in a random order: which quarter an image is in says nothing of it.
    """
    parts = torch.tensor_split(x, ROTATIONS)
    turned = torch.cat([torch.rot90(part, k, (2, 3)) for k, part in enumerate(parts)])
    counts = torch.tensor([len(part) for part in parts])
    return turned, torch.arange(ROTATIONS).repeat_interleave(counts).to(x.device)


class _Pretext(nn.Module):
    """An encoder under heads that tell views, rotations and classes."""

    def __init__(self, encoder: ImageEncoder, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        wide = 2 * _PROJECTED
        self.projection = nn.Sequential(
            nn.Linear(encoder.features, wide),
            nn.BatchNorm1d(wide),
            nn.ReLU(),
            nn.Linear(wide, _PROJECTED),
        )
        self.rotation = nn.Linear(encoder.features, ROTATIONS)
        self.kind = nn.Linear(encoder.features, classes) if classes else None

    def forward(
        self, x: torch.Tensor, images: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Of two views of so many images and of turned ones: projections, rotations, classes."""
        features = self.encoder(x)
        views, turned = features[: 2 * images], features[2 * images :]
        kind = None if self.kind is None else self.kind(views)
        return self.projection(views), self.rotation(turned), kind
