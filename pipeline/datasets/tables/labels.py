"""Which nodes each example has: a long table, a delimited column, or zeros and ones."""

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from pipeline.config.tables import Labels
from pipeline.datasets.tables import files, strings
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.strings import Strings
from pipeline.errors import DatasetError

_ONES, _ZEROS = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}
_UNKNOWN = {"?", "na", "nan", "null", "none", "unknown"}
_STATES = {
    **dict.fromkeys(("positive", "present", "1", "1.0", "true", "yes"), "positive"),
    **dict.fromkeys(("negative", "absent", "not", "0", "0.0", "false", "no"), "negative"),
    **dict.fromkeys(("unknown", "?", "na"), "unknown"),
}
_OTHER_WORDS = "present, yes, 1, absent, no, 0, ?, NA"
_COMPARED = 20_000  # nodes that are looked through for a close match
_CLEAR, _OF_NAMES = ";|\t", ", "  # what may be between nodes; the latter stand in names as well


Labelled = tuple[tuple[str, ...], ...]


class Found(NamedTuple):
    """What is stated of each example, in the examples' order.

    Attributes:
        labels: the nodes that it has.
        notes: what there is to say about them.
        negative: those that it is stated not to have; empty where nothing like that is stated.
        unknown: those that are stated to be unknown; the same.
    """

    labels: Labelled
    notes: tuple[str, ...]
    negative: Labelled = ()
    unknown: Labelled = ()


class _Row(NamedTuple):
    """What a row states."""

    positive: Sequence[str]
    negative: Sequence[str] = ()
    unknown: Sequence[str] = ()


def read(
    path: Path,
    options: Labels,
    ids: Sequence[str],
    nodes: Collection[str] | None = None,
    problems: Problems = AT_ONCE,
) -> Found:
    """Read labels.

    Args:
        path: the table.
        options: what its columns mean.
        ids: of the examples, each once.
        nodes: of the hierarchy; None takes every label for a node.
        problems: take rows that are wrong, which count as if they were not there.

    Raises:
        DatasetError: an example or a node is not known, an example has two rows where it may have
            one, a cell is neither 0 nor 1 nor unknown, a state is none, or there are fewer than two
            labels, or no negative where only what is stated is one; file, line and value are named.
    """
    columns = (options.id, options.node, options.state, options.negative, options.unknown)
    wanted = [name for name in columns if name is not None]
    table = strings.read(path, wanted if options.layout != "one_hot" else None)
    before = problems.count
    order = _order(table, options, ids, problems)
    labels: list[list[str]] = [[] for _ in ids]
    negative: dict[int, list[str]] = {}
    unknown: dict[int, list[str]] = {}
    for row, given in enumerate(_rows(table, options, nodes, problems)):
        if (place := order[row]) is None:
            continue
        labels[place] += given.positive
        for into, names in ((negative, given.negative), (unknown, given.unknown)):
            if names:
                into.setdefault(place, []).extend(names)
    used = {label for mine in labels for label in mine}
    if len(used) < 2 and problems.count == before:
        found = f"one, {shown(*used)}, throughout" if used else "none in any row"
        raise DatasetError(f"{path}: expected at least two different labels, found {found}")
    if options.absent == "unknown" and not negative and problems.count == before:
        raise DatasetError(
            f"{path}: expected nodes that an example is stated not to have, as where nothing is "
            "said all is unknown (tables.labels.absent), found none in any row"
        )
    once = tuple(tuple(dict.fromkeys(mine)) for mine in labels)
    notes = [*_notes(labels, once)]
    if options.layout == "one_hot" and (empty := sum(c.count("") for c in table.columns.values())):
        means = "are unknown" if options.absent == "unknown" else "count as 0"
        notes.append(f"{empty:,} cells of labels are empty and {means}.")
    return Found(once, tuple(notes), _placed(negative, len(ids)), _placed(unknown, len(ids)))


def _placed(stated: Mapping[int, Sequence[str]], examples: int) -> Labelled:
    """Nodes of each example, each once; empty where there is none at all."""
    if not stated:
        return ()
    return tuple(tuple(dict.fromkeys(stated.get(number, ()))) for number in range(examples))


