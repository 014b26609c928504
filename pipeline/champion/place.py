"""models/champion: a link to the champion's bundle, which changes in one step.

The bundles behind it lie in .rarenode/champions by commit, taken from DVC's cache or its remote.
"""

import os
import shutil
from pathlib import Path

from pipeline.artifacts import files, paths
from pipeline.champion import registry
from pipeline.champion.registry import Version
from pipeline.errors import WorkspaceError

LINK = Path("models/champion")
_STORE = paths.STATE / "champions"


def materialise(commit: str, name: str) -> Path:
    """The folder with the bundle of a commit, which is made if it is not there.

    Args:
        commit: its dvc.lock says which bundle.
        name: of the version, for the message.

    Raises:
        WorkspaceError: the bundle is in no cache and no remote.
    """
    folder = _STORE / commit[:16]
    if not folder.is_dir():
        with files.whole_folder(folder) as temporary:
            fetch(commit, paths.BUNDLE, temporary / "bundle", f"the bundle of {name}")
    return folder / "bundle"


def fetch(commit: str, path: Path, target: Path, what: str) -> None:
    """Take a folder of a commit from DVC's cache or its remote.

    Args:
        commit: its dvc.lock says what is in the folder.
        path: of the folder in the workspace.
        target: where it goes; not there yet.
        what: it is, for the message.

    Raises:
        WorkspaceError: it is in neither.
    """
    from dvc.api import DVCFileSystem

    try:
        DVCFileSystem(url=".", rev=commit).get(path.as_posix(), str(target), recursive=True)
    except Exception as error:  # DVC's layers and each kind of remote have their own
        raise WorkspaceError(
            f"expected {what} in DVC's cache or its remote, found: {error}"
        ) from error
    if not target.is_dir():
        raise WorkspaceError(f"expected {what} in DVC's cache or its remote, found none")


def current() -> Path | None:
    """Where the link leads, None without one.

    Raises:
        WorkspaceError: something else has its name.
    """
    if not LINK.is_symlink():
        if LINK.exists():
            raise WorkspaceError(f"expected a link {LINK}, found something else. Move it away")
        return None
    return LINK.parent / LINK.readlink()


def swap(bundle: Path | None) -> None:
    """Let the link lead to a bundle, in one step; None removes it."""
    current()
    if bundle is None:
        LINK.unlink(missing_ok=True)
        return
    LINK.parent.mkdir(exist_ok=True)
    temporary = LINK.with_name(f".{LINK.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(os.path.relpath(bundle, LINK.parent))
    temporary.replace(LINK)


def reconcile() -> Version | None:
    """Make the link lead to the champion that the tags name, whatever was cut off; returns it.

    Raises:
        WorkspaceError: see `materialise` and `current`.
    """
    champion, link = registry.champion(), current()
    if champion is None:
        if link is not None:
            swap(None)
        return None
    bundle = materialise(champion.commit, champion.name)
    if link is None or os.path.abspath(link) != os.path.abspath(bundle):
        swap(bundle)
    return champion


def clean(*kept: Path | None) -> None:
    """Remove all bundles but these: whoever reads the one before may go on."""
    names = {bundle.parent.name for bundle in kept if bundle is not None}
    for folder in _STORE.glob("*"):
        if folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)
