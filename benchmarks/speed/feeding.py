"""How long an encoder that trains waits for images: input must not be what it lasts for."""

from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.speed.bounds import Bound
from pipeline.config.images import Encoder
from pipeline.encoders.build import build
from pipeline.encoders.waiting import waiting

_WORKERS = 2
_LIMIT = 0.1  # of a step
# A small network on small images has the shortest steps, so the least time to prepare the next.
_ENCODERS: dict[str, tuple[dict[str, Any], int, int, int]] = {
    "cnn, 28 x 28, grey": ({"kind": "cnn"}, 28, 1, 12_800),
    "ResNet, 64 x 64, colour": (
        {
            "kind": "resnet",
            "config": {
                "embedding_size": 32,
                "hidden_sizes": [32, 64],
                "depths": [1, 1],
                "layer_type": "basic",
            },
        },
        *(64, 3, 3_200),
    ),
}


def measure() -> Iterator[Bound]:
    """The share of its steps that a training waits, by encoder."""
    for name, (options, size, channels, images) in _ENCODERS.items():
        encoder = build(Encoder.model_validate(options), size=size, channels=channels, seed=0)
        clock = waiting(encoder, images=images, workers=_WORKERS, device=torch.device("cpu"))
        yield Bound(
            f"waiting for input over a step, {name}, batch 64, {_WORKERS} workers",
            clock.share,
            _LIMIT,
            "below",
            unit="",
            detail=f"{clock.waited:.2f} s of {clock.total:.2f} s; the first batch took "
            f"{clock.start:.1f} s",
        )
