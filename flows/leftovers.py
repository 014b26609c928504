"""What a killed run leaves in the workspace, removed before the next one.

Called where the workspace is held (`workspace.exclusive`), so that whatever is unfinished here has
nobody who would finish it. Knows no DVC, which takes half a second to import.
"""

import contextlib
import fcntl
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML, YAMLError

from flows import guard
from pipeline.artifacts import files, paths

_ROOTS = (paths.RAW.parent, paths.METRICS.parent, paths.BUNDLE.parent, paths.STATE)
_RWLOCK = Path(".dvc/tmp/rwlock")
_DVC_LOCK = Path("dvc.lock")
# What dvc.lock ends with; an editor may have taken its newline away.
_LAST_LINE = re.compile(r"\n +(md5: [0-9a-f]{32}(\.dir)?|(size|nfiles): \d+|isexec: true)\Z")
_CONFLICT = "<<<<<<<"  # of a merge
BROKEN = paths.STATE / "dvc.lock.broken"


def clear() -> list[str]:
    """Wait for processes that are being ended, remove half-written files, release DVC's locks.

    Returns:
        What the user should hear of.
    """
    guard.wait_for_others()
    for path in unfinished():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    with contextlib.suppress(PermissionError):  # DVC will say so itself
        _release_locks()
    return _set_lock_file_aside()


def unfinished() -> Iterator[Path]:
    """Half-written files and folders whose process is no more."""
    for root in _ROOTS:
        for path, pid in files.unfinished(root):
            with contextlib.suppress(FileNotFoundError):  # it takes its place just now
                if not files.alive(pid, path.lstat().st_ctime):
                    yield path


def _release_locks() -> None:
    """Remove what killed DVCs hold; DVC itself does, unless their process ids are in use again."""
    if not _RWLOCK.exists():
        return
    with _RWLOCK.with_suffix(".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # a DVC is changing it
        held, since = _locked_by()
        if not any(_is_dvc(pid, since) for pid in held or ()):  # else DVC says who holds what
            _RWLOCK.unlink()


def is_locked_by_the_dead() -> bool:
    """Whether DVC's locks name processes that are no more, or were cut off while written."""
    try:
        held, since = _locked_by()
    except OSError:
        return False  # there is none
    return held is None or (bool(held) and not any(_is_dvc(pid, since) for pid in held))


def _locked_by() -> tuple[set[int] | None, float]:
    """Who holds DVC's locks, since when; None if the file was cut off: DVC refuses such a one."""
    since = _RWLOCK.stat().st_mtime
    try:
        return _holders(json.loads(_RWLOCK.read_text(encoding="utf-8"))), since
    except (ValueError, AttributeError, LookupError, TypeError):
        return None, since


def _holders(content: dict[str, Any]) -> set[int]:
    entries = [*content.get("write", {}).values()]
    entries += [entry for readers in content.get("read", {}).values() for entry in readers]
    return {int(entry["pid"]) for entry in entries}


def _is_dvc(pid: int, since: float) -> bool:
    try:
        process = psutil.Process(pid)
        return process.create_time() <= since and "dvc" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _set_lock_file_aside() -> list[str]:
    """DVC writes dvc.lock in place; where it was cut off, what is cached is restored without it."""
    if not is_lock_file_cut_off():
        return []
    _DVC_LOCK.replace(BROKEN)
    return [
        f"{_DVC_LOCK} was cut off while DVC wrote it; it is in {BROKEN}. What was up to date is "
        "restored from DVC's cache."
    ]


def is_lock_file_cut_off() -> bool:
    """Whether dvc.lock is there and not whole, other than by a merge."""
    try:
        text = _DVC_LOCK.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if _CONFLICT in text:  # the user's to resolve
        return False
    return not ((text.endswith("\n") or _LAST_LINE.search(text)) and _is_whole(text))


def is_lock_file_in_conflict() -> bool:
    """Whether a merge has left two versions in dvc.lock."""
    try:
        return _CONFLICT in _DVC_LOCK.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _is_whole(text: str) -> bool:
    kinds = {"cmd": (str, list), "deps": list, "params": dict, "outs": list}
    try:
        stages = YAML(typ="safe").load(text)["stages"].values()
        return all(
            "cmd" in stage
            and all(isinstance(stage[key], kinds[key]) for key in {*stage} & {*kinds})
            for stage in stages
        )
    except (YAMLError, LookupError, TypeError, AttributeError):
        return False
