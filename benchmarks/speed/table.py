"""What was measured, for people: tables on the terminal, and the same in docs/performance.md."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.speed.floors import Machine, Work

BEGIN, END = "<!-- begin: written by `make bench` -->", "<!-- end -->"
Content = tuple[str, Sequence[str], list[list[str]]]  # title, head, rows


def tables(results: dict[str, Any]) -> Iterator[Content]:
    """The tables of the parts that results hold."""
    for part in ("bounds", "start", "images", "report", "scale"):
        if part in results:
            yield _bounds(part, results[part])
    if "rows" in results:
        yield _rows(results["rows"])
    if "profile" in results:
        yield _profile(results["profile"])


def show(contents: Iterator[Content], console: Console) -> None:
    """Print tables."""
    for title, head, rows in contents:
        table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, show_edge=False)
        for place, name in enumerate(head):
            table.add_column(Text(name), justify="right" if _is_number(rows, place) else "left")
        for row in rows:
            table.add_row(*(Text(cell, "bold red" if cell == "NOT MET" else "") for cell in row))
        console.print(table)
        console.print()


def write(contents: Iterator[Content], page: Path) -> None:
    """Replace what lies between the page's markers.

    Raises:
        ValueError: the page has no markers.
    """
    text = page.read_text(encoding="utf-8")
    if not (BEGIN in text and END in text):
        raise ValueError(f"expected the lines {BEGIN} and {END} in {page}, found none")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n\n{markdown(contents)}\n\n{END}{tail}", encoding="utf-8")


def markdown(contents: Iterator[Content]) -> str:
    """The tables as the page has them, between its markers."""
    return "\n\n".join(_markdown(*content) for content in contents)


def _bounds(part: str, entry: dict[str, Any]) -> Content:
    titles = {
        "bounds": "The core",
        "start": "Start-up",
        "images": "Images",
        "report": "The report",
        "scale": "Scale",
    }
    rows = [
        [
            bound["name"],
            _figure(bound["measured"], bound["unit"]),
            f"{bound['kind']} {_figure(bound['limit'], bound['unit'])}",
            "ok" if bound["met"] else "NOT MET",
            bound["detail"],
        ]
        for bound in entry["bounds"]
    ]
    title = f"{titles[part]}. {_where(entry['machine'])}"
    return title, ("bound", "measured", "allowed", "verdict", "from"), rows


def _rows(entry: dict[str, Any]) -> Content:
    machine = Machine(
        1e9 * entry["machine"]["gigabytes_per_second"],
        1e9 * entry["machine"]["gigaflops_per_second"],
    )
    rows = []
    for row in entry["rows"]:
        start = [row["operation"], str(row["nodes"]), str(row["members"])]
        if "skipped" in row:
            rows.append([*start, "", "", "", row["skipped"]])
            continue
        floor = Work(row["bytes"], row["flops"]).seconds(machine)
        bound_by = "memory" if row["bytes"] / machine.bytes_per_second >= floor else "arithmetic"
        rows.append(
            [
                *start,
                _time(row["seconds"]),
                f"{row['peak_bytes'] / 2**20:.0f} MB",
                f"{_time(floor)} ({bound_by})",
                f"{row['seconds'] / floor:.1f}",
            ]
        )
    head = ("operation", "nodes", "members", "time", "memory", "floor", "over floor")
    return f"Rows. {_where(entry['machine'])}", head, rows


def _profile(entry: dict[str, Any]) -> Content:
    rows = []
    for one in entry["steps"]:
        for place, (name, share) in enumerate(one["shares"].items()):
            what = f"{one['problem']}, {one['members']} members, batch {one['batch_size']}"
            start = ["", ""] if place else [what, _time(one["step_us"] / 1e6)]
            rows.append([*start, name, f"{100 * share:.0f} %"])
    return f"A step. {_where(entry['machine'])}", ("step", "time", "part", "share"), rows


def _where(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"{machine['date']}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['threads']} threads, {machine['gigabytes_per_second']} GB/s, "
        f"{machine['gigaflops_per_second']} GFlop/s, Python {machine['python']}, {versions}"
    )


def _markdown(title: str, head: Sequence[str], rows: list[list[str]]) -> str:
    name, _, where = title.partition(". ")
    lines = [head, ["---" for _ in head], *rows]
    return f"### {name}\n\n{where}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} us"


def _is_number(rows: list[list[str]], place: int) -> bool:
    return all(re.fullmatch(r"([\d.]+( \S+)?)?", row[place]) for row in rows)
