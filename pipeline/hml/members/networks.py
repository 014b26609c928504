"""Members that are networks."""

from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from pipeline.hml.constraint import coherent, maximum
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.members.contract import Members
from pipeline.hml.network import Networks
from pipeline.hml.training import TrainingError, member_logits
from pipeline.hml.uncertainty import node_uncertainty


class Explained(NamedTuple):
    """What there is to say about predictions of networks.

    Attributes:
        mean: over members, coherent.
        members: what it is the mean of.
        lifted_by: the column of the node or descendant with the greatest mean logit, which is what
            the constraint lifts the node to.
    """

    mean: Float[np.ndarray, "example node"]
    members: Float[np.ndarray, "member example node"]
    lifted_by: Int[np.ndarray, "example node"]

    def uncertainty(
        self, example: Int[np.ndarray, " entry"], node: Int[np.ndarray, " entry"]
    ) -> Float[np.ndarray, " entry"]:
        """How uncertain the members are about some entries, in [0, 1].

        Their mutual information, or of one member its entropy, in bits (docs/method.md, section 5).
        """
        p = torch.from_numpy(self.members[:, example, node][:, None])
        # One member has nobody to disagree with.
        mode = "mutual_information" if len(self.members) > 1 else "predictive"
        return node_uncertainty(p, mode)[0].numpy()


class NetworkMembers(Members):
    """Networks under the coherent constraint.

    Args:
        networks: trained.
        hierarchy: of their nodes.

    Attributes:
        networks: as given.
    """

    kind: ClassVar[str] = "network"

    def __init__(self, networks: Networks, hierarchy: Hierarchy) -> None:
        self.networks = networks
        self.count = networks.members
        self.features = networks.sizes[0]
        self.width = self.count * max(networks.sizes[1:])
        self._hierarchy = hierarchy

    def probability(
        self, x: Float[np.ndarray, "example feature"]
    ) -> Float[np.ndarray, "member example node"]:
        """See `Members`.

        Raises:
            TrainingError: a logit is NaN.
        """
        # The maximum commutes with the sigmoid.
        return coherent(self._logits(x), self._hierarchy).sigmoid().cpu().numpy()

    def explained(self, x: Float[np.ndarray, "example feature"]) -> Explained:
        """What the networks say, how much they disagree, and which node lifted which.

        Raises:
            TrainingError: a logit is NaN.
        """
        logits = self._logits(x)
        p = coherent(logits, self._hierarchy).sigmoid()
        _, lifted_by = maximum(logits.mean(0), None, self._hierarchy)
        members, column = p.cpu().numpy(), lifted_by.cpu().numpy()
        return Explained(members.mean(0), members, column.astype(np.int32, copy=False))

    def _logits(self, x: Float[np.ndarray, "example feature"]) -> torch.Tensor:
        logits = member_logits(self.networks, x)
        if bool(logits.isnan().any()):
            raise TrainingError(
                "expected logits that are numbers, found NaN: the training diverged (lower the "
                "learning rate) or a feature is too large"
            )
        return logits

    def means(
        self,
        x: Float[np.ndarray, "example feature"],
        shares: Float[np.ndarray, "mean member example"],
    ) -> Float[np.ndarray, "mean example node"]:
        """See `Members`."""
        p = self.probability(x)
        return np.stack([np.einsum("hbj,hb->bj", p, s.astype(np.float32)) for s in shares])

    def mean(
        self,
        x: Float[np.ndarray, "example feature"],
        share: Float[np.ndarray, "member example"] | None = None,
    ) -> Float[np.ndarray, "example node"]:
        """See `Members`."""
        return self.probability(x).mean(0) if share is None else super().mean(x, share)

    def arrays(self) -> dict[str, np.ndarray]:
        """See `Members`."""
        networks = self.networks
        arrays = {f"weight/{i}": w.detach().numpy() for i, w in enumerate(networks.weights)}
        return arrays | {f"bias/{i}": b.detach().numpy() for i, b in enumerate(networks.biases)}

    def options(self) -> dict[str, Any]:
        """See `Members`."""
        return {
            "members": self.count,
            "sizes": list(self.networks.sizes),
            "dropout": self.networks.dropout,
        }

    @classmethod
    def from_arrays(
        cls, arrays: dict[str, np.ndarray], options: dict[str, Any], hierarchy: Hierarchy
    ) -> "NetworkMembers":
        """See `Members`."""
        members, sizes, dropout = (options[key] for key in ("members", "sizes", "dropout"))
        if len(sizes) < 2 or sizes[-1] != len(hierarchy) or not 0 <= dropout < 1:
            raise ValueError(
                f"sizes {sizes}, dropout {dropout} and {len(hierarchy)} nodes do not fit"
            )
        # Before any network is made: what a description claims may not fit into memory.
        shapes: dict[str, list[int]] = {}
        for layer, (below, above) in enumerate(pairwise(sizes)):
            shape = [members, below, above] if layer else [below, members, above]
            shapes |= {f"weight/{layer}": shape, f"bias/{layer}": [members, 1, above]}
        for name, shape in shapes.items():
            found = arrays[name]
            if list(found.shape) != shape or found.dtype != np.float32:
                raise ValueError(
                    f"{name} is {found.dtype} of shape {found.shape}, expected float32 of {shape}"
                )
        networks = Networks(members, tuple(sizes), dropout=dropout, seed=0)
        with torch.no_grad():
            for kind, parameters in (("weight", networks.weights), ("bias", networks.biases)):
                for layer, parameter in enumerate(parameters):
                    parameter.copy_(torch.from_numpy(arrays[f"{kind}/{layer}"]))
        return cls(networks.eval(), hierarchy)
