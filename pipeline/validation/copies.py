"""Examples of equal features that stand in different splits: the test is partly known by heart."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.prepared import Prepared

_SHOWN = 20  # examples named of a group
_VALUES = 1 << 20  # read at a time: features are memory-mapped


def copies(data: Prepared) -> pd.DataFrame:
    """The examples with `elsewhere`, how many examples of other splits have the same features.

    `copy` numbers the groups of equal features in the order of their first example; -1 stands for
    an example without any known value, which equals nothing. `labels` is a hash of the example's
    labels: equal features with equal labels are a leak, with other labels a riddle.
    """
    copy = _numbered(_digests(data))
    table = data.examples[["id", "split"]].assign(copy=copy, labels=_label_digests(data))
    known = table[copy >= 0]
    alike = known.groupby("copy")["id"].transform("size")
    here = known.groupby(["copy", "split"])["id"].transform("size")
    return table.assign(elsewhere=(alike - here).reindex(table.index, fill_value=0))


def groups(table: pd.DataFrame, most: int) -> tuple[int, list[dict[str, Any]]]:
    """How many groups lie across splits, and the first `most` of them.

    A group has `examples` (id, split), up to `_SHOWN`, their `total`, and `same_labels`.
    """
    across = table[table["elsewhere"] > 0]
    numbers = across["copy"].unique()  # in the order of their first examples
    shown = across[across["copy"].isin(numbers[:most])]
    return len(numbers), [
        {
            "examples": members[["id", "split"]][:_SHOWN].to_dict("records"),
            "total": len(members),
            "same_labels": bool(members["labels"].nunique() == 1),
        }
        for _, members in shown.groupby("copy", sort=True)
    ]


def in_test(table: pd.DataFrame) -> tuple[int, int]:
    """How many test examples have a copy in train or valid, and how many one with their labels."""
    known = table[table["copy"] >= 0]
    tested = known["split"] == "test"
    alike = known["copy"].isin(known.loc[~tested, "copy"])
    keys = pd.Series([*zip(known["copy"], known["labels"], strict=True)], known.index, dtype=object)
    same = keys.isin(keys[~tested])
    return int((tested & alike).sum()), int((tested & same).sum())


def _digests(data: Prepared) -> list[bytes]:
    """A hash of each row, nothing for one without a known value."""
    count = data.features.shape[1]
    step = max(1, _VALUES // max(count, 1))
    found: list[bytes] = []
    for start in range(0, data.features.shape[0], step):
        block = np.array(data.features[start : start + step], dtype=np.float32)
        missing = np.isnan(block)
        block[missing] = np.nan  # one of the many bit patterns of NaN
        block += 0.0  # -0 becomes 0
        found += [
            b"" if gaps.all() else _digest(row) for row, gaps in zip(block, missing, strict=True)
        ]
    return found


def _label_digests(data: Prepared) -> list[bytes]:
    labels = data.labels.sorted_indices()
    bounds = zip(labels.indptr[:-1], labels.indptr[1:], strict=True)
    return [_digest(labels.indices[start:end].astype(np.int64)) for start, end in bounds]


def _digest(values: np.ndarray) -> bytes:
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()


def _numbered(digests: list[bytes]) -> np.ndarray:
    """The same number for the same bytes, from 0 by first occurrence; -1 for nothing."""
    numbers: dict[bytes, int] = {}
    return np.array(
        [numbers.setdefault(d, len(numbers)) if d else -1 for d in digests], dtype=np.int64
    )
