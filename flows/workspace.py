"""Whether there is a workspace here, and that one run at a time uses it."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from ruamel.yaml import YAML, YAMLError

from flows import leftovers
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


def check_sections(sections: Iterable[str]) -> None:
    """Make sure that params.yaml spells out every section that a stage depends on.

    A section that is left out has its defaults for us, but DVC would stop halfway.

    Raises:
        WorkspaceError: sections are missing, or dvc.yaml cannot be read.
    """
    try:
        stages = YAML(typ="safe", pure=True).load(paths.DVC_YAML.read_text(encoding="utf-8"))
        needed = {name for stage in stages["stages"].values() for name in stage.get("params", ())}
    except (OSError, ValueError, YAMLError, LookupError, TypeError, AttributeError) as error:
        raise WorkspaceError(f"expected stages in {paths.DVC_YAML}, found: {error}") from None
    if missing := sorted(needed - set(sections)):
        raise WorkspaceError(
            f"expected {', '.join(missing)} in {paths.PARAMS}, found none: DVC needs every section "
            "that a stage depends on"
        )


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the workspace while the block runs: two runs would pull each other's files away.

    What a killed run has left is removed before.

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
        for note in leftovers.clear():
            print(f"Note: {note}", file=sys.stderr)
        yield
