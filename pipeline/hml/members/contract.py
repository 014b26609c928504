"""What every kind of member does."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from pipeline.hml.hierarchy import Hierarchy


class Members(ABC):
    """Members of one kind, trained.

    Features come standardised: float32, nothing missing.

    Attributes:
        kind: name of the kind.
        count: how many members.
        features: how many features they take.
        width: entries per example of the largest array that a prediction makes on its way, which
            bounds how many examples are predicted at a time.
    """

    kind: ClassVar[str]
    count: int
    features: int
    width: int

    @abstractmethod
    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """Each member's coherent probabilities, float32."""

    @abstractmethod
    def means(
        self,
        x: Float[np.ndarray, "example feature"],
        shares: Float[np.ndarray, "mean member example"],
    ) -> Float[np.ndarray, "mean example node"]:
        """Means over members, float32, which are coherent as they are.

        Args:
            x: (example, feature).
            shares: (mean, member, example) what each member counts for an example, the sum over
                members being 1. An example's out-of-fold mean counts only members that did not
                learn from it.
        """

    def mean(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"] | None = None,
    ) -> Float[np.ndarray, "example node"]:
        """One of the means; without shares all members count the same."""
        if share is None:
            share = np.full((self.count, len(x)), 1 / self.count)
        return self.means(x, share[None])[0]

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Everything that `from_arrays` needs, as plain arrays."""

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The numbers and names that `from_arrays` needs, as JSON can hold them."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "Members":
        """The members that gave these arrays and options.

        Raises:
            LookupError, TypeError, ValueError: something is missing or does not fit.
        """
