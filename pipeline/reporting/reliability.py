"""What the page shows of reliability.json: whether probabilities are what they claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FEWEST = 20  # entries of a point that is drawn: the share of fewer says too little


@dataclass(frozen=True)
class Curve:
    """A method's predictions (example, node) in a rarity bin, by tenths of their probability.

    Attributes:
        entries: how many predictions lie in each tenth.
        mean_p: their mean probability, None where there is none.
        observed: their share of positives, None where there is none.
        error: the expected calibration error, None without any prediction.
    """

    entries: Sequence[int]
    mean_p: Sequence[float | None]
    observed: Sequence[float | None]
    error: float | None

    def points(self) -> list[tuple[float, float]]:
        """(predicted, observed) of the tenths with at least `FEWEST` entries."""
        return [(p, share) for count, p, share in self._tenths() if count >= FEWEST]

    @property
    def above(self) -> int:
        """The number of entries above the lowest tenth, where nearly all of rare nodes lie."""
        return sum(self.entries[1:])

    @property
    def error_above(self) -> float | None:
        """The expected calibration error of these entries."""
        gaps = [count * abs(share - p) for count, p, share in self._tenths()[1:]]
        return sum(gaps) / self.above if self.above else None

    def _tenths(self) -> list[tuple[int, float, float]]:
        columns = zip(self.entries, self.mean_p, self.observed, strict=True)
        return [(count, p or 0.0, share or 0.0) for count, p, share in columns]


@dataclass(frozen=True)
class Group:
    """The curves of a rarity bin, or of `all` nodes."""

    name: str
    entries: int
    curves: dict[str, Curve]


def groups(document: dict[str, Any], methods: Sequence[str]) -> list[Group]:
    """The groups of nodes that have entries, in the order of the file.

    Args:
        document: reliability.json.
        methods: the page's methods in their order; those without curves are left out.
    """
    found: dict[str, dict[str, Curve]] = {}
    for method in methods:
        for name, columns in document["methods"].get(method, {}).items():
            if sum(columns["entries"]):
                found.setdefault(name, {})[method] = Curve(**columns)
    return [
        Group(name, max(sum(curve.entries) for curve in curves.values()), curves)
        for name, curves in found.items()
    ]
