"""A bundle with all that it takes to predict rows of a table."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.artifacts.prepared import IMAGE
from pipeline.datasets.tables import columns
from pipeline.datasets.tables.columns import Column, Plan
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.frames import Block
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.errors import ArtifactError
from pipeline.hml import Ensemble, load_bundle
from pipeline.hml.bundle import read_config, read_extra

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.datasets.tables.encoder import Encoder
    from pipeline.prediction.images import Looker

_NODES, _COLUMNS = "nodes.json", "columns.json"  # as pipeline/stages/bundling.py writes them


@dataclass(frozen=True)
class Model:
    """What `rarenode predict` needs of a bundle.

    Attributes:
        ensemble: the members and their cuts.
        names: (node,) for people, in node order.
        plan: the columns that a table must have.
        features: the features' names.
        low, high: (feature,) of the rows that were learnt from; NaN where all values were missing.
        missing: (feature,) share of these rows without a value.
        needless: column that was the same in all of these rows -> what it is taken for where it is
            missing.
        readable: the features' names for people.
        looker: what makes features of images, if the model learnt from images.
        made: how it was made, as far as the bundle says so.
        sha256: of the bundle's description, which has those of all its other files.
    """

    ensemble: Ensemble
    names: tuple[str, ...]
    plan: Plan
    features: tuple[str, ...]
    low: np.ndarray
    high: np.ndarray
    missing: np.ndarray
    needless: dict[str, float]
    readable: tuple[str, ...]
    made: Mapping[str, Any]
    sha256: str
    _encoder: "Encoder | None"
    looker: "Looker | None" = None

    @property
    def dataset(self) -> str | None:
        """The name of the data set that it learnt from, if the bundle says so."""
        about = self.made.get("dataset")
        name = about.get("name") if isinstance(about, dict) else None
        return name if isinstance(name, str) else None

    def leading(self, directions: int) -> np.ndarray:
        """(feature,) whether it is none of a text, or among so many leading directions of it."""
        late = frozenset[str]() if self._encoder is None else self._encoder.late(directions)
        return np.array([name not in late for name in self.features])

    def frame(self, block: Block, path: Path, problems: Problems = AT_ONCE) -> "pd.DataFrame":
        """The columns of a block of a table, with needless ones that it has not.

        Raises:
            DatasetError: a value is not of its column's kind.
        """
        import pyarrow as pa

        table = block.table
        for name in self.needless.keys() - set(table.column_names):
            value = self.needless[name]
            values = pa.nulls(len(table)) if np.isnan(value) else np.full(len(table), value)
            table = table.append_column(name, pa.array(values))
        return columns.frame(Block(block.first, table), self.plan, path, problems)

    def encoded(self, frame: "pd.DataFrame", seen: np.ndarray | None = None) -> np.ndarray:
        """(row, feature) float32.

        Args:
            frame: what `frame` gave.
            seen: (row, feature) of the images where there is a `looker`, which makes them.
        """
        image = self.plan.image
        if self._encoder is not None:
            made = self._encoder.transform(frame)
        else:
            rest = frame if image is None else frame.drop(columns=image)
            made = np.ascontiguousarray(rest.to_numpy(np.float32))
        if self.looker is None:
            return made
        assert seen is not None
        return np.hstack([made, seen])

    def unseen(self, frame: "pd.DataFrame") -> dict[str, tuple[int, str]]:
        """See `Encoder.unseen`."""
        return {} if self._encoder is None else self._encoder.unseen(frame)


def load(folder: Path) -> Model:
    """Read a bundle.

    Raises:
        ArtifactError: it is missing, damaged, of another schema, or holds an ensemble alone.
    """
    ensemble, files, made_by = load_bundle(folder), read_extra(folder), read_config(folder)
    if absent := [name for name in (_NODES, _COLUMNS) if name not in files]:
        raise ArtifactError(
            f"expected the names of columns and nodes in the bundle {folder}, found no "
            f"{' and no '.join(absent)}: it was saved from Python. Its ensemble predicts arrays "
            "of features (`load_bundle`)"
        )
    try:
        names, made = json.loads(files[_NODES]), json.loads(files[_COLUMNS])
        features = tuple(made["names"])
        ranges = [np.array(made[key], np.float64) for key in ("low", "high", "missing")]
        if any(values.shape != (len(features),) for values in ranges):
            raise ValueError("ranges are not those of the features")
        named = tuple(str(names[node]) for node in ensemble.hierarchy.nodes)
        encoder, looker = _load_encoder(files), _load_looker(files, features)
        others = features if looker is None else features[: -len(looker.names)]
        if encoder is not None:
            plan = encoder.plan
        else:
            plan = _numbers(others) if looker is None else _of_images(others)
        if encoder is not None and encoder.names != others:
            raise ValueError("the encoder makes other features")
        if (looker is None) != (plan.image is None):
            raise ValueError("images without an encoder, or the other way round")
        if encoder is not None:
            needless = dict.fromkeys(encoder.needless, np.nan)
        else:
            low, high, _ = ranges
            same = ~(low < high)  # missing throughout, too
            same &= [name in others for name in features]
            needless = dict(zip(np.array(features, object)[same], low[same].tolist(), strict=True))
        readable = tuple(map(shown, others)) if encoder is None else encoder.readable
        readable += () if looker is None else looker.readable
        if len(features) != len(ensemble.preprocessing.mean):
            raise ValueError(f"members take {len(ensemble.preprocessing.mean)} features")
    except ArtifactError as error:
        raise ArtifactError(f"{folder}: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactError(f"expected a complete bundle in {folder}, found: {error!r}") from None
    low, high, missing = ranges
    known = low, high, missing
    # The stage `train` writes it into a bundle; who saves one from Python need not.
    config = made_by if isinstance(made_by, dict) else {}
    sha256 = hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()
    learnt = needless, readable, config, sha256, encoder, looker
    return Model(ensemble, named, plan, features, *known, *learnt)


def _load_encoder(files: dict[str, bytes]) -> "Encoder | None":
    from pipeline.datasets.tables.encoder import FILES, Encoder

    return Encoder.load(files) if any(name in files for name in FILES) else None


def _load_looker(files: dict[str, bytes], features: tuple[str, ...]) -> "Looker | None":
    from pipeline.prediction import images

    return images.load(files, [name for name in features if name.startswith(f"{IMAGE}:")])


def _of_images(features: tuple[str, ...]) -> Plan:
    """Of a data set of ours: names of images are ids."""
    columns = tuple(Column(name, "numeric") for name in features)
    return Plan((Column("path", "image"), *columns), ("path",), "path")


def _numbers(features: tuple[str, ...]) -> Plan:
    """Of a data set of ours: the features themselves, and a column of ids if there is one."""
    columns = tuple(Column(name, "numeric") for name in features)
    return Plan(columns, (), None) if "id" in features else Plan(columns, ("id",), "id")
