"""Whether there is a workspace here, and that one run at a time uses it."""

import fcntl
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout
from ruamel.yaml import YAML, YAMLError

from flows import leftovers
from pipeline.artifacts import paths
from pipeline.errors import WorkspaceError


class Part(NamedTuple):
    """What a workspace is made of.

    Attributes:
        name: in a word.
        expected: what has to be here.
        there: whether it is.
        remedy: how to get it.
    """

    name: str
    expected: str
    there: bool
    remedy: str


def parts() -> Iterator[Part]:
    """What the root of a workspace has, looked for in the current folder."""
    here = Path.cwd()
    yield Part(
        "dvc.yaml",
        str(paths.DVC_YAML),
        paths.DVC_YAML.is_file(),
        "Run rarenode in the root of a clone of its repository.",
    )
    yield Part(
        "git",
        "a git repository",
        any((folder / ".git").exists() for folder in (here, *here.parents)),
        "Run `git init` or clone one.",
    )
    yield Part("dvc", "a DVC repository", Path(".dvc").is_dir(), "Run `dvc init`.")


def check() -> None:
    """Make sure that the current folder is the root of a workspace.

    Raises:
        WorkspaceError: what is missing, and how to get it.
    """
    for part in parts():
        if not part.there:
            raise WorkspaceError(
                f"expected {part.expected} in {Path.cwd()}, found none. {part.remedy}"
            )


def read_stages(root: Path = Path()) -> dict[str, dict[str, Any]]:
    """The stages of a dvc.yaml as they stand there, without DVC.

    Raises:
        WorkspaceError: it cannot be read.
    """
    try:
        text = (root / paths.DVC_YAML).read_text(encoding="utf-8")
        stages: Any = YAML(typ="safe", pure=True).load(text)["stages"]
        return {str(name): {**stage} for name, stage in stages.items()}
    except (OSError, ValueError, YAMLError, LookupError, TypeError, AttributeError) as error:
        raise WorkspaceError(f"expected stages in {paths.DVC_YAML}, found: {error}") from None


def check_parameters(keys: Iterable[str]) -> None:
    """Make sure that params.yaml spells out all that a stage depends on.

    What is left out has its defaults for us, but DVC would stop halfway.

    Raises:
        WorkspaceError: keys are missing, or dvc.yaml cannot be read.
    """
    needed = {name for stage in read_stages().values() for name in stage.get("params") or ()}
    if missing := sorted(needed - set(keys)):
        raise WorkspaceError(
            f"expected {', '.join(missing)} in {paths.PARAMS}, found none: DVC needs every key "
            "that a stage depends on"
        )


def is_held(what: str = "run") -> bool:
    """Whether a `run`, or a `retrain`, is under way; nothing is made to find out."""
    try:
        with _lock_file(what).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there never was one
    return False


class WorkspaceBusyError(WorkspaceError):
    """Another run holds the workspace."""


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the workspace while the block runs: two runs would pull each other's files away.

    What a killed run has left is removed before.

    Raises:
        WorkspaceBusyError: another run holds it.
        WorkspaceError: the folder is not writable.
    """
    with _held("run"):
        for note in leftovers.clear():
            print(f"Note: {note}", file=sys.stderr)
        yield


@contextmanager
def retraining() -> Iterator[None]:
    """Hold the champion while the block runs; a run of the pipeline goes on beside it.

    Raises:
        WorkspaceBusyError: another retrain holds it.
        WorkspaceError: the folder is not writable.
    """
    with _held("retrain"):
        yield


@contextmanager
def _held(what: str) -> Iterator[None]:
    try:
        paths.STATE.mkdir(parents=True, exist_ok=True)
        held = FileLock(_lock_file(what)).acquire(timeout=0)
    except Timeout:
        raise WorkspaceBusyError(
            f"expected no other {what} in {Path.cwd()}, found one under way. Wait for it or end it."
        ) from None
    except OSError as error:
        raise WorkspaceError(
            f"expected a writable folder {paths.STATE} in {Path.cwd()}, found: {error}"
        ) from None
    with held:
        yield


def _lock_file(what: str) -> Path:
    return paths.STATE / f"{what}.lock"
