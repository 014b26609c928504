"""Pretrained encoders that the cells of studies share: each is trained once, whoever needs it."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from filelock import FileLock

import pipeline.encoders
from pipeline.artifacts import files, paths
from pipeline.config import Config
from pipeline.datasets.source import RawDataset
from pipeline.encoders.encoder import ImageEncoder, load
from pipeline.stages import encoding


def shared(raw: RawDataset, config: Config) -> ImageEncoder | None:
    """The encoder of a data set with auxiliary images, pretrained on these alone.

    It depends on no example, so it serves every setting and method of a seed. None where there are
    no such images, or nothing is pretrained.

    Raises:
        TrainingError: it cannot be trained.
        ArtifactError: the file that it is kept in is damaged.
    """
    options = config.images.encoder
    if raw.images is None or raw.images.auxiliary is None:
        return None
    if options.kind != "cnn" or not options.pretrain_epochs:
        return None
    folder = paths.ENCODERS / _key(raw, config)
    paths.ENCODERS.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # cells side by side ask for it at the same time
        if not folder.exists():
            made = encoding.pretrained_of(raw, np.zeros(0, np.int64), config)
            with files.whole_folder(folder) as temporary:
                for name, content in made.files().items():
                    (temporary / name).write_bytes(content)
        return load({file.name: file.read_bytes() for file in folder.iterdir()})


def _key(raw: RawDataset, config: Config) -> str:
    """16 hexadecimal digits that differ where what the weights depend on does.

    Threads are left out, though sums are cut up by them and may round otherwise: cells that run
    with other ones are to have the very encoder of the others.
    """
    assert raw.images is not None
    looked_at = [raw.images.auxiliary, raw.images.auxiliary_classes]
    code = [*Path(pipeline.encoders.__file__).parent.glob("*.py"), Path(encoding.__file__)]
    identity = {
        "images": [None if a is None else [a.shape, _sha256(a.tobytes())] for a in looked_at],
        "encoder": config.images.encoder.model_dump(exclude={"random_share"}),
        "seed": config.images.seed,
        "augment": config.images.augment,
        "versions": [version(name) for name in ("numpy", "torch")],
        "code": [_sha256(source.read_bytes()) for source in sorted(code)],
    }
    return _sha256(json.dumps(identity, sort_keys=True).encode())[:16]


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
