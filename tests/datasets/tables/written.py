"""Hierarchies that a test writes and reads."""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import hierarchies
from pipeline.datasets.tables.graph import Graph
from pipeline.errors import DatasetError, HierarchyError


def read(path: Path, content: str | bytes, **options: Any) -> Graph:
    """Write a file and read it as a hierarchy; without options, as what it is found to be."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_as(path, **(options or hierarchies.detect(path)))


def read_as(path: Path, **options: Any) -> Graph:
    return hierarchies.read(path, HierarchyFile(path=str(path), sha256="0" * 64, **options))


def refusal(path: Path, content: str | bytes, **options: Any) -> str:
    """Why the file is refused, with FILE for its path."""
    with pytest.raises((DatasetError, HierarchyError)) as error:
        read(path, content, **options)
    return check_message(path, error.value)


def check_message(path: Path, error: Exception) -> str:
    message = str(error)
    assert str(path) in message
    assert "expected" in message
    assert ", found" in message
    assert len(message) < 1000
    assert message.isprintable()
    return message.replace(str(path), "FILE")


def counted(module: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a function of a module is asked from now on."""
    original, asked = getattr(module, name), []
    monkeypatch.setattr(module, name, lambda *given: (asked.append(given), original(*given))[1])
    return asked


def well_formed(graph: Graph) -> None:
    """What every graph is, whatever it was read from."""
    assert graph.nodes
    assert all(node.strip() and len(node) <= 1000 for node in graph.nodes)
    assert all(name for name in graph.nodes.values())
    assert len(set(graph.edges)) == len(graph.edges)
    assert all(child in graph.nodes and parent in graph.nodes for child, parent in graph.edges)
    for text in (*graph.nodes, *graph.nodes.values()):
        text.encode()
