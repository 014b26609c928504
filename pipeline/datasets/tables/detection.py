"""What a hierarchy's file is, as far as suffix, header and content tell; the rest is asked."""

import re
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from pipeline.datasets.tables import files, nested, strings
from pipeline.errors import DatasetError

_PARENT = ("parent", "parent_id", "parent_node", "is_a", "isa", "broader", "subclass_of")
# Columns of children and of parents that go together; a family is asked for after those before it.
_FAMILIES = (
    (("child", "child_id", "child_node"), _PARENT),
    (("node", "node_id", "id", "term", "term_id", "code"), _PARENT),
)
# Columns of edges in either direction: networkx and others write from parent to child.
_DIRECTIONLESS = (("source", "target"), ("from", "to"))
_NAMES = ("child_name", "name", "node_name", "term_name", "label", "title")  # the best one first
_PATHS = ("path", "paths", "node_path", "label_path", "category_path", "full_path")
_SEPARATORS = "/>|\\"  # the first one where several are as frequent
_LOOKED_AT = 1000  # lines of a text, or rows
_OPTIONS = (
    "Say what the columns are: --child and --parent name those of an edge's ends (a column of "
    "paths such as a/b/c is known where it alone is called 'path')"
)


def detect(path: Path) -> dict[str, Any]:
    """The values of `HierarchyFile` beyond `path` and `sha256`.

    Raises:
        DatasetError: the file is unreadable, or does not tell what it is; names what can be said.
    """
    suffix = path.suffix.lower()
    if suffix == ".obo":
        files.check(path)
        return {"format": "obo"}
    if suffix in nested.SUFFIXES:
        files.check(path)
        return {"format": "nested"}
    if suffix == ".txt":
        return _text(path)
    if suffix not in strings.SUFFIXES:
        files.check(path)
        known = ", ".join((*strings.SUFFIXES, *nested.SUFFIXES, ".obo"))
        files.refuse(path, "name", f"a name that ends with {known}", files.ending(path))
    header = strings.header(path)
    return _table(path, header) or _refuse_columns(path, header)


def _table(path: Path, header: tuple[str, ...]) -> dict[str, Any] | None:
    """Format and columns, if their names tell them."""
    for children, parents in _FAMILIES:
        child, parent = _among(children, header), _among(parents, header)
        if child and parent:
            for found in (child, parent):
                if len(found) > 1:
                    expected = "one column of children and one of parents"
                    files.refuse(path, "header", expected, f"{files.several(found)}. {_OPTIONS}")
            columns = {"format": "edges", "child": child[0], "parent": parent[0]}
            names = _among(_NAMES, header)
            return {**columns, "name": names[0]} if names else columns
    for pair in _DIRECTIONLESS:
        ends = _among(pair[:1], header), _among(pair[1:], header)
        if all(ends):
            _refuse_directionless(path, ends[0][0], ends[1][0])
    column = _among(_PATHS, header)
    if len(column) != 1:
        return None
    values = strings.read(path, column).columns[column[0]][:_LOOKED_AT]
    return {"format": "paths", "column": column[0], **_separator(values)}


def _text(path: Path) -> dict[str, Any]:
    """An ontology, a table, or a path in each line."""
    lines = [line.strip() for line in islice(files.lines(path), _LOOKED_AT)]
    lines = [line for line in lines if line]
    if not lines:
        files.refuse(path, "line 1", "a hierarchy", "nothing but blanks")
    if re.match(r"format-version\s*:", lines[0]):
        return {"format": "obo"}
    try:
        header = strings.header(path)
    except DatasetError:  # a path may hold any delimiters and quotes
        header = (lines[0],)
    if table := _table(path, header):
        return table
    separator = _separator(lines)
    mark = separator.get("separator", "/")
    # Of a list of paths, the first may be a root. What may be columns needs a better reason.
    columns = len(header) > 1 and (mark not in lines[0] or mark == "|" or "\t" in lines[0])
    if columns or not any(mark in line for line in lines):
        _refuse_columns(path, header)
    return {"format": "paths", **separator}


def names_column(path: Path) -> str | None:
    """The column of a table of edges that is called as one of names is."""
    return next(iter(_among(_NAMES, strings.header(path))), None)


def _separator(paths: list[str]) -> dict[str, str]:
    """The separator if it is another one than the parameters expect."""
    found = max(_SEPARATORS, key=lambda mark: sum(mark in path for path in paths))
    return {} if found == "/" else {"separator": found}


def _among(known: tuple[str, ...], header: tuple[str, ...]) -> list[str]:
    """The columns with known names, in the order of these, in whatever case and with any blanks."""
    plain = [re.sub(r"[\s.\-]+", "_", name.casefold()) for name in header]
    return [
        name for one in known for name, found in zip(header, plain, strict=True) if found == one
    ]


def _refuse_directionless(path: Path, one: str, other: str) -> NoReturn:
    """Ask for the direction of edges; the first one shows people what they have."""
    table = strings.read(path, [one, other])
    ends = zip(table.columns[one], table.columns[other], strict=True)
    whole = ((row, *pair) for row, pair in enumerate(ends) if all(pair))
    edge = next(whole, None)
    first, second = files.shown(one), files.shown(other)
    found = f"{first} and {second}, which programs write in either direction"
    if edge is not None:
        row, a, b = edge
        a, b = files.shown(a), files.shown(b)
        found += (
            f". {table.place(row).capitalize()} has {a} and {b}: if {a} lies below {b}, say "
            f"--child {first} --parent {second}, and if {b} lies below {a}, --child {second} "
            f"--parent {first}"
        )
    else:
        found += ". Say which is which with --child and --parent"
    files.refuse(path, "header", "columns that say which end of an edge is the child", found)


def _refuse_columns(path: Path, header: tuple[str, ...]) -> NoReturn:
    expected = "columns of a known purpose, such as child and parent, or path"
    files.refuse(path, "header", expected, f"{files.several(header)}. {_OPTIONS}")
