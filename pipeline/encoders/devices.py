"""Where an encoder computes, and in which precision."""

from typing import TYPE_CHECKING, Any

import torch

from pipeline.config.images import Device
from pipeline.errors import ConfigError, absent

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def device_of(name: Device) -> torch.device:
    """The device of a name; `auto` is CUDA where there is a device.

    Raises:
        ConfigError: `cuda` where there is none.
    """
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise ConfigError("expected a CUDA device for device: cuda, found none")
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def fabric_on(device: torch.device) -> "Fabric":
    """Lightning Fabric on one device: float32 on the CPU, bfloat16 mixed with it elsewhere.

    Raises:
        ConfigError: the package is missing.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError:
        message = absent("lightning-fabric", "which encoders learn on", "images")
        raise ConfigError(message) from None
    on_host = device.type == "cpu"
    precision = "32-true" if on_host else "bf16-mixed"
    index: Any = device.index  # None where the name says no number, whatever torch's types say
    devices = 1 if on_host or index is None else [index]
    return Fabric(accelerator=device.type, devices=devices, precision=precision)
