"""Hierarchies in the formats that teams have them in."""

from pathlib import Path

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import edges, nested, ontologies, paths
from pipeline.datasets.tables.detection import detect
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.paths import descend

__all__ = ["Graph", "descend", "detect", "read"]


def read(path: Path, options: HierarchyFile) -> Graph:
    """Read a hierarchy as the parameters say.

    Args:
        path: the file; `options.path` may be relative to another folder.
        options: format and columns. Whether the file is the one with `options.sha256` is not asked.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
        HierarchyError: the edges form no hierarchy.
    """
    if options.format == "edges":
        return edges.read(path, options)
    if options.format == "paths":
        return paths.read(path, options)
    if options.format == "nested":
        return nested.read(path)
    return ontologies.read(path, options)
