"""Whether there is a workspace here, and that one run at a time uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.artifacts import paths
from pipeline.errors import WorkspaceError


def check() -> None:
    """Make sure that the current folder is the root of a workspace.

    Raises:
        WorkspaceError: what is missing, and how to get it.
    """
    here = Path.cwd()
    if not paths.DVC_YAML.is_file():
        raise WorkspaceError(
            f"expected {paths.DVC_YAML} in {here}, found none. "
            "Run rarenode in the root of a clone of its repository."
        )
    if not any((folder / ".git").exists() for folder in (here, *here.parents)):
        raise WorkspaceError(
            f"expected a git repository in {here}, found none. Run `git init` or clone one."
        )
    if not Path(".dvc").is_dir():
        raise WorkspaceError(f"expected a DVC repository in {here}, found none. Run `dvc init`.")


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the workspace while the block runs: two runs would pull each other's files away.

    Raises:
        WorkspaceError: another run holds it, or the folder is not writable.
    """
    try:
        paths.STATE.mkdir(parents=True, exist_ok=True)
        held = FileLock(paths.STATE / "run.lock").acquire(timeout=0)
    except Timeout:
        raise WorkspaceError(
            f"expected no other run in {Path.cwd()}, found one under way. Wait for it or end it."
        ) from None
    except OSError as error:
        raise WorkspaceError(
            f"expected a writable folder {paths.STATE} in {Path.cwd()}, found: {error}"
        ) from None
    with held:
        yield
