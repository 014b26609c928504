"""Changing the champion by hand: `rarenode models promote` and `rollback`.

Either changes one tag and then the link; what is cut off in between, `reconcile` completes.
"""

from contextlib import ExitStack
from pathlib import Path

from pipeline.champion import committed, place, record, registry
from pipeline.champion.registry import Version
from pipeline.errors import WorkspaceError


def promote(name: str) -> Version:
    """Make a registered version the champion.

    Raises:
        WorkspaceError: there is none of this name, it is the champion already, its bundle cannot be
            had, or git does not know who tags.
    """
    registry.check_identity()
    _fetch()
    version, before = registry.find(name), place.reconcile()
    if version == before:
        raise WorkspaceError(f"expected another version than the champion, found {version.name}")
    bundle = place.materialise(version.commit, version.name)
    link = place.current()
    with ExitStack() as undo:
        tag = registry.assign(version, f"promoted by hand: {version.name}")
        undo.callback(registry.delete, tag)
        _finish(undo, bundle, tag)
    place.clean(bundle, link)
    return version


def rollback() -> tuple[Version, Version]:
    """Make the champion before the champion again; returns which one it was, and which it is.

    Raises:
        WorkspaceError: there is none before, its bundle cannot be had, or git does not know who
            tags.
    """
    registry.check_identity()
    _fetch()
    place.reconcile()
    champions = registry.champions()
    if len(champions) < 2:
        found = f"{champions[0].name} alone" if champions else "no champion"
        raise WorkspaceError(f"expected a champion before this one to roll back to, found {found}")
    last, before = champions[:2]
    bundle = place.materialise(before.commit, before.name)
    link = place.current()
    with ExitStack() as undo:
        tag = registry.unassign(last, f"rolled back to {before.name}")
        undo.callback(registry.delete, tag)
        _finish(undo, bundle, tag)
    place.clean(bundle, link)
    return last, before


def discard_unfinished() -> None:
    """Take back versions of ours that a kill has kept from becoming the champion."""
    assigned = registry.once_champions()
    for version in registry.versions():
        if version.commit not in assigned and record.read(version) is not None:
            registry.delete(f"{registry.NAME}@{version.name}")


def _fetch() -> None:
    """What others have made the champion counts, too."""
    if (remote := _remote()) is not None:
        registry.fetch(remote)


def _remote() -> str | None:
    return committed.config_of(committed.head()).retrain.push_tags


def _finish(undo: ExitStack, bundle: Path, tag: str) -> None:
    undo.callback(place.swap, place.current())
    place.swap(bundle)
    if (remote := _remote()) is not None:
        with registry.unless_arrived(remote, tag, undo):
            registry.push(remote)
    undo.pop_all()
