"""The members' networks: multi-layer perceptrons, all members in one batched matrix product."""

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import nn
from torch.nn import functional

from pipeline.hml.products import NARROW


class Networks(nn.Module):
    """Members with the same shape: linear layers with ReLU and dropout between them.

    Members share the batches but neither weights nor dropout masks. Each member's initial weights
    depend on the seed and its own number alone, not on how many members there are.

    Args:
        members: how many.
        sizes: features, hidden sizes…, nodes.
        dropout: the share of hidden units that a training step leaves out.
        seed: of the initial weights.
    """

    def __init__(self, members: int, sizes: tuple[int, ...], *, dropout: float, seed: int) -> None:
        super().__init__()
        self.members = members
        self.sizes = sizes
        self.dropout = dropout
        # The first layer sees the same input in each member, so it is one (feature, member x
        # hidden) product; the others are batched over members.
        weights = [torch.empty(members, fan_in, fan_out) for fan_in, fan_out in pairwise(sizes)]
        biases = [torch.empty(members, 1, fan_out) for fan_out in sizes[1:]]
        for member in range(members):
            entropy = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)[0]
            generator = torch.Generator().manual_seed(int(entropy))
            for weight, bias in zip(weights, biases, strict=True):
                bound = 1 / math.sqrt(weight.shape[1])  # as torch.nn.Linear
                weight[member].uniform_(-bound, bound, generator=generator)
                bias[member].uniform_(-bound, bound, generator=generator)
        weights[0] = weights[0].permute(1, 0, 2).contiguous()
        self.weights = nn.ParameterList(weights)
        self.biases = nn.ParameterList(biases)

    @torch.no_grad()
    def start_at(self, p: Float[np.ndarray, " node"]) -> None:
        """Start the biases of the output at the logits of probabilities between 0 and 1."""
        logit = np.log(p / (1 - p))
        self.biases[-1].copy_(torch.from_numpy(logit).expand_as(self.biases[-1]))

    def forward(
        self, x: Float[torch.Tensor, "example feature"]
    ) -> Float[torch.Tensor, "member example node"]:
        """Logits of each member, before any constraint."""
        flat = self.weights[0].view(self.sizes[0], -1)
        units = flat.shape[1]
        if narrow := self._lacking(flat):
            flat = functional.pad(flat, (0, narrow))
        hidden = (x @ flat)[:, :units].reshape(len(x), self.members, -1).transpose(0, 1)
        hidden = hidden + self.biases[0]
        for weight, bias in self._further_layers():
            hidden = functional.dropout(functional.relu(hidden), self.dropout, self.training)
            if narrow := self._lacking(weight):
                weight, bias = (functional.pad(part, (0, narrow)) for part in (weight, bias))
            hidden = torch.baddbmm(bias, hidden, weight)
            if narrow:
                hidden = hidden[..., :-narrow].contiguous()
        return hidden

    def _lacking(self, weight: torch.Tensor) -> int:
        """Units that a layer is to be filled up with."""
        return 0 if self.training else max(0, NARROW - weight.shape[-1])

    def _further_layers(self) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
        return zip(list(self.weights)[1:], list(self.biases)[1:], strict=True)
