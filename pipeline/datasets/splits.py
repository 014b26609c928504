"""Splits that stay when data grows."""

import hashlib
from collections.abc import Sequence

import numpy as np

from pipeline.errors import DatasetError


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


def by_time(
    groups: Sequence[str], moments: Sequence[float], *, valid_share: float, test_share: float
) -> np.ndarray:
    """The latest examples are `test`, those before them `valid`, as the future is to a model.

    A group belongs to its latest example. Shares are met as far as groups allow; what is as late as
    what a split begins with belongs to it, too.

    Args:
        groups: (example,) names.
        moments: (example,) in any unit that grows.
        valid_share: of the examples.
        test_share: of the examples.

    Returns:
        (example,) text.

    Raises:
        DatasetError: a split would have no example; says which one, and what the moments are like.
    """
    latest: dict[str, float] = {}
    for group, moment in zip(groups, moments, strict=True):
        latest[group] = max(moment, latest.get(group, moment))
    of = np.array([latest[group] for group in groups])
    ordered, count = np.sort(of), len(of)
    ends = [count - round(count * share) for share in (test_share, test_share + valid_share)]
    test, valid = (ordered[min(max(end, 0), count - 1)] for end in ends)
    split = np.where(of >= test, "test", np.where(of >= valid, "valid", "train"))
    if empty := [name for name in ("train", "valid", "test") if name not in split]:
        at = f"{of[0]:.15g} alone"
        if (different := len(set(latest.values()))) > 1:
            at = f"{different:,} moments from {ordered[0]:.15g} to {ordered[-1]:.15g}"
        raise DatasetError(
            "prepare.split_by: expected moments that leave each of train, valid and test some "
            f"examples for 'time', found none for {' and '.join(empty)}. A group belongs to its "
            f"latest example, and groups that are as late belong together: {count:,} examples from "
            f"{min(moments):.15g} to {max(moments):.15g} (dates: days since 1970) are in "
            f"{len(latest):,} groups, whose latest examples are at {at}. Other shares "
            "(prepare.valid_share, prepare.test_share) may do, or 'hash' or 'stratified'"
        )
    return split.astype(object)


def assign(
    groups: Sequence[str], *, valid_share: float, test_share: float, seed: int = 0
) -> np.ndarray:
    """The split of each example, (example,) text."""
    shares = {"valid_share": valid_share, "test_share": test_share}
    of = {group: split_of(group, **shares, seed=seed) for group in set(groups)}
    return np.array([of[group] for group in groups], dtype=object)
