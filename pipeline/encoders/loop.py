"""What pretraining and fine-tuning share: steps over batches on a device, in its precision."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from pipeline.encoders.devices import fabric_on
from pipeline.encoders.feeding import Batch, Feeding
from pipeline.hml import memory
from pipeline.hml.training import TrainingError

_WARM_UP = 0.05  # of the steps


def run(
    model: nn.Module,
    groups: list[dict[str, Any]],
    loss: Callable[[nn.Module, Batch, torch.Tensor], torch.Tensor],
    feeding: Feeding,
    *,
    seed: int,
    device: torch.device,
    on_epoch: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Adam over all batches; rates rise over the first steps and fall to 0 along a cosine.

    Args:
        model: what learns; on the device and in training mode afterwards.
        groups: the optimiser's, each with its learning rate `lr`.
        loss: of the model, which has to be called as a whole, a batch, and its pixels on the
            device.
        feeding: the batches.
        seed: of dropout, which draws from torch's generators: they are given back as they were.
        device: where; bfloat16 mixed with float32 elsewhere than on the CPU.
        on_epoch: called with the number of finished epochs and the mean loss of the last one; what
            it raises ends the training.

    Returns:
        The mean loss of each epoch.

    Raises:
        TrainingError: a loss is not finite any more.
    """
    memory.keep_freed()
    fabric = fabric_on(device)
    optimiser = torch.optim.Adam(groups, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, len(feeding)))
    outer, outer_optimiser = fabric.setup(model, optimiser)
    on_host = device.type == "cpu"
    kind = "cuda" if on_host else device.type
    means: list[float] = []
    with torch.random.fork_rng(() if on_host else (device,), device_type=kind):
        torch.manual_seed(seed)
        total, images = torch.zeros((), device=device), 0
        outer.train()
        for batch in feeding:
            value = loss(outer, batch, batch.pixels.to(device, non_blocking=True))
            outer_optimiser.zero_grad()
            fabric.backward(value)
            outer_optimiser.step()
            schedule.step()
            total += value.detach() * len(batch.pixels)
            images += len(batch.pixels)
            if not batch.last:
                continue
            means.append(float(total) / images)
            if not math.isfinite(means[-1]):
                raise TrainingError(
                    f"expected a finite loss of the encoder, found {means[-1]} in epoch "
                    f"{batch.epoch} with learning rates {[group['lr'] for group in groups]}. "
                    "Lower them"
                )
            total, images = torch.zeros((), device=device), 0
            if on_epoch is not None:
                on_epoch(batch.epoch, means[-1])
                outer.train()
    memory.give_back()
    return means


def _rate(step: int, steps: int) -> float:
    """The factor of the learning rates in a step, from 0."""
    warm = max(1, round(_WARM_UP * steps))
    rise = min(1.0, (step + 1) / warm)
    return rise * 0.5 * (1 + math.cos(math.pi * step / max(1, steps)))
