"""A clean copy of what is committed, beside the workspace's cache and remotes.

It has one place, so that what a killed retrain left is found and DVC knows the files again.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.artifacts import files, paths
from pipeline.champion.processes import git
from pipeline.errors import WorkspaceError

_PLACE = paths.STATE / "challenger"
REPORTS = paths.STATE / "challenger-reports"  # of the last one, whatever became of it


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The folder of a commit's workspace while the block runs; whatever was left there goes.

    Raises:
        WorkspaceError: git cannot check it out, or DVC cannot read it.
    """
    remove()
    _PLACE.parent.mkdir(parents=True, exist_ok=True)
    try:
        # By force, as git keeps the place of one that a power cut has broken off.
        force = ("--force", "--force")
        git("worktree", "add", "--quiet", *force, "--detach", str(_PLACE), commit)
        folder = (_PLACE / git("rev-parse", "--show-prefix")).resolve()
        _share(folder)
        try:
            yield folder
        finally:
            _keep_reports(folder)
    finally:
        remove()


def remove() -> None:
    """Remove the copy, also what a killed retrain left of one."""
    # Not `prune`, which also forgets other worktrees that are not mounted just now.
    with suppress(WorkspaceError):  # it is none
        git("worktree", "remove", "--force", "--force", str(_PLACE))
    shutil.rmtree(_PLACE, ignore_errors=True)


def _keep_reports(folder: Path) -> None:
    made = folder / paths.REPORT.parent
    if not made.is_dir():
        shutil.rmtree(REPORTS, ignore_errors=True)
        return
    with suppress(OSError, WorkspaceError), files.whole_folder(REPORTS) as kept:
        shutil.copytree(made, kept, dirs_exist_ok=True)  # for people: no failure of the retrain


def has_remote() -> bool:
    """Whether the workspace pushes to a DVC remote by default.

    Raises:
        WorkspaceError: DVC cannot read the workspace.
    """
    return bool(_shared()["remote"])


def _share(folder: Path) -> None:
    """Let the copy use the workspace's cache, remotes and downloads, credentials included."""
    from dvc.repo import Repo

    shared = _shared()
    if not (folder / ".dvc").is_dir():
        raise WorkspaceError("expected .dvc among what is committed, found none. Commit it")
    with Repo(str(folder)) as repo, repo.config.edit("local") as edited:
        local: Any = edited
        local["cache"]["dir"] = shared["cache"]
        local["remote"] = shared["remotes"]
        if shared["remote"]:
            local["core"]["remote"] = shared["remote"]
    (folder / ".dvc" / "config.local").chmod(0o600)
    # Raw files that were downloaded once: not again.
    paths.DOWNLOADS.mkdir(parents=True, exist_ok=True)
    (folder / paths.STATE).mkdir(exist_ok=True)
    os.symlink(paths.DOWNLOADS.resolve(), folder / paths.DOWNLOADS)


def _shared() -> dict[str, Any]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            # Paths in it are absolute: relative ones begin at the file that they stand in.
            return {
                "cache": str(repo.cache.local_cache_dir),
                "remotes": json.loads(json.dumps(repo.config["remote"], default=str)),
                "remote": repo.config["core"].get("remote"),
            }
    except DvcException as error:
        raise WorkspaceError(f"expected that DVC can work here, found: {error}") from error
