"""Whether labels hold what lies above them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.errors import DatasetError


class Closure:
    """Ancestors in a hierarchy without cycles.

    Args:
        edges: (child, parent).
    """

    def __init__(self, edges: Iterable[tuple[str, str]]) -> None:
        self._parents: dict[str, list[str]] = defaultdict(list)
        for child, parent in edges:
            self._parents[child].append(parent)
        self._known: dict[str, frozenset[str]] = {}

    def above(self, node: str) -> frozenset[str]:
        """A node's ancestors, itself left out."""
        if node not in self._known:
            found: set[str] = set()
            left = [*self._parents.get(node, ())]
            while left:  # a chain of any length
                parent = left.pop()
                if parent not in found:
                    found.add(parent)
                    left += self._parents.get(parent, ())
            self._known[node] = frozenset(found)
        return self._known[node]

    def missing(
        self,
        labels: Sequence[Sequence[str]],
        ids: Sequence[str],
        path: Path,
        *,
        refuse: bool,
        problems: Problems = AT_ONCE,
    ) -> list[str]:
        """How many examples lack an ancestor of a label, as a note.

        Args:
            labels: of each example.
            ids: of the examples.
            path: where the labels stand.
            refuse: whether there may be none.
            problems: take the examples where there is one all the same.

        Raises:
            DatasetError: there is one and there may be none; the example and the nodes are named.
        """
        lacking: list[tuple[str, str, str]] = []  # example, label, what is above it
        for example, given in zip(ids, labels, strict=True):
            mine = set(given)
            for node in given:
                if absent := self.above(node) - mine:
                    lacking.append((example, node, min(absent)))
                    break
        if refuse:
            problems.each(path, "closure", lacking, lambda one: _refuse(path, *one))
        if not lacking:
            return []
        return [
            "Labels are closed upward: an example has all that lies above its nodes "
            f"({len(lacking):,} of {len(labels):,} examples did not say so)."
        ]


def _refuse(path: Path, example: str, node: str, absent: str) -> NoReturn:
    raise DatasetError(
        f"{path}: expected labels with everything above them, as tables.labels.closure is "
        f"'refuse', found {shown(node)} without {shown(absent)} in example {shown(example)}"
    )
