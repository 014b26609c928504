"""A trained ensemble: from features to coherent probabilities and decisions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.hml.calibration import Calibration
from pipeline.hml.constraint import coherent
from pipeline.hml.decisions import decide, decide_budget
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members import Members, NetworkMembers
from pipeline.hml.members.networks import Explained
from pipeline.hml.mixing import mixed
from pipeline.hml.pools import sigmoid
from pipeline.hml.preprocessing import Standardizer

# Entries of a block, such as (member, example, unit of a layer): 64 MB in float32.
WORK = 16_000_000


@dataclass(frozen=True, repr=False)
class Combination:
    """How the probabilities of several kinds of members become one; see `mixing`, `calibration`.

    Attributes:
        weight: (kind, node) float64.
        calibration: of the mixture's scores.
    """

    weight: Float[np.ndarray, "kind node"]
    calibration: Calibration

    def calibrated(
        self, score: Float[np.ndarray, "example node"], hierarchy: Hierarchy
    ) -> Float[np.ndarray, "example node"]:
        """Coherent probabilities, float32.

        Where weights or curves differ between a parent and its child the child can come out above;
        the coherent maximum rules that out.
        """
        lifted = coherent(self.calibration.log_odds(score), hierarchy)
        return sigmoid(np.asarray(lifted)).astype(np.float32)


@dataclass(frozen=True, repr=False)
class Ensemble:
    """Members, what their features went through, and the cuts of the decision rules.

    Attributes:
        hierarchy: of the nodes.
        preprocessing: fitted on the training data.
        members: kind -> the members of that kind.
        share: (node,) float64 share of positives in the training data.
        cuts: decision rule -> (node,) float64; see `decisions`.
        combination: of the kinds, in their order; None takes the mean of the one kind there is.

    Examples:
        Nodes that 3 and 4 of 40 examples have, and what the rules find of them in new examples:

        >>> import numpy as np
        >>> from pipeline.hml import RareNodeClassifier, metrics
        >>> x = np.random.default_rng(0).normal(size=(1040, 2)).astype(np.float32)
        >>> model = RareNodeClassifier(members=4, kinds=("kernel",)).fit(x[:40], x[:40] > 1.5)
        >>> p = model.ensemble_.predict_proba(x[40:])
        >>> for rule in ("half", "tuned"):
        ...     scores = metrics.rule_scores(x[40:] > 1.5, model.ensemble_.decide(p, rule))
        ...     print(rule, round(scores["macro_f1"], 1))
        half 0.0
        tuned 0.8
    """

    hierarchy: Hierarchy
    preprocessing: Standardizer
    members: Mapping[str, Members]
    share: np.ndarray
    cuts: dict[str, np.ndarray]
    combination: Combination | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for several kinds that nothing combines."""
        if not self.members or (self.combination is None and len(self.members) > 1):
            raise ValueError(
                "members must be of one kind, or there must be a combination. "
                f"Got {', '.join(self.members) or 'none'}"
            )

    def __repr__(self) -> str:
        members = ", ".join(f"{kind}: {members.count}" for kind, members in self.members.items())
        return f"Ensemble({members}; {self.hierarchy}, rules {[*self.cuts]})"

    def member_probability(
        self, features: Float[np.ndarray, "example feature"]
    ) -> dict[str, Float[np.ndarray, "member example node"]]:
        """Each member's coherent probabilities by kind, float32; all examples at once.

        Raises:
            TrainingError: a network's logit is NaN.
        """
        x = self.preprocessing.transform(features)
        return {kind: members.probability(x) for kind, members in self.members.items()}

    def predict_proba(
        self, features: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "example node"]:
        """Coherent probabilities, float32; members are streamed over examples.

        Raises:
            TrainingError: a network's logit is NaN.
        """
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
        widest = max(members.width for members in self.members.values())
        size = max(1, WORK // max(features.shape[1], widest))
        for start in range(0, len(rows), size):
            x = self.preprocessing.transform(np.asarray(features[rows[start : start + size]]))
            p = [members.mean(x) for members in self.members.values()]
            if self.combination is None:
                yield p[0]
            else:
                yield self.combination.calibrated(mixed(self.combination.weight, p), self.hierarchy)

    def explain(self, features: Float[np.ndarray, "example feature"]) -> Explained:
        """What `predict_proba` gives as `mean`, and beside it what the networks say of their part.

        Raises:
            TrainingError: a network's logit is NaN.
            ValueError: no member is a network.
        """
        networks = self.members.get(NetworkMembers.kind)
        if not isinstance(networks, NetworkMembers):
            raise ValueError(f"members must include networks. Got {', '.join(self.members)}")
        x = self.preprocessing.transform(features)
        found = networks.explained(x)
        if self.combination is None:
            return found
        p = [
            found.mean if members is networks else members.mean(x)
            for members in self.members.values()
        ]
        score = mixed(self.combination.weight, p)
        return found._replace(mean=self.combination.calibrated(score, self.hierarchy))

    def decide(
        self, p: Any, rule: str, *, per_example: int | None = None
    ) -> Bool[np.ndarray, "example node"]:
        """Decisions by one of the rules in `cuts`, closed upward; KeyError for another name.

        Args:
            p: (example, node) what `predict_proba` gave.
            rule: its name.
            per_example: at most so many nodes of an example, for people who review them; the most
                probable ones, see `decisions.decide_budget`. None is no limit.
        """
        cuts = self.cuts[rule]
        if per_example is None:
            return decide(np.asarray(p), cuts, self.hierarchy)
        return decide_budget(np.asarray(p), per_example, self.hierarchy, cuts)
