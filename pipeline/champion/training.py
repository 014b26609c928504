"""What is done in the worktree: parameters, validation, training, comparison, commit, push."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.artifacts import files, paths
from pipeline.champion import committed, place, record, worktree
from pipeline.champion.committed import Start
from pipeline.champion.processes import StepRefused, git, python
from pipeline.champion.registry import Version
from pipeline.config import edit
from pipeline.datasets.tables.source import ROOT
from pipeline.errors import WorkspaceError

Log = Callable[[str], None]
OnEvent = Callable[[progress.Event], None]


def renew(folder: Path, start: Start, champion: Version | None) -> bool:
    """Write into the worktree what is other than in its commit.

    Own files are known by their present sha256, `validate.drift` is that of a retrain, and the
    accepted data are those of the champion, unless somebody has accepted others since.

    Returns:
        Whether the accepted data are the champion's.
    """
    changes = [*start.renewed, ("validate.drift", start.config.retrain.drift)]
    edit.plan(changes, folder / paths.PARAMS).write()
    made = record.read(champion) if champion is not None else None
    if champion is None or made is None:
        return False
    path = paths.ACCEPTED.as_posix()
    now, then, theirs = (
        committed.file_or_none(one, path) for one in (start.commit, made["base"], champion.commit)
    )
    if now != then or theirs is None:
        return False
    (folder / paths.ACCEPTED).write_text(theirs, encoding="utf-8")
    return True


def reproduce(folder: Path, target: str | None, *, pull: bool, log: Log, on_event: OnEvent) -> None:
    """Let DVC bring the worktree's stages up to date.

    Args:
        folder: the worktree.
        target: a stage, with all that it needs; None is all of them.
        pull: what is missing comes from the remote.
        log: gets every line of output.
        on_event: gets progress and notes.

    Raises:
        StepRefused, StepFailed: see `python`.
    """
    arguments = ["-m", "dvc", "--wait-for-lock", "repro", *(["--pull"] if pull else [])]
    arguments += [target] if target is not None else []
    # One's own tables are where the workspace has them.
    environment = {ROOT: str(Path.cwd())}
    try:
        python(arguments, folder=folder, log=log, on_event=on_event, environment=environment)
    except StepRefused as error:  # the worktree goes, its reports stay elsewhere
        said = str(error).replace(f"{paths.REPORT.parent}/", f"{worktree.REPORTS}/")
        raise StepRefused(said) from None


def compare(
    folder: Path, champion: Version, *, accepted: bool, log: Log, on_event: OnEvent
) -> dict[str, Any]:
    """See `pipeline.champion.compare`; in a process of its own, with the worktree's code.

    Args:
        folder: the worktree.
        champion: which version it is.
        accepted: whether its data are the accepted ones, so that its labels count.
        log: gets every line of output.
        on_event: gets progress and notes.
    """
    bundle = place.materialise(champion.commit, champion.name).resolve()
    # Within the worktree: whatever happens, it goes with it.
    with tempfile.TemporaryDirectory(dir=folder / paths.STATE) as name:
        scratch = Path(name)
        arguments = ["-m", "pipeline.champion.compare", str(bundle), str(scratch / "found.json")]
        if accepted:
            what = f"the data of {champion.name}"
            try:
                place.fetch(champion.commit, paths.PREPARED, scratch / "prepared", what)
            except WorkspaceError as error:
                return {"schema": 1, "reason": str(error), "holdout": None, "figures": []}
            arguments += ["--accepted", str(scratch / "prepared")]
        python(arguments, folder=folder, log=log, on_event=on_event)
        return files.read_json(scratch / "found.json")


def commit(folder: Path, message: str) -> str:
    """Commit what makes the version in the worktree, on no branch; returns the commit."""
    shutil.copyfile(folder / paths.PROFILE, folder / paths.ACCEPTED)
    made = (paths.PARAMS, Path("dvc.lock"), paths.ACCEPTED, record.FILE)
    git("add", "--", *(path.as_posix() for path in made), folder=folder)
    # Hooks are for people at work.
    git("commit", "--quiet", "--no-verify", "--message", message, folder=folder)
    return git("rev-parse", "HEAD", folder=folder)


def push(folder: Path, *, log: Log) -> None:
    """Push what the worktree's dvc.lock names to the default remote.

    Raises:
        StepFailed: DVC cannot.
    """
    python(["-m", "dvc", "--wait-for-lock", "push"], folder=folder, log=log)
