"""Images that stand in several splits, the same or nearly: the test is partly known by heart."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from pipeline.images.agreement import agreement, resemblance, shrunk, thumbs
from pipeline.images.candidates import candidates
from pipeline.images.hashing import hashes

Kind = Literal["file", "pixels", "near"]
LEAST = 0.985
MOST_BITS = 32
WINDOW = 24
_RESEMBLING = 0.97  # of thumbs: what agrees later resembles more
_BLOCK = 1 << 20  # pixel values at a time


class Pair(NamedTuple):
    """Two images of different splits that show the same.

    Attributes:
        first: row of the earlier one.
        second: row of the later one.
        kind: `file`, the same bytes; `pixels`, the same pixels; `near`, nearly the same.
        agreement: 1 unless the kind is `near`.
    """

    first: int
    second: int
    kind: Kind
    agreement: float


def near_duplicates(
    pixels: np.ndarray,
    files: pd.DataFrame | None,
    splits: Sequence[str],
    *,
    least: float = LEAST,
    most_bits: int = MOST_BITS,
    window: int = WINDOW,
) -> list[Pair]:
    """Pairs of images that stand in different splits and show the same.

    Each image of a group with equal pixels is named with the first one of each other split, not
    with all: a thousand blank images are a thousand pairs. Of images that are nearly the same each
    is named with at least one of each other split that holds any, the closest ones first, and of
    two groups with equal pixels one pair. Plain images, without detail, are compared as equal or
    not.

    On Fashion-MNIST (70,000 images of 28 x 28, its own test split) 45 pairs are near, in 11 CPU
    seconds: those that agree by 0.99 (21) show one photo, or one product in two colours, of the
    others about half are two products of one cut. Of 1,000 copies of its images at their own size
    all are found after JPEG at quality 75 and 90 % at 50, 99.7 % if lighter by a fifth, 99.2 %
    after doubling, and 66 % after resizing to 24 pixels and back, which takes the details away.

    Args:
        pixels: (image, side, side, channel) uint8; may be memory-mapped.
        files: a row for each image with its `sha256` and `hash`, see `store.Images`; None for
            images that are no files, whose hashes are then computed.
        splits: of each image.
        least: of the agreement, from which on two are near.
        most_bits: by which hashes of near ones may differ, of 256.
        window: see `candidates`.

    Returns:
        The pairs by `first` and `second`.
    """
    codes, names = pd.factorize(np.asarray(splits, dtype=object))
    groups = _groups(pixels)
    pairs = [*_equal(groups, codes, files)]
    if len(names) > 1:
        hashed = hashes(pixels) if files is None else _read(files)
        # Once for each image: it may be in as many pairs as there are images of one scene.
        pairs += _near(shrunk(pixels), hashed, codes, groups, least, most_bits, window)
    return sorted(pairs)


def _groups(pixels: np.ndarray) -> np.ndarray:
    """For each image the first one with the same pixels."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in pixels)
    found = [first.setdefault(digest, row) for row, digest in enumerate(digests)]
    return np.array(found, dtype=np.int64)


def _equal(groups: np.ndarray, codes: np.ndarray, files: pd.DataFrame | None) -> Iterator[Pair]:
    digests: Any = None if files is None else files["sha256"].to_numpy()
    firsts: dict[int, dict[int, int]] = {}  # of each group and split
    for row in np.flatnonzero(np.bincount(groups)[groups] > 1).tolist():
        code = int(codes[row])
        known = firsts.setdefault(int(groups[row]), {})
        for other in (first for split, first in known.items() if split != code):
            same = digests is not None and digests[other] == digests[row]
            yield Pair(other, row, "file" if same else "pixels", 1.0)
        known.setdefault(code, row)


def _near(
    pixels: np.ndarray,
    hashed: np.ndarray,
    codes: np.ndarray,
    groups: np.ndarray,
    least: float,
    most_bits: int,
    window: int,
) -> Iterator[Pair]:
    rows = np.unique(groups)
    # A split of each group's first image, and another one that the group is in, if it is in any.
    other = codes.copy()
    strays = np.flatnonzero(codes != codes[groups])
    other[groups[strays]] = codes[strays]
    small, means = _summaries(pixels, rows)
    seen: set[tuple[int, int]] = set()
    settled = np.zeros((len(pixels), int(codes.max()) + 1), bool)  # has a pair in a split
    for close in candidates(hashed[rows], means, most=most_bits, window=window):
        a, b = rows[close].T
        across = (codes[a] != codes[b]) | (other[a] != codes[a]) | (other[b] != codes[b])
        pairs = rows[_alike(small, close[across])]
        fresh = [*dict.fromkeys((a, b) for a, b in pairs.tolist() if (a, b) not in seen)]
        seen.update(fresh)
        for first, second, agreed in _verified(pixels, fresh, codes, settled, least):
            yield Pair(*_across(first, second, codes, groups), "near", agreed)


def _summaries(pixels: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thumbs and means of the images in these rows."""
    small: list[np.ndarray] = []
    means: list[np.ndarray] = []
    for block in _blocks(len(rows), pixels[0].size):
        part = pixels[rows[block]]
        small.append(thumbs(part))
        means.append(part.mean((1, 2, 3)))
    return np.concatenate(small), np.concatenate(means)


def _alike(small: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The pairs whose thumbs are close enough for a closer look, the closest ones first."""
    found = np.zeros(len(pairs), np.float32)
    for block in _blocks(len(pairs), small.shape[1]):
        first, second = pairs[block].T
        found[block] = resemblance(small[first], small[second])
    order = np.argsort(-found, kind="stable")
    return pairs[order[found[order] >= _RESEMBLING]]


def _verified(
    pixels: np.ndarray,
    pairs: list[tuple[int, int]],
    codes: np.ndarray,
    settled: np.ndarray,
    least: float,
) -> Iterator[tuple[int, int, float]]:
    """The pairs that agree, but not those of two images that both have one already."""
    for block in _blocks(len(pairs), pixels[0].size):
        first, second = np.array(pairs[block], np.int64).T
        wanted = ~(settled[first, codes[second]] & settled[second, codes[first]])
        first, second = first[wanted], second[wanted]
        agreed = agreement(pixels[first], pixels[second])
        for place in np.flatnonzero(agreed >= least).tolist():
            a, b = int(first[place]), int(second[place])
            if settled[a, codes[b]] and settled[b, codes[a]]:
                continue
            settled[a, codes[b]] = settled[b, codes[a]] = True
            yield a, b, float(agreed[place])


def _across(first: int, second: int, codes: np.ndarray, groups: np.ndarray) -> tuple[int, int]:
    """The first rows of the two images' groups that lie in different splits, in their order."""
    if codes[first] == codes[second]:
        for kept, group in ((first, second), (second, first)):
            strays = np.flatnonzero((groups == group) & (codes != codes[kept]))
            if len(strays):
                first, second = sorted((kept, int(strays[0])))
                break
    return first, second


def _blocks(count: int, values: int) -> Iterator[slice]:
    """Parts of so many rows that hold a bounded number of values."""
    step = max(1, _BLOCK // values)
    return (slice(start, start + step) for start in range(0, count, step))


def _read(files: pd.DataFrame) -> np.ndarray:
    joined = bytes.fromhex("".join(files["hash"]))
    return np.frombuffer(joined, np.uint8).reshape(len(files), -1)
