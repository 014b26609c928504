"""Which nodes each example has: a long table, a delimited column, or zeros and ones."""

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from pipeline.config.tables import Labels
from pipeline.datasets.tables import files, strings
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.strings import Strings
from pipeline.errors import DatasetError

_ONES, _ZEROS = {"1", "1.0", "true", "yes"}, {"0", "0.0", "false", "no", ""}
_COMPARED = 20_000  # nodes that are looked through for a close match


class Found(NamedTuple):
    """Labels in the examples' order, and what there is to say about them."""

    labels: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


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
        DatasetError: an example or a node is unknown, an example has two rows where it may have
            one, a cell is neither 0 nor 1, or there are fewer than two labels; file, line and value
            are named.
    """
    wanted = [name for name in (options.id, options.node) if name is not None]
    table = strings.read(path, wanted if options.layout != "one_hot" else None)
    before = problems.count
    order = _order(table, options, ids, problems)
    labels: list[list[str]] = [[] for _ in ids]
    for row, given in enumerate(_rows(table, options, nodes, problems)):
        if (place := order[row]) is not None:
            labels[place] += given
    used = {label for mine in labels for label in mine}
    if len(used) < 2 and problems.count == before:
        found = f"one, {shown(*used)}, throughout" if used else "none in any row"
        raise DatasetError(f"{path}: expected at least two different labels, found {found}")
    once = tuple(tuple(dict.fromkeys(mine)) for mine in labels)
    notes = [*_notes(labels, once)]
    if options.layout == "one_hot" and (empty := sum(c.count("") for c in table.columns.values())):
        notes.append(f"{empty:,} cells of labels are empty and count as 0.")
    return Found(once, tuple(notes))


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
    hinted: Callable[[str], str] = lambda one: "",
) -> None:
    """Take what is unknown, and the rows that it is in."""

    def refuse(one: str) -> NoReturn:
        rows = unknown[one]
        more = f" (and in {len(rows) - 1:,} more row{'s' if rows[2:] else ''})" if rows[1:] else ""
        found = files.cut(shown(one)) + more
        files.refuse(table.path, table.place(rows[0]), sort + hinted(one), found)

    problems.each(table.path, sort, [*unknown], refuse)


def _rows(
    table: Strings, options: Labels, nodes: Collection[str] | None, problems: Problems
) -> Iterator[Sequence[str]]:
    """The labels of each row."""
    known = None if nodes is None else set(nodes)
    if options.layout == "one_hot":
        yield from _ones(table, options, known, problems)
        return
    assert options.node is not None
    column = shown(options.node)
    unknown: dict[str, list[int]] = {}
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
            given = [part for one in cell.split(options.delimiter) if (part := one.strip())]
        if known is not None and not known.issuperset(given):
            for one in dict.fromkeys(given):
                if one not in known:
                    unknown.setdefault(one, []).append(row)
            given = [one for one in given if one in known]
        yield given
    if known is not None:
        wanted = "nodes of the hierarchy"
        _refuse_unknown(table, unknown, wanted, problems, lambda one: hint(one, known))


def _ones(
    table: Strings, options: Labels, known: set[str] | None, problems: Problems
) -> Iterator[Sequence[str]]:
    nodes = [name for name in table.columns if name != options.id]
    if known is not None and (unknown := [name for name in nodes if name not in known]):
        raise DatasetError(
            f"{table.path}: expected a column for each node of the hierarchy, and none beside them "
            f"and the ids{hint(unknown[0], known)}, found {several(unknown)}"
        )

    def refuse(at: tuple[int, str]) -> NoReturn:
        row, node = at
        table.refuse(row, f"0 or 1 in column {shown(node)}", shown(table.columns[node][row]))

    columns = [table.columns[name] for name in nodes]
    for row, cells in enumerate(zip(*columns, strict=True)):
        given: list[str] = []
        for node, cell in zip(nodes, cells, strict=True):
            if cell.lower() in _ONES:
                given.append(node)
            elif cell.lower() not in _ZEROS:
                problems.each(table.path, "neither 0 nor 1", [(row, node)], refuse)
        yield given


def _notes(labels: list[list[str]], once: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    repeated = sum(map(len, labels)) - sum(map(len, once))
    if repeated:
        yield f"{repeated:,} labels stand twice and count once."
    if empty := sum(not mine for mine in once):
        yield f"{empty:,} of {len(once):,} examples have no label."


def hint(unknown: str, known: set[str]) -> str:
    """What an unknown node may have been meant to be."""
    plain = " ".join(unknown.casefold().split())
    folded = {" ".join(node.casefold().split()): node for node in known}
    close = [folded[plain]] if plain in folded else []
    if not close and len(folded) <= _COMPARED and len(plain) <= 100:
        close = [folded[one] for one in difflib.get_close_matches(plain, folded, n=1)]
    return f" (such as {shown(close[0])})" if close else ""
