"""A trained ensemble as a folder of plain files: no pickle, the same bytes for the same ensemble.

`bundle.json` (schema, settings, hierarchy, sha256 of the arrays), `arrays.safetensors` (members,
preprocessing, combination, calibration, cuts), `README.md`, the model card, and what else was
given, such as how features are made of a table's columns. Members that average the labels of
training examples bring these labels, with the examples' weights if there were any, and neighbours
their features, too: whoever has the bundle has them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipeline.errors import ArtifactError
from pipeline.hml.calibration import Calibration
from pipeline.hml.ensemble import Combination, Ensemble
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members import KINDS
from pipeline.hml.preprocessing import Standardizer

SCHEMA = 5
_READ = (4, SCHEMA)
_OWN = ("bundle.json", "arrays.safetensors", "README.md")
_GREATEST = 1e6  # of a weight or a curve: no fit comes near it, and it overflows nothing
# What reading something else than what was written can end in.
_DAMAGED = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def save_bundle(
    path: str | Path,
    ensemble: Ensemble,
    *,
    config: Any = None,
    card: str = "",
    extra: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write an ensemble into a folder, which is created; files of an older bundle are replaced.

    Args:
        path: the folder.
        ensemble: what to store, such as a fitted classifier's `ensemble_`.
        config: how it was made, as JSON can hold it.
        card: the model card, Markdown.
        extra: further files by name, which `read_extra` gives back.

    Raises:
        ValueError: a further file has a name of a bundle's own, or one that is a path.

    Examples:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from pipeline.hml import RareNodeClassifier, save_bundle
        >>> x = np.random.default_rng(0).normal(size=(40, 2))
        >>> model = RareNodeClassifier(members=4, kinds=("kernel",)).fit(x, x > 1)
        >>> save_bundle("model", model.ensemble_, card="# Cats", extra={"columns.json": b"[]"})
        >>> sorted(path.name for path in Path("model").iterdir())
        ['README.md', 'arrays.safetensors', 'bundle.json', 'columns.json']
    """
    folder = Path(path)
    if wrong := [n for n in extra if n in _OWN or n != Path(n).name or n.startswith(".")]:
        raise ValueError(f"extra must have plain names that are not taken. Got {wrong}")
    blob = arrays_blob(ensemble)
    names = ensemble.hierarchy.nodes
    description = {
        "schema": SCHEMA,
        "sha256": {
            name: hashlib.sha256(content).hexdigest()
            for name, content in {"arrays.safetensors": blob, **extra}.items()
        },
        "kinds": {kind: members.options() for kind, members in ensemble.members.items()},
        "combined": ensemble.combination is not None,
        "rules": sorted(ensemble.cuts),
        "config": config,
        "nodes": list(names),
        "edges": [[names[c], names[p]] for c, p in ensemble.hierarchy.edge_index.T.tolist()],
    }
    text = json.dumps(description, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    contents = {
        "arrays.safetensors": blob,
        **extra,
        "README.md": card.encode(),
        "bundle.json": text.encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    # Whole files that replace links instead of following them, such as those of a DVC cache; and
    # all of them only once all are written.
    for name, content in contents.items():
        (folder / f".{name}").write_bytes(content)
    for name in contents:
        (folder / f".{name}").replace(folder / name)


def arrays_blob(ensemble: Ensemble) -> bytes:
    """The content of `arrays.safetensors`; the same ensemble has the same, however it was made."""
    arrays = {f"cut/{rule}": cut for rule, cut in ensemble.cuts.items()}
    arrays["preprocessing/mean"] = ensemble.preprocessing.mean
    arrays["preprocessing/scale"] = ensemble.preprocessing.scale
    arrays["share"] = ensemble.share
    for kind, members in ensemble.members.items():
        arrays |= {f"{kind}/{name}": array for name, array in members.arrays().items()}
    if ensemble.combination is not None:
        # By name: the order of JSON's keys means nothing.
        weight = dict(zip(ensemble.members, ensemble.combination.weight, strict=True))
        arrays |= {f"combination/{kind}": line for kind, line in weight.items()}
        curves = vars(ensemble.combination.calibration)
        arrays |= {f"calibration/{name}": array for name, array in curves.items()}
    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def load_bundle(path: str | Path) -> Ensemble:
    """Read what `save_bundle` wrote.

    Raises:
        ArtifactError: a file is missing or damaged, the schema is another one, or the arrays are
            not those that were described (sha256, shapes) or hold NaN.

    Examples:
        What comes back predicts the same, to the last bit, and what was tampered with is refused:

        >>> from pathlib import Path
        >>> import numpy as np
        >>> from pipeline.hml import RareNodeClassifier, load_bundle, save_bundle
        >>> x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
        >>> ensemble = RareNodeClassifier(members=4, kinds=("kernel",)).fit(x, x > 1).ensemble_
        >>> save_bundle("model", ensemble)
        >>> bool((load_bundle("model").predict_proba(x) == ensemble.predict_proba(x)).all())
        True
        >>> _ = Path("model/arrays.safetensors").write_bytes(b"others")
        >>> load_bundle("model")
        Traceback (most recent call last):
        pipeline.errors.ArtifactError: expected model/arrays.safetensors with sha256 ..., found ...
    """
    folder = Path(path)
    description = _description(folder)
    try:
        return _ensemble(description, load(_content(folder, "arrays.safetensors", description)))
    except (*_DAMAGED, SafetensorError) as error:
        raise ArtifactError(f"expected a complete bundle in {folder}, found: {error!r}") from None


def read_extra(path: str | Path) -> dict[str, bytes]:
    """The further files that `save_bundle` was given.

    Raises:
        ArtifactError: see `load_bundle`.
    """
    folder = Path(path)
    description = _description(folder)
    try:
        names = [name for name in description["sha256"] if name not in _OWN]
        if wrong := [name for name in names if name != Path(name).name]:
            raise ValueError(f"there are paths among its files: {wrong[:5]}")
        return {name: _content(folder, name, description) for name in names}
    except _DAMAGED as error:
        raise ArtifactError(f"expected a complete bundle in {folder}, found: {error!r}") from None


def read_config(path: str | Path) -> Any:
    """How it was made, as `save_bundle` was told.

    Raises:
        ArtifactError: see `load_bundle`.
    """
    return _description(Path(path)).get("config")


def _description(folder: Path) -> dict[str, Any]:
    try:
        description = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"expected a bundle in {folder}, found: {error}") from None
    schema = description.get("schema") if isinstance(description, dict) else None
    if schema in _READ:
        # Until schema 5 regressions were solved when they were first asked for.
        if schema == 4 and isinstance(kinds := description.get("kinds"), dict):
            kernels = kinds.get("kernel")
            if isinstance(kernels, dict):
                kernels.setdefault("solved", False)
        return description
    newer = isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA
    raise ArtifactError(
        f"expected a bundle of schema {SCHEMA} in {folder}, found {schema!r}"
        + (": it was written by a newer rarenode" if newer else ". `rarenode run` writes it anew")
    )


def _content(folder: Path, name: str, description: dict[str, Any]) -> bytes:
    """A file of the bundle, if it is the one that was described."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise ArtifactError(f"expected a bundle in {folder}, found: {error}") from None
    expected, found = description["sha256"][name], hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ArtifactError(f"expected {folder / name} with sha256 {expected}, found {found}")
    return content


def _ensemble(description: dict[str, Any], arrays: dict[str, np.ndarray]) -> Ensemble:
    edges = [(child, parent) for child, parent in description["edges"]]
    hierarchy = Hierarchy.from_edges(edges, nodes=description["nodes"])
    if list(hierarchy.nodes) != description["nodes"]:
        raise ValueError("nodes are not in node order")
    nodes = (len(hierarchy),)
    shapes = {f"cut/{rule}": nodes for rule in description["rules"]} | {"share": nodes}
    features = arrays["preprocessing/mean"].shape
    shapes |= {"preprocessing/mean": features[:1], "preprocessing/scale": features}
    kinds = description["kinds"]
    combination = None
    if description["combined"]:
        shapes |= {f"combination/{kind}": nodes for kind in kinds}
        shapes |= {f"calibration/{name}": nodes for name in ("low", "high", "bias")}
    others = {name for name in arrays if name not in shapes and name.split("/")[0] not in kinds}
    if others:
        raise ValueError(f"there are arrays that nothing describes: {sorted(others)[:5]}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, expected {shape}")
        if arrays[name].dtype.kind != "f":
            raise ValueError(f"{name} is {arrays[name].dtype}, expected floating-point numbers")
    for name, array in arrays.items():
        least, most = _range(name)
        if array.dtype.kind == "f" and not ((array >= least) & (array <= most)).all():
            raise ValueError(f"{name} holds NaN, or a number outside of {least:g} to {most:g}")
    if description["combined"]:
        curves = Calibration(**_under("calibration", arrays))
        weight = np.stack([arrays[f"combination/{kind}"] for kind in kinds])
        combination = Combination(weight, curves)
    members = {
        kind: KINDS[kind].from_arrays(_under(kind, arrays), options, hierarchy)
        for kind, options in kinds.items()
    }
    if len({kept.count for kept in members.values()}) > 1:
        raise ValueError("kinds have different numbers of members")
    wrong = {kind: kept.features for kind, kept in members.items() if (kept.features,) != features}
    if wrong:
        raise ValueError(f"members take other numbers of features than {features}: {wrong}")
    return Ensemble(
        hierarchy=hierarchy,
        preprocessing=Standardizer(arrays["preprocessing/mean"], arrays["preprocessing/scale"]),
        members=members,
        share=arrays["share"],
        cuts={rule: arrays[f"cut/{rule}"] for rule in description["rules"]},
        combination=combination,
    )


def _range(name: str) -> tuple[float, float]:
    """The least and the greatest that an array of numbers may hold."""
    part = name.split("/")[0]
    if part == "share":
        return 0.0, 1.0
    if part == "cut":
        return 0.0, np.inf  # never
    if part == "combination" or name in ("calibration/low", "calibration/high"):
        return 0.0, _GREATEST
    if part == "calibration":
        return -_GREATEST, _GREATEST
    greatest = float(np.finfo(np.float32).max)
    return (float(np.finfo(np.float32).tiny) if name.endswith("/scale") else -greatest), greatest


def _under(folder: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a folder, without it."""
    start = f"{folder}/"
    return {name[len(start) :]: array for name, array in arrays.items() if name.startswith(start)}
