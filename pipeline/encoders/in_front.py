"""One ONNX model from pixels to probabilities: an encoder in front of its bundle's networks."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from pipeline.encoders.encoder import ImageEncoder
from pipeline.encoders.onnx import encoder_onnx


def with_encoder(
    encoder: ImageEncoder, kept: Sequence[int], networks: bytes, *, others: int = 0
) -> bytes:
    """An ONNX model that takes images; the same bytes for the same bundle.

    Inputs: `pixels` (example, size, size, channel) uint8 and, where the networks take other
    features as well, `table_features` (example, feature) float32, which stand before those of the
    images. Outputs and metadata are those of the networks.

    Args:
        encoder: of the images.
        kept: which of its outputs the networks take.
        networks: see `hml.onnx_export.network_onnx`.
        others: how many features of another origin they take.

    Raises:
        ArtifactError: the encoder is too large for an ONNX file.
    """
    first = onnx.load_from_string(encoder_onnx(encoder))
    about = first.doc_string
    first = compose.add_prefix(first, "encoder/", rename_inputs=False)
    graph = first.graph
    names = numpy_helper.from_array(np.array(kept, np.int64), "kept")
    graph.initializer.append(names)
    found = graph.output[0].name
    image = helper.make_node("Gather", [found, "kept"], ["image_features"], "pick", axis=1)
    graph.node.append(image)
    made = "image_features"
    if others:
        shape = ["example", others]
        graph.input.append(
            helper.make_tensor_value_info("table_features", TensorProto.FLOAT, shape)
        )
        parts = ["table_features", made]
        graph.node.append(helper.make_node("Concat", parts, ["all_features"], "join", axis=1))
        made = "all_features"
    del graph.output[:]
    width = ["example", others + len(kept)]
    graph.output.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, width))
    second = onnx.load_from_string(networks)
    second.producer_name, second.producer_version = first.producer_name, first.producer_version
    merged = compose.merge_models(first, second, [(made, "features")])
    merged.producer_name, merged.producer_version = "rarenode", ""
    merged.doc_string = f"{about} {second.doc_string}"
    return merged.SerializeToString(deterministic=True)
