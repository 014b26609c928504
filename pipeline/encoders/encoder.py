"""An encoder: from the pixels of images to features."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from pipeline.config.images import Architecture
from pipeline.encoders import files


class ImageEncoder(nn.Module):
    """A network, with what it expects of pixels.

    Grey images are repeated to as many channels as the network takes.

    Args:
        network: see `networks.Network`.
        kind: which one it is.
        config: what it was made from, as JSON can hold it.
        size: pixels a side.
        channels: of an image.
        mean: of the pixels, from 0 to 1, that become 0; one for each channel of the network.
        scale: what becomes 1, above 0.

    Attributes:
        features: how many there are.
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        *,
        kind: Architecture,
        config: dict[str, Any],
        size: int,
        channels: int,
        mean: tuple[float, ...],
        scale: tuple[float, ...],
    ) -> None:
        """Raise ValueError for channels that the network does not take."""
        super().__init__()
        takes, gives = int(network.channels), int(network.features)  # pyright: ignore[reportArgumentType]
        if channels not in (1, takes) or {len(mean), len(scale)} != {takes}:
            raise ValueError(
                f"images must have 1 or {takes} channels, as many as there are means and scales. "
                f"Got {channels} channels, {len(mean)} means and {len(scale)} scales"
            )
        self.network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.kind: Architecture = kind
        self.config = config
        self.size = size
        self.channels = channels
        self.features = gives
        for name, values in (("mean", mean), ("scale", scale)):
            tensor = torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)
            self.register_buffer(name, tensor.float(), persistent=False)
        self.normalisation = {"mean": list(mean), "scale": list(scale)}

    def forward(
        self, pixels: Float[torch.Tensor, "image channel height width"] | UInt8[torch.Tensor, "..."]
    ) -> Float[torch.Tensor, "image feature"]:
        """Features of pixels from 0 to 255, in the mode that the module is in."""
        x = pixels.to(torch.float32) / 255
        if x.shape[1] < len(self.mean):
            x = x.expand(-1, len(self.mean), -1, -1)
        return self.network((x - self.mean) / self.scale)

    @torch.no_grad()
    def embed(
        self,
        pixels: UInt8[np.ndarray, "image size size channel"],
        *,
        batch: int = 256,
        device: torch.device | str = "cpu",
    ) -> Float[np.ndarray, "image feature"]:
        """Features of images, in float32 wherever they are computed.

        What members learn from on one device is what predictions see on another. An image's
        features depend on those beside it in the last bits at most.

        Args:
            pixels: may be memory-mapped, and is read batch by batch.
            batch: images at a time.
            device: where; the encoder itself stays where it is.

        Raises:
            ValueError: images of another size or number of channels.
        """
        self.check(pixels)
        place, home = torch.device(device), self.mean.device
        features = np.empty((len(pixels), self.features), np.float32)
        training = self.training
        self.eval().to(place)
        try:
            for start in range(0, len(pixels), batch):
                x = as_tensor(pixels[start : start + batch]).to(place)
                found = self(x)
                features[start : start + batch] = found.float().cpu().numpy()
        finally:
            self.train(training).to(home)
        return features

    def check(self, pixels: np.ndarray) -> None:
        """Raise ValueError for images of another size or number of channels."""
        expected = (self.size, self.size, self.channels)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != expected:
            raise ValueError(
                f"pixels must be uint8 of shape (image, size, size, channel) = (…, {self.size}, "
                f"{self.size}, {self.channels}). Got {pixels.dtype} of shape {pixels.shape}"
            )

    def files(self) -> dict[str, bytes]:
        """The encoder as plain files, which `load` reads; the same bytes for the same encoder."""
        description = {
            "kind": self.kind,
            "size": self.size,
            "channels": self.channels,
            "normalisation": self.normalisation,
            "config": self.config,
        }
        return files.written(description, self.network.state_dict())


def as_tensor(
    pixels: UInt8[np.ndarray, "image height width channel"],
) -> UInt8[torch.Tensor, "image channel height width"]:
    """Pixels as torch orders axes, in the order of memory that they have."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)


def load(content: dict[str, bytes]) -> ImageEncoder:
    """The encoder that `ImageEncoder.files` has written; others among the files are ignored.

    Raises:
        ArtifactError: a file is missing, damaged or of another schema, or the weights are not those
            of the network that is described.
    """
    description, weights = files.read(content)
    network = files.restored(description, weights)
    normalisation = description["normalisation"]
    with files.refusing():
        return ImageEncoder(
            network,
            kind=description["kind"],
            config=description["config"],
            size=description["size"],
            channels=description["channels"],
            mean=tuple(normalisation["mean"]),
            scale=tuple(normalisation["scale"]),
        ).eval()
