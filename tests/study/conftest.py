from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no storage or password from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("RARENODE_STORAGE", "PGPASSWORD"):
        monkeypatch.setenv(name, "to be forgotten")
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", "")  # the crews set it
    return tmp_path
