"""A trained ensemble: from features to coherent probabilities and decisions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml.constraint import coherent
from pipeline.hml.decisions import decide
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.network import Networks
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import TrainingError, member_logits

# Entries of a (member, example, unit) block: 64 MB in float32.
_WORK = 16_000_000
# Each block reads all weights, which for fewer examples takes longer than what is done with them.
_FEWEST = 128


@dataclass(frozen=True, repr=False)
class Ensemble:
    """Networks, what their features went through, and the cuts of the decision rules.

    Attributes:
        hierarchy: of the nodes.
        preprocessing: fitted on the training data.
        networks: the members.
        share: (node,) float64 share of positives in the training data.
        cuts: decision rule -> (node,) float64; see `decisions`.
    """

    hierarchy: Hierarchy
    preprocessing: Standardizer
    networks: Networks
    share: np.ndarray
    cuts: dict[str, np.ndarray]

    def __repr__(self) -> str:
        return f"Ensemble({self.networks.members} members, {self.hierarchy}, rules {[*self.cuts]})"

    def member_probability(
        self, features: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """Each member's coherent probabilities, float32; all examples at once.

        Raises:
            TrainingError: a logit is NaN.
        """
        return self._probability(self.preprocessing.transform(features), None)

    def _probability(self, x: np.ndarray, members: slice | None) -> np.ndarray:
        logits = member_logits(self.networks, x, members)
        if bool(logits.isnan().any()):
            raise TrainingError(
                "expected logits that are numbers, found NaN: the training diverged (lower the "
                "learning rate) or a feature is too large"
            )
        # The maximum commutes with the sigmoid.
        return coherent(logits, self.hierarchy).sigmoid().cpu().numpy()

    def predict_proba(
        self, features: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example node"]:
        """The mean over members, coherent, float32; members are streamed over examples."""
        result = np.empty((len(features), len(self.hierarchy)), dtype=np.float32)
        done = 0
        for block in self.blocks(features, np.arange(len(features))):
            result[done : done + len(block)] = block
            done += len(block)
        return result

    def blocks(
        self, features: Float[np.ndarray, "example feature"], rows: Int[np.ndarray, " row"]
    ) -> Iterator[Float[np.ndarray, "block node"]]:
        """What `predict_proba` gives for some rows of the features, a block of rows at a time.

        Of memory-mapped features only a block's rows are read. Where few examples of all members
        fill a block already, its members are predicted in turns.
        """
        members, (width, *layers) = self.networks.members, self.networks.sizes
        widest = max(layers)
        size = max(_WORK // (members * widest), min(_FEWEST, _WORK // widest))
        size = max(1, min(size, _WORK // width))
        turn = max(1, _WORK // (size * widest))
        for start in range(0, len(rows), size):
            block = np.asarray(features[rows[start : start + size]])
            yield self._mean(self.preprocessing.transform(block), turn)

    def _mean(self, x: np.ndarray, turn: int) -> Float[np.ndarray, "block node"]:
        """The mean over members, `turn` of them at a time, summed in their order."""
        members = self.networks.members
        total = np.zeros((), np.float32)
        for first in range(0, members, turn):
            for probability in self._probability(x, slice(first, first + turn)):
                total = total + probability
        return total / members

    def decide(self, p: Any, rule: str) -> Bool[np.ndarray, "example node"]:
        """Decisions by one of the rules in `cuts`, closed upward; KeyError for another name."""
        return decide(np.asarray(p), self.cuts[rule], self.hierarchy)
