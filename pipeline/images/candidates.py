"""Pairs of images whose hashes are close, without looking at every pair."""

from collections.abc import Iterator

import numpy as np

ROUNDS = 16
_SEED = 0  # of the orders of bits: the same pairs in each run


def candidates(
    hashes: np.ndarray, ties: np.ndarray, *, most: int, window: int, rounds: int = ROUNDS
) -> Iterator[np.ndarray]:
    """Pairs that differ in few bits, by sorting.

    In each round the bits are put into another order and the hashes sorted as numbers; close ones
    that agree in the first bits of some round lie side by side there, and each is compared with
    the next ones. Time and memory are bounded by images x rounds x window however many share a
    hash; among more than `window` with one hash, `ties` say which are compared.

    Args:
        hashes: (image, byte) uint8.
        ties: (image,) what orders equal hashes, such as the mean of the pixels.
        most: bits that may differ.
        window: how many next ones each image is compared with.
        rounds: how many orders of bits.

    Yields:
        For each round (pair, 2) rows of `hashes`, the first the lower one. A pair may come again.
    """
    random = np.random.default_rng(_SEED)
    words = np.ascontiguousarray(hashes).view(np.uint64)
    bits = np.unpackbits(hashes, axis=1)
    for _ in range(rounds):
        mixed = np.packbits(bits[:, random.permutation(bits.shape[1])], axis=1)
        keys = np.ascontiguousarray(mixed).view(">u8").astype(np.uint64)
        order = np.lexsort((ties, *keys.T[::-1]))
        ordered = words[order]
        close: list[np.ndarray] = []
        for step in range(1, min(window, len(order) - 1) + 1):
            differ = np.bitwise_count(ordered[step:] ^ ordered[:-step]).sum(1, dtype=np.int64)
            near = np.flatnonzero(differ <= most)
            close.append(np.stack([order[near], order[near + step]], axis=1))
        yield np.sort(np.concatenate(close), axis=1) if close else np.empty((0, 2), np.int64)
