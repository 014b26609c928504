"""Tables on a terminal: whole where they fit, else in cells of two lines or in parts, never cut."""

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.headline import Table as Content


def show(console: Console, title: str, content: Content, *, first: str = "") -> None:
    """Print a table under its title.

    Args:
        console: as wide as its terminal; elsewhere nothing is wide enough to be broken up.
        title: a line.
        content: head and rows; the first column has names.
        first: the style of the first row.
    """
    console.print(Text(title, "bold"))
    if not console.is_terminal:
        console.print(_table(content, first))
        return
    for place, table in enumerate(_fitting(console, content, first)):
        if place:
            console.print()
        console.print(table)


def _fitting(console: Console, content: Content, first: str) -> list[Table]:
    """As few parts as fit side to side, each with cells of one line if these fit, else of two."""
    broken, columns, tables = _broken(content), len(content[0]) - 1, list[Table]()
    for parts in range(1, columns + 1):
        for one in (content, broken):
            tables = [_table(part, first) for part in _split(one, parts)]
            if all(_fits(console, table) for table in tables):
                return tables
    return tables  # a terminal that is too narrow for one column has to wrap it


def _fits(console: Console, table: Table) -> bool:
    wide = console.options.update(width=10_000)
    return console.measure(table, options=wide).maximum <= console.width


def _split(content: Content, parts: int) -> Iterator[Content]:
    """The columns in so many parts of about the same number, each with the names."""
    head, rows = content
    columns = len(head) - 1
    for part in range(parts):
        kept = [0, *range(1 + part * columns // parts, 1 + (part + 1) * columns // parts)]
        yield [head[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _broken(content: Content) -> Content:
    """What is in brackets in a line of its own: `macro F1 (half)`, `+0.1 [+0.0, +0.2]`."""
    head, rows = content
    lines = [
        [cell.replace(" (", "\n(", 1).replace(" [", "\n[", 1) for cell in row]
        for row in [head, *rows]
    ]
    return lines[0], lines[1:]


def _table(content: Content, first: str) -> Table:
    head, rows = content
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, name in enumerate(head):
        table.add_column(Text(name), justify="right" if place else "left")
    for place, row in enumerate(rows):
        table.add_row(*map(Text, row), style="" if place else first)
    return table
