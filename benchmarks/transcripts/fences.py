"""Quoting transcripts: what fences of pages hold, and writing it into them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.transcripts.scripts import SCRIPTS

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
# `<!-- printed: quick_start/figures -->`, and the fence below.
_FENCE = re.compile(
    r"^<!-- printed: (?P<name>\w+)/(?P<quote>\w+) -->\n\n?```\w*\n(?P<text>.*?)^```$", re.M | re.S
)


class Quoted(NamedTuple):
    """A fence of a page that says where its lines come from."""

    name: str
    quote: str
    text: str
    start: int
    end: int


def read(name: str) -> dict[str, Any]:
    """A transcript; `FileNotFoundError` if there is none."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def typed(name: str, command: str, time: int = -1) -> dict[str, Any]:
    """What a transcript knows of a command, of the last time that it was typed if not another.

    Raises:
        IndexError: it was not typed so often.
    """
    return [one for one in read(name)["commands"] if one["command"] == command][time]


def text(name: str, quote: str) -> str:
    """What a fence holds.

    Raises:
        KeyError: there is no such script or quote.
        IndexError: the transcript has no such command.
        ValueError: nothing that the command printed begins as the quote does.
    """
    wanted = SCRIPTS[name].quotes[quote]
    lines = typed(name, wanted.command, wanted.time)["printed"]
    shown = [f"$ {wanted.command}"] if wanted.typed else []
    end = 0
    for part in wanted.parts:
        start = _find(part.first, lines, end)
        if shown and end and start > end:
            shown.append("…")
        end = _find(part.last, lines, start) + 1
        shown += lines[start:end]
    shown += lines if not wanted.parts else []
    return "".join(f"{line}\n" for line in shown)


def _find(begins: str, lines: list[str], start: int) -> int:
    for place in range(start, len(lines)):
        if re.match(begins, lines[place]):
            return place
    raise ValueError(f"expected a line that begins with {begins!r}, found none from {start + 1} on")


def quoted(page: str) -> Iterator[Quoted]:
    """The fences of a page's text that quote transcripts."""
    for found in _FENCE.finditer(page):
        yield Quoted(found["name"], found["quote"], found["text"], *found.span("text"))


def write(name: str) -> list[Path]:
    """Bring the fences of all pages that quote this transcript up to date.

    Returns:
        The pages that have changed.
    """
    changed = list[Path]()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        page = path.read_text(encoding="utf-8")
        written = page
        for fence in reversed([*quoted(page)]):
            if fence.name == name:
                new = text(fence.name, fence.quote)
                written = written[: fence.start] + new + written[fence.end :]
        if written != page:
            path.write_text(written, encoding="utf-8")
            changed.append(path)
    return changed
