"""What comes before every run: params.yaml as asked, and in step with one's own files."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from flows import workspace
from pipeline import own_files
from pipeline.artifacts import paths
from pipeline.config import edit
from pipeline.datasets import registry
from pipeline.errors import DatasetError


def make_ready(
    changes: Sequence[tuple[str, Any]] = (),
    *,
    say: Callable[[str], None] = print,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> None:
    """Edit params.yaml, renew the hashes of one's own files in it, and refuse what cannot run.

    The workspace must be held (`workspace.exclusive`).

    Args:
        changes: of parameters, name and value.
        say: gets the lines of the difference.
        warn: gets notes.

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
    workspace.check_sections(edited.sections)
    source.keep(paths.raw(edited.config.dataset))  # where people put files by hand
    edited.write()
    for line in edited.diff():
        say(line)
    for note in own_files.gone(edited.config):
        warn(f"Note: {note}")
