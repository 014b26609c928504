"""Whether new rows have ids of their own, however many rows there are."""

from collections.abc import Iterator, Sequence

import numpy as np

_MOST = 10_000_000  # ids that are compared: 8 bytes each


class Ids:
    """Ids of rows that go by."""

    def __init__(self) -> None:
        self._hashes: list[np.ndarray] = []
        self._kept = self._rows = 0

    def see(self, ids: Sequence[str]) -> None:
        """Take in the ids of some rows."""
        self._rows += len(ids)
        kept = ids[: _MOST - self._kept]
        self._kept += len(kept)
        # Of 64 bits: two of ten million texts share one in a case of some hundred thousand.
        self._hashes.append(np.fromiter(map(hash, kept), np.int64, len(kept)))

    def notes(self) -> Iterator[str]:
        """What is to be said of ids that stand in several rows, if any do."""
        if not self._kept:
            return
        again = self._kept - len(np.unique(np.concatenate(self._hashes)))
        if again:
            rows = f"{again:,} row{'s' if again > 1 else ''}"
            only = (
                f" (only the first {self._kept:,} were compared)" if self._kept < self._rows else ""
            )
            yield (
                f"Ids that a row before has, too: in {rows} of {self._kept:,}{only}. Each row is "
                "predicted by itself."
            )
