"""A trained ensemble as a folder of plain files: no pickle, the same bytes for the same ensemble.

`bundle.json` (schema, settings, hierarchy, sha256 of the arrays), `arrays.safetensors` (weights,
preprocessing, cuts) and `README.md`, the model card.
"""

import hashlib
import json
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


def save_bundle(path: str | Path, ensemble: Ensemble, *, config: Any, card: str) -> None:
    """Write an ensemble into a folder, which is created; files of an older bundle are replaced.

    Args:
        path: the folder.
        ensemble: what to store.
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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arrays.safetensors").write_bytes(blob)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "bundle.json").write_text(text, encoding="utf-8")


def load_bundle(path: str | Path) -> Ensemble:
    """Read what `save_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or damaged, the schema is another one, or the arrays are
            not those that were described (sha256, shapes).
    """
    folder = Path(path)
    try:
        description = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        blob = (folder / "arrays.safetensors").read_bytes()
    except (OSError, ValueError) as error:
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
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise ArtifactError(f"expected a complete bundle in {folder}, found: {error!r}") from None


def _ensemble(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ensemble:
    hierarchy = Hierarchy.from_edges(description["edges"], nodes=description["nodes"])
    if list(hierarchy.nodes) != description["nodes"]:
        raise ValueError("nodes are not in node order")
    networks = Networks(
        description["members"], tuple(description["sizes"]), dropout=description["dropout"], seed=0
    )
    with torch.no_grad():
        for kind, parameters in (("weight", networks.weights), ("bias", networks.biases)):
            for number, parameter in enumerate(parameters):
                stored = torch.from_numpy(arrays[f"{kind}/{number}"])
                if stored.shape != parameter.shape:
                    raise ValueError(f"{kind}/{number} has shape {tuple(stored.shape)}")
                parameter.copy_(stored)
    return Ensemble(
        hierarchy=hierarchy,
        preprocessing=Standardizer(arrays["preprocessing/mean"], arrays["preprocessing/scale"]),
        networks=networks.eval(),
        share=arrays["share"],
        cuts={rule: arrays[f"cut/{rule}"] for rule in description["rules"]},
    )
