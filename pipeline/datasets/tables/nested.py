"""Hierarchies as objects within objects: JSON and YAML.

Children are an object whose keys are their ids, or a list of ids and of objects `{id, name,
children}`; the last two keys may be missing. The same id in two places is one node.
"""

import json
from pathlib import Path
from typing import Any, cast

from pipeline.datasets.tables import files, trees
from pipeline.datasets.tables.graph import Draft, Graph
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.trees import Value

_READERS = {".json": trees.read_json, ".yaml": trees.read_yaml, ".yml": trees.read_yaml}
SUFFIXES = tuple(_READERS)
_KEYS = ("id", "name", "children")
_BELOW = "an object, a list or null below a node (an object about one node has an `id`)"
# The ids down to a place, innermost first: (id, (its parent's id, (…, None))).
Trail = tuple[str, Any] | None


def read(path: Path, problems: Problems = AT_ONCE) -> Graph:
    """Read a hierarchy.

    Raises:
        DatasetError: names the file, the place, what was expected and what was found.
        HierarchyError: a node is below itself or has two names.
    """
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        files.check(path)
        files.refuse(path, "name", f"a name that ends with {', '.join(SUFFIXES)}", repr(suffix))
    draft = Draft(path, _place, problems)
    ignored: dict[str, int] = {}
    # The next node of the file is the last one here; no recursion, for hierarchies may be deep.
    top = _nodes(draft, _READERS[suffix](path), None, ignored)
    waiting = [(*node, cast(Trail, None)) for node in reversed(top)]
    while waiting:
        text, name, children, above = waiting.pop()
        node = text.strip()  # as labels are
        here = (node, above)
        if draft.add(node, here, name) and above is not None:
            draft.connect(node, above[0], here)
        below = _nodes(draft, children, here, ignored)
        waiting += [(*node, here) for node in reversed(below)]
    notes: list[str] = []
    if ignored:
        notes.append(f"Keys that say nothing about the hierarchy: {files.several(list(ignored))}.")
    return draft.finish(notes)


def _nodes(
    draft: Draft, value: Value, trail: Trail, ignored: dict[str, int]
) -> list[tuple[str, str, Value]]:
    """Id, name or "", and children of each of the nodes that stand side by side."""
    if value is None:
        return []
    if isinstance(value, dict):
        if _is_record(value):
            return [_record(draft, value, trail, ignored)]
        return [(node, "", children) for node, children in value.items()]
    if not isinstance(value, list):
        draft.take(_BELOW, trail, _BELOW, _kind(value))
        return []
    nodes: list[tuple[str, str, Value]] = []
    for item in value:
        if isinstance(item, str):
            nodes.append((item, "", None))
        elif isinstance(item, dict):
            nodes += _nodes(draft, item, trail, ignored)
        else:
            expected = "ids and objects in a list"
            draft.take(expected, trail, expected, _kind(item))
    return nodes


def _is_record(value: dict[str, Value]) -> bool:
    """An object about one node; as an id, `id` would have an object, a list or null."""
    return isinstance(value.get("id"), str)


def _record(
    draft: Draft, value: dict[str, Value], trail: Trail, ignored: dict[str, int]
) -> tuple[str, str, Value]:
    here = (value["id"], trail)
    for key, extra in value.items():
        if key in _KEYS:
            continue
        if isinstance(extra, dict | list):  # perhaps its children under another name
            expected = f"the keys {', '.join(_KEYS)}"
            draft.take(expected, here, expected, f"{files.shown(key)} with values")
        ignored[key] = ignored.get(key, 0) + 1
    name = value.get("name") or ""
    if not isinstance(name, str):
        draft.take("a text as name", here, "a text as name", _kind(name))
        name = ""
    children = value.get("children")
    if children is not None and not isinstance(children, dict | list):
        expected = "an object, a list or null as children"
        draft.take(expected, here, expected, _kind(children))
        children = None
    return value["id"], name.strip(), children


def _kind(value: Value) -> str:
    if isinstance(value, str):
        return f"the text {files.shown(value)}"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return json.dumps(value)  # null, true or false


def _place(trail: Trail) -> str:
    """The last ids on the way, outermost first."""
    if trail is None:
        return "top level"
    names: list[str] = []
    while trail is not None and len(names) < 3:
        names.append(files.shown(trail[0]))
        trail = trail[1]
    return f"at {'… > ' if trail is not None else ''}{' > '.join(reversed(names))}"
