"""What claims are made of: sentences and rows, of pages, results and code."""

import contextlib
import inspect
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
from ruamel.yaml import YAML

from pipeline import cli
from pipeline.hml import bootstrap, uncertainty
from pipeline.hml.uncertainty import Mode

ROOT = Path(__file__).parents[2]
# Pictures that were drawn by hand (docs/pictures) are pages, too: what they say.
PAGES = [
    "README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "pictures").iterdir()),
]
WORDS = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()


class Said(NamedTuple):
    """Sentences that a page has to say."""

    page: str
    sentences: tuple[str, ...]


_SAID = ("}title", "}desc", "}text")  # of a picture
Claim = Callable[[], Iterator[Said]]
CLAIMS: dict[str, Claim] = {}


def claim(function: Claim) -> Claim:
    """A function whose sentences have to stand in their pages."""
    name = f"{function.__module__.rsplit('.', 1)[-1]}: {function.__name__}"
    assert name not in CLAIMS, name
    CLAIMS[name] = function
    return function


def says(page: str, *sentences: str) -> Said:
    """What a page, named from the repository's root, has to say; blanks and line ends are one."""
    return Said(page, sentences)


@cache
def raw(path: str) -> str:
    """The text of a file of the repository; of a picture its title, description and labels."""
    if path.endswith(".svg"):
        said = ElementTree.parse(ROOT / path).iter()
        return "".join(f"{part.text}\n" for part in said if part.tag.endswith(_SAID))
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def text(path: str) -> str:
    """The text of a page, every blank one space."""
    return " ".join(raw(path).split())


def study(name: str) -> Any:
    return YAML(typ="safe", pure=True).load(raw(f"benchmarks/{name}/study.yaml"))


class Row(dict[str, str]):
    """A row of a table: column -> cell; `line` is how the page has it."""

    line: str


def table(path: str, heading: str, first: str) -> dict[str, Row]:
    """The first table below a heading whose first column has this name: its rows by that column."""
    whole = raw(path)
    below = whole[whole.index(f"\n{heading}\n") :]
    lines = below[below.index(f"\n| {first} |".replace("  ", " ")) + 1 :].splitlines()
    ends = next((n for n, line in enumerate(lines) if not line.startswith("|")), len(lines))
    names, _, *rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines[:ends]]
    by_name = dict[str, Row]()
    for cells, line in zip(rows, lines[2:ends], strict=True):
        by_name[cells[0]] = Row(zip(names, cells, strict=True))
        by_name[cells[0]].line = line
    return by_name


def mean(cell: str) -> float:
    return float(cell.split(" ± ")[0])


def percent(cell: str, digits: int) -> str:
    return f"{mean(cell):.{digits}f} %"


@cache
def speed() -> Any:
    return json.loads(raw("benchmarks/speed/results.json"))


def bounds(part: str, begins: str) -> list[dict[str, Any]]:
    """The bounds of a part of `make bench` whose names begin like this; there is one at least."""
    begun = [b for b in speed()[part]["bounds"] if b["name"].startswith(begins)]
    assert begun
    return begun


def confidence() -> str:
    """The level of intervals, in percent."""
    level = inspect.signature(bootstrap.interval).parameters["level"].default
    return f"{100 * level:.0f} %"


@cache
def unit_interval() -> tuple[int, int]:
    """The least and the greatest uncertainty that any mode gives."""
    ends = np.array([0.0, 0.5, 1.0])
    p = np.stack([*np.meshgrid(ends, ends, ends)]).reshape(3, 1, -1)  # member, example, node
    every = [uncertainty(p, mode=mode) for mode in get_args(Mode)]
    least, most = np.min(every), np.max(every)
    assert (int(least), int(most)) == (least, most)
    return int(least), int(most)


@cache
def refused() -> int:
    """The exit code of what the user can fix."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = cli.main(["data", "get", "no_such_data_set"])
    assert "no_such_data_set" in said.getvalue()
    return code


def found(pattern: str, path: str) -> re.Match[str]:
    """Where a file of the repository first says this, every blank of it one space."""
    match = re.search(pattern, text(path))
    assert match is not None, f"{path}: nothing there looks like {pattern}"
    return match
