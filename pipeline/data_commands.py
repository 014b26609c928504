"""`rarenode data`: which data sets there are, fetching their raw files, verifying them.

Not among `pipeline/datasets`, on which stages depend: what is printed changes no data.
"""

import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.artifacts import paths
from pipeline.datasets import registry, verified
from pipeline.datasets.source import Source
from pipeline.errors import DatasetError

_WIDTH = 80


@dataclass(frozen=True)
class _Entry:
    """What `rarenode data list --json` tells of a data set."""

    name: str
    state: verified.State
    bytes: int  # on disk
    about: str
    unavailable: str | None


def show(*, as_json: bool) -> int:
    """Print every data set: name, state, size on disk and what it is; return 0."""
    entries = [_entry(name) for name in registry.names()]
    if as_json:
        print(json.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
        return 0
    rows: list[tuple[str, str, str, str]] = [("name", "state", "size", "what it is")]
    for entry in entries:
        state = entry.state
        if state == "absent" and entry.unavailable is not None:
            state = "unavailable"
        size = _size(entry.bytes) if entry.state != "absent" else ""
        rows.append((entry.name, state, size, entry.about))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for name, state, size, about in rows:
        head = f"{name:{widths[0]}}  {state:{widths[1]}}  {size:>{widths[2]}}  "
        lines = textwrap.wrap(about, _WIDTH - len(head)) or [""]
        print((head + lines[0]).rstrip())
        for line in lines[1:]:
            print(" " * len(head) + line)
    return 0


def get(name: str, origin: str | None) -> int:
    """Fetch the raw files of a data set, print where they are; return 0.

    Args:
        name: the data set.
        origin: a folder or an http(s) URL instead of the source's own, None for that one.

    Raises:
        DatasetError: the name is unknown, or a file cannot be had or is not the expected one.
        WorkspaceError: the folder of the files cannot be written.
    """
    source = registry.get(name)
    source.fetch(paths.raw(name), origin)
    source.keep(paths.raw(name))
    print(_verified(name, source))
    return 0


def check(name: str | None) -> int:
    """Verify the raw files of one data set, or of all that have any here; print it; return 0.

    Raises:
        DatasetError: files are wrong, or `name` is unknown or has none here.
    """
    bad: list[str] = []
    seen = False
    for one in registry.names() if name is None else (name,):
        source = registry.get(one)
        state = verified.state(source.files(), paths.raw(one))
        if state == "verified":
            print(_verified(one, source))
        elif state != "absent":
            bad.append(one)
            print(f"{one}: {state}")
            for reason in verified.wrong(source.files(), paths.raw(one)).values():
                print(f"  {reason}")
        elif name is not None:
            raise DatasetError(
                source.unavailable()
                or f"expected the raw files of {one} in {paths.raw(one)}, found none. "
                f"Run `rarenode data get {one}`."
            )
        seen = seen or state != "absent"
    if bad:
        raise DatasetError(
            f"expected the published raw files, found others in {', '.join(bad)}. "
            f"`rarenode data get {bad[0]}` replaces what is wrong."
        )
    if not seen:
        print(f"No raw files in {paths.RAW}. `rarenode data get NAME` fetches some.")
    return 0


def _entry(name: str) -> _Entry:
    source, folder = registry.get(name), paths.raw(name)
    return _Entry(
        name=name,
        state=verified.state(source.files(), folder),
        bytes=sum(_bytes(folder / file.name) for file in source.files()),
        about=source.about(),
        unavailable=source.unavailable(),
    )


def _verified(name: str, source: Source) -> str:
    count = len(source.files())
    return f"{name}: {count} file{'s' if count > 1 else ''} in {paths.raw(name)}, verified"


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # its state says what is the matter


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
