"""What comes before every run: params.yaml as asked, and in step with one's own files."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from flows import workspace
from pipeline import own_files
from pipeline.artifacts import paths
from pipeline.config import edit
from pipeline.datasets import registry
from pipeline.errors import DatasetError

Params = Literal["unchanged", "changed", "restored"]
_AS_BEFORE = f"Note: {paths.PARAMS} is as it was before: no stage has run with the changes."


def make_ready(
    changes: Sequence[tuple[str, Any]] = (),
    *,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> edit.Edit:
    """Edit params.yaml, renew the hashes of one's own files in it, and refuse what cannot run.

    The workspace must be held (`workspace.exclusive`).

    Args:
        changes: of parameters, name and value.
        say: gets the lines of the difference.
        warn: gets notes.

    Returns:
        The change that was made, for `after_failure`.

    Raises:
        ConfigError: of a parameter.
        DatasetError: the data set cannot be had, or params.yaml names a column that is not there.
        WorkspaceError: a section is missing.
    """
    edited = edit.plan(changes)
    if renewed := own_files.changed(edited.config):
        edited = edit.plan([*changes, *renewed])
    source = registry.of(edited.config)
    if (reason := source.unavailable()) is not None:
        raise DatasetError(reason)
    own_files.check(edited.config)
    workspace.check_parameters(edited.keys)
    source.keep(paths.raw(edited.config.dataset))  # where people put files by hand
    try:
        edited.write()
        for line in edited.diff():
            say(line)
        for note in own_files.gone(edited.config):
            warn(f"Note: {note}")
    except BaseException:  # Ctrl-C, too: nobody else has yet what could undo it
        if edited.undo():
            warn(_AS_BEFORE)
        raise
    return edited


def after_failure(
    edited: edit.Edit,
    stages: Sequence[Mapping[str, Any]],
    *,
    refused: bool,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Params:
    """Say whether the changes of params.yaml stay, and take them back if nothing ran with them.

    Args:
        edited: what `make_ready` returned.
        stages: what became of each, with its `state`.
        refused: what ended the run lies outside of the stages, or the user can mend it; after a
            fault of a stage the changes stay.
        warn: gets the note; where nothing was changed there is none.

    Returns:
        What params.yaml is now.
    """
    if not edited.diff():
        return "unchanged"
    # One that was interrupted goes on where it stopped, if the changes are still there.
    worked = ("Completed", "Restored", "interrupted")
    ran = [entry["stage"] for entry in stages if entry["state"] in worked]
    if refused and not ran and edited.undo():
        warn(_AS_BEFORE)
        return "restored"
    warn(
        f"Note: {paths.PARAMS} keeps the changes above"
        + (f", with which {', '.join(ran)} ran" if ran else "")
        + f"; `git diff {paths.PARAMS}` shows all that is not committed."
    )
    return "changed"
