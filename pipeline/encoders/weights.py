"""Weights that somebody else has trained: where they lie, and one number that pins them.

Torch-free: every run looks at it.
"""

import os
from pathlib import Path

from pipeline.config.images import HUB, Encoder
from pipeline.datasets.tables.source import ROOT
from pipeline.datasets.verified import sha256_of
from pipeline.errors import DatasetError
from pipeline.images.folder import digest_of

CONFIG, WEIGHTS, PREPROCESSOR = "config.json", "model.safetensors", "preprocessor_config.json"
FILES = (CONFIG, WEIGHTS, PREPROCESSOR)
KEY = "images.encoder.sha256"


def folder_of(options: Encoder) -> Path | None:
    """The folder that weights are read from; None where they are drawn, or come from the hub."""
    if options.weights is None or options.weights.startswith(HUB):
        return None
    # A retrain works in a copy of what is committed: weights are where the workspace has them.
    return Path(os.environ.get(ROOT, "")) / Path(options.weights).expanduser()


def digest(folder: Path) -> str:
    """The sha256 over the names of the files that are read of a folder, and their content, in hex.

    Raises:
        DatasetError: one of them cannot be read.
    """
    try:
        there = [folder / name for name in FILES if (folder / name).is_file()]
        return digest_of({file.name: bytes.fromhex(sha256_of(file)) for file in there})
    except OSError as error:
        raise DatasetError(f"expected readable weights in {folder}, found: {error}") from None


def renewed(options: Encoder) -> list[tuple[str, str | None]]:
    """The sha256 as a change of params.yaml, where it is another one than that of the options.

    A folder that is not there keeps the one that it had; weights that are no folder have none.
    """
    folder = folder_of(options)
    if folder is not None and not folder.is_dir():
        return []
    found = None if folder is None else digest(folder)
    return [(KEY, found)] if found != options.sha256 else []
