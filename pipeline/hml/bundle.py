"""A trained ensemble as a folder of plain files: no pickle, the same bytes for the same ensemble.

`bundle.json` (schema, settings, hierarchy, sha256 of the arrays), `arrays.safetensors` (weights,
preprocessing, cuts) and `README.md`, the model card.
"""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import ArtifactError
from pipeline.hml.ensemble import Ensemble
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer

SCHEMA = 1


def save_bundle(
    path: str | Path, ensemble: Ensemble, *, config: Any = None, card: str = ""
) -> None:
    """Write an ensemble into a folder, which is created; files of an older bundle are replaced.

    Args:
        path: the folder.
        ensemble: what to store, such as a fitted classifier's `ensemble_`.
        config: how it was made, as JSON can hold it.
        card: the model card, Markdown.
    """
    folder = Path(path)
    networks = ensemble.networks
    arrays = {f"weight/{i}": w.detach().numpy() for i, w in enumerate(networks.weights)}
    arrays |= {f"bias/{i}": b.detach().numpy() for i, b in enumerate(networks.biases)}
    arrays |= {f"cut/{rule}": cut for rule, cut in ensemble.cuts.items()}
    arrays["preprocessing/mean"] = ensemble.preprocessing.mean
    arrays["preprocessing/scale"] = ensemble.preprocessing.scale
    arrays["share"] = ensemble.share
    blob = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    names = ensemble.hierarchy.nodes
    description = {
        "schema": SCHEMA,
        "sha256": {"arrays.safetensors": hashlib.sha256(blob).hexdigest()},
        "members": networks.members,
        "sizes": list(networks.sizes),
        "dropout": networks.dropout,
        "rules": sorted(ensemble.cuts),
        "config": config,
        "nodes": list(names),
        "edges": [[names[c], names[p]] for c, p in ensemble.hierarchy.edge_index.T.tolist()],
    }
    text = json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {
        "arrays.safetensors": blob,
        "README.md": card.encode(),
        "bundle.json": text.encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        # Whole files that replace links instead of following them, such as those of a DVC cache.
        temporary = folder / f".{name}"
        temporary.write_bytes(content)
        temporary.replace(folder / name)


def load_bundle(path: str | Path) -> Ensemble:
    """Read what `save_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or damaged, the schema is another one, or the arrays are
            not those that were described (sha256, shapes) or hold NaN.
    """
    folder = Path(path)
    try:
        description = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        blob = (folder / "arrays.safetensors").read_bytes()
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"expected a bundle in {folder}, found: {error}") from None
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema != SCHEMA:
        raise ArtifactError(f"expected a bundle of schema {SCHEMA} in {folder}, found {schema!r}")
    try:
        expected = description["sha256"]["arrays.safetensors"]
        found = hashlib.sha256(blob).hexdigest()
        if found != expected:
            raise ArtifactError(
                f"expected {folder / 'arrays.safetensors'} with sha256 {expected}, found {found}"
            )
        return _ensemble(description, load(blob))
    except (LookupError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"expected a complete bundle in {folder}, found: {error!r}") from None


def _ensemble(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ensemble:
    edges = [(child, parent) for child, parent in description["edges"]]
    hierarchy = Hierarchy.from_edges(edges, nodes=description["nodes"])
    if list(hierarchy.nodes) != description["nodes"]:
        raise ValueError("nodes are not in node order")
    members, sizes, dropout = (description[key] for key in ("members", "sizes", "dropout"))
    if len(sizes) < 2 or sizes[-1] != len(hierarchy) or not 0 <= dropout < 1:
        raise ValueError(f"sizes {sizes}, dropout {dropout} and {len(hierarchy)} nodes do not fit")
    # Before any network is made: what a description claims may not fit into memory.
    shapes = {"preprocessing/mean": sizes[:1], "preprocessing/scale": sizes[:1]}
    shapes |= {name: sizes[-1:] for name in ("share", *(f"cut/{r}" for r in description["rules"]))}
    for layer, (below, above) in enumerate(pairwise(sizes)):
        shapes[f"weight/{layer}"] = [members, below, above] if layer else [below, members, above]
        shapes[f"bias/{layer}"] = [members, 1, above]
    for name, shape in shapes.items():
        if list(arrays[name].shape) != shape or np.isnan(arrays[name]).any():
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}, or NaN")
    networks = Networks(members, tuple(sizes), dropout=dropout, seed=0)
    with torch.no_grad():
        for kind, parameters in (("weight", networks.weights), ("bias", networks.biases)):
            for layer, parameter in enumerate(parameters):
                parameter.copy_(torch.from_numpy(arrays[f"{kind}/{layer}"]))
    return Ensemble(
        hierarchy=hierarchy,
        preprocessing=Standardizer(arrays["preprocessing/mean"], arrays["preprocessing/scale"]),
        networks=networks.eval(),
        share=arrays["share"],
        cuts={rule: arrays[f"cut/{rule}"] for rule in description["rules"]},
    )
