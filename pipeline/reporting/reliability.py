"""What the page shows of reliability.json: whether probabilities are what they claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
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
        cuts: of each rule, the quartiles of the nodes' cuts; None for one that predicts nothing.
    """

    entries: Sequence[int]
    mean_p: Sequence[float | None]
    observed: Sequence[float | None]
    error: float | None
    cuts: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

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


_COLUMNS = [column.name for column in fields(Curve)]  # a later version may write others as well


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
                read = {key: columns[key] for key in _COLUMNS if key in columns}
                found.setdefault(name, {})[method] = Curve(**read)
    return [
        Group(name, max(sum(curve.entries) for curve in curves.values()), curves)
        for name, curves in found.items()
    ]
