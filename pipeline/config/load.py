"""Reading params.yaml."""

import difflib
from pathlib import Path
from typing import Any, get_args

import pydantic
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError

from pipeline.artifacts import paths
from pipeline.config.sections import Config
from pipeline.errors import ConfigError


def parse(values: Any, source: str) -> Config:
    """Check parameters and type them.

    Raises:
        ConfigError: names `source`, every offending parameter, what was expected and what was
            found.
    """
    try:
        return Config.model_validate(values)
    except pydantic.ValidationError as error:
        lines = [_describe(item) for item in error.errors()]
        raise ConfigError(f"{source}: " + "\n  ".join(lines)) from None


def load(path: Path = paths.PARAMS) -> Config:
    """Read and check a parameter file.

    Raises:
        ConfigError: the file is missing, is no YAML, or `parse` refuses it.
    """
    return parse(read(path, YAML(typ="safe", pure=True))[1], str(path))


def read(path: Path, yaml: Any) -> tuple[str, dict[Any, Any]]:
    """The text of a parameter file, and what `yaml` makes of it, still unchecked.

    Raises:
        ConfigError: the file is missing, cannot be read, or does not hold sections in YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.load(text)
    except FileNotFoundError:
        raise ConfigError(f"expected {path} in {Path.cwd()}, found none") from None
    except OSError as error:
        raise ConfigError(f"expected a readable file {path}, found: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected text in UTF-8 in {path}, found: {error}") from None
    except YAMLError as error:
        raise ConfigError(f"expected YAML in {path}, found: {yaml_problem(error)}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"expected sections such as `train:` in {path}, found {values!r}")
    return text, values


def yaml_problem(error: YAMLError) -> str:
    """What is wrong and in which line; ruamel would add excerpts, and how not to be told."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return str(error)


def _describe(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown parameter. {_known(item['loc'])}"
    if item["type"] == "model_type":
        return f"{key}: expected parameters below it, found {item['input']!r}"
    message = item["msg"].removeprefix("Value error, ")
    # A cross-field message already says what it found; for others the value itself is the finding.
    found = "" if item["type"] == "value_error" else f", found {_cut(repr(item['input']))}"
    return f"{key}: {message}{found}" if key else f"{message}{found}"


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


def _known(location: tuple[Any, ...]) -> str:
    """The parameters that exist where an unknown one was found."""
    model: Any = Config
    for part in location[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part not in fields:
            return ""
        annotation = fields[part].annotation
        sections = (annotation, *get_args(annotation))  # a section, or a section or None
        model = next((one for one in sections if hasattr(one, "model_fields")), None)
        if model is None:
            return ""
    names = sorted(field.alias or name for name, field in model.model_fields.items())
    close = difflib.get_close_matches(str(location[-1]), names, n=1)
    return "Known here: " + ", ".join(names) + (f". Did you mean {close[0]!r}?" if close else "")
