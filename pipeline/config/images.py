"""The section `images` of params.yaml: how images become features. Other data sets ignore it.

Torch-free, as all of the configuration.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.config.choices import Uncertainty, Variant
from pipeline.config.section import Section
from pipeline.config.tables import Sha256

Device = Literal["auto", "cpu", "cuda"]
Architecture = Literal["cnn", "resnet", "vit", "convnext"]
HUB = "hub:"
_HUB_NAME = r"hub:[\w.-]+(/[\w.-]+)?@[0-9a-f]{40}"
_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=1)]


class Encoder(Section):
    """The network whose output is the features.

    `cnn` is a small one of our own for small images; the others are those of transformers, with
    weights from a local folder or the hub, or drawn at random from a configuration.
    """

    kind: Architecture = "cnn"
    weights: Annotated[str, Field(min_length=1)] | None = None  # a folder, or hub:OWNER/NAME@COMMIT
    sha256: Sha256 | None = None  # of the folder; a run enters it
    config: dict[str, Any] = {}  # of transformers' configuration, where weights are drawn
    # Of `cnn`, four for each channel of its last block; the others have those of their last layer.
    features: Annotated[int, Field(ge=4, multiple_of=4)] = 128
    # Passes of `cnn` over images without their labels: views of one image have to be told from
    # those of others, how far each was turned, and what is on images of other nodes where there
    # are such.
    pretrain_epochs: Annotated[int, Field(ge=0)] = 3
    random_share: Annotated[float, Field(ge=0, le=1)] = 0.0  # of the weights: a weaker encoder

    @model_validator(mode="after")
    def _draw_or_read_the_weights(self) -> "Encoder":
        if self.kind == "cnn" and (self.weights is not None or self.config):
            raise ValueError("`weights` and `config` belong to resnet, vit and convnext, found cnn")
        if self.weights is not None and self.config:
            raise ValueError(
                "either `weights`, which bring their configuration, or a `config`, found both"
            )
        weights = self.weights or ""
        if weights.startswith(HUB) and not re.fullmatch(_HUB_NAME, weights):
            raise ValueError(
                "hub:OWNER/NAME@COMMIT with the 40 hex digits of a commit, as a name alone may "
                f"mean other weights tomorrow, found {weights}"
            )
        return self


class FineTune(Section):
    """Training the encoder itself, on the labels of the training split alone."""

    epochs: _Count = 5
    learning_rate: _Positive = 3e-4  # of the encoder
    head_learning_rate: _Positive = 2e-3
    heads: _Count = 5  # linear ones, whose uncertainty weights the loss
    batch_size: _Count = 64
    variant: Variant = "paper"  # of the imbalance weights of the loss
    uncertainty: Uncertainty = "epistemic"  # of the heads, for the focal weight


class Images(Section):
    """From image files to features."""

    size: Annotated[int, Field(ge=8, le=1024)] = 64  # pixels a side that files are scaled to
    channels: Literal[1, 3] = 3
    max_pixels: _Count = 100_000_000  # of a file: what claims more is refused before it is decoded
    workers: Annotated[int, Field(ge=0, le=64)] = 2  # processes that decode and augment
    augment: bool = True  # while an encoder learns: shifted a little, mirrored, lighter or darker
    encoder: Encoder = Encoder()
    fine_tune: FineTune | None = None
    device: Device = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0  # of the encoder
