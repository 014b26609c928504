"""manifest.json: what a run was made of, so that its numbers can be explained and had again."""

import importlib.metadata
import platform
import re
import shutil
import subprocess
from typing import Any

from filelock import FileLock

from pipeline.artifacts import cost, files, paths
from pipeline.config import Config
from pipeline.errors import ArtifactError

SCHEMA = 1


def write(config: Config) -> None:
    """Write down commit, parameters, versions, data and what the stages cost so far."""
    paths.STATE.mkdir(parents=True, exist_ok=True)
    with FileLock(paths.STATE / "manifest.lock"):  # else the older of two reads could win
        files.write_json(
            paths.MANIFEST,
            {
                "schema": SCHEMA,
                "git": _git(),
                "seed": config.seed,
                "params": config.model_dump(mode="json", by_alias=True),
                "data": _data(),
                "python": platform.python_version(),
                "platform": platform.platform(),
                "versions": _versions(),
                "stages": cost.stages(),
            },
        )


def _git() -> dict[str, Any] | None:
    """The commit, and whether anything but the run's own lock file differs from it."""
    if shutil.which("git") is None:
        return None
    commit = _output("git", "rev-parse", "--verify", "--quiet", "HEAD")
    # dvc.lock changes because of a run; it does not change what runs.
    # Killed while it renews its index, as `status` does by the way, git would leave that locked.
    command = ("git", "--no-optional-locks", "status")
    status = _output(*command, "--porcelain", "--", ".", ":!dvc.lock")
    if status is None:
        return None
    return {"commit": commit or None, "dirty": bool(status)}


def _output(*command: str) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _data() -> dict[str, Any] | None:
    """Name, version and hashes of the prepared data set, None before there is one."""
    try:
        info = files.read_json(paths.PREPARED / "dataset.json", schema=1)
    except ArtifactError:
        return None
    return {key: info.get(key) for key in ("name", "version", "sha256")}


def _versions() -> dict[str, str]:
    """The installed versions of our direct requirements; constraints.txt pins the rest."""
    found: dict[str, str] = {}
    try:
        requirements = importlib.metadata.requires("rarenode") or []
    except importlib.metadata.PackageNotFoundError:
        return found
    for requirement in sorted(requirements):
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an extra that is not installed
    return found
