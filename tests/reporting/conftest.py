import os
from pathlib import Path

import pytest

from tests.reporting import sample


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with all artifacts, made once; copy it to change it."""
    folder = tmp_path_factory.mktemp("sample")
    before = Path.cwd()
    os.chdir(folder)
    try:
        sample.write(folder)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def in_sample(sample_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sample as working directory, to read only."""
    monkeypatch.chdir(sample_folder)
    return sample_folder
