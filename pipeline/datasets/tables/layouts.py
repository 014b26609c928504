"""What a table of labels is, as far as its header and its content tell; the rest is asked."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pipeline.config.tables import Labels
from pipeline.datasets.tables import labels, strings
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.strings import Strings
from pipeline.errors import DatasetError

_DELIMITERS = ";|,\t "
_SEPARATORS = "/>\\|"  # of paths; the first one where several are as frequent
_COLUMNS = ("labels", "label", "nodes", "node", "terms", "term", "classes", "class", "categories")
_MOST = 0.75  # of the pieces between blanks are nodes, where a blank is between nodes
STATED = ("state", "negative", "unknown")  # columns of `tables.labels` beside that of the nodes
_IDS = ("id", "example", "example_id", "key", "name")


def detect(
    path: Path,
    ids: Sequence[str] | None,
    nodes: Collection[str] | None,
    *,
    id_column: str | None = None,
    node_column: str | None = None,
    delimiter: str | None = None,
    features_id: str | None = None,
    separator: str | None = None,
    with_features: bool = False,
    stated: Mapping[str, str] = MappingProxyType({}),
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
        separator: of labels that are paths; such a sign is between no nodes.
        with_features: whether the table is that of the features, with a row for each example.
        stated: `state`, `negative` and `unknown` of `tables.labels`, as far as they were said.

    Raises:
        DatasetError: several columns could be meant, or none; what to say is said.
    """
    names = strings.header(path)
    said = [(id_column, "--label-id"), (node_column, "--label-column")]
    said += [(name, f"--label-{what}") for what, name in stated.items()]
    for name, option in said:
        if name is not None and name not in names:
            raise DatasetError(
                f"{path}: expected the column {shown(name)} ({option}), found "
                f"{several(list(names))}{strings.did_you_mean([name], names)}"
            )
    table = strings.read(path)
    if id_column is None:
        id_column = _id_column(table, ids, node_column, features_id)
    others = [name for name in names if name != id_column and name not in stated.values()]
    known = None if nodes is None else set(nodes)
    if node_column is None:
        if known is not None and len(others) > 1 and not stated:
            if not (unknown := [name for name in others if name not in known]):
                return {"layout": "one_hot", "id": id_column}
            if len(unknown) < len(others) / 2:  # they were meant to be nodes
                raise DatasetError(
                    f"{path}, header: expected columns that are nodes of the hierarchy, as "
                    f"{len(others) - len(unknown)} are, found {several(unknown)}"
                    f"{labels.did_you_mean(unknown[0], known)}"
                )
        node_column = _node_column(table, others, known)
    alone = with_features or others == [node_column]
    if ids is None and not alone:
        unread = [name for name in others if name != node_column]
        raise DatasetError(
            f"{path}: expected the labels' column alone, as examples are numbered by their rows, "
            f"found {several(unread)} as well. --id names the column of ids among the features, "
            "--label-id the one here"
        )
    repeated = id_column is not None and _repeats(table.columns[id_column])
    values = table.columns[node_column]
    if "state" in stated:
        layout, between = "long", ";"
    elif delimiter is not None:
        layout, between = "delimited", delimiter
    elif stated:
        columns = [node_column, *stated.values()]
        cells = [cell for name in columns for cell in table.columns[name] if cell]
        layout, between = "delimited", _between(cells, known, separator)
    elif repeated:
        layout, between = "long", ";"
    else:
        between = _between(values, known, separator)
        whole = known is not None and known.issuperset(values)
        layout = "long" if whole and id_column is not None and not with_features else "delimited"
    found: dict[str, str | None] = {"layout": layout, "id": id_column, "node": node_column}
    return found | {**stated} | ({"delimiter": between} if layout == "delimited" else {})


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
        f"{several(others) if others else 'none beside the ids'}. --label-column names it, "
        "--label-negative and --label-unknown name columns of other nodes"
    )


