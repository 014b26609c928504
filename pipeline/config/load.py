"""Reading params.yaml."""

from pathlib import Path
from typing import Any

import pydantic
from ruamel.yaml import YAML, YAMLError

from pipeline.artifacts import paths
from pipeline.config.sections import Config
from pipeline.errors import ConfigError


def parse(values: Any, source: str) -> Config:
    """Check parameters and type them.

    Raises:
        ConfigError: names `source`, every offending parameter, what was expected and what was
            found.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"expected sections such as `train:` in {source}, found {values!r}")
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
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"expected {path} in {Path.cwd()}, found none") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected YAML in {path}, found: {error}") from None
    return parse(values, str(path))


def _describe(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown parameter. {_known(item['loc'])}"
    message = item["msg"].removeprefix("Value error, ")
    # A cross-field message already says what it found; for others the value itself is the finding.
    found = "" if item["type"] == "value_error" else f", found {item['input']!r}"
    return f"{key}: {message}{found}" if key else f"{message}{found}"


def _known(location: tuple[Any, ...]) -> str:
    """The parameters that exist where an unknown one was found."""
    model: Any = Config
    for part in location[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part not in fields:
            return ""
        model = fields[part].annotation
        if not hasattr(model, "model_fields"):
            return ""
    names = sorted(field.alias or name for name, field in model.model_fields.items())
    return "Known here: " + ", ".join(names)
