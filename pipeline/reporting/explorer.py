"""What the page's script knows of the nodes: the hierarchy, their figures, what became of them."""

import json
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline.reporting.sources import Sources

_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_COUNTS = ("found", "missed", "wrong")


def document(sources: Sources, methods: list[str], listed: pd.DataFrame) -> dict[str, Any]:
    """Columns over the nodes that are listed, with all that lies above them.

    Args:
        sources: what the page reads.
        methods: those with an average precision of each node.
        listed: rows of `sources.per_node`.

    Returns:
        `methods`; `rule`, by which outcomes were decided, or None where there are none; and
        columns, each with one entry a node, in the order of the hierarchy's file, so that parents
        stand before their children: `id`, `name`, `depth`, `support`, `scored`, `positives` (of the
        test split; None where the node is not listed), `parents` (places of them, the one that the
        node is drawn under first: the first that lies one level higher), `ap` (method -> values),
        `cut`, `found`, `missed`, `wrong`, `wrong_with` and `missed_as` (pairs of a place and a
        count), and `examples` (sort -> pairs of an id and a probability).
    """
    nodes, edges = sources.nodes, sources.edges
    wanted = _with_all_above(listed["id"].tolist(), edges)
    nodes = nodes[nodes["id"].isin(wanted)].reset_index(drop=True)
    place = {name: number for number, name in enumerate(nodes["id"])}
    figures = listed.set_index("id").reindex(nodes["id"])
    outcomes = sources.outcomes or {"rule": None, "nodes": {}}
    known = [outcomes["nodes"].get(name, {}) for name in nodes["id"]]
    return {
        "methods": methods,
        "rule": outcomes["rule"],
        "id": nodes["id"].tolist(),
        "name": nodes["name"].tolist(),
        "depth": nodes["depth"].astype(int).tolist(),
        "support": nodes["support"].astype(int).tolist(),
        "scored": nodes["scored"].tolist() if "scored" in nodes else [True] * len(nodes),
        "positives": _numbers(figures.get("test_positives"), len(nodes), whole=True),
        "parents": _parents(nodes, edges, place),
        "ap": {name: _numbers(figures.get(f"ap_{name}"), len(nodes)) for name in methods},
        "cut": [node.get("cut") for node in known],
        **{key: [node.get(key) for node in known] for key in _COUNTS},
        **{
            key: [
                [[place[other], count] for other, count in node.get(key, []) if other in place]
                for node in known
            ]
            for key in ("wrong_with", "missed_as")
        },
        "examples": [node.get("examples") for node in known],
    }


def script(value: dict[str, Any]) -> Markup:
    """JSON that can stand in a script element whatever names hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


def _with_all_above(ids: list[str], edges: pd.DataFrame) -> set[str]:
    above: dict[str, list[str]] = {}
    for child, parent in edges[["child", "parent"]].itertuples(index=False, name=None):
        above.setdefault(child, []).append(parent)
    found, left = set(ids), list(ids)
    while left:
        more = [parent for parent in above.get(left.pop(), []) if parent not in found]
        found.update(more)
        left += more
    return found


def _parents(nodes: pd.DataFrame, edges: pd.DataFrame, place: dict[str, int]) -> list[list[int]]:
    depth = nodes["depth"].tolist()
    found: list[list[int]] = [[] for _ in depth]
    for child, parent in edges[["child", "parent"]].itertuples(index=False, name=None):
        if child in place and parent in place:
            found[place[child]].append(place[parent])
    for node, parents in enumerate(found):
        parents.sort(key=lambda parent: (depth[parent] != depth[node] - 1, parent))
    return found


def _numbers(column: Any, length: int, *, whole: bool = False) -> list[Any]:
    """Values as JSON has them; None where there is none."""
    if column is None:
        return [None] * length
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    return [None if np.isnan(value) else int(value) if whole else float(value) for value in values]
