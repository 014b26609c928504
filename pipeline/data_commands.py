"""`rarenode data`: which data sets there are, their raw files, and accepting what is prepared.

Not among `pipeline/datasets`, on which stages depend: what is printed changes no data.
"""

import json
import textwrap
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import files, paths, validated
from pipeline.datasets import registry, verified
from pipeline.datasets.source import Source
from pipeline.errors import DatasetError

_WIDTH = 80
_SHOWN = 5  # names in a line


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
        print(json.dumps([asdict(entry) for entry in entries], indent=2))
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


def check(name: str | None, told: dict[str, Any]) -> int:
    """Verify the raw files of one data set, or of all that have any here; print it; return 0.

    `told` gets `datasets`: of each that is here `name`, `state`, `folder`, the number of `files`,
    and by name what is `wrong` with some.

    Raises:
        DatasetError: files are wrong, or `name` is unknown or has none here.
    """
    bad: list[str] = []
    told["datasets"] = found = list[dict[str, Any]]()
    for one in registry.names() if name is None else (name,):
        source = registry.get(one)
        state = verified.state(source.files(), paths.raw(one))
        wrong: dict[str, str] = {}
        if state == "verified":
            print(_verified(one, source))
        elif state != "absent":
            bad.append(one)
            print(f"{one}: {state}")
            wrong = verified.wrong(source.files(), paths.raw(one))
            for reason in wrong.values():
                print(f"  {reason}")
        elif name is not None:
            raise DatasetError(
                source.unavailable()
                or f"expected the raw files of {one} in {paths.raw(one)}, found none. "
                f"Run `rarenode data get {one}`."
            )
        if state != "absent":
            entry = {"name": one, "state": state, "folder": str(paths.raw(one))}
            found.append(entry | {"files": len(source.files()), "wrong": wrong})
    if bad:
        raise DatasetError(
            f"expected the published raw files, found others in {', '.join(bad)}. "
            f"`rarenode data get {bad[0]}` replaces what is wrong."
        )
    if not found:
        print(f"No raw files in {paths.RAW}. `rarenode data get NAME` fetches some.")
    return 0


def accept() -> int:
    """Make the prepared data those that later ones are held against; print what changed; return 0.

    Raises:
        ArtifactError: the validation is missing, damaged or of other data.
        ValidationError: the data break an expectation, drift aside.
    """
    profile, before = validated.read_acceptable(), validated.read_accepted()
    if before == profile:
        print(f"{profile['dataset']}: nothing changed, these very data are accepted")
        return 0
    files.write_json(paths.ACCEPTED, profile)
    for line in _accepted(before, profile):
        print(line)
    print(f"Accepted in {paths.ACCEPTED}: commit it.")
    return 0


def _accepted(before: dict[str, Any], profile: dict[str, Any]) -> list[str]:
    """What is accepted now, beside what was."""
    counts = {
        "examples": profile["examples"]["total"],
        "features": len(profile["features"]),
        "nodes": len(profile["nodes"]),
    }
    if before["dataset"] != profile["dataset"]:
        instead = "" if before["dataset"] is None else f", instead of {before['dataset']!r}"
        numbers = ", ".join(f"{number:,} {noun}" for noun, number in counts.items())
        return [f"{profile['dataset']}: {numbers}{instead}"]
    was = before["examples"]["total"]
    lines = [f"{profile['dataset']}: {was:,} -> {counts['examples']:,} examples"]
    for noun, key in (("features", "name"), ("nodes", "id")):
        old = [entry[key] for entry in before[noun]]
        now = [entry[key] for entry in profile[noun]]
        lines.append(f"  {len(old):,} -> {len(now):,} {noun}")
        lines += _named("new", now, set(old)) + _named("vanished", old, set(now))
    return lines


def _named(word: str, names: list[str], others: set[str]) -> list[str]:
    """A line with some of the names that are not among the others; none if all are."""
    found = [name for name in names if name not in others]
    shown = ", ".join(repr(name) for name in found[:_SHOWN])  # names are data, a terminal obeys
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    return [f"    {word}: {shown}{more}"] if found else []


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
