"""A folder that looks like a workspace, with a small data set that is right in every respect."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import __main__, cli

ROOT = Path(__file__).parents[2]
FEATURES = "id,patient,age,colour,smokes,seen,note\n" + "".join(
    f"e{row},p{row // 2},{20 + row}.5,{('red', 'green')[row % 3 == 0]},{('yes', 'no')[row % 2]},"
    f"2026-01-{row + 1:02},pain in the {('arm', 'leg')[row % 2]} again\n"
    for row in range(12)
)
LABELS = "id,labels\n" + "".join(f"e{row},{('a;b', 'c', 'd')[row % 3]}\n" for row in range(12))
HIERARCHY = "child,parent\na,top\nb,top\nc,a\nd,a\nd,b\n"
RIGHT = {"features.csv": FEATURES, "labels.csv": LABELS, "hierarchy.csv": HIERARCHY}
INIT = [
    "init",
    *("--features", "features.csv", "--labels", "labels.csv", "--hierarchy", "hierarchy.csv"),
]
# What every command makes, before it looks at anything: the lock, and its folder.
_STATE = ".rarenode"
# What `python -m pipeline` writes before a stage runs, since reports show it: when, which commit.
_MANIFEST = "reports"

Content = str | bytes | Callable[[Path], object]


def make(folder: Path) -> None:
    """Make the workspace with the data set."""
    for name in (".git", ".dvc"):
        (folder / name).mkdir()
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    put(folder, RIGHT)


def put(folder: Path, files: Mapping[str, Content]) -> None:
    """Write files; a function is called with the path."""
    for name, content in files.items():
        path = folder / name
        path.unlink(missing_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def tree(folder: Path) -> dict[str, str]:
    """The files in a folder, links by their target, others by their sha256.

    Folders do not count: data/raw appears, empty, where nothing can be fetched.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] in (_STATE, _MANIFEST):
            continue
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[name] = "something else"
    return found


def run(arguments: list[str]) -> int:
    """A command; `stage NAME` is what DVC calls."""
    if arguments[0] == "stage":
        return __main__.main(arguments[1:])
    return cli.main(arguments)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The message of a command that refuses, and changes nothing in the current folder."""
    capsys.readouterr()
    before = tree(Path.cwd())
    code = run(arguments)
    message = capsys.readouterr().err
    assert code == 2, message
    assert tree(Path.cwd()) == before
    check(message)
    return message.strip()


def check(message: str) -> None:
    """One message for people: what was expected, and what was found instead."""
    assert re.search("expected|must|should|needs|Known here", message)  # pydantic has its own words
    assert "found" in message or "Known here" in message
    assert "Traceback" not in message
    assert message.endswith("\n")
    lines = message[:-1].split("\n")
    assert all(line.startswith("  ") for line in lines[1:])  # further lines only go on
    assert all(line.isprintable() for line in lines)
    if re.match(r"\d+ problems in ", message):  # each of them is one
        assert len(lines) < 60
        assert max(map(len, lines)) < 1500
    else:
        assert len(message) < 1500


def edit_json(path: Path, change: Callable[[Any], object]) -> None:
    """Change what a JSON file holds, in place."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
