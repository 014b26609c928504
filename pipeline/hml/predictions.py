"""Predictions of many examples as a stream of blocks, with the labels they are judged by."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from pipeline.hml import score_kernels
from pipeline.hml.unknown import HIDDEN, Unknown, dense

# Entries of a (example, node) block, 64 MB in float32, and of all blocks that are kept, 256 MB.
BLOCK = 16_000_000
KEPT = 64_000_000

Predict = Callable[[slice], Any]
# Counts something of a range of examples and their probabilities (example, node), and changes none.
Tally = Callable[[slice, np.ndarray], None]
Labels = sparse.csr_array[Any, tuple[int, int]]
Scores = tuple[Float[np.ndarray, " positive"], Float[np.ndarray, " example"]]


class Predictions:
    """Probabilities of examples, block by block; each iteration is a pass over all of them.

    Where all of them fit into memory they are predicted once, otherwise at every pass.

    Args:
        labels: (example, node) CSR, closed upward.
        predict: from a range of examples to their coherent probabilities (example, node).
        scored: (node,) bool, the nodes that are judged; None is all.
        unknown: (example, node) CSR, the labels that nothing is judged by; None: all are known.

    Attributes:
        labels: (example, scored node) boolean CSR of the known positives.
        unknown: (example, scored node) boolean CSR, or None.

    Raises:
        ValueError: shapes do not fit, or (while iterating) a probability is NaN.
    """

    def __init__(
        self,
        labels: sparse.csr_array,
        predict: Predict,
        scored: Bool[np.ndarray, " node"] | None = None,
        unknown: Unknown | None = None,
    ) -> None:
        self.shape: tuple[int, int] = labels.shape
        if scored is not None and scored.shape != self.shape[1:]:
            raise ValueError(f"scored must have shape ({self.shape[1]},). Got {scored.shape}")
        self._columns = None if scored is None or scored.all() else np.flatnonzero(scored)
        judged: Any = labels if self._columns is None else labels[:, self._columns]
        self.labels: Labels = sparse.csr_array(judged).astype(np.bool_)  # a copy
        self.labels.sum_duplicates()
        self.labels.eliminate_zeros()
        self.unknown: Unknown | None = None
        if unknown is not None:
            self._leave_out(unknown)
        self._predict = predict
        self._kept: dict[int, np.ndarray] = {}

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Ranges of examples and their probabilities (example, node), float32 or float64."""
        examples, nodes = self.shape
        size = max(1, BLOCK // nodes)
        for first in range(0, examples, size):
            rows = slice(first, min(first + size, examples))
            p = self._kept.get(first)
            if p is None:
                p = self._predicted(rows)
                if examples * nodes <= KEPT:
                    self._kept[first] = p
            yield rows, p

    def judged(self, block: np.ndarray) -> np.ndarray:
        """The scored nodes of a block (example, node)."""
        return block if self._columns is None else np.take(block, self._columns, axis=1)

    def hidden(self, rows: slice, judged: np.ndarray, score: float = HIDDEN) -> np.ndarray:
        """A block (example, scored node) with this score where the label is unknown."""
        unknown = dense(self.unknown, rows)
        return judged if unknown is None else np.where(unknown, judged.dtype.type(score), judged)

    def at_positives(self, rows: slice, judged: np.ndarray) -> tuple[slice, np.ndarray]:
        """Which of all positives lie in a block (example, scored node), and what stands there."""
        ends = self.labels.indptr[rows.start : rows.stop + 1]
        within = slice(int(ends[0]), int(ends[-1]))
        example = np.repeat(np.arange(len(judged)), np.diff(ends))
        return within, judged[example, self.labels.indices[within]]

    def masks(
        self, groups: Mapping[str, Bool[np.ndarray, " scored"]]
    ) -> Bool[np.ndarray, "group scored"]:
        """Groups of the scored nodes by name, one below the other.

        Raises:
            ValueError: a group is no mask over the scored nodes.
        """
        nodes = self.labels.shape[1]
        for name, mask in groups.items():
            if mask.shape != (nodes,):
                raise ValueError(f"group {name!r} must have shape ({nodes},). Got {mask.shape}")
        return np.array([*groups.values()], np.bool_).reshape(-1, nodes)

    def scores(self, *others: Tally) -> Scores:
        """One pass: the score of each positive and each example's sum of squared scores.

        What `others` count in the same pass costs no predictions of its own.
        """
        score, squares = np.empty(self.labels.nnz), np.empty(self.shape[0])
        for rows, p in self:
            judged = self.judged(p)
            within, values = self.at_positives(rows, judged)
            score[within] = values
            score_kernels.squares(self.hidden(rows, judged, 0.0), squares[rows])
            for tally in others:
                tally(rows, p)
        return score, squares

    def _leave_out(self, unknown: Unknown) -> None:
        """Nothing is judged by these labels, whatever stands there."""
        if unknown.shape != self.shape:
            raise ValueError(f"unknown must have shape {self.shape}. Got {unknown.shape}")
        chosen: Any = unknown if self._columns is None else unknown[:, self._columns]
        self.unknown = sparse.csr_array(chosen).astype(np.bool_)
        self.unknown.eliminate_zeros()
        positive: Any = self.labels.multiply(self.unknown)
        if positive.nnz:
            known: Any = self.labels.astype(np.int8) - positive.astype(np.int8)
            self.labels = sparse.csr_array(known).astype(np.bool_)
            self.labels.eliminate_zeros()

    def _predicted(self, rows: slice) -> np.ndarray:
        p = np.asarray(self._predict(rows))
        expected = (rows.stop - rows.start, self.shape[1])
        if p.shape != expected:
            raise ValueError(f"predict must return the shape {expected}. Got {p.shape}")
        if np.isnan(p).any():
            raise ValueError("probabilities must be numbers. Got NaN")
        wanted = np.float32 if p.dtype == np.float32 else np.float64
        return np.ascontiguousarray(p, dtype=wanted)
