"""Several spellings of one node: its examples are split between them and none is learnt well."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import networkx as nx
import pandas as pd

from pipeline.artifacts.prepared import Prepared

_SHOWN = 20  # nodes named of a group
# Signs that tell names apart: C and C#, 5 % and 5, A and A*. Symbols such as + are no punctuation.
_MEANT = frozenset("#%&*@§†‡‰")


def key(text: str) -> str:
    """What the spellings of one name have in common.

    Unicode NFKC (full width letters, ligatures), letter case folded, invisible letters (soft
    hyphens, zero width) left out, and each run of white space and punctuation one blank, none at
    the ends. A text of punctuation alone keeps it.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    visible = [letter for letter in folded if unicodedata.category(letter) != "Cf"]
    words = "".join(" " if _separates(letter) else letter for letter in visible).split()
    return " ".join(words) or "".join(visible).strip()


def spellings(data: Prepared) -> pd.DataFrame:
    """One row per node: `id`, `others` spelt like it, and `spelling`, the whole group for people.

    Two nodes belong together if their ids have one `key`; or if their names have, and these are
    written differently or the nodes are siblings. The same name in another place of the hierarchy
    ("other" below every branch) is no spelling mistake.
    """
    ids, names = data.nodes["id"].tolist(), data.nodes["name"].tolist()
    alike: nx.Graph = nx.Graph()
    alike.add_nodes_from(range(len(ids)))
    _link(alike, ((row, key(node)) for row, node in enumerate(ids)))
    by_name: defaultdict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        by_name[key(name)].append(row)
    parents: defaultdict[str, list[str]] = defaultdict(list)
    for child, parent in zip(data.edges["child"], data.edges["parent"], strict=True):
        parents[child].append(parent)
    for spelt, rows in by_name.items():
        if not spelt:
            continue  # no name is none that could be written in two ways
        if len({names[row] for row in rows}) > 1:
            _link(alike, ((row, spelt) for row in rows))
        else:  # roots are siblings, too
            _link(alike, ((row, home) for row in rows for home in parents.get(ids[row]) or [None]))
    others, texts = [0] * len(ids), [""] * len(ids)
    for group in nx.connected_components(alike):
        text = " | ".join(_shown(ids[row], names[row]) for row in sorted(group)[:_SHOWN])
        text += f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
        for row in group:
            others[row], texts[row] = len(group) - 1, text if len(group) > 1 else ""
    return pd.DataFrame({"id": ids, "others": others, "spelling": texts})


def groups(table: pd.DataFrame) -> list[str]:
    """The groups of several spellings, in node order."""
    return list(dict.fromkeys(table.loc[table["others"] > 0, "spelling"]))


def _separates(letter: str) -> bool:
    if letter in _MEANT:
        return False
    return letter.isspace() or unicodedata.category(letter)[0] in "PC"


def _link(graph: nx.Graph, keyed: Iterable[tuple[int, Any]]) -> None:
    """Connect the rows that have the same key."""
    first: dict[Any, int] = {}
    for row, value in keyed:
        graph.add_edge(first.setdefault(value, row), row)


def _shown(node: str, name: str) -> str:
    return node if node == name else f"{node} ({name})"
