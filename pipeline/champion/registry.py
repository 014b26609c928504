"""Versions of the model and which is the champion: git tags, as GTO keeps them.

`rarenode@v0.2.0` is a version, `rarenode#champion#3` makes one the champion, and
`rarenode#champion!#4` takes that back, so that the one before is the champion again.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

from pipeline.champion.processes import git
from pipeline.errors import WorkspaceError

NAME, STAGE = "rarenode", "champion"
_FIRST = "v0.1.0"
_PATTERNS = (f"{NAME}@*", f"{NAME}#*")


class Version(NamedTuple):
    """A registered version.

    Attributes:
        name: such as v0.2.0.
        commit: with its params.yaml, dvc.lock and record.
    """

    name: str
    commit: str


def versions() -> list[Version]:
    """All of them, the latest first."""
    from gto import api
    from gto.constants import VersionSort
    from gto.exceptions import ArtifactNotFound

    try:
        found: Any = api.show(".", NAME, registered_only=True, sort=VersionSort.SemVer)
    except ArtifactNotFound:
        return []
    return [Version(one["version"], one["commit_hexsha"]) for one in found]


def find(name: str) -> Version:
    """A version by its name.

    Raises:
        WorkspaceError: there is none of this name; lists those that there are.
    """
    known = versions()
    for version in known:
        if version.name in (name, f"v{name}"):
            return version
    some = ", ".join(version.name for version in known[:10]) or "none at all"
    raise WorkspaceError(f"expected a registered version, one of {some}, found {name!r}")


def champions() -> list[Version]:
    """The champion, then the one that a rollback leads to, and so on; empty without any."""
    from gto import api
    from gto.exceptions import ArtifactNotFound

    try:
        found: Any = api.find_versions_in_stage(".", NAME, STAGE, versions_per_stage=-1)
    except ArtifactNotFound:
        return []
    return [Version(one.version, one.commit_hexsha) for one in found or ()]


def champion() -> Version | None:
    """The champion, if there is one."""
    return next(iter(champions()), None)


def register(commit: str, message: str) -> tuple[Version, str]:
    """Make a commit the next version; returns it and its tag."""
    from gto import api

    _later()
    first = not versions()
    version = _FIRST if first else None
    made: Any = api.register(
        ".", NAME, commit, version=version, message=message, bump_minor=not first
    )
    return Version(made.version, commit), made.tag


def assign(version: Version, message: str) -> str:
    """Make a version the champion; returns the tag."""
    from gto import api

    _later()
    # By force, or one that once was the champion could not be it again.
    made: Any = api.assign(".", NAME, STAGE, version=version.name, message=message, force=True)
    return made.tag


def unassign(version: Version, message: str) -> str:
    """Let a version be the champion no longer; returns the tag."""
    from gto import api

    _later()
    made: Any = api.unassign(".", NAME, version=version.name, stage=STAGE, message=message)
    return made.tag


def delete(tag: str) -> None:
    """Take a tag back that nobody has seen."""
    git("tag", "--delete", tag)


def push(remote: str) -> None:
    """Push all versions, and the commits that they name, to a git remote, all or none.

    Raises:
        WorkspaceError: git cannot.
    """
    if tags := _tags():  # without any, git would push the branch
        git("push", "--atomic", "--quiet", remote, *(f"refs/tags/{tag}" for tag in tags))


def unpushed(remote: str) -> bool:
    """Whether there are versions or champions that a git remote does not know.

    Raises:
        WorkspaceError: git cannot ask it.
    """
    return not {*_tags()} <= _known_to(remote)


@contextmanager
def unless_arrived(remote: str, tag: str, undo: ExitStack) -> Iterator[None]:
    """Push in the block; what fails after the tag has arrived is not undone here either."""
    try:
        yield
    except BaseException:
        with suppress(WorkspaceError):
            if tag in _known_to(remote):
                undo.pop_all()
        raise


def once_champions() -> set[str]:
    """The commits that ever were made the champion."""
    tags = f"refs/tags/{NAME}#{STAGE}#*"
    # GTO's tags are annotated: what they point to is the commit.
    return {*git("for-each-ref", "--format=%(*objectname)", tags).split()}


def _tags() -> list[str]:
    return git("tag", "--list", *_PATTERNS).splitlines()


def _known_to(remote: str) -> set[str]:
    listed = git("ls-remote", "--tags", "--refs", remote).splitlines()
    return {line.partition("refs/tags/")[2] for line in listed}


def fetch(remote: str) -> None:
    """Fetch the versions of a git remote.

    Raises:
        WorkspaceError: git cannot, or knows another version of the same name.
    """
    refs = [f"refs/tags/{pattern}" for pattern in _PATTERNS]
    # Not quietly: what it says is all that tells of a clash.
    git("fetch", "--no-tags", remote, *(f"{ref}:{ref}" for ref in refs))


def check_identity() -> None:
    """Make sure that git knows who commits and tags.

    Raises:
        WorkspaceError: it does not, and how to tell it.
    """
    try:
        git("var", "GIT_COMMITTER_IDENT")
        git("var", "GIT_AUTHOR_IDENT")
    except WorkspaceError:
        raise WorkspaceError(
            "expected that git knows who commits and tags a version, found no identity. Set it "
            "with `git config user.name NAME` and `git config user.email ADDRESS`"
        ) from None


def _later() -> None:
    """Wait until a tag made now is dated after the last one: GTO orders them by the second."""
    newest = git(
        "for-each-ref",
        "--sort=-creatordate",
        "--count=1",
        "--format=%(creatordate:unix)",
        *(f"refs/tags/{pattern}" for pattern in _PATTERNS),
    )
    while newest and time.time() < int(newest) + 1 and int(newest) - time.time() < 2:
        time.sleep(0.05)
