"""Raw files -> data/prepared: order the hierarchy, draw splits, drop rare nodes, build features."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipeline import progress
from pipeline.artifacts import paths, prepared
from pipeline.artifacts.prepared import SPLITS, Prepared
from pipeline.config import Config
from pipeline.datasets import registry, splits, stratified
from pipeline.datasets.source import RawDataset, Source
from pipeline.datasets.tables.files import several
from pipeline.errors import DatasetError
from pipeline.hml import Hierarchy
from pipeline.hml import unknown as unknown_labels
from pipeline.stages import encoding, labelling
from pipeline.stages.encoding import Labelled

if TYPE_CHECKING:
    from pipeline.encoders.encoder import ImageEncoder

_NAMED = 20  # nodes that dataset.json names of those that are left out


def run(config: Config) -> list[Path]:
    """Prepare the configured data set."""
    source = registry.of(config)
    raw = source.read(paths.raw(config.dataset))
    made = prepare(raw, source, config)
    prepared.write(made)
    _tell_of_the_rarest(made)
    return [paths.PREPARED]


def prepare(
    raw: RawDataset,
    source: Source,
    config: Config,
    pretrained: "ImageEncoder | None" = None,
) -> Prepared:
    """Turn a raw data set into the prepared one.

    Args:
        raw: as `source` has read it, or a part of it.
        source: of the data set.
        config: what is asked for.
        pretrained: see `encoding.with_images`.

    Raises:
        HierarchyError: the edges hold a cycle or an unknown node.
        DatasetError: labels, splits or features are at odds with the rest, or nothing is left.
    """
    _check(raw)
    whole = labelling.build(raw.nodes, raw.edges)
    closed = whole.close(labelling.label_matrix(raw.labels, whole))
    split = _split(raw, config, closed)
    fit_rows = np.flatnonzero(split != "test")
    support = whole.support(closed[fit_rows])
    # An ancestor has at least the support of its descendants: what goes is closed downward, so the
    # edges between the nodes that stay keep their meaning, and so do the depths.
    kept = np.flatnonzero(support >= config.prepare.min_support)
    if not len(kept):
        raise DatasetError(
            f"expected nodes with at least {config.prepare.min_support} positives in train+valid "
            f"(prepare.min_support), found none; the largest support is {support.max(initial=0)}"
        )
    ids = [whole.nodes[column] for column in kept]
    left = set(ids)
    edges = sorted({(c, p) for c, p in raw.edges if c in left and p in left})
    # Reducing the *closed* labels moves a label of a dropped node to its nearest kept ancestors.
    reduced = Hierarchy.from_edges(edges, nodes=ids)
    labels = labelling.most_specific(sparse.csr_array(closed[:, kept]), reduced)
    scored = np.array([node not in raw.unscored for node in ids])
    unknown, notes = _unknown(raw, closed, whole), list[str]()
    if unknown is not None:
        unknown = sparse.csr_array(unknown[:, kept])
        unknown = unknown if unknown.nnz else None
    if unknown is not None:
        notes = [
            f"{unknown.nnz:,} of {unknown.shape[0] * len(ids):,} labels (example, node) are "
            "unknown: they enter no loss and no figure.",
            *_without_negative(unknown[fit_rows], support[kept], ids, scored),
        ]

    made, pictures = source.features(raw, fit_rows, config.prepare.max_features), None
    if raw.images is not None:
        shown = Labelled(
            np.flatnonzero(split == "train"),
            fit_rows,
            sparse.csr_array(closed[:, kept]),
            reduced,
            scored,
            unknown,
        )
        made = encoding.with_images(made, raw, shown, config, pretrained)
        pictures = encoding.pictures(raw)
    features = made.values
    if config.prepare.missing == "split_mean":
        features = _filled(features, split if raw.splits is None else np.array(raw.splits))
    if features.shape != (len(raw.ids), len(made.names)):
        raise DatasetError(
            f"expected features of shape {(len(raw.ids), len(made.names))} (examples, names), "
            f"found {features.shape}"
        )
    return Prepared(
        features=features,
        feature_names=made.names,
        labels=labels,
        unknown=unknown,
        examples=pd.DataFrame(
            {"id": list(raw.ids), "split": list(split), "group": list(raw.groups)}, dtype="str"
        ),
        nodes=pd.DataFrame(
            {
                "id": ids,
                "name": [raw.nodes[node] for node in ids],
                "depth": whole.depth[kept],
                "scored": scored,
            }
        ),
        edges=pd.DataFrame(edges, columns=["child", "parent"], dtype="str"),
        info=_info(raw, config, split, closed, labels, support, notes, whole)
        | ({} if unknown is None else {"unknown": unknown.nnz})
        | ({} if raw.images is None else {"images": encoding.described(config, raw)}),
        encoder=made.encoder,
        images=pictures,
    )


def _tell_of_the_rarest(data: Prepared) -> None:
    """Nobody is to look for a node among the predictions that could not be learnt."""
    nodes = data.info["nodes"]
    if count := nodes["used"] - nodes["kept"]:
        named = [f"{node} ({support})" for node, support in nodes["left_out"].items()][:3]
        progress.note(
            f"{count:,} node{'s' if count > 1 else ''} with fewer than {nodes['min_support']} "
            "positives in train+valid (prepare.min_support) left out"
            f"{', such as' if count > len(named) else ':'} {', '.join(named)}"
        )


def _unknown(
    raw: RawDataset, closed: sparse.csr_array, hierarchy: Hierarchy
) -> sparse.csr_array | None:
    if raw.unknown is None:
        return None
    given: Any = raw.unknown
    if given.shape != closed.shape:
        raise DatasetError(
            f"expected unknown labels of shape {closed.shape} (example, node), found {given.shape}"
        )
    place = {node: number for number, node in enumerate(raw.nodes)}
    try:
        ordered = given[:, [place[node] for node in hierarchy.nodes]]
        return unknown_labels.checked(ordered, closed, hierarchy)
    except ValueError as error:
        raise DatasetError(f"expected unknown labels that fit the others, found: {error}") from None


def _without_negative(
    unknown: sparse.csr_array, support: np.ndarray, ids: list[str], scored: np.ndarray
) -> list[str]:
    """Nodes without a known negative in train+valid, as a note; they are scored no longer.

    Raises:
        DatasetError: no scored node has one.
    """
    count = np.asarray(unknown.sum(axis=0))
    lacking = scored & (count > 0) & (support + count == unknown.shape[0])
    if lacking.any() and (lacking | (support == unknown.shape[0]))[scored].all():
        raise DatasetError(
            "expected examples in train+valid that are known not to have a node, found none for "
            f"any of the {scored.sum():,} scored nodes: all other labels are unknown"
        )
    if not lacking.any():
        return []
    scored[lacking] = False
    names = several([ids[node] for node in np.flatnonzero(lacking)], 3)
    return [
        f"Nodes that no example of train+valid is known not to have: {lacking.sum():,} ({names}). "
        "There is nothing to tell their positives from, and no figure counts them."
    ]


def _split(raw: RawDataset, config: Config, closed: sparse.csr_array) -> np.ndarray:
    """The split of each example: the source's own, or drawn as `prepare.split_by` says."""
    options = config.prepare
    shares = {"valid_share": options.valid_share, "test_share": options.test_share}
    if raw.splits is None and options.split_by == "time":
        if raw.moments is None:
            raise DatasetError(
                "prepare.split_by: expected a data set whose examples have a time (tables.features."
                "time) for 'time', found none"
            )
        return splits.by_time(raw.groups, raw.moments, **shares)
    if raw.splits is None and options.split_by == "stratified":
        train = 1 - options.valid_share - options.test_share
        wanted = {"train": train, "valid": options.valid_share, "test": options.test_share}
        return stratified.assign(raw.groups, closed, wanted, seed=options.split_seed)
    if raw.splits is None:
        return splits.assign(raw.groups, **shares, seed=options.split_seed)
    given = np.array(raw.splits, dtype=object)
    if "valid" in raw.splits:
        return given
    shares["test_share"] = 0
    drawn = splits.assign(raw.groups, **shares, seed=options.split_seed)
    return np.where(given == "train", drawn, given)