def _order(
    table: Strings, options: Labels, ids: Sequence[str], problems: Problems
) -> Sequence[int | None]:
    """The place of each row's example, None where it is unknown or has a row already."""
    if options.id is None:
        if table.rows != len(ids):
            raise DatasetError(
                f"{table.path}: expected {len(ids):,} rows, one for each row of the features, as "
                f"no column names the examples, found {table.rows:,}"
            )
        return range(len(ids))
    place = {one: number for number, one in enumerate(ids)}
    found: list[int | None] = []
    seen: set[int] = set()
    unknown: dict[str, list[int]] = {}
    repeated: list[int] = []
    given = table.columns[options.id]
    for row, one in enumerate(given):
        number = place.get(one)
        if number is None:
            unknown.setdefault(one, []).append(row)
        elif options.layout != "long":
            if number in seen:
                repeated.append(row)
                number = None
            else:
                seen.add(number)
        found.append(number)
    _refuse_unknown(table, unknown, "an example that is among the features", problems)
    problems.each(
        table.path,
        "an example again",
        repeated,
        lambda row: table.refuse(row, "one row for each example", f"{shown(given[row])} again"),
    )
    return found


def _refuse_unknown(
    table: Strings,
    unknown: dict[str, list[int]],
    sort: str,
    problems: Problems,
    ending: Callable[[str], str] = lambda one: "",
) -> None:
    """Take what is unknown, and the rows that it is in."""

    def refuse(one: str) -> NoReturn:
        rows = unknown[one]
        more = f" (and in {len(rows) - 1:,} more row{'s' if rows[2:] else ''})" if rows[1:] else ""
        found = (files.cut(shown(one)) if one else "an empty cell") + more
        files.refuse(table.path, table.place(rows[0]), sort, found + ending(one))

    problems.each(table.path, sort, [*unknown], refuse)


def _rows(
    table: Strings, options: Labels, nodes: Collection[str] | None, problems: Problems
) -> Iterator[_Row]:
    """What each row states; unknown nodes are left out."""
    known = None if nodes is None else set(nodes)
    if options.layout == "one_hot":
        yield from _ones(table, options, known, problems)
        return
    assert options.node is not None
    column = shown(options.node)
    strange: dict[str, list[int]] = {}
    no_states: dict[str, list[int]] = {}

    def is_node(one: str, row: int) -> bool:
        if known is None or one in known:
            return True
        rows = strange.setdefault(one, [])
        if rows[-1:] != [row]:
            rows.append(row)
        return False

    for row, cell in enumerate(table.columns[options.node]):
        if options.layout == "long":
            if not cell:
                problems.each(
                    table.path,
                    "an empty cell",
                    [row],
                    lambda row: table.refuse(row, f"a node in column {column}", "an empty cell"),
                )
            given = [cell] if cell else []
        else:
            given = _parts(cell, options)
        given = [one for one in given if is_node(one, row)]
        if options.layout == "long":
            if options.state is None or not given:
                yield _Row(given)
            else:
                yield _stated(table, row, given, options, no_states)
        elif options.negative is None and options.unknown is None:
            yield _Row(given)
        else:
            others = (
                () if name is None else _parts(table.columns[name][row], options)
                for name in (options.negative, options.unknown)
            )
            yield _Row(given, *([one for one in part if is_node(one, row)] for part in others))
    state = shown(options.state or "")
    wanted = f"positive, negative or unknown (or {_OTHER_WORDS}) in column {state}"
    _refuse_unknown(table, no_states, wanted, problems)
    if known is not None:
        wanted = "nodes of the hierarchy"
        clear = clear_signs(known)

        def ending(one: str) -> str:
            sign = _between(one, known, clear)
            return _several(table, options, sign) if sign else did_you_mean(one, known)

        _refuse_unknown(table, strange, wanted, problems, ending)


def _parts(cell: str, options: Labels) -> list[str]:
    return [part for one in cell.split(options.delimiter) if (part := one.strip())]


def parts(cells: Iterable[str], options: Labels) -> set[str]:
    """All that stands in the cells of a column of several nodes."""
    return {part for cell in set(cells) for part in _parts(cell, options)}


def _stated(
    table: Strings, row: int, given: Sequence[str], options: Labels, strange: dict[str, list[int]]
) -> _Row:
    """What a row of a long table states of its node; nothing where the state is strange."""
    assert options.state is not None
    cell = table.columns[options.state][row]
    state = _STATES.get(cell.casefold())
    if state is None:
        strange.setdefault(cell, []).append(row)
        return _Row(())
    return _Row((), **{state: given}) if state != "positive" else _Row(given)


