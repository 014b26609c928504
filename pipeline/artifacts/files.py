"""Reading and writing files so that a reader never sees half of one."""

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import ArtifactError, WorkspaceError


@contextmanager
def whole_file(path: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it takes `path`'s place only if the block succeeds.

    mkstemp's own mode, 0600, would hide artifacts from colleagues.
    """
    with _writable(path):
        handle, name = tempfile.mkstemp(**_beside(path))
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it takes `path`'s place if the block succeeds."""
    with _writable(path):
        temporary = Path(tempfile.mkdtemp(**_beside(path)))
    try:
        yield temporary
        temporary.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


_UNFINISHED = re.compile(r"\..+\.(\d+)-[a-z0-9_]{8}\.unfinished(\.old)?")


def clear(path: Path) -> None:
    """Remove what processes that are no more have left beside `path` instead of it."""
    for other in path.parent.iterdir():
        match = _UNFINISHED.fullmatch(other.name)
        if match and other.name.startswith(f".{path.name}.{match[1]}-"):
            with contextlib.suppress(OSError):
                if not other.is_dir() and not alive(int(match[1]), other.lstat().st_ctime):
                    other.unlink()


def alive(pid: int, since: float) -> bool:
    """Whether the process that wrote something at `since` still is."""
    import psutil

    try:
        return psutil.Process(pid).create_time() <= since
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _beside(path: Path) -> dict[str, Any]:
    """Where a temporary lies and what it is called: it says whose it is."""
    prefix = f".{path.name}.{os.getpid()}-"
    return {"dir": path.parent, "prefix": prefix, "suffix": ".unfinished"}


def unfinished(root: Path) -> Iterator[tuple[Path, int]]:
    """Files and folders below `root` that did not take their places, or not yet.

    Yields:
        The path, and the id of the process that made it.
    """
    for place, folders, names in os.walk(root):
        for name in [*folders, *names]:
            if match := _UNFINISHED.fullmatch(name):
                yield Path(place, name), int(match[1])
        folders[:] = [name for name in folders if not _UNFINISHED.fullmatch(name)]


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Make the folder of `path`; say which one it is if nothing can be put there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise WorkspaceError(
            f"expected a writable folder {path.parent}, found: {error.strerror}"
        ) from None


def write_json(path: Path, value: Any) -> None:
    """Write `value` as UTF-8 JSON, keys in the order given; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path, *, schema: int | None = None) -> Any:
    """Read a JSON file, with `schema` an object that says it has this schema.

    Raises:
        ArtifactError: the file is missing, damaged or of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"expected the file {path}, found none. Run `rarenode run`.") from None
    except (OSError, ValueError) as error:  # broken JSON and broken UTF-8 are ValueErrors
        raise ArtifactError(f"expected JSON in {path}, found: {error}") from None
    found = content.get("schema") if isinstance(content, dict) else type(content).__name__
    if schema is not None and found != schema:
        raise ArtifactError(
            f"expected schema {schema} in {path}, found {found!r}. Run `rarenode run`."
        )
    return content
