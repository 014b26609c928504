"""Raw files of the data set -> data/raw/<dataset>."""

from pathlib import Path

from pipeline.artifacts import paths
from pipeline.config import Config
from pipeline.datasets import registry


def run(config: Config) -> list[Path]:
    """Fetch and verify the raw files."""
    folder = paths.raw(config.dataset)
    registry.of(config).fetch(folder)
    return [folder]
