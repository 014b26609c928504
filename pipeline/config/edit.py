"""Changing params.yaml for the user: comments stay, and nothing is written that cannot run."""

import contextlib
import difflib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipeline.artifacts import files, paths
from pipeline.config import profiles
from pipeline.config.load import parse, read, yaml_problem
from pipeline.config.sections import Config
from pipeline.errors import ConfigError, WorkspaceError


def assignment(text: str) -> tuple[str, Any]:
    """Split `section.key=value`; the value is read as YAML, as if it stood in params.yaml.

    Raises:
        ConfigError: there is no `=`, no key, or the value is no YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise ConfigError(f"--set: expected section.key=value, found {text!r}")
    if key.strip() == "profile":  # the name alone would change no budget
        raise ConfigError(f"--set: expected --profile for the profile, found {text!r}")
    try:
        return key.strip(), _safe().load(value)
    except YAMLError as error:
        found = yaml_problem(error)
        raise ConfigError(f"--set: expected YAML after = in {text!r}, found: {found}") from None


def plan(changes: Iterable[tuple[str, Any]], path: Path = paths.PARAMS) -> "Edit":
    """Work out and check what params.yaml becomes; nothing is written yet.

    Args:
        changes: dotted keys and values, later ones win; the key `profile` brings its values along.
        path: the parameter file.

    Raises:
        ConfigError: the file cannot be read, or the edited parameters are refused.
    """
    changes = list(changes)
    yaml = _yaml()
    before, values = read(path, yaml)
    for key, value in _expanded(changes, values):
        _put(values, key, value)
    source = f"{path} with the changes asked for" if changes else str(path)
    config = parse(_plain(values), source)
    # A budget must not keep another one's name, whoever changed it.
    if config.profile != (name := profiles.name_of(config)):
        _put(values, "profile", name)
        config = parse(_plain(values), source)
    elif not changes:
        return Edit(path, before, before, config, _keys(values))
    after = io.StringIO()
    yaml.dump(values, after)
    return Edit(path, before, after.getvalue(), config, _keys(values))


def _expanded(changes: list[tuple[str, Any]], values: Any) -> Iterator[tuple[str, Any]]:
    """A profile as the parameters it sets, and a data set as those that the profile has for it.

    `values` is what stands in the file; whoever asks for these changes makes them as they come.
    """
    stays = all(key != "profile" for key, _ in changes)
    for key, value in changes:
        # Else another data set would be trained with the settings of the first.
        if key == "dataset" and stays and isinstance(value, str) and value != _dataset(values):
            yield from profiles.following(
                str(values.get("profile")), _dataset(values), value
            ).items()
        yield key, value
        if key == "profile":
            yield from profiles.values(value, _dataset(values)).items()


def _dataset(values: Any) -> str:
    """What stands in the file, unchecked; anything but a name is refused later."""
    found = values.get("dataset", Config().dataset)
    return found if isinstance(found, str) else ""


class Edit:
    """A checked change of params.yaml.

    Attributes:
        config: the parameters as they will be.
        keys: the dotted keys of all sections and parameters that the file spells out.
    """

    def __init__(self, path: Path, before: str, after: str, config: Config, keys: frozenset[str]):
        self._path = path
        self._before = before
        self._after = after
        self._replaced: bytes | None = None
        self.config = config
        self.keys = keys

    def diff(self) -> list[str]:
        """What changes, as lines of a unified diff; empty if nothing does."""
        name = str(self._path)
        return list(
            difflib.unified_diff(
                self._before.splitlines(), self._after.splitlines(), name, name, lineterm="", n=1
            )
        )

    def patch(self) -> str:
        """The same for `git apply`; empty if nothing changes."""
        name = self._path.as_posix()
        lines = difflib.unified_diff(
            list(io.StringIO(self._before)),
            list(io.StringIO(self._after)),
            f"a/{name}",
            f"b/{name}",
            n=1,
        )
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )

    def write(self) -> None:
        """Replace the file, as a whole and only if something changes; it keeps its mode.

        Raises:
            WorkspaceError: it is read-only, or its folder is.
        """
        if self._after != self._before:
            if not os.access(self._path, os.W_OK):  # to replace it asks only the folder's leave
                raise WorkspaceError(f"expected a writable file {self._path}, found it read-only")
            self._replaced = self._path.read_bytes()
            with files.whole_file(self._path, mode=self._mode()) as temporary:
                temporary.write_text(self._after, encoding="utf-8")

    def undo(self) -> bool:
        """Put back what `write` replaced; False where that is nothing, or others have written."""
        with contextlib.suppress(OSError, UnicodeDecodeError, WorkspaceError):
            if self._replaced is not None and self._path.read_text("utf-8") == self._after:
                with files.whole_file(self._path, mode=self._mode()) as temporary:
                    temporary.write_bytes(self._replaced)
                return True
        return False

    def _mode(self) -> int:
        return stat.S_IMODE(self._path.stat().st_mode)


def _keys(values: Any, before: str = "") -> frozenset[str]:
    found = {f"{before}{key}" for key in values}
    for key, inner in values.items():
        if isinstance(inner, dict):
            found |= _keys(inner, f"{before}{key}.")
    return frozenset(found)


def value(config: Config, key: str) -> Any:
    """What stands at a dotted key."""
    found: Any = config
    for part in key.split("."):
        found = getattr(found, part)
    return found


def _safe() -> Any:  # ruamel leaves much untyped
    return YAML(typ="safe", pure=True)


def _yaml() -> Any:
    yaml: Any = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096  # never fold a line that was one line
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(type(None), _null)  # else nothing at all would stand there
    return yaml


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _put(values: Any, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for depth, section in enumerate(sections, start=1):
        if values.get(section) is None:
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            found = ".".join(sections[:depth])
            raise ConfigError(f"--set {key}: expected a section {found!r}, found {values!r}")
    values[name] = _as_written(value)


def _as_written(value: Any) -> Any:
    """A value as params.yaml writes it: lists in one line, [a, b]."""
    if isinstance(value, dict):
        return {key: _as_written(one) for key, one in value.items()}
    if isinstance(value, str) and not value.isprintable():
        return DoubleQuotedScalarString(value)  # YAML takes some signs for the end of a line
    if not isinstance(value, list):
        return value
    listed: Any = CommentedSeq([_as_written(one) for one in value])
    listed.fa.set_flow_style()
    return listed


def _plain(values: Any) -> Any:
    """The same values without ruamel's types, which strict parameters refuse."""
    text = io.StringIO()
    _yaml().dump(values, text)
    return _safe().load(text.getvalue())
