"""What a bundle holds beside the ensemble: names, how rows become features, what it learnt from."""

import json

import numpy as np

from pipeline.artifacts.prepared import Prepared
from pipeline.champion import learnt

NODES, COLUMNS = "nodes.json", "columns.json"
MOST = "max_pixels"  # of a file, where examples are images
_ROWS = 10_000  # that are looked at at a time


def extra(data: Prepared) -> dict[str, bytes]:
    """Further files of a bundle: see `pipeline.prediction`, which reads them."""
    names = dict(zip(data.nodes["id"], data.nodes["name"], strict=True))
    examples = data.examples.iloc[data.rows("train", "valid")]
    return {
        NODES: _json(names),
        COLUMNS: _json(_columns(data)),
        learnt.FILE: learnt.to_bytes(learnt.hashes(examples["id"], examples["group"])),
        **data.encoder,
    }


def _columns(data: Prepared) -> dict[str, object]:
    """Names and ranges of the features that were learnt from, so that new rows can be compared."""
    rows, width = data.rows("train", "valid"), data.features.shape[1]
    low, high, missing = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width)
    for start in range(0, len(rows), _ROWS):
        block = np.asarray(data.features[rows[start : start + _ROWS]])
        low = np.fmin(low, np.fmin.reduce(block, axis=0, initial=np.inf))
        high = np.fmax(high, np.fmax.reduce(block, axis=0, initial=-np.inf))
        missing += np.isnan(block).sum(0)
    return {
        "names": list(data.feature_names),
        "low": [float(value) if np.isfinite(value) else None for value in low],
        "high": [float(value) if np.isfinite(value) else None for value in high],
        "missing": (missing / len(rows)).tolist(),
        # What may be predicted is what was learnt from.
        **({} if data.images is None else {MOST: data.info["images"][MOST]}),
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
