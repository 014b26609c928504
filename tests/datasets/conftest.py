from pathlib import Path

import pytest

from pipeline.datasets import registry
from pipeline.datasets.source import RawDataset


@pytest.fixture(scope="session")
def hpo_files(tmp_path_factory) -> Path:
    """The raw files of HPO, the same for every branch."""
    folder = tmp_path_factory.mktemp("hpo")
    registry.get("hpo_eye").fetch(folder)
    return folder


@pytest.fixture(scope="session")
def hpo_eye_raw(hpo_files) -> RawDataset:
    return registry.get("hpo_eye").read(hpo_files)
