"""Hierarchies in the formats that teams have them in."""

from pathlib import Path

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import edges, nested, ontologies, paths
from pipeline.datasets.tables.detection import detect, names_column
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.paths import descend
from pipeline.datasets.tables.problems import AT_ONCE, Problems

__all__ = ["Graph", "descend", "detect", "names_column", "read"]


def read(path: Path, options: HierarchyFile, problems: Problems = AT_ONCE) -> Graph:
    """Read a hierarchy as the parameters say.

    Args:
        path: the file; `options.path` may be relative to another folder.
        options: format and columns. Whether the file is the one with `options.sha256` is not asked.
        problems: take what is wrong with nodes and edges, which are left out of the graph.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
        HierarchyError: the edges form no hierarchy.
    """
    with problems.part() as mine:
        if options.format == "edges":
            return edges.read(path, options, mine)
        if options.format == "paths":
            return paths.read(path, options, mine)
        if options.format == "nested":
            return nested.read(path, mine)
        return ontologies.read(path, options, mine)
