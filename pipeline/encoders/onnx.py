"""An encoder as an ONNX model, to stand in front of the networks' own. Needs the package onnx."""

import io
import warnings
from copy import deepcopy
from typing import Any

import onnx
import torch
from jaxtyping import Float, UInt8
from torch import nn

from pipeline.encoders.encoder import ImageEncoder
from pipeline.errors import ArtifactError

_OPSET, _IR_VERSION = 18, 8  # as `hml.onnx_export`
_LARGEST = 2**31 - 2**26  # bytes of weights: protobuf ends at 2 GiB
_ABOUT = (
    "An image encoder. pixels (image, size, size, channel): uint8, as they come. features (image, "
    "feature): what the networks of the same bundle take."
)


def encoder_onnx(encoder: ImageEncoder) -> bytes:
    """An encoder as an ONNX model, normalisation and resizing included.

    Input: `pixels` (image, size, size, channel) uint8. Output: `features` (image, feature) float32.
    The same bytes for the same encoder.

    Raises:
        ArtifactError: the weights are too large for an ONNX file.
    """
    size = sum(weight.nbytes for weight in encoder.state_dict().values())
    if size > _LARGEST:
        raise ArtifactError(
            f"expected an encoder of at most {_LARGEST / 1e9:.2f} GB, as much as an ONNX file "
            f"holds, found {size / 1e9:.2f} GB"
        )
    # torch's newer exporter needs a package more; that of TorchScript does not, and is deprecated.
    shape = (2, encoder.size, encoder.size, encoder.channels)
    model = _Exported(deepcopy(encoder).cpu()).eval()
    stream: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (torch.zeros(shape, dtype=torch.uint8),),
            stream,
            input_names=["pixels"],
            output_names=["features"],
            dynamic_axes={"pixels": {0: "image"}, "features": {0: "image"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    made = onnx.load_from_string(stream.getvalue())
    made.ir_version = _IR_VERSION
    made.producer_name, made.producer_version, made.doc_string = "rarenode", "", _ABOUT
    for node in made.graph.node:
        node.doc_string = ""
    return made.SerializeToString(deterministic=True)


class _Exported(nn.Module):
    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(
        self, pixels: UInt8[torch.Tensor, "image size size channel"]
    ) -> Float[torch.Tensor, "image feature"]:
        return self.encoder(pixels.permute(0, 3, 1, 2))
