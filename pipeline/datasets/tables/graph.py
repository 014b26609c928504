"""Nodes and edges as a file has them, and what is wrong with them, with its place."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.datasets.tables import files
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.errors import DatasetError, HierarchyError, RarenodeError

_LONGEST = 1000  # characters of an id
_CYCLES = 6  # that are looked for, which are more than are named: each is a pass over the edges
# What breaks lines or tables, and lone surrogates, which no file can hold; all else is data.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Graph(NamedTuple):
    """A hierarchy as its file has it: without cycles, and with at least one node.

    Attributes:
        nodes: id -> name for people, in order of first appearance.
        edges: (child, parent) ids, each once, in order of first appearance.
        notes: what people should know: what was left out, repeated or written in several ways.
        release: the version that the file says it is, "" where it says none.
    """

    nodes: dict[str, str]
    edges: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()
    release: str = ""


class Draft:
    """A graph while its file is read.

    `place` says for people where something is that the reader gives a position: a row, a term.
    `problems` take what is wrong, which is left out then.
    """

    def __init__(
        self, path: Path, place: Callable[[Any], str], problems: Problems = AT_ONCE
    ) -> None:
        self._path = path
        self._place = place
        self._problems = problems
        self._names: dict[str, str] = {}  # "" until there is one
        self._edges: dict[tuple[str, str], Any] = {}  # -> position
        self._wrong: set[str] = set()
        self._repeated = 0

    def __contains__(self, node: str) -> bool:
        return node in self._names

    def add(self, node: str, position: Any, name: str = "") -> bool:
        """Add a node, once or again; `name` is what people call it, "" if that is not said.

        Returns:
            Whether it is there now.

        Raises:
            DatasetError: the id is empty, too long or not printable.
            HierarchyError: it has two names.
        """
        known = self._names.get(node)
        if known is None:
            if node in self._wrong:
                return False
            if wrong := _wrong_id(node):
                self._wrong.add(node)
                self.take(wrong[0], position, *wrong)
                return False
            known = self._names[node] = ""
        if name and name != known:
            if known:
                expected = f"one name for {files.shown(node)}"
                both = f"{files.shown(known)} and {files.shown(name)}"
                self.take("one name", position, expected, both, HierarchyError)
            elif _SURROGATE.search(name):
                expected = "a name of whole characters"
                self.take(expected, position, expected, files.shown(name))
            else:
                self._names[node] = name
        return True

    def connect(self, child: str, parent: str, position: Any) -> None:
        """Add an edge and its nodes, once or again.

        Raises:
            DatasetError: an id is empty, too long or not printable.
            HierarchyError: the node is its own parent.
        """
        if not (self.add(child, position) and self.add(parent, position)):
            return
        if child == parent:
            expected = "an edge between two nodes"
            found = f"{files.shown(child)} as its own parent"
            self.take(expected, position, expected, found, HierarchyError)
        elif (child, parent) in self._edges:
            self._repeated += 1
        else:
            self._edges[child, parent] = position

    def take(
        self,
        sort: str,
        position: Any,
        expected: str,
        found: str,
        error: type[RarenodeError] = DatasetError,
    ) -> None:
        """Something in the file is wrong, in a way that other things may be, too.

        Raises:
            RarenodeError: nobody goes on.
        """
        self._problems.each(
            self._path,
            sort,
            [position],
            lambda at: files.refuse(self._path, self._place(at), expected, found, error),
        )

    def finish(self, notes: Iterable[str] = (), release: str = "") -> Graph:
        """The graph.

        Raises:
            DatasetError: it is empty.
            HierarchyError: it has a cycle, whose nodes are named, and the place that closes it.
        """
        if not self._names and not self._problems.count:
            files.refuse(self._path, "content", "nodes", "none")
        self._check_cycles()
        notes = list(notes)
        if self._repeated:
            notes.append(f"Edges that were there already and count once: {self._repeated}.")
        notes += spellings(self._names)
        nodes = {node: name or node for node, name in self._names.items()}
        return Graph(nodes, tuple(self._edges), tuple(notes), release)

    def _check_cycles(self) -> None:
        expected = "a hierarchy without cycles"
        for _ in range(_CYCLES):
            parents: dict[str, list[str]] = {}
            for child, parent in self._edges:
                parents.setdefault(child, []).append(parent)
            try:
                TopologicalSorter(parents).prepare()
                return
            except CycleError as error:
                cycle: list[str] = error.args[1][::-1]  # from a parent to a child, as Python has it
            pairs = set(pairwise(cycle))
            closing = [edge for edge in self._edges if edge in pairs][-1]
            position = self._edges.pop(closing)
            self.take(expected, position, expected, _arrows(cycle), HierarchyError)
        self._problems.uncounted(self._path, expected)


def _wrong_id(node: str) -> tuple[str, str] | None:
    """What is expected of an id and what was found, None if nothing is wrong with it."""
    if not node.strip():
        return "the id of a node", "an empty one"
    if len(node) > _LONGEST:
        return f"an id of at most {_LONGEST:,} characters", f"{len(node):,}: {files.shown(node)}"
    if match := _CONTROL.search(node):
        where = f"U+{ord(match[0]):04X} in {files.shown(node)}"
        return "an id without line breaks and control characters", where
    return None


def spellings(ids: Iterable[str]) -> list[str]:
    """A note on ids that differ only in case, whitespace or Unicode normalisation, if any do."""
    first: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for node in ids:
        plain = node if node.isascii() else unicodedata.normalize("NFKC", node)
        key = "".join(plain.casefold().split())
        known = first.setdefault(key, node)
        if known != node:
            groups.setdefault(key, [known]).append(node)
    if not groups:
        return []
    named = [" and ".join(files.shown(node) for node in group[:2]) for group in groups.values()]
    more = f", and {len(named) - 5} more" if named[5:] else ""
    return [
        f"There are several spellings of what may be one node, which count as different nodes: "
        f"{'; '.join(named[:5])}{more}."
    ]


def _arrows(cycle: Sequence[str]) -> str:
    names = [files.shown(node) for node in cycle]
    if len(names) > 7:
        names = [*names[:3], f"… {len(names) - 6} more …", *names[-3:]]
    return f"{' -> '.join(names)} (child -> parent)"
