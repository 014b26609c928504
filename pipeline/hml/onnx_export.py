"""An ensemble's networks as an ONNX model, for runtimes without Python. Needs the package onnx.

From raw features to coherent probabilities: standardisation and constraint are in the graph.
"""

import hashlib
import json

import numpy as np
from jaxtyping import Int
from onnx import TensorProto, helper

from pipeline.errors import ArtifactError
from pipeline.hml import onnx_constraint
from pipeline.hml.bundle import SCHEMA, arrays_blob
from pipeline.hml.ensemble import Ensemble
from pipeline.hml.members import NetworkMembers
from pipeline.hml.onnx_graph import Graph
from pipeline.hml.preprocessing import Standardizer

# Of ONNX 1.13, whatever is installed: older runtimes read them, and the bytes stay the same.
_OPSET, _IR_VERSION = 18, 8
_LARGEST = 2**31 - 2**26  # bytes of weights: protobuf ends at 2 GiB, with names and indices
_ABOUT = (
    "The networks of a rarenode bundle alone: members of other kinds, their mixture and the "
    "calibration are not in this file, and the cuts of the bundle's rules are for what comes of "
    "them. Decide at 0.5. features (example, feature): raw, NaN where one is missing; an example "
    "with an infinite one gets NaN. probability (example, node): the mean over members of coherent "
    "probabilities; columns as in the metadata's nodes."
)


def network_onnx(ensemble: Ensemble, *, members: bool = False) -> bytes:
    """The networks of an ensemble as an ONNX model; the same bytes for the same ensemble.

    Input: `features` (example, feature) float32. Output: `probability` (example, node) float32.
    Metadata: `schema` of the bundle, `sha256` of its arrays, and as JSON `nodes` and `rules`, the
    names of its decision rules.

    Args:
        ensemble: such as `load_bundle` gives.
        members: whether there is a second output, `member_probability` (member, example, node).

    Raises:
        ArtifactError: the ensemble has no networks, or they are too large for an ONNX file.
    """
    networks = ensemble.members.get(NetworkMembers.kind)
    if not isinstance(networks, NetworkMembers):
        raise ArtifactError(
            f"expected networks in the ensemble, found {', '.join(ensemble.members)}"
        )
    size = sum(array.nbytes for array in networks.arrays().values())
    if size > _LARGEST:
        raise ArtifactError(
            f"expected networks of at most {_LARGEST / 1e9:.2f} GB, as much as an ONNX file holds, "
            f"found {size / 1e9:.2f} GB"
        )
    graph = Graph()
    x = _standardised(graph, ensemble.preprocessing)
    levels = onnx_constraint.families(ensemble.hierarchy)
    order = onnx_constraint.order(levels)
    logits = _logits(graph, networks, graph.add("Transpose", x, perm=[1, 0]), order)
    # Before the constraint: a runtime's sigmoid may fall by a last bit where its argument rises.
    p = onnx_constraint.coherent(graph, graph.add("Sigmoid", logits), levels)
    p = graph.take(p, np.argsort(order), axis=1)
    refusal = _refusal(graph, x)
    mean = graph.add("Transpose", graph.reduce("ReduceMean", p, axis=0), perm=[1, 0])
    graph.add("Add", mean, refusal, to="probability")
    if members:
        each = graph.add("Transpose", p, perm=[0, 2, 1])
        graph.add("Add", each, refusal, to="member_probability")
    return _model(graph, ensemble, networks, members=members)


def _standardised(graph: Graph, preprocessing: Standardizer) -> str:
    """(example, feature), as `Standardizer.transform` does."""
    mean = graph.constant("mean", preprocessing.mean.astype(np.float32))
    scale = graph.constant("scale", preprocessing.scale.astype(np.float32))
    x = graph.add("Div", graph.add("Sub", "features", mean), scale)
    zero = graph.constant("zero", np.zeros(1, np.float32))
    return graph.add("Where", graph.add("IsNaN", x), zero, x)


def _refusal(graph: Graph, x: str) -> str:
    """(example, 1): NaN where a feature is infinite, which `transform` refuses; else 0."""
    zeros = graph.add("Mul", x, graph.constant("zero", np.zeros(1, np.float32)))
    return graph.reduce("ReduceSum", zeros, axis=1, keepdims=True)


def _logits(graph: Graph, networks: NetworkMembers, x: str, order: Int[np.ndarray, " node"]) -> str:
    """(member, node, example) of x (feature, example), nodes in some order.

    Examples come last, so that the constraint moves rows of examples and not single numbers.
    """
    arrays = networks.arrays()
    layers = len(networks.networks.sizes) - 1
    for layer in range(layers):
        weight, bias = arrays[f"weight/{layer}"], arrays[f"bias/{layer}"]
        weight = weight.transpose((0, 2, 1) if layer else (1, 2, 0))  # (member, unit, unit below)
        bias = bias.transpose(0, 2, 1)
        if layer == layers - 1:
            weight, bias = weight[:, order], bias[:, order]
        x = graph.add("Relu", x) if layer else x
        x = graph.add("MatMul", graph.constant(f"weight/{layer}", weight), x)
        x = graph.add("Add", x, graph.constant(f"bias/{layer}", bias))
    return x


def _model(graph: Graph, ensemble: Ensemble, networks: NetworkMembers, *, members: bool) -> bytes:
    nodes, kind = len(ensemble.hierarchy), TensorProto.FLOAT
    shape: list[str | int] = ["example", nodes]
    outputs = [helper.make_tensor_value_info("probability", kind, shape)]
    if members:
        shape = [networks.count, *shape]
        outputs.append(helper.make_tensor_value_info("member_probability", kind, shape))
    features = helper.make_tensor_value_info("features", kind, ["example", networks.features])
    constants = [*graph.constants.values()]
    model = helper.make_model(
        helper.make_graph(graph.operators, "networks", [features], outputs, constants),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="rarenode",
        doc_string=_ABOUT,
    )
    metadata = {
        "schema": str(SCHEMA),
        "sha256": hashlib.sha256(arrays_blob(ensemble)).hexdigest(),
        "nodes": json.dumps(ensemble.hierarchy.nodes, ensure_ascii=False),
        "rules": json.dumps(sorted(ensemble.cuts), ensure_ascii=False),
    }
    helper.set_model_props(model, metadata)
    return model.SerializeToString(deterministic=True)
