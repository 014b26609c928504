"""What a retrain starts from: what is committed, and one's own tables as they are now."""

import hashlib
import json
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError

from pipeline import own_files
from pipeline.artifacts import paths
from pipeline.champion.processes import git
from pipeline.config import Config, parse
from pipeline.datasets import registry
from pipeline.errors import ConfigError, WorkspaceError


class Start(NamedTuple):
    """What will be trained.

    Attributes:
        commit: what HEAD is.
        config: its params.yaml.
        renewed: the sha256 of own files that have changed since, as changes of params.yaml.
        fingerprint: `source`, of the raw files, and `settings`, of the parameters: what is the same
            in both needs no other model.
        left_out: files with changes that are not committed.
    """

    commit: str
    config: Config
    renewed: list[tuple[str, Any]]
    fingerprint: dict[str, str]
    left_out: list[str]


def look() -> Start:
    """Look at HEAD and at one's own files.

    Raises:
        WorkspaceError: there is no commit, or params.yaml is not in it.
        ConfigError: params.yaml is refused.
        DatasetError: the data set is unknown.
    """
    commit = head()
    config = config_of(commit)
    renewed = own_files.changed(config)
    files = {file.name: file.sha256 for file in registry.of(config).files()}
    if (images := own_files.images(config)) is not None:  # a folder, so none of the files
        files["images"] = images.sha256
    if config.images.encoder.weights is not None:
        files["encoder"] = config.images.encoder.sha256 or ""
    # Files are named after their roles: features.csv is `tables.features.sha256`.
    for key, sha256 in renewed:
        role = key.split(".")[-2]
        files = {n: sha256 if n.partition(".")[0] == role else s for n, s in files.items()}
    changes = git("status", "--porcelain", "--untracked-files=no", "--", ".").splitlines()
    left_out = [line[3:] for line in changes if not line.endswith("dvc.lock")]
    fingerprint = {"source": _sha256(files), "settings": _sha256(_settings(config))}
    return Start(commit, config, renewed, fingerprint, left_out)


def head() -> str:
    """The commit that is checked out.

    Raises:
        WorkspaceError: there is none.
    """
    try:
        return git("rev-parse", "--verify", "HEAD")
    except WorkspaceError:
        raise WorkspaceError(
            "expected a commit: a retrain runs what is committed, found none. Run `git commit`"
        ) from None


def config_of(commit: str) -> Config:
    """The parameters in a commit.

    Raises:
        WorkspaceError: params.yaml is not in it.
        ConfigError: it is refused.
    """
    text = file_of(commit, paths.PARAMS.as_posix())
    try:
        values = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError(f"expected YAML in {paths.PARAMS}, found: {error}") from None
    return parse(values, f"{paths.PARAMS} as it is committed")


def file_of(commit: str, path: str) -> str:
    """The text of a file of the workspace in a commit.

    Raises:
        WorkspaceError: it is not in it.
    """
    return git("show", f"{commit}:{git('rev-parse', '--show-prefix')}{path}")


def file_or_none(commit: str, path: str) -> str | None:
    """The text of a file of the workspace in a commit; None where it is not in it."""
    try:
        return file_of(commit, path)
    except WorkspaceError:
        return None


def _settings(config: Config) -> dict[str, Any]:
    """All that changes what is trained, but for the files."""
    values = config.model_dump(mode="json", by_alias=True, exclude={"retrain", "profile"})
    for role in ("features", "labels", "hierarchy", "images"):
        if values["tables"] and values["tables"][role]:
            del values["tables"][role]["sha256"]
    del values["images"]["encoder"]["sha256"]
    return values


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