def _filled(features: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Missing values take the mean of their own split; one that is missing throughout stays so."""
    filled = features.copy()
    for name in np.unique(split):
        block = filled[split == name]
        known = ~np.isnan(block)
        total = np.where(known, block, 0).sum(axis=0, dtype=np.float64)
        mean = total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        filled[split == name] = np.where(known, block, mean)
    return filled


def _check(raw: RawDataset) -> None:
    """Refuse tables that do not fit together, before anything is computed from them."""
    n = len(raw.ids)
    lengths = {"groups": len(raw.groups), "labels": len(raw.labels)}
    lengths["attributes"] = len(raw.attributes)
    if raw.moments is not None:
        lengths["moments"] = len(raw.moments)
    if raw.splits is not None:
        lengths["splits"] = len(raw.splits)
        if unknown := sorted(set(raw.splits) - set(SPLITS)):
            raise DatasetError(f"expected splits out of {', '.join(SPLITS)}, found {unknown[:5]}")
    for name, length in lengths.items():
        if length != n:
            raise DatasetError(f"expected {n} {name}, one per example, found {length}")
    if n == 0:
        raise DatasetError("expected at least one example, found none")
    for example, labels in zip(raw.ids, raw.labels, strict=True):
        if unknown := sorted({label for label in labels if label not in raw.nodes}):
            raise DatasetError(
                f"expected labels that are nodes of the hierarchy, found {unknown[:5]} in example "
                f"{example!r}"
            )


def _info(
    raw: RawDataset,
    config: Config,
    split: np.ndarray,
    closed: sparse.csr_array,
    labels: sparse.csr_array,
    support: np.ndarray,
    further: list[str],
    whole: Hierarchy,
) -> dict[str, Any]:
    """What dataset.json says beside the schema and the tables' sha256."""
    used = np.asarray(closed.sum(axis=0)).ravel() > 0
    rare = np.flatnonzero(used & (support < config.prepare.min_support))
    rare = rare[np.argsort(-support[rare], kind="stable")]
    per_example = np.diff(labels.indptr)
    return {
        "name": config.dataset,
        "source": raw.info["source"],
        "version": raw.info["version"],
        "notice": raw.info["notice"],
        **({"caution": raw.info["caution"]} if "caution" in raw.info else {}),
        "notes": [
            *raw.info["notes"],
            *further,
            "An example whose labels all belong to dropped nodes stays, without labels.",
            *(
                ["Missing values took the mean of their own split, the test split included."]
                if config.prepare.missing == "split_mean"
                else []
            ),
        ],
        "examples": {name: int((split == name).sum()) for name in SPLITS}
        | {"without_labels": int((per_example == 0).sum())},
        "groups": len(set(raw.groups)),
        "nodes": {
            "in_source": len(raw.nodes),
            "used": int(used.sum()),
            "kept": labels.shape[1],
            "min_support": config.prepare.min_support,
            # The most frequent ones: they are the nearest to being kept.
            "left_out": {whole.nodes[node]: int(support[node]) for node in rare[:_NAMED]},
        },
        "splits": _origin_of_splits(raw, config),
    }


def _origin_of_splits(raw: RawDataset, config: Config) -> str:
    if raw.splits is None:
        drawn = {"hash": "hash of the group", "time": "by time, the latest examples are the test"}
        return drawn.get(
            config.prepare.split_by, "stratified, so that rare nodes are on both sides"
        )
    if "valid" in raw.splits:
        return "given by the source"
    return "given by the source, validation by hash of the group"
