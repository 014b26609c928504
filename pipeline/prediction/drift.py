"""How far new rows are from those that a model learnt from."""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.tables.files import shown
from pipeline.prediction.model import Model

if TYPE_CHECKING:
    import pandas as pd

_FAR = 0.5  # standard deviations of the training rows: a shift that members notice
_SURE = 4.0  # standard errors: beyond what chance does among thousands of features
_BEYOND = 0.05  # share of rows outside of the range of the training rows
_MISSING = 0.2  # more of the values missing than there were
_NEW = 0.01  # share of rows with a category that training did not have
# Of a text. Later ones fit the texts that they were learnt from: rows of the same source are beyond
# their ranges, too.
_DIRECTIONS = 50
_SHOWN = 3


class Drift:
    """Means, ranges and missing values of rows that go by, beside those of the training rows.

    Args:
        found: what was learnt, and from what.
    """

    def __init__(self, found: Model) -> None:
        self._model = found
        width = len(found.features)
        self._rows = 0
        self._known, self._beyond = np.zeros(width), np.zeros(width)
        self._total = np.zeros(width)
        self._judged = found.leading(_DIRECTIONS)
        self._unseen: dict[str, tuple[int, str]] = {}

    def see_values(self, frame: "pd.DataFrame") -> None:
        """Take in columns as they are before they become features."""
        for name, (count, value) in self._model.unseen(frame).items():
            before, first = self._unseen.get(name, (0, value))
            self._unseen[name] = before + count, first

    def see(self, features: np.ndarray) -> None:
        """Take in some rows (row, feature)."""
        known = ~np.isnan(features)
        self._rows += len(features)
        self._known += known.sum(0)
        self._total += np.where(known, features, 0).sum(0, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            outside = (features < self._model.low) | (features > self._model.high)
        self._beyond += outside.sum(0)

    def notes(self) -> list[str]:
        """What is far from the training rows, the farthest first; empty where nothing is."""
        if not self._rows:
            return []
        scaler = self._model.ensemble.preprocessing
        count = np.maximum(self._known, 1)
        shift = np.where(self._known > 0, (self._total / count - scaler.mean) / scaler.scale, 0.0)
        far = self._judged & (np.abs(shift) > np.maximum(_FAR, _SURE / np.sqrt(count)))
        beyond = self._judged * self._beyond / self._rows
        missing = 1 - self._known / self._rows - self._model.missing
        return [
            *(
                f"{count / self._rows:.0%} of rows have a value in column {shown(name)} that "
                f"training did not have, such as {shown(value)}: nothing is known of it."
                for name, (count, value) in self._unseen.items()
                if count >= _NEW * self._rows
            ),
            *self._note(
                np.abs(shift) * far,
                [f"mean {value:+.1f} standard deviations" for value in shift],
                "have another mean than in the training data",
            ),
            *self._note(
                beyond * (beyond > _BEYOND),
                [f"{value:.0%} of rows" for value in beyond],
                "have values outside of the range of the training data",
            ),
            *self._note(
                missing * (missing > _MISSING),
                [f"{value:.0%} more" for value in missing],
                "lack values more often than in the training data",
            ),
        ]

    def _note(self, amount: np.ndarray, words: list[str], what: str) -> list[str]:
        found = np.flatnonzero(amount)
        if not len(found):
            return []
        worst = found[np.argsort(-amount[found], kind="stable")][:_SHOWN]
        named = ", ".join(f"{self._model.readable[one]} ({words[one]})" for one in worst)
        more = ", …" if len(found) > _SHOWN else ""
        return [f"{len(found)} of {len(amount)} features {what}: {named}{more}."]
