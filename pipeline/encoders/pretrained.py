"""ResNet, ViT and ConvNeXt: drawn from a configuration, or with weights from a folder or the hub.

Weights are safetensors, configurations JSON: nothing that is read can bring code along.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from pipeline.config.images import HUB, Encoder
from pipeline.encoders import networks, transformer, weights
from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.weights import CONFIG, PREPROCESSOR, WEIGHTS
from pipeline.errors import ConfigError, DatasetError, TransientError, absent

# Of ImageNet, which such networks are trained on unless their folder says otherwise.
_MEAN, _SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_DAMAGED = (LookupError, OSError, RuntimeError, SafetensorError, TypeError, ValueError)


def pretrained(options: Encoder, *, size: int, channels: int, seed: int) -> ImageEncoder:
    """The encoder of a kind of transformers, before it learns anything.

    Args:
        options: see there.
        size: pixels a side of the images.
        channels: of the images.
        seed: of weights that are drawn.

    Raises:
        ConfigError: a configuration that is none or does not fit the images, or a missing package.
        DatasetError: weights that are missing, damaged, changed or those of something else; a
            TransientError where the hub cannot be reached.
    """
    if options.weights is None:
        config = dict(options.config)
        if options.kind == "vit":
            config.setdefault("image_size", size)
        return _made(options, config, {}, size=size, channels=channels, seed=seed)
    folder = weights.folder_of(options) or _downloaded(*options.weights[len(HUB) :].split("@"))
    if not folder.is_dir():
        raise DatasetError(f"expected a folder with weights at {folder}, found none")
    if options.sha256 not in (None, found := weights.digest(folder)):
        raise DatasetError(
            f"expected the weights in {folder} as params.yaml says (images.encoder.sha256 "
            f"{options.sha256[:12]}…), found that they have changed ({found[:12]}…). "
            "`rarenode run` takes them as they are now"
        )
    config = _configuration(folder, options)
    preprocessing = _json(folder / PREPROCESSOR) if (folder / PREPROCESSOR).exists() else {}
    encoder = _made(options, config, preprocessing, size=size, channels=channels, seed=seed)
    _read_weights(encoder, folder)
    return encoder


def _made(
    options: Encoder,
    config: dict[str, Any],
    preprocessing: dict[str, Any],
    *,
    size: int,
    channels: int,
    seed: int,
) -> ImageEncoder:
    """With drawn weights."""
    try:
        entries = transformer.complete(options.kind, config)
        network = networks.drawn(options.kind, entries, size=size, seed=seed)
        takes = entries["num_channels"]
        mean, scale = (
            tuple(float(number) for number in preprocessing.get(name) or start[:takes])
            for name, start in (("image_mean", _MEAN), ("image_std", _SCALE))
        )
        return ImageEncoder(
            network,
            kind=options.kind,
            config=entries,
            size=size,
            channels=channels,
            mean=mean,
            scale=scale,
        ).eval()
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        found = f" in {options.weights}" if options.weights else ""
        raise ConfigError(
            f"expected a configuration of {options.kind}{found} for images of {channels} channels: "
            f"{error}"
        ) from None


def _configuration(folder: Path, options: Encoder) -> dict[str, Any]:
    """The entries of a folder's configuration that count."""
    given = _json(folder / CONFIG)
    if given.get("model_type") != options.kind:
        raise ConfigError(
            f"expected model_type {options.kind} in {folder / CONFIG}, found "
            f"{given.get('model_type')!r}"
        )
    if "auto_map" in given:
        raise DatasetError(
            f"expected a configuration without code in {folder / CONFIG}, found auto_map"
        )
    known = transformer.ENTRIES[options.kind]
    return {name: value for name, value in given.items() if name in known}


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"expected a JSON file at {file}, found: {error}") from None
    if not isinstance(content, dict):
        raise DatasetError(f"expected an object in {file}, found {type(content).__name__}")
    return content


def _read_weights(encoder: ImageEncoder, folder: Path) -> None:
    """Put a file's weights into an encoder; those of a head above it are left out."""
    file = folder / WEIGHTS
    if not file.is_file():
        others = [path.name for path in sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pt*"))]
        also = f"; {others[0]} may hold code and is not read" if others else ""
        raise DatasetError(f"expected weights at {file}, found none{also}")
    network: Any = encoder.network
    try:
        found = load_file(file)
        numbers = (value for value in found.values() if value.is_floating_point())
        if not all(bool(value.isfinite().all()) for value in numbers):
            raise ValueError("NaN or an infinite number")
        network.read(found)
    except _DAMAGED as error:
        raise DatasetError(
            f"expected weights of {encoder.kind} in {file}, found: {error}"
        ) from None


def _downloaded(name: str, commit: str) -> Path:
    """The folder of a model of the hub, from its cache where it is there."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars
    except ImportError:
        message = absent("huggingface-hub", "which fetches weights of the hub", "images")
        raise ConfigError(message) from None
    disable_progress_bars()
    try:
        return Path(snapshot_download(name, revision=commit, allow_patterns=[*weights.FILES]))
    except Exception as error:  # of several libraries: of names, networks, rights and disks
        first = str(error).strip().splitlines()[:1]
        raise TransientError(
            f"expected {name} on the hub or in its cache, found {type(error).__name__}: "
            f"{''.join(first)}. Without a network, give a folder with {CONFIG} and {WEIGHTS}"
        ) from None
