"""params.yaml, typed and checked."""

from pipeline.config.load import load, parse, read
from pipeline.config.sections import Config

__all__ = ["Config", "load", "parse", "read"]
