"""What a result depends on beside data, settings and seed: our code and the installed versions."""

import functools
import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline.errors import WorkspaceError

PACKAGES = ("numpy", "scipy", "pandas", "torch", "numba", "scikit-learn")
_ROOT = Path(__file__).parents[1]


@functools.cache
def own() -> dict[str, str]:
    """Of this process: what -> version, and a digest of the files of `pipeline`."""
    found = {"python": platform.python_version(), "code": _code()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def check(expected: Mapping[str, str], found: Mapping[str, str], who: str) -> None:
    """Refuse a worker that would give other results.

    Args:
        expected: what the run was started with.
        found: what the worker has.
        who: names the worker.

    Raises:
        WorkspaceError: names the worker and every difference.
    """
    apart = [
        f"{name} {wanted}, found {found.get(name, 'none')}"
        for name, wanted in expected.items()
        if found.get(name) != wanted
    ]
    if apart:
        raise WorkspaceError(
            f"worker {who}: expected {'; '.join(apart)}. Its results would not be those of this "
            "workspace: install the same commit and constraints.txt there, and start it again."
        )


def _code() -> str:
    """Of the files themselves: a commit says nothing of what was changed since."""
    digest = hashlib.sha256()
    for path in sorted(_ROOT.rglob("*")):
        name = path.relative_to(_ROOT)
        if "__pycache__" in name.parts or not path.is_file():  # numba writes there, too
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{name.as_posix()} {content}\n".encode())
    return digest.hexdigest()[:12]
