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

# Entries of a block, (member, example, unit of a layer): 64 MB in float32.
_WORK = 16_000_000


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
        logits = member_logits(self.networks, self.preprocessing.transform(features))
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

        Of memory-mapped features only a block's rows are read.
        """
        inputs, *layers = self.networks.sizes
        size = max(1, _WORK // max(inputs, self.networks.members * max(layers)))
        for start in range(0, len(rows), size):
            block = np.asarray(features[rows[start : start + size]])
            yield self.member_probability(block).mean(0)

    def decide(self, p: Any, rule: str) -> Bool[np.ndarray, "example node"]:
        """Decisions by one of the rules in `cuts`, closed upward; KeyError for another name."""
        return decide(np.asarray(p), self.cuts[rule], self.hierarchy)