def are_states(cells: Collection[str]) -> bool:
    """Whether cells say positive, negative or unknown, and not all of them positive."""
    found = [_STATES.get(cell.casefold()) for cell in cells]
    return None not in found and set(found) != {"positive"}


def _ones(
    table: Strings, options: Labels, known: set[str] | None, problems: Problems
) -> Iterator[_Row]:
    nodes = [name for name in table.columns if name != options.id]
    if known is not None and (unknown := [name for name in nodes if name not in known]):
        raise DatasetError(
            f"{table.path}: expected a column for each node of the hierarchy, and none beside them "
            f"and the ids, found {several(unknown)}{did_you_mean(unknown[0], known)}"
        )

    def refuse(at: tuple[int, str]) -> NoReturn:
        row, node = at
        table.refuse(row, f"0 or 1 in column {shown(node)}", shown(table.columns[node][row]))

    columns = [table.columns[name] for name in nodes]
    # Zeros above a one are usual, and taken for ones; so zeros are statements only where without
    # them nothing would be negative.
    stated = options.absent == "unknown"
    for row, cells in enumerate(zip(*columns, strict=True)):
        positive, negative, unknown = list[str](), list[str](), list[str]()
        for node, cell in zip(nodes, cells, strict=True):
            if cell.lower() in _ONES:
                positive.append(node)
            elif cell.lower() in _UNKNOWN:
                unknown.append(node)
            elif cell.lower() not in _ZEROS:
                problems.each(table.path, "neither 0 nor 1", [(row, node)], refuse)
            elif stated and cell:
                negative.append(node)
        yield _Row(positive, negative, unknown)


def _notes(labels: list[list[str]], once: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    repeated = sum(map(len, labels)) - sum(map(len, once))
    if repeated:
        yield f"{repeated:,} labels stand twice and count once."
    if empty := sum(not mine for mine in once):
        yield f"{empty:,} of {len(once):,} examples have no label."


def did_you_mean(unknown: str, known: Collection[str]) -> str:
    """What an unknown node may have been meant to be: the end of a message, or nothing."""
    close = _closest(unknown, known)
    return "" if close is None else f"; did you mean {shown(close)}?"


def _closest(unknown: str, known: Collection[str]) -> str | None:
    plain = folded(unknown)
    nodes = {folded(node): node for node in known}
    if plain in nodes:
        return nodes[plain]
    if len(nodes) > _COMPARED or len(plain) > 100:
        return None
    return next((nodes[one] for one in difflib.get_close_matches(plain, nodes, n=1)), None)


def clear_signs(known: Collection[str]) -> str:
    """The signs that may be between nodes, and stand in the name of none."""
    return "".join(sign for sign in _CLEAR if not any(sign in node for node in known))


def _between(unknown: str, known: Collection[str], clear: str) -> str | None:
    """The sign between several nodes in what was taken for one; None where it may well be one.

    A close node in its place would lose the others. It loses none where it has them in its name:
    "rad fox" may be the node "red fox", though there is a node "fox".
    """
    nodes = {folded(node) for node in known}
    if folded(unknown) in nodes:
        return None
    close: str | None = None
    for sign in (*clear, *_OF_NAMES):
        pieces = _pieces(unknown, sign)
        if len(pieces) > 1 and (sign in clear or pieces & nodes):
            close = close or _closest(unknown, known) or ""
            if sign in clear or not pieces & nodes <= _pieces(close, sign):
                return sign
    return None


def _pieces(cell: str, sign: str) -> set[str]:
    return {piece for part in cell.split(sign) if (piece := folded(part))}


def _several(table: Strings, options: Labels, sign: str) -> str:
    """The end of a message on several nodes that were taken for one."""
    if options.layout == "long":
        return "; are these several nodes? The layout long has a row for each"
    assert options.node is not None
    if any(options.delimiter in cell for cell in table.columns[options.node]):
        return f"; are these several nodes? {shown(options.delimiter)} is between them elsewhere"
    typed = "$'\\t'" if sign == "\t" else f"'{sign}'"
    return f"; are these several nodes? --delimiter {typed} says what is between them"


def folded(node: str) -> str:
    """A node in whatever case and with any blanks, as people write it."""
    return " ".join(node.casefold().split())
