"""Splits that stay when data grows."""

import hashlib
from collections.abc import Sequence

import numpy as np


def split_of(group: str, *, valid_share: float, test_share: float, seed: int = 0) -> str:
    """`train`, `valid` or `test`, from the group's name, the shares and the seed alone.

    There is no shuffling, so a group keeps its split when examples or groups are added.
    `test` takes the lower end: another valid_share never moves a group into or out of it.
    """
    salted = f"{seed}/{group}" if seed else group
    digest = hashlib.sha256(salted.encode("utf-8")).digest()
    position = int.from_bytes(digest[:8]) / 2**64
    if position < test_share:
        return "test"
    return "valid" if position < test_share + valid_share else "train"


def assign(
    groups: Sequence[str], *, valid_share: float, test_share: float, seed: int = 0
) -> np.ndarray:
    """The split of each example, (example,) text."""
    shares = {"valid_share": valid_share, "test_share": test_share}
    of = {group: split_of(group, **shares, seed=seed) for group in set(groups)}
    return np.array([of[group] for group in groups], dtype=object)
