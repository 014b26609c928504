"""An encoder as two plain files, a description and its weights: no pickle, no code."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import nn

from pipeline.config.images import Architecture
from pipeline.encoders import networks
from pipeline.errors import ArtifactError, ConfigError

DESCRIPTION, WEIGHTS = "image_encoder.json", "image_encoder.safetensors"
SCHEMA = 1
_KEYS = {"schema", "kind", "size", "channels", "normalisation", "config"}
_LARGEST = 1024  # pixels a side
# What making a network of something else than what was written can end in.
_DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, ConfigError, LookupError, RuntimeError),
    *(SafetensorError, TypeError, ValueError),
)


def written(description: dict[str, Any], weights: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """The files of an encoder."""
    text = json.dumps({"schema": SCHEMA, **description}, indent=1, sort_keys=True, allow_nan=False)
    # Contiguous: safetensors knows no other order of memory.
    tensors = {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)}
    return {DESCRIPTION: f"{text}\n".encode(), WEIGHTS: save_tensors(tensors)}


@contextmanager
def refusing() -> Iterator[None]:
    """Whatever goes wrong here is the fault of the files."""
    try:
        yield
    except ArtifactError:
        raise
    except _DAMAGED as error:
        raise ArtifactError(f"expected a complete image encoder, found: {error!r}") from None


def read(content: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Description and weights, which are no larger than their file.

    Raises:
        ArtifactError: a file is missing or damaged, or of another schema.
    """
    if missing := [name for name in (DESCRIPTION, WEIGHTS) if name not in content]:
        raise ArtifactError(f"expected an image encoder, found no {' and no '.join(missing)}")
    with refusing():
        try:
            description = json.loads(content[DESCRIPTION])
        except RecursionError:
            raise ValueError(f"{DESCRIPTION} is nested too deeply") from None
        if not isinstance(description, dict):
            raise ValueError(f"{DESCRIPTION} is no object")
        schema = description.get("schema")
        if type(schema) is not int or schema != SCHEMA:
            raise ArtifactError(
                f"expected an image encoder of schema {SCHEMA}, found {schema!r}: it was written "
                "by another rarenode"
            )
        _check(description)
        return description, load_tensors(content[WEIGHTS])


def restored(description: dict[str, Any], weights: dict[str, torch.Tensor]) -> nn.Module:
    """The network that is described, with its weights, which have to fit it name by name.

    Shapes are compared before the network has any memory.

    Raises:
        ArtifactError: they do not fit, or the description is none.
    """
    kind, config, size = description["kind"], description["config"], description["size"]
    with refusing():
        if networks.layers(kind, config) > len(weights):
            raise ValueError("there are more layers than weights")
        with torch.device("meta"):
            expected = networks.drawn(kind, config, size=size, seed=0).state_dict()
        if wrong := sorted(expected.keys() ^ weights.keys()):
            raise ValueError(f"weights are missing or left over: {wrong[:5]}")
        for name, like in expected.items():
            found = weights[name]
            if (found.shape, found.dtype) != (like.shape, like.dtype):
                raise ValueError(
                    f"{name} is {found.dtype} of shape {tuple(found.shape)}, expected "
                    f"{like.dtype} of shape {tuple(like.shape)}"
                )
            if found.is_floating_point() and not bool(found.isfinite().all()):
                raise ValueError(f"{name} holds NaN or an infinite number")
        network = networks.drawn(kind, config, size=size, seed=0)
        network.load_state_dict(weights)
        return network


def _check(description: dict[str, Any]) -> None:
    if description.keys() != _KEYS:
        raise ValueError(f"{DESCRIPTION} has other keys: {sorted(description.keys() ^ _KEYS)[:5]}")
    if description["kind"] not in get_args(Architecture):
        raise ValueError(f"unknown kind {description['kind']!r}")
    size, channels = description["size"], description["channels"]
    if type(size) is not int or not 1 <= size <= _LARGEST:
        raise ValueError(f"a size of {size!r}")
    if type(channels) is not int or channels not in (1, 3):
        raise ValueError(f"{channels!r} channels")
    if not isinstance(description["config"], dict):
        raise ValueError("config is no object")
    for name in ("mean", "scale"):
        values = description["normalisation"][name]
        numbers = [float(value) for value in values if type(value) in (int, float)]
        least = -1e6 if name == "mean" else float(np.finfo(np.float32).tiny)
        if len(numbers) != len(values) or not all(
            math.isfinite(number) and least <= number <= 1e6 for number in numbers
        ):
            raise ValueError(f"{name} is {values!r}")
