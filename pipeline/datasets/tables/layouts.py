"""What a table of labels is, as far as its header and its content tell; the rest is asked."""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from pipeline.config.tables import Layout
from pipeline.datasets.tables import strings
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.strings import Strings
from pipeline.errors import DatasetError

_DELIMITERS = ";|,\t "
_COLUMNS = ("labels", "label", "nodes", "node", "terms", "term", "classes", "class", "categories")
_IDS = ("id", "example", "example_id", "key", "name")
_SAMPLE = 1000  # rows


def detect(
    path: Path,
    ids: Sequence[str] | None,
    nodes: Collection[str] | None,
    *,
    id_column: str | None = None,
    node_column: str | None = None,
    delimiter: str | None = None,
    features_id: str | None = None,
) -> dict[str, str | None]:
    """What the columns mean: the values of `tables.labels` beyond path and sha256.

    Args:
        path: the table.
        ids: of the examples; None where these are numbered by their rows.
        nodes: of the hierarchy; None where labels are paths and make it.
        id_column: of the examples' ids, if it was said.
        node_column: of the nodes, if it was said.
        delimiter: between nodes, if it was said.
        features_id: the name that the column of ids has among the features.

    Raises:
        DatasetError: several columns could be meant, or none; what to say is said.
    """
    names = strings.header(path)
    for name, option in ((id_column, "--label-id"), (node_column, "--label-column")):
        if name is not None and name not in names:
            raise DatasetError(
                f"{path}: expected the column {shown(name)} ({option}), found "
                f"{several(list(names))}"
            )
    table = strings.read(path)
    if id_column is None:
        id_column = _id_column(table, ids, node_column, features_id)
    others = [name for name in names if name != id_column]
    known = None if nodes is None else set(nodes)
    if node_column is None:
        if known is not None and len(others) > 1 and known.issuperset(others):
            return {"layout": "one_hot", "id": id_column}
        node_column = _node_column(table, others, known)
    layout, between = _layout(table, id_column, node_column, known, delimiter)
    found: dict[str, str | None] = {"layout": layout, "id": id_column, "node": node_column}
    return found | ({"delimiter": between} if layout == "delimited" else {})


def _id_column(
    table: Strings, ids: Sequence[str] | None, node_column: str | None, features_id: str | None
) -> str | None:
    """The column whose every value is an example's id."""
    if ids is None:
        return None
    known = set(ids)
    there = [name for name in table.columns if name != node_column]
    # The likely ones first: numbers can be ids by chance.
    likely = [name for name in (*([features_id] if features_id else []), *_IDS) if name in there]
    for name in dict.fromkeys([*likely, *there]):
        if known.issuperset(table.columns[name]):
            return name
    if likely:  # where it is wrong is said as soon as it is read
        return likely[0]
    raise DatasetError(
        f"{table.path}: expected a column with the ids of the examples, such as "
        f"{several(list(ids[:3]))}, found {several(there)}. --label-id names it"
    )


def _node_column(table: Strings, others: list[str], known: set[str] | None) -> str:
    """The column of the nodes: the only one, or the one that is called so or holds some."""
    if len(others) == 1:
        return others[0]
    if named := [name for name in others if name.casefold() in _COLUMNS]:
        return named[0]
    if known is not None:
        holding = [name for name in others if known.issuperset(table.columns[name])]
        if len(holding) == 1:
            return holding[0]
    raise DatasetError(
        f"{table.path}: expected to see which column holds the nodes, found "
        f"{several(others) if others else 'none beside the ids'}. --label-column names it"
    )


def _layout(
    table: Strings,
    id_column: str | None,
    node_column: str,
    known: set[str] | None,
    delimiter: str | None,
) -> tuple[Layout, str]:
    """Whether a cell holds one node or several, and what is between these."""
    values = table.columns[node_column]
    if delimiter is not None:
        return "delimited", delimiter
    if id_column is None:
        repeated = False
    else:
        if known is not None and known.issuperset(values):
            return "long", ";"
        repeated = max(Counter(table.columns[id_column]).values()) > 1
    if repeated:
        return "long", ";"
    sample = values[:_SAMPLE]
    # A path may hold a blank or a comma, and without nodes nobody knows.
    for between in _DELIMITERS if known is not None else _DELIMITERS[:2]:
        if any(between in value for value in sample):
            parts = [part.strip() for value in sample for part in value.split(between)]
            if known is None or sum(part in known for part in parts) > len(parts) / 2:
                return "delimited", between
    return "delimited", ";"
