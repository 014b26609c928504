"""profile.json: what the prepared data look like, to hold later data against.

It goes into git as data/accepted.json, so it is bounded, and holds no example's id: a hash in its
place tells that an example has gone, not which.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.artifacts.prepared import SPLITS, Prepared
from pipeline.artifacts.validated import PROFILE_SCHEMA
from pipeline.validation import facts, sample

REMEMBERED = 10_000  # examples by their hash: what share has gone is exact to 1 % and better
KINDS = ("empty", "binary", "integer", "real")  # each can hold the values of those before it
_VALUES = 1 << 20  # read at a time: features are memory-mapped


def profile(data: Prepared, sha256: str | None) -> dict[str, Any]:
    """Describe the prepared data; the same data give the same profile.

    Args:
        data: what is described. Its tables have to fit together; it may break other expectations.
        sha256: of dataset.json, by which a profile is known to be that of the prepared data.

    Returns:
        `features`, one entry each: `kind` (one of `KINDS`), `missing` (a share), `min`, `max`,
        `mean`, `sd` of all finite values (None without any), `deciles` (nine values that occur,
        each the smallest with at least so many tenths below or equal) and `counts` (see `counts`)
        between the different ones of these. Deciles and counts are of as many evenly spaced
        examples as `sample.CELLS` values allow.
        `nodes`: `train`, `valid`, `test` are positives after closing upward.
    """
    closed = facts.closed(data)
    per_example = np.asarray(closed.sum(axis=1)).ravel()
    children = set(data.edges["child"])
    ids = data.nodes["id"].tolist()
    return {
        "schema": PROFILE_SCHEMA,
        "dataset": data.info.get("name"),
        "version": data.info.get("version"),
        "dataset_json": sha256,
        "sha256": data.info.get("sha256"),
        "examples": {
            "total": len(data.examples),
            **{split: len(data.rows(split)) for split in SPLITS},
            "remembered": remembered(data),
        },
        "hierarchy": {
            "nodes": len(ids),
            "scored": int(data.nodes["scored"].sum()),
            "roots": sum(node not in children for node in ids),
            "edges": len(data.edges),
            "depth": int(data.nodes["depth"].max()) if ids else 0,
        },
        "labels_per_example": {
            name: _short(float(find(per_example))) if len(per_example) else None
            for name, find in (("min", np.min), ("mean", np.mean), ("max", np.max))
        },
        "features": _features(data),
        "nodes": _nodes(data, closed),
    }


def remembered(data: Prepared, most: int | None = REMEMBERED) -> list[str]:
    """The smallest hashes of example ids, ascending; all of them if `most` is None.

    Which ones are remembered depends on the ids alone, so a share of them is one of all examples
    (a bottom-k sample: Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches").
    """
    hashes = {
        hashlib.blake2b(str(example).encode(), digest_size=6).hexdigest()
        for example in data.examples["id"]
    }
    return sorted(hashes)[:most]


def edges(deciles: list[float | None]) -> np.ndarray:
    """The different ones of a profile's deciles, ascending, to the bit as the features had them."""
    return np.unique(np.array([value for value in deciles if value is not None], np.float32))


def counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How many known values lie up to the first edge, up to the next, …, above the last."""
    bins = np.searchsorted(edges, values[~np.isnan(values)], side="left")
    return np.bincount(bins, minlength=len(edges) + 1)


def _nodes(data: Prepared, closed: Any) -> list[dict[str, Any]]:
    support = [np.asarray(closed[data.rows(split)].sum(axis=0)).ravel() for split in SPLITS]
    rows = zip(data.nodes["id"], data.nodes["name"], *support, strict=True)
    return [
        {"id": node, "name": name}
        | {split: int(number) for split, number in zip(SPLITS, numbers, strict=True)}
        for node, name, *numbers in rows
    ]


def _features(data: Prepared) -> list[dict[str, Any]]:
    moments = _moments(data)
    rows = sample.rows(np.arange(len(data.examples)), len(data.feature_names))
    looked_at = np.asarray(data.features[rows])
    found: list[dict[str, Any]] = []
    for column, name in enumerate(data.feature_names):
        values = np.sort(looked_at[:, column])  # missing values come last
        values = values[: len(values) - int(np.isnan(values).sum())]
        places = (len(values) * np.arange(1, 10) + 9) // 10 - 1  # rounded up, then counted from 0
        deciles = [_short(value) for value in values[places]] if len(values) else []
        found.append(
            {
                "name": name,
                **moments.entry(column),
                "deciles": deciles,
                "counts": counts(values, edges(deciles)).tolist(),
            }
        )
    return found


@dataclass(frozen=True)
class _Moments:
    """Per feature (feature,), of its finite values; `missing` counts what is NaN."""

    examples: int
    missing: np.ndarray
    known: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    squares: np.ndarray  # sum of squared distances from the mean
    binary: np.ndarray
    integer: np.ndarray

    def entry(self, column: int) -> dict[str, Any]:
        known = int(self.known[column])
        kind = "integer" if self.integer[column] else "real"
        kind = "binary" if self.binary[column] else kind
        return {
            "kind": kind if known else "empty",
            "missing": _short(self.missing[column] / max(self.examples, 1)),
            "min": _short(self.low[column]) if known else None,
            "max": _short(self.high[column]) if known else None,
            "mean": _short(self.mean[column]) if known else None,
            "sd": _short(np.sqrt(self.squares[column] / known)) if known else None,
        }


def _moments(data: Prepared) -> _Moments:
    """In one pass over the memory-mapped features; blocks are joined as by Chan et al. (1983)."""
    examples, count = data.features.shape
    missing, known = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    mean, squares = np.zeros(count), np.zeros(count)
    binary, integer = np.ones(count, dtype=bool), np.ones(count, dtype=bool)
    step = max(1, _VALUES // max(count, 1))
    for start in range(0, examples, step):
        block = np.asarray(data.features[start : start + step], dtype=np.float64)
        finite = np.isfinite(block)
        missing += np.isnan(block).sum(axis=0)
        low = np.minimum(low, np.where(finite, block, np.inf).min(axis=0))
        high = np.maximum(high, np.where(finite, block, -np.inf).max(axis=0))
        binary &= (~finite | (block == 0) | (block == 1)).all(axis=0)
        integer &= (~finite | (block == np.rint(block))).all(axis=0)
        number = finite.sum(axis=0)
        own = np.where(finite, block, 0).sum(axis=0) / np.maximum(number, 1)
        apart = own - mean
        together = np.maximum(known + number, 1)
        squares += (np.where(finite, block - own, 0) ** 2).sum(axis=0)
        squares += apart**2 * known * number / together
        mean += apart * number / together
        known += number
    return _Moments(examples, missing, known, low, high, mean, squares, binary, integer)


def _short(value: float) -> float | None:
    """Nine significant digits, which tell all float32 numbers apart; None for what is no number."""
    return float(f"{value:.9g}") if np.isfinite(value) else None
