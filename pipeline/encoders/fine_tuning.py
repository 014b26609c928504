"""Training an encoder on the labels of nodes, under linear heads.

The loss is that of the ensembles of the core: constraint, weights of rare nodes, and a focal weight
from how far the heads differ.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy import sparse
from torch import nn

from pipeline.config.images import FineTune
from pipeline.encoders import loop
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.feeding import Batch, Clock, Feeding
from pipeline.encoders.statistics import settle
from pipeline.hml import example_weights
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.network import Networks
from pipeline.hml.objective import Objective, loss_of
from pipeline.hml.unknown import checked, known


@dataclass(frozen=True)
class FineTuned:
    """What fine-tuning gives.

    Attributes:
        encoder: trained, in evaluation mode.
        heads: linear ones on its features, in evaluation mode, where it is.
        losses: the mean loss of each epoch.
        clock: what the training has waited for.
    """

    encoder: ImageEncoder
    heads: Networks
    losses: list[float]
    clock: Clock


def fine_tune(
    encoder: ImageEncoder,
    pixels: UInt8[np.ndarray, "image size size channel"],
    rows: Int[np.ndarray, " row"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    objective: Objective,
    options: FineTune,
    *,
    scored: Bool[np.ndarray, " node"] | None = None,
    unknown: Any = None,
    seed: int,
    device: torch.device,
    workers: int,
    augment: bool,
    on_epoch: Callable[[int, float], None] | None = None,
) -> FineTuned:
    """Train an encoder; the same arguments on the same CPU give the same weights.

    Args:
        encoder: stays as it is.
        pixels: of all images; memory-mapped or not.
        rows: (row,) those that are learnt from, and no other is looked at.
        labels: (image, node) boolean CSR, closed upward.
        hierarchy: of the nodes.
        objective: what is minimised; see `FineTune.weighted`.
        options: heads, epochs and rates.
        scored: (node,) the nodes that enter the loss; None is all.
        unknown: sparse (row, node), labels that enter no loss; None: everything is known.
        seed: of the heads, the order of the images and their augmentation.
        device: where.
        workers: see `Feeding`.
        augment: whether images are augmented.
        on_epoch: see `loop.run`.

    Returns:
        Encoder and heads, where the given encoder is.

    Raises:
        ValueError: shapes do not fit, a baseline is asked for that resamples examples, unknown
            labels are at odds with others, or one head in a mode that compares several.
        TrainingError: a loss is not finite any more.
    """
    _check(encoder, pixels, labels, hierarchy, objective)
    learnt = sparse.csr_array(labels[rows]).astype(np.bool_)
    hidden = checked(unknown, learnt, hierarchy)
    home, trained = encoder.mean.device, deepcopy(encoder)
    heads = _heads(trained, learnt, hidden, options, seed)
    entropy = loss_of(learnt, hierarchy, objective, scored, device, None, hidden)

    def loss(model: nn.Module, batch: Batch, x: torch.Tensor) -> torch.Tensor:
        some: Any = learnt[batch.positions]
        y = torch.from_numpy(some.toarray()).to(x.device)
        seen = None
        if hidden is not None:
            missing: Any = hidden[batch.positions]
            seen = torch.from_numpy(~missing.toarray()).to(x.device)
        return entropy(model(x).float(), y, None, seen)

    model = nn.Sequential(trained, heads)
    groups = [
        {"params": list(trained.parameters()), "lr": options.learning_rate},
        {"params": list(heads.parameters()), "lr": options.head_learning_rate},
    ]
    feeding = Feeding(
        pixels,
        rows,
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=seed,
        augment=augment,
        workers=workers,
    )
    losses = loop.run(model, groups, loss, feeding, seed=seed, device=device, on_epoch=on_epoch)
    settle(trained, pixels, rows, seed=seed)
    return FineTuned(trained.to(home), heads.eval().to(home), losses, feeding.clock)


def _heads(
    encoder: ImageEncoder,
    closed: sparse.csr_array,
    hidden: Any,
    options: FineTune,
    seed: int,
) -> Networks:
    """Linear heads that start at each node's share of positives (see `hml.training.Settings`)."""
    sizes = (encoder.features, closed.shape[1])
    heads = Networks(options.heads, sizes, dropout=0.0, seed=seed)
    support = example_weights.support(closed, None)
    heads.start_at((support + 0.5) / (known(closed, hidden) + 1))
    return heads


def _check(
    encoder: ImageEncoder,
    pixels: Float[np.ndarray, "..."] | UInt8[np.ndarray, "..."],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    objective: Objective,
) -> None:
    encoder.check(pixels)
    if labels.shape != (len(pixels), len(hierarchy)):
        raise ValueError(
            f"labels must have shape (image, node) = {(len(pixels), len(hierarchy))}. "
            f"Got {labels.shape}"
        )
    if objective.baseline == "oversampling":
        raise ValueError("baseline must not be 'oversampling', which draws clones of examples")
