"""Typing commands in a fresh clone of HEAD, and keeping what they print."""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.speed import machine
from benchmarks.transcripts.scripts import INSTALL, SCRIPTS

ROOT = Path(__file__).parents[2]
# Lines of progress come by the clock: no page quotes them, but those of a study. What pip says of
# its places is of this machine.
_LEFT_OUT = re.compile(r"(?!study )[\w ]+: (?:.* )?\d+/\d+ .*|WARNING: Location '.*|\[notice\].*")


def transcript(name: str, given: Path | None) -> dict[str, Any]:
    """Type a script's commands in a clone in a temporary folder.

    Args:
        name: of the script.
        given: the folder that it calls DIR.

    Returns:
        commit, machine, the commands with what they printed (stdout and stderr, as they come
        without a terminal), their exit codes and seconds; of `install` also the bytes installed.

    Raises:
        subprocess.CalledProcessError: the repository cannot be cloned.
    """
    with _clone(with_environment=name != "install") as clone:
        environment = _environment(clone, with_environment=name != "install")
        written = {"commit": _git("rev-parse", "--short=7", "HEAD"), "machine": machine.where()}
        typed = [_type(command, clone, environment, given) for command in SCRIPTS[name].commands]
        if INSTALL in SCRIPTS[name].commands:
            written["bytes"] = _size(clone / ".venv")
    return {**written, "commands": typed}


@contextmanager
def _clone(*, with_environment: bool) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rarenode-") as folder:
        clone = Path(folder) / "rarenode"
        _git("clone", "--quiet", str(ROOT), str(clone))
        if with_environment:
            (clone / ".venv").symlink_to(sys.prefix)
            with (clone / ".git" / "info" / "exclude").open("a", encoding="utf-8") as exclude:
                exclude.write("/.venv\n")
        yield clone


def _environment(clone: Path, *, with_environment: bool) -> dict[str, str]:
    """That of a reader: nothing of this process's Prefect or rarenode, and a git identity."""
    whole = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "RARENODE_"))}
    if with_environment:
        path = os.pathsep.join([str(Path(sys.prefix) / "bin"), whole["PATH"]])
        whole |= {"PATH": path, "PYTHONPATH": str(clone)}
    else:
        whole.pop("PYTHONPATH", None)
    for role in ("AUTHOR", "COMMITTER"):
        whole |= {f"GIT_{role}_NAME": "Reader", f"GIT_{role}_EMAIL": "reader@example.org"}
    return whole | {"PREFECT_HOME": str(clone.parent / "prefect"), "PYTHONUNBUFFERED": "1"}


def _type(
    command: str, clone: Path, environment: dict[str, str], given: Path | None
) -> dict[str, Any]:
    if "DIR" in command.split():
        environment = environment | {"DIR": str(given or "")}
    busy, started = _cpu(), time.monotonic()
    print(f"$ {command}", flush=True)
    with subprocess.Popen(
        ["bash", "-c", re.sub(r"(?<= )DIR$", '"$DIR"', command)],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = list[str]()
        for line in process.stdout:
            print(line, end="", flush=True)
            printed.append(_same(line.rstrip(), clone, given))
    return {
        "command": command,
        "exit": process.returncode,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(_cpu() - busy, 1),
        "printed": [line for line in printed if not _LEFT_OUT.fullmatch(line)],
    }


def _same(line: str, clone: Path, given: Path | None) -> str:
    """A line without what is of this machine alone: places of clone, environment and DIR."""
    for environment in (sys.prefix, Path(sys.prefix).resolve()):
        for place in (os.path.relpath(environment, clone), environment):
            line = line.replace(f"{place}/", ".venv/")
    line = line.replace(f"{clone}/", "").replace(str(clone), ".")
    return line if given is None else line.replace(str(given), "DIR")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _size(folder: Path) -> int:
    """Bytes of a folder's files; one with several names counts once."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            found[status.st_dev, status.st_ino] = status.st_size
    return sum(found.values())


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()
