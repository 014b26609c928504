"""The state of a training between two epochs, for those who keep it to go on from there."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam, for each parameter


@dataclass(frozen=True)
class State:
    """All that the rest of a training depends on, beside its arguments.

    Attributes:
        epoch: finished epochs.
        arrays: parameters, the optimiser's moments and steps, the states of torch's generators. On
            the CPU they are the training's own memory: they hold until its next step.
        order: the state of the generator of the order of examples, as JSON can hold it.
    """

    epoch: int
    arrays: dict[str, np.ndarray]
    order: dict[str, Any]


class Keeper(ABC):
    """Keeps a state, wherever that is; nothing that it finds there may make it fail."""

    @abstractmethod
    def load(self) -> State | None:
        """The state to go on from; None starts the training from its beginning."""

    @abstractmethod
    def due(self, epoch: int) -> bool:
        """Whether the state after this epoch is to be kept."""

    @abstractmethod
    def save(self, state: State) -> None:
        """Keep a state, in place of an earlier one."""


def take(epoch: int, optimiser: torch.optim.Adam, order: np.random.Generator) -> State:
    """The state of parameters, their optimiser, torch's global generators and the order."""
    tensors: dict[str, torch.Tensor] = {}
    parameters = optimiser.param_groups[0]["params"]
    for place, parameter in enumerate(parameters):
        tensors[f"parameter {place}"] = parameter.detach()
        for name in _MOMENTS:
            tensors[f"{name} {place}"] = optimiser.state[parameter][name]
    tensors |= _generators(parameters[0].device)
    arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    return State(epoch, arrays, dict(order.bit_generator.state))


@torch.no_grad()
def put(state: State, optimiser: torch.optim.Adam, order: np.random.Generator) -> bool:
    """Put a state back; one that does not fit changes nothing, and gives False."""
    parameters = optimiser.param_groups[0]["params"]
    device = parameters[0].device
    expected = {name: tuple(tensor.shape) for name, tensor in _generators(device).items()}
    for place, parameter in enumerate(parameters):
        expected |= {f"{name} {place}": tuple(parameter.shape) for name in ("parameter", *_MOMENTS)}
        expected[f"step {place}"] = ()
    if {name: array.shape for name, array in state.arrays.items()} != expected:
        return False
    try:
        order.bit_generator.state = state.order
    except (ValueError, TypeError, LookupError, OverflowError):
        return False
    found = {name: torch.from_numpy(array) for name, array in state.arrays.items()}
    for place, parameter in enumerate(parameters):
        parameter.copy_(found[f"parameter {place}"])
        own = optimiser.state[parameter]
        for name in _MOMENTS:
            like = torch.empty_like(parameter) if name != "step" else torch.zeros((), device=device)
            own[name] = like.copy_(found[f"{name} {place}"])
    torch.set_rng_state(found["generator"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(found["device generator"], device)
    return True


def _generators(device: torch.device) -> dict[str, torch.Tensor]:
    """Where dropout masks come from: torch's global generators."""
    states = {"generator": torch.get_rng_state()}
    if device.type != "cpu":
        states["device generator"] = torch.get_device_module(device).get_rng_state(device)
    return states
