"""ResNet, ViT and ConvNeXt as transformers builds them. Needs the extra `images`.

What of a configuration counts is written down here, with what it may be: nothing else of one ever
reaches the library, which follows some entries to code or to the network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from pipeline.config.images import Architecture
from pipeline.errors import ConfigError, absent

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when the library is imported

_LARGEST = 65_536  # of any number in a configuration
_ACTIVATIONS = ("gelu", "relu", "silu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu")
_COMMON: dict[str, Any] = {"num_channels": 3, "hidden_act": "gelu", "initializer_range": 0.02}
_TO_RGB = "num_channels"
# Kind -> the entries that its network is made from, with values of the right type.
ENTRIES: dict[str, dict[str, Any]] = {
    "resnet": {
        **{key: _COMMON[key] for key in (_TO_RGB, "hidden_act")},
        "embedding_size": 64,
        "hidden_sizes": [256, 512, 1024, 2048],
        "depths": [3, 4, 6, 3],
        "layer_type": "bottleneck",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    },
    "vit": {
        **_COMMON,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-12,
        "image_size": 224,
        "patch_size": 16,
        "qkv_bias": True,
    },
    "convnext": {
        **_COMMON,
        "patch_size": 4,
        "hidden_sizes": [96, 192, 384, 768],
        "depths": [3, 3, 9, 3],
        "layer_norm_eps": 1e-12,
        "layer_scale_init_value": 1e-6,
        "drop_path_rate": 0.0,
    },
}
_CLASSES = {
    "resnet": ("ResNetConfig", "ResNetModel"),
    "vit": ("ViTConfig", "ViTModel"),
    "convnext": ("ConvNextConfig", "ConvNextModel"),
}


class Transformer(nn.Module):
    """A network of transformers, with one vector for each image.

    That is the mean over the image, or of ViT the class token of the last layer. ViT sees images at
    the size that its positions were learnt for, ConvNeXt at no less than the pixel that its last
    stage needs: smaller ones are enlarged.

    Args:
        kind: which one.
        config: entries of `ENTRIES`; others are at their defaults.
        size: pixels a side of the images.

    Attributes:
        channels: that it takes.
        features: that it gives.
    """

    def __init__(self, kind: Architecture, config: dict[str, Any], *, size: int) -> None:
        """Raise ValueError for a configuration that is none, ConfigError for a missing package."""
        super().__init__()
        entries = complete(kind, config)
        made, options = _arguments(kind, entries)
        with quiet():
            self.model: nn.Module = _model(kind)(made, **options)
        self.kind: Architecture = kind
        self.entries = entries
        self.channels = int(entries["num_channels"])
        self.features = int(
            entries["hidden_size"] if kind == "vit" else entries["hidden_sizes"][-1]
        )
        self.seen = (
            int(entries["image_size"]) if kind == "vit" else max(size, _least(kind, entries))
        )

    def read(self, weights: dict[str, torch.Tensor]) -> None:
        """Take over weights as they are published, perhaps with older names, or under a head.

        Raises:
            ValueError: one is missing or has another shape.
        """
        made, options = _arguments(self.kind, self.entries)
        with quiet():
            # No name and no folder: there is nothing else to be read.
            found, report = _model(self.kind).from_pretrained(
                None,
                config=made,
                state_dict=weights,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
        for what in ("missing_keys", "mismatched_keys", "error_msgs"):
            if report.get(what):
                raise ValueError(f"{what}: {sorted(map(str, report[what]))[:3]}")
        self.model = found.to(memory_format=torch.channels_last)

    def forward(
        self, x: Float[torch.Tensor, "image channel height width"]
    ) -> Float[torch.Tensor, "image feature"]:
        """Features of normalised images."""
        if x.shape[-1] != self.seen:
            side = (self.seen, self.seen)
            x = functional.interpolate(x, side, mode="bilinear", align_corners=False)
        found: Any = self.model(x)
        if self.kind == "vit":
            return found.last_hidden_state[:, 0]
        return found.pooler_output.flatten(1)


def complete(kind: Architecture, config: dict[str, Any]) -> dict[str, Any]:
    """All entries that count, checked.

    Raises:
        ValueError: an unknown entry, or a value of the wrong type or out of range.
    """
    defaults = ENTRIES[kind]
    if unknown := sorted(config.keys() - defaults.keys()):
        raise ValueError(
            f"expected entries of {', '.join(sorted(defaults))} for {kind}, found {unknown[:5]}"
        )
    entries = defaults | config
    for name, value in entries.items():
        if not _fits(name, value, defaults[name]):
            raise ValueError(f"expected {name} like {defaults[name]!r}, found {value!r}")
    if "depths" in entries and len(entries["depths"]) != len(entries["hidden_sizes"]):
        raise ValueError("expected as many depths as hidden_sizes")
    if kind == "vit" and entries["hidden_size"] % entries["num_attention_heads"]:
        raise ValueError("expected a hidden_size that num_attention_heads divides")
    if kind == "vit" and not entries["patch_size"] <= entries["image_size"] <= 1024:
        raise ValueError("expected an image_size from patch_size to 1024")
    return entries


def layers(kind: Architecture, config: dict[str, Any]) -> int:
    """How many layers with weights of their own there are, at least."""
    entries = complete(kind, config)
    return entries["num_hidden_layers"] if kind == "vit" else sum(entries["depths"])


def transformers() -> Any:
    """The package.

    Raises:
        ConfigError: it is missing.
    """
    try:
        return import_module("transformers")
    except ImportError:
        message = absent("transformers", "which builds this kind of encoder", "images")
        raise ConfigError(message) from None


def _arguments(kind: Architecture, entries: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The library's configuration, and what else its model is made with."""
    made = getattr(transformers(), _CLASSES[kind][0])(
        **entries, **({"num_stages": len(entries["depths"])} if kind == "convnext" else {})
    )
    # Not what a hub or an installed package may offer for faster attention.
    made._attn_implementation = "eager"
    return made, {"add_pooling_layer": False} if kind == "vit" else {}


def _model(kind: Architecture) -> Any:
    return getattr(transformers(), _CLASSES[kind][1])


@contextmanager
def quiet() -> Iterator[None]:
    """Without the library's progress bars and what it logs below errors."""
    logging = transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _fits(name: str, value: Any, like: Any) -> bool:
    if name == "hidden_act":
        return isinstance(value, str) and value in _ACTIVATIONS
    if name == "layer_type":
        return value in ("basic", "bottleneck")
    if name == "num_channels":
        return type(value) is int and value in (1, 3)
    if isinstance(like, bool):
        return isinstance(value, bool)
    if isinstance(like, list):
        return (
            isinstance(value, list)
            and 0 < len(value) <= 16
            and all(_fits("", entry, 1) for entry in value)
        )
    if isinstance(like, int):
        return type(value) is int and 1 <= value <= _LARGEST
    rate = name.endswith(("prob", "rate"))
    return type(value) in (int, float) and 0 <= value < (1 if rate else _LARGEST)


def _least(kind: Architecture, entries: dict[str, Any]) -> int:
    """Pixels a side that leave one at the end of all stages."""
    if kind != "convnext":
        return 1
    return entries["patch_size"] * 2 ** (len(entries["hidden_sizes"]) - 1)
