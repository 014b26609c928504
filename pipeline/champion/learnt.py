"""Which examples a bundle has learnt from, as hashes: a later holdout must hold none of them.

An example is known by its id and by its group. A group that another example joins may change its
name, and an id that came with another group is still the same example: either one counts.
"""

import hashlib
import io
from collections.abc import Iterable

import numpy as np

from pipeline.errors import ArtifactError

FILE = "learnt.npy"  # in the bundle


def hashes(ids: Iterable[str], groups: Iterable[str]) -> np.ndarray:
    """(name,) uint64, sorted, each once: of ids and of groups, which never equal one another."""
    names = {f"id/{one}" for one in ids} | {f"group/{one}" for one in groups}
    return np.unique(_hashed(names, len(names)))


def fresh(learnt: np.ndarray, ids: Iterable[str], groups: Iterable[str]) -> np.ndarray:
    """(example,) bool: whether neither the example nor anything of its group was learnt from.

    Args:
        learnt: what `hashes` returned.
        ids: (example,) names.
        groups: (example,) names.
    """
    ids, groups = list(ids), list(groups)
    known = np.isin(_hashed((f"id/{one}" for one in ids), len(ids)), learnt)
    return ~(known | np.isin(_hashed((f"group/{one}" for one in groups), len(groups)), learnt))


def to_bytes(learnt: np.ndarray) -> bytes:
    """As a file of NumPy's format."""
    stream = io.BytesIO()
    np.save(stream, learnt, allow_pickle=False)
    return stream.getvalue()


def from_bytes(content: bytes) -> np.ndarray:
    """What `to_bytes` wrote.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ArtifactError(f"expected an array in {FILE}, found: {error}") from None
    if found.ndim != 1 or found.dtype != np.uint64:
        kind = f"{found.dtype} of {found.ndim} dimensions"
        raise ArtifactError(f"expected uint64 of one dimension in {FILE}, found {kind}")
    return found


def _hashed(names: Iterable[str], count: int) -> np.ndarray:
    # Two of a million names share one of 64 bits in a case of some ten million.
    digests = (hashlib.sha256(name.encode()).digest()[:8] for name in names)
    return np.fromiter((int.from_bytes(digest) for digest in digests), np.uint64, count)
