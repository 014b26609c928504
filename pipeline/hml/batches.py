"""Batches of a training: features and closed labels, assembled where the networks are.

On the CPU a batch is read from the features, which may be memory-mapped, standardised, and its
labels are closed in one compiled walk. On an accelerator features and labels are moved there once,
and a batch is a gather: no step copies anything between the two or waits for the other, unless
labels are unknown.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from scipy import sparse

from pipeline.hml import kernels, levels
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.unknown import Unknown, dense


class Batch(NamedTuple):
    """Examples of a step.

    Attributes:
        x: (example, feature), standardised.
        y: (example, node) bool, closed upward.
        learns: (member, example) bool, which member learns from which, or float32, what each counts
            (see `example_weights.per_member`); None is all from all.
        known: (example, node) bool, the labels that are known; None is all.
    """

    x: Float[torch.Tensor, "example feature"]
    y: Bool[torch.Tensor, "example node"]
    learns: Shaped[torch.Tensor, "member example"] | None = None
    known: Bool[torch.Tensor, "example node"] | None = None


_BLOCK = 4096  # examples that are standardised at a time on their way to a device


class Batches(ABC):
    """The examples of a training, to be asked for by position.

    Args:
        features: (example, feature) float32, NaN where missing; memory-mapped or not.
        rows: (row,) the examples that are learnt from.
        labels: (row, node) boolean CSR of these examples; most specific nodes suffice.
        hierarchy: of the nodes.
        preprocessing: what the features go through.
        learns: (member, row) bool or float32, see `Batch`; None is all from all.
        unknown: (row, node), see `unknown`; None: everything is known.
    """

    def __init__(
        self,
        features: Float[np.ndarray, "example feature"],
        rows: Int[np.ndarray, " row"],
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        preprocessing: Standardizer,
        learns: Shaped[np.ndarray, "member row"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        self.features = features
        self.rows = rows
        self.labels = labels
        self.hierarchy = hierarchy
        self.preprocessing = preprocessing
        self.learns = None if learns is None else torch.tensor(learns)
        self.unknown = unknown

    @abstractmethod
    def take(self, positions: Int[np.ndarray, " position"], size: int) -> Iterator[Batch]:
        """Iterate over batches of at most `size`; positions index the rows."""

    def standardised(self, rows: Int[np.ndarray, " row"]) -> torch.Tensor:
        """Features of some examples, in host memory."""
        return torch.from_numpy(self.preprocessing.transform(self.features[rows]))


class HostBatches(Batches):
    """Batches for a training on the CPU."""

    def take(self, positions: np.ndarray, size: int) -> Iterator[Batch]:
        """See `Batches`."""
        hierarchy, labels = self.hierarchy, self.labels
        for start in range(0, len(positions), size):
            batch = positions[start : start + size]
            y = np.zeros((len(batch), len(hierarchy)), dtype=np.uint8)
            edges = hierarchy.start, hierarchy.parent
            kernels.dense_closed_rows(labels.indptr, labels.indices, batch, *edges, y)
            learns = None if self.learns is None else self.learns[:, batch]
            hidden = dense(self.unknown, batch)
            known = None if hidden is None else torch.from_numpy(~hidden)
            x = self.standardised(self.rows[batch])
            yield Batch(x, torch.from_numpy(y.view(bool)), learns, known)


class DeviceBatches(Batches):
    """Batches for a training elsewhere; standardised features and labels live there.

    An example's most specific labels are a line of node columns, filled up with a column that is no
    node, so that all lines are equally long and a batch of them is one gather. Lines of what is
    unknown would be as long as there are nodes: that is sent over with each batch.
    """

    def __init__(self, *arguments: Any, device: torch.device) -> None:
        super().__init__(*arguments)
        blocks = [
            self.standardised(self.rows[start : start + _BLOCK]).to(device)
            for start in range(0, len(self.rows), _BLOCK)
        ]
        self.x = torch.cat(blocks)
        self.columns = _lines(self.labels).to(device)
        self.learns = None if self.learns is None else self.learns.to(device)

    def take(self, positions: np.ndarray, size: int) -> Iterator[Batch]:
        """See `Batches`; of what is all known, the order of an epoch is all that is sent over."""
        nodes, order = len(self.hierarchy), torch.from_numpy(positions).to(self.x.device)
        for number, batch in enumerate(order.split(size)):
            y = torch.zeros(len(batch), nodes + 1, dtype=torch.uint8, device=self.x.device)
            y = y.scatter_(1, self.columns[batch], 1)[:, :nodes].contiguous()
            levels.close_upward(y, self.hierarchy)
            learns = None if self.learns is None else self.learns[:, batch]
            hidden = dense(self.unknown, positions[number * size : (number + 1) * size])
            known = None if hidden is None else torch.from_numpy(~hidden).to(self.x.device)
            yield Batch(self.x[batch], y.bool(), learns, known)


def _lines(labels: sparse.csr_array) -> torch.Tensor:
    """(row, place) columns of the labels, filled up with a column that is no node."""
    counts = np.diff(labels.indptr)
    columns = np.full((labels.shape[0], max(1, counts.max(initial=0))), labels.shape[1])
    columns[np.arange(columns.shape[1]) < counts[:, None]] = labels.indices
    return torch.tensor(columns)
