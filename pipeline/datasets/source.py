"""What a data source must do; tests/datasets/contract.py checks it for every source."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.datasets import verified
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError

if TYPE_CHECKING:  # the registry imports this module for the command line, which must start at once
    import numpy as np
    import pandas as pd
    from scipy import sparse


class Images(NamedTuple):
    """What the examples of a data set of images look like, as its files have them.

    Attributes:
        pixels: (example, size, size, channel) uint8, in the order of `RawDataset.ids`.
        names: one per example, by which people find the image again.
        auxiliary: (image, size, size, channel) uint8 of further images that are nobody's example,
            for an encoder to be pretrained on; None where there are none.
        auxiliary_classes: (image,) int64 of what each of those shows, from 0; None if unknown.
        facts: what else is known of each example's file, in its order; None where nothing is.
    """

    pixels: "np.ndarray"
    names: tuple[str, ...]
    auxiliary: "np.ndarray | None" = None
    auxiliary_classes: "np.ndarray | None" = None
    facts: "pd.DataFrame | None" = None


@dataclass(frozen=True)
class RawDataset:
    """A data set as its source has it, before nodes are dropped and splits are drawn.

    Attributes:
        ids: one unique name per example.
        groups: one name per example; examples of one group never land in different splits.
        labels: node ids per example, closed upward or not.
        nodes: node id -> name for people; every node of the hierarchy.
        edges: (child, parent) node ids.
        attributes: one row per example, in whatever columns the source's `features` understands.
        info: `source`, `version`, `notice` (what the licence asks to show), `notes` (a list), and
            `caution` where no figure must be read without a warning.
        unscored: nodes that no metric counts, such as an artificial root.
        splits: `train`, `valid` or `test` per example where the source gives them, else None. Where
            none is `valid`, a share of the training groups will be.
        unknown: (example, node) boolean CSR of the labels that are unknown, columns as `nodes`; see
            `pipeline.hml.unknown`. None: everything is known.
        moments: when each example was, in a unit that grows, where the source knows, else None.
        images: what the examples look like, where they are images; `attributes` may then have no
            column and `features` no width.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    nodes: Mapping[str, str]
    edges: tuple[tuple[str, str], ...]
    attributes: "pd.DataFrame"
    info: dict[str, Any]
    unscored: frozenset[str] = field(default=frozenset())
    splits: tuple[str, ...] | None = None
    moments: tuple[float, ...] | None = None
    unknown: "sparse.csr_array | None" = None
    images: Images | None = None


class Features(NamedTuple):
    """Numbers that members learn from.

    Attributes:
        values: (example, feature) float32, NaN where a value is missing.
        names: of the features.
        encoder: files from which predictions know how to make these of new rows; none where only
            the features themselves can be given.
    """

    values: "np.ndarray"
    names: tuple[str, ...]
    encoder: Mapping[str, bytes] = {}


class Source(ABC):
    """Where a data set comes from. Splitting, pruning and writing are the stage `prepare`'s."""

    @abstractmethod
    def files(self) -> tuple[RawFile, ...]:
        """The raw files; cheap, and the same wherever they are fetched from."""

    @abstractmethod
    def origin(self) -> str | Path:
        """The folder or http(s) URL that the files come from unless the user has another one.

        Raises:
            DatasetError: there is none here, and how to get it.
        """

    def about(self) -> str:
        """What the data set is, in a few words."""
        return ""

    def unavailable(self) -> str | None:
        """Why the files cannot be completed by anybody, None if they can."""
        return None

    def fetch(self, folder: Path, origin: str | Path | None = None) -> None:
        """Put the raw files into `folder`, verified; if all are right already, nothing is touched.

        Args:
            folder: stays as it was if anything fails.
            origin: a folder or an http(s) URL instead of `self.origin()`. What comes from such a
                folder is kept for later; what is wrong in it is refused even if it is not needed.

        Raises:
            DatasetError: a file cannot be had or is not the expected one.
            WorkspaceError: the folder cannot be written.
        """
        if (reason := self.unavailable()) is not None:
            raise DatasetError(reason)
        try:
            if origin is not None:
                verified.fetch(self.files(), origin, folder, chosen=True)
            else:  # not called here: who has the files need not have what the origin takes
                verified.fetch(self.files(), self.origin, folder)
        except verified.Mismatch as error:
            if (reason := self.flaw(error.path)) is None:
                raise
            raise DatasetError(f"{error}. What is wrong with it: {reason}") from None

    def flaw(self, path: Path) -> str | None:
        """What a file that is not the expected one has wrong, and where, if that can be told."""
        return None

    def keep(self, folder: Path) -> None:
        """Keep what is right in `folder` for later: DVC empties it before it fetches.

        Raises:
            WorkspaceError: the folder for downloads cannot be written.
        """
        verified.keep(self.files(), folder)

    @abstractmethod
    def read(self, folder: Path) -> RawDataset:
        """Read the raw files; the same files give the same `RawDataset`, order included.

        Raises:
            DatasetError: a file is missing or malformed.
        """

    @abstractmethod
    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Turn `raw.attributes` into numbers.

        Args:
            raw: what `read` returned.
            fit_rows: rows of train+valid. Vocabularies, scales and the like are learnt from these
                alone; the test rows must not move them.
            max_features: upper bound for features that are a matter of choice, as with text.
        """