def unread(path: Path, options: Labels, nodes: Collection[str]) -> list[str]:
    """What to say of columns that nobody reads, and that say what states would.

    These say positive, negative or unknown in each row of a long table, and not positive
    throughout; or they hold nodes alone.
    """
    read = {options.id, options.node, options.state, options.negative, options.unknown}
    if options.layout == "one_hot" or not (others := set(strings.header(path)) - read):
        return []
    found: list[str] = []
    for name, cells in strings.read(path, sorted(others)).columns.items():
        if options.layout == "long" and options.state is None and labels.are_states({*cells}):
            found.append(
                f"Column {shown(name)} says positive, negative or unknown in each row, and is not "
                "read: all rows are positive. --label-state reads it."
            )
        elif (given := labels.parts(cells, options)) and given <= set(nodes):
            found.append(
                f"Column {shown(name)} holds nodes, and is not read. --label-negative or "
                "--label-unknown reads it."
            )
    return found


def separator(path: Path, node_column: str) -> str:
    """What is between the parts of labels that are paths.

    Raises:
        DatasetError: none of the usual signs is in any of them.
    """
    values = strings.read(path, [node_column]).columns[node_column]
    count = {sign: sum(sign in value for value in values) for sign in _SEPARATORS}
    best = max(count, key=lambda sign: count[sign])
    if not count[best]:
        raise DatasetError(
            f"{path}: expected labels that are paths such as a/b/c in column {shown(node_column)}, "
            f"as there is no --hierarchy, found {shown(next(filter(None, values), ''))}. "
            "--separator says what is between their parts"
        )
    return best


def _repeats(ids: Sequence[str]) -> bool:
    return len(set(ids)) < len(ids)


def _between(values: Sequence[str], known: set[str] | None, separator: str | None) -> str:
    """What is between the nodes of a cell, if it holds several."""
    text = "\n".join(values)
    signs = [sign for sign in _DELIMITERS if sign != separator and sign in text]
    free = next((sign for sign in _DELIMITERS if sign not in text), ";")
    if known is not None:
        return _between_known(values, known, signs) or free
    for sign in signs:
        # A path may hold a comma or a blank; but if what is on either side is a path, too …
        cut = [part for value in values if sign in value for part in value.split(sign)]
        if sign in ";|" or all(separator and separator in part for part in cut):
            return sign
    return free


def _between_known(values: Sequence[str], known: set[str], signs: Sequence[str]) -> str | None:
    """The sign between nodes that are known; None where each cell is one node, or a wrong one.

    Names of nodes may hold the sign, and a label may be misspelt: neither makes it a delimiter. A
    sign that stands in no name (`;`, `|`, tab) is one if half of the pieces are nodes, as where the
    only cell with two labels has a misspelt one. Otherwise cells are cut only where that leaves no
    more unknown labels than there are without, and most pieces are nodes; at a blank, which names
    hold most, fewer unknown ones, three quarters of the pieces, and no cell that is a node with it.
    Of several such signs it is the one that leaves the fewest unknown labels.
    """
    nodes = {labels.folded(node) for node in known}
    cells = Counter(values)
    strange = {cell for cell in map(labels.folded, cells) if cell and cell not in nodes}
    if not strange:
        return None
    clear, left = labels.clear_signs(known), dict[str, int]()
    for sign in signs:
        cut, pieces = Counter[str](), set[str]()
        for cell, rows in cells.items():
            parts = [part for one in cell.split(sign) if (part := labels.folded(one))]
            pieces.update(parts)
            if sign in cell:
                cut.update(dict.fromkeys(parts, rows))
        unknown = len(pieces - nodes)
        known_share = sum(rows for part, rows in cut.items() if part in nodes) / max(1, cut.total())
        if sign == " ":
            named = any(sign in cell and labels.folded(cell) in nodes for cell in cells)
            fits = unknown < len(strange) and known_share >= _MOST and not named
        elif sign in clear:
            fits = known_share >= 0.5
        else:
            fits = unknown <= len(strange) and known_share > 0.5
        if fits:
            left[sign] = unknown
    return min(left, key=lambda sign: left[sign], default=None)
